"""A prepared data set as the zip that NVlabs' tools and clean-fid read: stored PNG files and dataset.json."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from r3gan.data.loader import Dataset
from r3gan.data.readers.walk import LABELS
from r3gan.data.readers.workers import cores
from r3gan.errors import UserError
from r3gan.files import atomic
from r3gan.progress import Progress

AT_ONCE = 256  # encoded pictures in memory
DATE = (1980, 1, 1, 0, 0, 0)  # always the same, so that equal data give equal bytes


def name_of(row: int) -> str:
    return f"{row // 1000:05d}/img{row:08d}.png"


def export(dataset: Dataset, out: Path, overwrite: bool = False) -> None:
    """Write all images [N, C, R, R] with C 1 or 3 and, where there are classes, their labels, to the zip file `out`."""
    if out.suffix != ".zip":
        raise UserError(f"--out {out} must end in .zip")
    if out.exists() and not overwrite:
        raise UserError(f"--out {out} exists; give --overwrite to replace it, or another name")

    def encode(row: int) -> bytes:
        pixels = np.asarray(dataset.images[row]).transpose(1, 2, 0)
        data = io.BytesIO()
        Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0]).save(data, format="png")
        return data.getvalue()

    count = len(dataset.images)
    labels = None
    if dataset.manifest["classes"] > 1:
        labels = [[name_of(row), int(label)] for row, label in enumerate(dataset.labels)]
    with atomic(out) as path, zipfile.ZipFile(path, "w") as archive, Progress("export", count, "img") as progress:
        for row, data in enumerate(_in_order(encode, count)):
            archive.writestr(zipfile.ZipInfo(name_of(row), DATE), data)
            progress.advance(1)
        archive.writestr(zipfile.ZipInfo(LABELS, DATE), json.dumps({"labels": labels}))


def _in_order(encode: Callable[[int], bytes], count: int) -> Iterator[bytes]:
    """Every row's bytes, encoded on all cores, AT_ONCE of them held."""
    rows = iter(range(count))
    with ThreadPoolExecutor(cores()) as pool:
        while part := list(islice(rows, AT_ONCE)):
            yield from pool.map(encode, part)
