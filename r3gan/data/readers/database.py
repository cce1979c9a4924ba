"""LSUN's lmdb databases, read by a process of their own: a damaged database can end the process that maps it."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Generator
from itertools import islice
from pathlib import Path

import lmdb

from r3gan.data.untrusted import MAX_FILE_BYTES, one_line
from r3gan.errors import UserError

LENGTHS = struct.Struct("<II")  # of a key and its value


class Lmdb:
    """Every value of an lmdb in the order of its keys, as encoded pictures."""

    def __init__(self, path: Path) -> None:
        self.path, self.names = path, list[str]()
        with self._reader() as reader:
            assert reader.stdout is not None
            answer = reader.stdout.read()
            self._end(reader)
        self.count = int(answer)

    def labels_file(self) -> bytes | None:
        return None

    def _reader(self, *share: int) -> subprocess.Popen[bytes]:
        # -P: where the command was called from may hold foreign files, and nothing is imported from there.
        command = [sys.executable, "-P", __file__, str(self.path), *map(str, share)]
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _end(self, reader: subprocess.Popen[bytes]) -> None:
        _, said = reader.communicate()
        if reader.returncode:
            reason = one_line(said.decode(errors="replace")[-300:]) or f"its reader ended with {reader.returncode}"
            raise UserError(f"{self.path} cannot be read as an lmdb ({reason})")

    def pictures(self, first: int, step: int) -> Generator[tuple[int, str, Callable[[], bytes]]]:
        with self._reader(first, step) as reader:
            assert reader.stdout is not None
            try:
                row = first
                while len(head := reader.stdout.read(LENGTHS.size)) == LENGTHS.size:
                    key, value = (reader.stdout.read(length) for length in LENGTHS.unpack(head))
                    yield row, one_line(key.decode("latin1")), value.__bytes__
                    row += step
                self._end(reader)
            finally:
                reader.kill()


def main(path: str, *share: str) -> None:
    """Print the number of values or, given a first one and a step, these keys and values behind their lengths."""
    with lmdb.open(path, readonly=True, lock=False, readahead=False, create=False) as database:
        pages, page_bytes = database.info()["last_pgno"] + 1, database.stat()["psize"]
        if Path(path, "data.mdb").stat().st_size < pages * page_bytes:
            raise ValueError("data.mdb is cut off")
        with database.begin(buffers=True) as transaction:
            if not share:
                print(transaction.stat()["entries"])
                return
            first, step = map(int, share)
            for key, value in islice(transaction.cursor(), first, None, step):
                if len(value) > MAX_FILE_BYTES:
                    raise ValueError(f"a value has {len(value)} bytes, more than {MAX_FILE_BYTES}")
                for part in (LENGTHS.pack(len(key), len(value)), key, value):
                    sys.stdout.buffer.write(part)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:
        sys.exit(1)  # whoever read is gone
    except Exception as error:  # said to the parent process, which names the database
        sys.exit(str(error) or type(error).__name__)
