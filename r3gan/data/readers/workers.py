"""Decoding on all cores: one process per core takes every so-many-th picture and writes it into its row.

Threads would wait for each other at the interpreter's lock; and a decoder that crashes on a damaged picture ends its
own process only.
"""

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait

from r3gan.data.content import Rows
from r3gan.data.kinds import Pictures
from r3gan.data.readers.decode import decode
from r3gan.data.readers.walk import Container
from r3gan.data.untrusted import BadPictureError
from r3gan.errors import UserError

SMALL = 256  # sets below this are decoded before processes would have started
GROUP = 16  # pictures per message
Decoded = tuple[int, str, list[str], str | None]  # row, mode, what was done to the picture, what is wrong with it


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def decode_share(
    entry: Pictures, container: Container, keys: Sequence[str], rows: Rows, numbers: range
) -> Generator[list[Decoded]]:
    """Decode each key's picture into the row of its number, and say so GROUP by GROUP."""
    group: list[Decoded] = []
    for i, read in container.pictures(keys):
        row = numbers[i]
        try:
            pixels, mode, done = decode(read(), entry)
            rows.put(row, pixels[None])
            group.append((row, mode, done, None))
        except BadPictureError as error:
            group.append((row, "", [], str(error)))
        if len(group) == GROUP:
            yield group
            group = []
    yield group


def work(
    out: Connection, entry: Pictures, container: Container, keys: Sequence[str], rows: Rows, numbers: range
) -> None:
    """One process: its share, group by group, then None; or the exception that ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    with suppress(BrokenPipeError):  # the parent is gone, and so is the reason to go on
        try:
            for group in decode_share(entry, container, keys, rows, numbers):
                out.send(group)
            out.send(None)
        except Exception as error:  # raised again by the parent
            out.send(error)


@contextmanager
def safe_path() -> Iterator[None]:
    """Python started here imports nothing from the folder it is started in, which may hold foreign files."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def decode_shares(entry: Pictures, container: Container, keys: Sequence[str], rows: Rows) -> Generator[list[Decoded]]:
    """What became of every picture, in the order in which they were done."""
    if len(keys) < SMALL:
        yield from decode_share(entry, container, keys, rows, range(len(keys)))
        return
    context, step = multiprocessing.get_context("spawn"), cores()
    pipes = [context.Pipe(duplex=False) for _ in range(step)]
    shares = [range(first, len(keys), step) for first in range(step)]
    processes = [
        context.Process(target=work, args=(there, entry, container, keys[first::step], rows, share), daemon=True)
        for first, (share, (_, there)) in enumerate(zip(shares, pipes, strict=True))
    ]
    try:
        with safe_path():
            for process in processes:
                process.start()
        for _, there in pipes:
            there.close()  # so that the end of a process is the end of its messages
        waiting = [here for here, _ in pipes]
        while waiting:
            for here in wait(waiting):
                assert isinstance(here, Connection)
                message = receive(here)
                if message is None:
                    waiting.remove(here)
                else:
                    yield message
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()


def receive(here: Connection) -> list[Decoded] | None:
    """The next message of a process; raises what the process raised."""
    try:
        message = here.recv()
    except EOFError:
        raise UserError("a process that decodes pictures was killed, by a damaged picture or for its memory") from None
    if isinstance(message, Exception):
        raise message
    return message
