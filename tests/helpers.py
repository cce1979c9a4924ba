"""What several test files share."""

import gzip
import io
import pickle
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import lmdb
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from r3gan.data.source import Remote

Files = dict[str, bytes]


def idx(items: NDArray[np.uint8]) -> bytes:
    magic = 0x0800 + items.ndim
    return gzip.compress(np.array([magic, *items.shape], dtype=">u4").tobytes() + items.tobytes())


def unchecked(files: tuple[Remote, ...]) -> tuple[Remote, ...]:
    return tuple(replace(file, size=None, checksum=None) for file in files)


def cifar_archive(path: Path, images: NDArray[np.uint8], labels: list[int]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for i in range(5):
            part = slice(i * len(images) // 5, (i + 1) * len(images) // 5)
            batch = {"data": images[part].reshape(-1, 3072), "labels": labels[part], "batch_label": f"batch {i}"}
            data = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/data_batch_{i + 1}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def picture(color: Any, size: tuple[int, int] = (8, 8), mode: str = "RGB", ending: str = "png") -> bytes:
    data = io.BytesIO()
    Image.new(mode, size, color).save(data, format=ending)
    return data.getvalue()


def folder_of(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tar_of(path: Path, files: Files, mode: Literal["w", "w:gz"] = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def lmdb_of(path: Path, files: Files) -> Path:
    with lmdb.open(str(path), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for name, data in files.items():
            transaction.put(name.encode(), data)
    return path


MAKERS = {"folder": folder_of, "zip": zip_of, "tar": tar_of, "lmdb": lmdb_of}
