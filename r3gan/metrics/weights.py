"""WEIGHTS: files of feature networks that no package carries; looked for at one place, verified, never replaced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from r3gan.data.download.http import download, verify
from r3gan.data.source import Remote
from r3gan.errors import UserError

VARIABLE = "R3GAN_WEIGHTS"


_METRICS = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics"
# The hashes are those that several public projects pin for these addresses.
WEIGHTS: Mapping[str, Remote] = {
    "inception-2015-12-05.pt": Remote(
        name="inception-2015-12-05.pt",
        mirrors=(f"{_METRICS}/inception-2015-12-05.pt",),
        checksum="sha256:f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    ),
    "pt_inception-2015-12-05-6726825d.pth": Remote(
        name="pt_inception-2015-12-05-6726825d.pth",
        mirrors=(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
        ),
        checksum="sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    "vgg16.pt": Remote(
        name="vgg16.pt",
        mirrors=(f"{_METRICS}/vgg16.pt",),
        checksum="sha256:b437eb095feaeb0b83eb3fa11200ebca4548ee39a07fb944a417ddc516cc07c3",
    ),
}


def weights_folder(flag: Path | None) -> Path:
    """The folder named by the flag, else by R3GAN_WEIGHTS, else the user's cache."""
    if flag is not None:
        return flag
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "r3gan"


def find_weights(name: str, folder: Path) -> tuple[Path, str]:
    """The file of that name in `folder` and its sha256, fetched if it is not there; never another file.

    UserError that says which file goes where, if it cannot be fetched, or if what lies there is something else.
    """
    remote, path = WEIGHTS[name], folder / name
    if path.is_file():
        return path, verify(path, remote)
    try:
        return download(remote, folder)
    except UserError as error:
        raise UserError(
            f"{name} is missing and could not be fetched ({error}): put it into {folder}, or name its folder with "
            f"--weights or {VARIABLE}"
        ) from None
