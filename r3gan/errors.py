"""The one exception for errors that the user can fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """One sentence that names the flag or file and what is allowed; the command prints it and exits with 2."""


def unknown(what: str, name: object, allowed: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry, with the nearest one if any is near."""
    names = list(allowed)
    near = get_close_matches(str(name), names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return UserError(f"unknown {what} {str(name)!r}{hint}; allowed: {', '.join(names)}")
