"""Files that others publish."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file that can be fetched: complete addresses, tried in order; `checksum` as "md5:..." or "sha256:..."."""

    name: str
    mirrors: tuple[str, ...]
    size: int | None = None  # bytes
    checksum: str | None = None
