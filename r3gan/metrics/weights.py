"""WEIGHTS: files of feature networks that no package carries; looked for at one place, verified, never replaced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from r3gan.errors import UserError
from r3gan.files import sha256

VARIABLE = "R3GAN_WEIGHTS"


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file by its official name: where it is published, and the hash it must have."""

    urls: tuple[str, ...]
    sha256: str


_METRICS = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics"
# The hashes are those that several public projects pin for these addresses.
WEIGHTS: Mapping[str, WeightsFile] = {
    "inception-2015-12-05.pt": WeightsFile(
        urls=(f"{_METRICS}/inception-2015-12-05.pt",),
        sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    ),
    "pt_inception-2015-12-05-6726825d.pth": WeightsFile(
        urls=(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
        ),
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    "vgg16.pt": WeightsFile(
        urls=(f"{_METRICS}/vgg16.pt",),
        sha256="b437eb095feaeb0b83eb3fa11200ebca4548ee39a07fb944a417ddc516cc07c3",
    ),
}


def weights_folder(flag: Path | None) -> Path:
    """The folder named by the flag, else by R3GAN_WEIGHTS, else the user's cache."""
    if flag is not None:
        return flag
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "r3gan"


def find_weights(name: str, folder: Path) -> Path:
    """The file of that name in `folder`, with the right hash; fetched where there is a network.

    UserError that says which file goes where, if it is missing and cannot be fetched, or if it is another file.
    """
    entry, path = WEIGHTS[name], folder / name
    if not path.is_file():
        raise UserError(
            f"{name} is missing: put it into {folder} (or name its folder with --weights or {VARIABLE}); "
            f"it is published at {entry.urls[0]}"
        )
    if (found := sha256(path)) != entry.sha256:
        raise UserError(f"{path} has sha256 {found}, not {entry.sha256}: it is not the published {name}")
    return path
