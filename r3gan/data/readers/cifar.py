"""CIFAR-10: the five training batches inside cifar-10-python.tar.gz, which are pickles and are never executed."""

import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r3gan.data.content import Content, Request, in_memory
from r3gan.data.download.obtain import obtain
from r3gan.data.source import Source
from r3gan.data.untrusted import MAX_FILE_BYTES, check_name, reading
from r3gan.errors import UserError

MEMBERS = tuple(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6))
SHAPE = (3, 32, 32)
ROW_BYTES = 3 * 32 * 32


class _Pickled:
    """Stands where a pickle asks for a numpy array or type: it keeps what it is given and does nothing."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def _encode(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 pickles them in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


class RestrictedUnpickler(pickle.Unpickler):
    """Builds dictionaries, lists, numbers and texts; of numpy only inert stand-ins, of anything else nothing."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return _Pickled
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return _Pickled
        if (module, name) == ("_codecs", "encode"):
            return _encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch holds")


def read_batch(data: bytes, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 [n, 3, 32, 32] and labels int64 [n] of one pickled batch; UserError where it is something else."""
    with reading(path, "a CIFAR-10 batch"):
        batch = RestrictedUnpickler(io.BytesIO(data), encoding="bytes").load()
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        array, labels = batch["data"], batch["labels"]
        _, shape, kind, fortran, pixels = array.state
        if kind.arguments[0] not in (b"u1", "u1") or fortran or len(shape) != 2 or shape[1] != ROW_BYTES:
            raise ValueError("its data are no rows of 3072 bytes")
        images = np.frombuffer(pixels, dtype=np.uint8).reshape(-1, *SHAPE)
        if len(images) != len(labels) or any(type(label) is not int or not 0 <= label < 10 for label in labels):
            raise ValueError("its labels are not one of 0 to 9 for each image")
    return images, np.array(labels, dtype=np.int64)


def read_archive(path: Path) -> Iterator[bytes]:
    """The five batches of the archive."""
    with reading(path, "a tar archive"), tarfile.open(path, "r:gz") as archive:
        for name in MEMBERS:
            member = archive.getmember(name)
            check_name(path, member.name)
            if not member.isreg() or member.size > MAX_FILE_BYTES:
                raise UserError(f"{path} holds {name}, which is no plain file of a batch's size")
            file = archive.extractfile(member)
            assert file is not None
            yield file.read()


def read_cifar(entry: Source, request: Request) -> Content:
    """The training images in the order of the batches; checksums are verified before anything is opened."""
    paths, record = obtain(entry, request)
    if len(paths) == 1:
        batches = [read_batch(data, paths[0] / name) for data, name in zip(read_archive(*paths), MEMBERS, strict=True)]
    else:
        batches = [read_batch(path.read_bytes(), path) for path in paths]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    if entry.classes == 1:
        labels = np.zeros_like(labels)
    return in_memory(images, labels, {"files": record})
