"""A published file from one of its mirrors, with size and checksum checked before use; a cut download is continued."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from r3gan.data.source import Remote
from r3gan.data.untrusted import one_line, wrong_file
from r3gan.errors import UserError
from r3gan.files import made, write_text
from r3gan.progress import Progress

CHUNK_BYTES = 1 << 20
TIMEOUT_S = (10.0, 60.0)  # to connect, between two pieces
RETRIES, BACKOFF_S = 3, 1.0  # at one mirror


def verify(path: Path, remote: Remote) -> str:
    """The file's sha256; UserError that names both where size or checksum is not the published one."""
    size, found = path.stat().st_size, wrong_file(path)
    if found:
        raise UserError(f"{path} is {found}; fetch {remote.name} again")
    if remote.size is not None and size != remote.size:
        raise UserError(f"{path} has {size} bytes where {remote.size} are published; fetch it again")
    kind, _, expected = (remote.checksum or "sha256:").partition(":")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in {kind, "sha256"}}
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            for digest in digests.values():
                digest.update(chunk)
    if expected and digests[kind].hexdigest() != expected:
        raise UserError(f"{path} has {kind} {digests[kind].hexdigest()} where {expected} is published; fetch it again")
    return digests["sha256"].hexdigest()


def download(remote: Remote, folder: Path) -> tuple[Path, str]:
    """Bring a file into `folder` unless it lies there, and its sha256; a cut download is continued.

    UserError with every mirror's reason where it cannot be had. Where no checksum is published the first download is
    trusted: its sha256 is kept next to it, and a later one that differs is refused.
    """
    target = folder / remote.name
    reasons = []
    with made(folder), _locked(target.with_name(f"{remote.name}.part")) as file:
        part = Path(file.name)
        if target.is_file():
            try:
                found = _accept(target, remote)
                part.unlink()
                return target, found
            except UserError as error:
                print(f"fetching {remote.name} anew: {error}")
                target.unlink()
        for url in remote.mirrors:
            reason = _from_mirror(url, remote, file)
            if reason is None:
                try:
                    found = _accept(part, remote)
                    part.replace(target)
                    _etag_file(file).unlink(missing_ok=True)
                    return target, found
                except UserError as error:
                    reason = str(error)
                    file.truncate(0)
            reasons.append(f"{url}: {reason}")
        if kept := file.seek(0, os.SEEK_END):
            reasons.append(f"the {kept} bytes that came are kept, and the same command goes on from there")
        else:
            part.unlink()
            _etag_file(file).unlink(missing_ok=True)
    raise UserError("; ".join(reasons))


def _etag_file(file: BinaryIO) -> Path:
    return Path(f"{file.name}.etag")


def _accept(path: Path, remote: Remote) -> str:
    """The sha256 of a download; UserError where it is not the published one or, if there is none, not the first one."""
    found = verify(path, remote)
    known = path.with_name(f"{remote.name}.sha256")
    if remote.checksum is None and not known.is_file():
        write_text(known, found + "\n")
    elif remote.checksum is None and (first := known.read_text().strip()) != found:
        raise UserError(f"{path} has sha256 {found} where the first download had {first} ({known})")
    return found


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Exclusive lock on the unfinished file; another process waits."""
    while True:
        with part.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if part.exists() and os.path.samestat(part.stat(), os.fstat(file.fileno())):
                yield file
                return
            # While this process waited the file was finished and renamed, so what is open here is another one.


def _from_mirror(url: str, remote: Remote, file: BinaryIO) -> str | None:
    """Bring `file` to its full length from one mirror; the reason why that did not work, or None."""
    # Refused connections, 429 and 5xx are asked again by urllib3, which also respects Retry-After and proxies.
    retries = Retry(total=RETRIES, backoff_factor=BACKOFF_S, status_forcelist=(429, 500, 502, 503, 504))
    failures, reason = 0, "the connection was cut again and again"
    with requests.Session() as session:
        session.max_redirects = 5
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retries))
        while failures < RETRIES:  # in a row without a byte of progress
            before = file.seek(0, os.SEEK_END)
            try:
                if _continue(session, url, remote, file):
                    return None
            except _RefusedError as error:
                return str(error)
            except requests.RequestException as error:
                cause = error.args[0] if error.args else error
                return one_line(getattr(cause, "reason", None) or error)
            except urllib3.exceptions.HTTPError as error:  # in the middle of the body
                reason = one_line(error)
            if file.seek(0, os.SEEK_END) <= before:
                failures += 1
                time.sleep(BACKOFF_S * failures)
    return reason


class _RefusedError(Exception):
    """A mirror's answer that no repetition changes."""


def _continue(session: requests.Session, url: str, remote: Remote, file: BinaryIO) -> bool:
    """Ask for what is missing and append it; whether the file is complete. Raises as requests and urllib3 do."""
    have = file.seek(0, os.SEEK_END)
    etag = _etag_file(file).read_text() if _etag_file(file).is_file() else ""
    if have and not (etag or remote.checksum):
        have = file.truncate(0)  # nothing could tell whether the rest belongs to the same file
    headers = {"Accept-Encoding": "identity"}  # lengths are those of the file
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({} if remote.checksum else {"If-Range": etag})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
        if answer.status_code not in (200, 206, 416):
            raise _RefusedError(f"status {answer.status_code}")
        if answer.headers.get("Content-Type", "").startswith("text/"):
            raise _RefusedError("sends a web page instead of the file")
        if answer.status_code == 416 and answer.headers.get("Content-Range") == f"bytes */{have}":
            return True  # nothing is left to send
        if have and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = file.truncate(0)  # ranges are ignored, or the file has changed: from the start
        if answer.status_code == 416 or (answer.status_code == 206 and not have):
            return False
        if remote.checksum is None and (tag := answer.headers.get("ETag", "")) and not tag.startswith("W/"):
            write_text(_etag_file(file), tag)  # weak ones do not promise equal bytes
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else remote.size
        if total is None:
            raise _RefusedError("does not say how long the file is")  # and might never end
        if remote.size not in (None, total):
            raise _RefusedError(f"offers {total} bytes where {remote.size} are published")
        return _append(answer, file, have, total, f"fetch {remote.name}") == total


def _append(answer: requests.Response, file: BinaryIO, have: int, total: int, label: str) -> int:
    """Write the body as it comes and return the file's length, `total` at most."""
    with Progress(label, total - have, "B") as progress:
        for chunk in answer.raw.stream(CHUNK_BYTES, decode_content=False):
            if have + len(chunk) > total:
                file.truncate(0)
                raise _RefusedError(f"sends more than {total} bytes")
            have += file.write(chunk)
            file.flush()
            progress.advance(len(chunk))
    return have
