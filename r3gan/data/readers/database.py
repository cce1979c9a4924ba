"""Pictures in an lmdb database, read by a process of its own: a damaged database can end the process that maps it."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import lmdb

from r3gan.data.untrusted import MAX_FILE_BYTES, check_size, one_line
from r3gan.errors import UserError

LENGTH = struct.Struct("<Q")  # of a key or a value
BINARY = "bytes "


def to_text(key: bytes) -> str:
    """A key as a path; one that is no text has no folders and no dots to be hidden by."""
    text = key.decode(errors="replace")
    return text if text.isprintable() and text.encode() == key and not text.startswith(BINARY) else BINARY + key.hex()


def to_bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix(BINARY)) if text.startswith(BINARY) else text.encode()


class Lmdb:
    """Every value of an lmdb; its keys need no ending."""

    has_endings = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self) -> Iterator[tuple[str, str]]:
        with self._reader("list") as reader:
            assert reader.stdout is not None
            while len(head := reader.stdout.read(LENGTH.size)) == LENGTH.size:
                yield to_text(reader.stdout.read(*LENGTH.unpack(head))), ""
            self._end(reader)

    def stamp(self, key: str) -> str:
        status = (self.path / "data.mdb").stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def pictures(self, keys: Sequence[str]) -> Iterator[tuple[int, partial[bytes]]]:
        with self._reader("read") as reader:
            try:
                for i, key in enumerate(keys):
                    yield i, partial(self._ask, reader, key)
            finally:
                reader.kill()

    def _ask(self, reader: subprocess.Popen[bytes], text: str) -> bytes:
        assert reader.stdin is not None
        assert reader.stdout is not None
        key = to_bytes(text)
        try:
            reader.stdin.write(LENGTH.pack(len(key)) + key)
            reader.stdin.flush()
        except BrokenPipeError:
            self._end(reader)
        head = reader.stdout.read(LENGTH.size)
        if len(head) < LENGTH.size:
            self._end(reader)
        check_size(*LENGTH.unpack(head))
        return reader.stdout.read(*LENGTH.unpack(head))

    def _reader(self, task: str) -> subprocess.Popen[bytes]:
        # -P: where the command was called from may hold foreign files, and nothing is imported from there.
        command = [sys.executable, "-P", __file__, str(self.path), task]
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe)

    def _end(self, reader: subprocess.Popen[bytes]) -> None:
        _, said = reader.communicate()
        if reader.returncode:
            reason = one_line(said.decode(errors="replace")[-300:]) or f"its reader ended with {reader.returncode}"
            raise UserError(f"{self.path} cannot be read as an lmdb ({reason})")


def main(path: str, task: str) -> None:
    """Print all keys behind their lengths or, for "read", the value of each key that comes in."""
    asked, out = sys.stdin.buffer, sys.stdout.buffer
    with lmdb.open(path, readonly=True, lock=False, readahead=False, create=False) as database:
        pages, page_bytes = database.info()["last_pgno"] + 1, database.stat()["psize"]
        if Path(path, "data.mdb").stat().st_size < pages * page_bytes:
            raise ValueError("data.mdb is cut off")
        with database.begin(buffers=True) as transaction:
            if task == "list":
                for key in transaction.cursor().iternext(values=False):
                    out.write(LENGTH.pack(len(key)) + bytes(key))
                return
            while head := asked.read(LENGTH.size):
                if (value := transaction.get(asked.read(*LENGTH.unpack(head)))) is None:
                    raise ValueError("a key was removed while it was read")
                out.write(LENGTH.pack(len(value)))
                if len(value) <= MAX_FILE_BYTES:
                    out.write(value)
                out.flush()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:
        sys.exit(1)  # the parent process is gone
    except Exception as error:  # printed for the parent process, which names the database
        sys.exit(str(error) or type(error).__name__)
