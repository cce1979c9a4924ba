"""The one exception for errors that the user can fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """One sentence that names the flag or file and what is allowed; the command prints it and exits with 2."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A question after the name that is nearest, in brackets; empty where none is near."""
    near = get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def unknown(what: str, name: object, allowed: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry, with the nearest one if any is near."""
    names = list(allowed)
    return UserError(f"unknown {what} {str(name)!r}{nearest(str(name), names)}; allowed: {', '.join(names)}")
