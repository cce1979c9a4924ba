"""SOURCES: one entry per data set; where it comes from, what it holds, and how its arrays are made.

Counts, checksums and sizes are published ones; None means that none is published, and what was found is recorded
instead. `unpublished` names the choices made here because neither paper nor official code states them.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from r3gan.data.kinds import Cifar, IdxDigits, PackagedDigits, Pictures, stacked
from r3gan.data.source import Remote, Source
from r3gan.errors import UserError, unknown
from r3gan.records.run_id import PART

OWN = "own"  # the entry of the user's pictures, which get a name with --name
FITS = {"crop": "centre", "pad": "pad", "squeeze": "whole"}  # --fit: how own pictures become square
RESOLUTIONS = tuple(2**k for k in range(3, 11))  # 8 to 1024 px, what --resolution may ask for

_DIGITS_16 = PackagedDigits(title="MNIST, 5,000 packaged digits, 16 px", resolution=16)


def _idx(name: str, size: int, md5: str) -> Remote:
    hosts = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
    return Remote(name=name, mirrors=tuple(host + name for host in hosts), size=size, checksum=f"md5:{md5}")


_DIGITS_32 = IdxDigits(
    title="MNIST, all 70,000 digits, 32 px",
    licence="CC BY-SA 3.0",
    page="yann.lecun.com/exdb/mnist",
    resolution=32,
    count=70_000,
    files=(
        _idx("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        _idx("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        _idx("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
        _idx("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    unpacked=(
        Remote(name="train-images-idx3-ubyte", size=47_040_016, checksum="md5:6bbc9ace898e44ae57da46a324031adb"),
        Remote(name="train-labels-idx1-ubyte", size=60_008, checksum="md5:a25bea736e30d166cdddb491f175f624"),
        Remote(name="t10k-images-idx3-ubyte", size=7_840_016, checksum="md5:2646ac647ad5339dbf082846283269ea"),
        Remote(name="t10k-labels-idx1-ubyte", size=10_008, checksum="md5:27ae3e4e09519cfbb04c329615203637"),
    ),
    expects="the folder with the four idx files, gzipped or not, such as torchvision's MNIST/raw",
)
_FASHION_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _fashion(ending: str, *known: tuple[int, str]) -> tuple[Remote, ...]:
    """The four files by their bytes and md5."""
    pairs = zip(_FASHION_FILES, known, strict=True)
    return tuple(Remote(name=name + ending, size=size, checksum=f"md5:{md5}") for name, (size, md5) in pairs)


# No mirrors: downloads would have the names of MNIST's.
_FASHION = IdxDigits(
    title="Fashion-MNIST, all 70,000 pictures of ten kinds of clothing, 32 px",
    licence="MIT, Zalando SE",
    page="github.com/zalandoresearch/fashion-mnist",
    resolution=32,
    count=70_000,
    files=_fashion(
        ".gz",
        (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    unpacked=_fashion(
        "",
        (47_040_016, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        (60_008, "9018921c3c673c538a1fc5bad174d6f9"),
        (7_840_016, "8181f5470baa50b63fa0f6fddb340f0a"),
        (10_008, "15d484375f8d13e6eb1aabb0c3f46965"),
    ),
    system_folder="/usr/share/datasets/fashion-mnist",
    system_files=_fashion(
        ".gz",
        (26_421_856, "cf8536b0aa1a6ac5fa3f23001093305c"),
        (29_491, "10bea18fdb374794d4bb42e356e600c9"),
        (4_422_079, "f78720b4224f21cce2f2ccf2d7a94c9a"),
        (5_125, "0d30e22e447f3c33dab9ed536400ac01"),
    ),
    expects="the folder with the four idx files, gzipped or not; Debian's package dataset-fashion-mnist installs them "
    "where they are found without --source",
)
_CIFAR10 = Cifar(
    title="CIFAR-10, 50,000 training images, 32 px",
    licence="none stated; cite Krizhevsky 2009",
    page="www.cs.toronto.edu/~kriz/cifar.html",
    resolution=32,
    count=50_000,
    files=(
        Remote(
            name="cifar-10-python.tar.gz",
            mirrors=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            size=170_498_071,
            checksum="md5:c58f30108f718f92721af3b95e74349a",
        ),
    ),
    unpacked=tuple(
        Remote(name=f"data_batch_{i}", checksum=f"md5:{md5}")
        for i, md5 in enumerate(
            [
                "c99cafc152244af753f735de768cd75f",
                "d4bba439e000b95fd0a9bffe97cbabec",
                "54ebc095f3ab1f0389bbae665268c751",
                "634d18415352ddfa80567beed471001a",
                "482c414d41f54cd18b22e5b47cb7c3cb",
            ],
            start=1,
        )
    ),
    expects="cifar-10-python.tar.gz, or the folder that it or its unpacked batches lie in",
)
# FFHQ-256: box, which the published FIDs use (stylegan2-ada-pytorch#283). FFHQ-64: Lanczos, the filter of EDM's tool.
_FFHQ = Pictures(
    title="FFHQ, 70,000 faces",
    licence="CC BY-NC-SA 4.0, images under their own licences",
    page="github.com/NVlabs/ffhq-dataset",
    resolution=256,
    count=70_000,
    filter="box",
    square=True,
    expects="the folder images1024x1024 with 70,000 PNG files, or an NVlabs zip of them",
)
# EDM's: centre crop, Lanczos. Chrabaszcz et al. (arXiv 1707.08819): the whole picture squeezed into a square, box.
_IMAGENET = Pictures(
    title="ImageNet, ILSVRC-2012 training images, EDM's centre crop",
    licence="image-net.org terms of access, non-commercial research",
    page="image-net.org/challenges/LSVRC/2012",
    resolution=64,
    count=1_281_167,
    classes=1000,
    expects="the folder train of ILSVRC-2012 with 1,000 folders n01440764 ... n15075141 of JPEG files",
    unpublished=("crop", "filter"),
)
_CHRABASZCZ = replace(
    _IMAGENET,
    title="ImageNet, ILSVRC-2012 training images, squeezed (Chrabaszcz et al. 2017)",
    crop="whole",
    filter="box",
    unpublished=("order of labels: sorted folder names",),
)


def _lsun(category: str, title: str, count: int) -> Pictures:
    archive = f"{category}_train_lmdb"
    return Pictures(
        title=title,
        licence="none stated; cite Yu et al. 2015 (arXiv 1506.03365)",
        page="www.yf.io/p/lsun",
        resolution=256,
        count=count,
        files=(Remote(name=f"{archive}.zip", mirrors=(f"http://dl.yf.io/lsun/scenes/{archive}.zip",)),),
        expects=f"the folder {archive} with data.mdb in it, or {archive}.zip",
        unpublished=("crop",),
    )


def _afhq(animal: str, count: int) -> Pictures:
    return Pictures(
        title=f"AFHQ (first version), {animal}, training images",
        licence="CC BY-NC 4.0",
        page="github.com/clovaai/stargan-v2",
        resolution=256,
        count=count,
        select=f"*train/{animal}/*",
        square=True,
        files=(Remote(name="afhq.zip", mirrors=("https://www.dropbox.com/s/t9l9o3vsx2jai3z/afhq.zip?dl=1",)),),
        expects=f"afhq.zip, or the unpacked folder that holds train/{animal}",
    )


def _few(title: str, folder: str, count: int | None = None) -> Pictures:
    return Pictures(
        title=title,
        licence="none stated",
        page="github.com/odegeasslbc/FastGAN-pytorch",
        resolution=256,
        count=count,
        expects=f"the folder {folder} of FastGAN's few-shot data sets (its README links the archive)",
        unpublished=() if count else ("count",),
    )


_CLEVR = Pictures(
    title="CLEVR v1.0, training, validation and test images",
    licence="CC BY 4.0",
    page="cs.stanford.edu/people/jcjohns/clevr",
    resolution=256,
    count=100_000,
    select="*images/*",
    files=(
        Remote(
            name="CLEVR_v1.0.zip",
            mirrors=("https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip",),
            checksum="md5:b11922020e72d0cd9154779b2d3d07d2",
        ),
    ),
    expects="CLEVR_v1.0.zip, or the unpacked folder CLEVR_v1.0",
    unpublished=("splits", "crop"),
)
_CITYSCAPES = Pictures(
    title="Cityscapes, all left 8-bit images (fine and coarse)",
    licence="Cityscapes terms of use, non-commercial",
    page="www.cityscapes-dataset.com",
    resolution=256,
    count=24_998,
    select="*_leftImg8bit.png",
    expects="the folder leftImg8bit with train, val, test and train_extra "
    "(leftImg8bit_trainvaltest.zip and leftImg8bit_trainextra.zip unpacked)",
    unpublished=("splits", "crop"),
)
_FLOWERS = Pictures(
    title="Oxford Flowers 102",
    licence="none stated; cite Nilsback and Zisserman 2008",
    page="www.robots.ox.ac.uk/~vgg/data/flowers/102",
    resolution=256,
    count=8189,
    files=(
        Remote(
            name="102flowers.tgz",
            mirrors=("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz",),
            checksum="md5:52808999861908f626f3c1f4e79d11fa",
        ),
    ),
    expects="102flowers.tgz, or the unpacked folder jpg",
    unpublished=("which of the Oxford flower sets",),
)
_OWN = Pictures(
    title="your own pictures",
    licence="yours",
    page="docs/datasets.md",
    resolution=256,
    count=None,
    classes=None,
    upright=True,
    enlarge=False,
    expects="a folder, zip or tar of PNG, JPEG, WebP, BMP, GIF, TIFF or PPM files (also an NVlabs zip), or an lmdb",
)

SOURCES: Mapping[str, Source] = {
    "mnist5k-16": _DIGITS_16,
    "stackedmnist5k-16": stacked(_DIGITS_16, "StackedMNIST of the packaged digits, 16 px, 1000 modes", 50_000),
    "mnist-32": _DIGITS_32,
    "stackedmnist": stacked(
        _DIGITS_32, "StackedMNIST, 32 px, 1000 modes", 128_000, unpublished=("count", "digit pool", "padding", "seed")
    ),
    "fashion-mnist-32": _FASHION,
    "cifar10": _CIFAR10,
    "cifar10-unlabelled": replace(_CIFAR10, title="CIFAR-10 without its labels, for unconditional networks", classes=1),
    "ffhq-256": _FFHQ,
    "ffhq-64": replace(_FFHQ, resolution=64, filter="lanczos", unpublished=("filter",)),
    "imagenet-32": replace(_IMAGENET, resolution=32),
    "imagenet-64": _IMAGENET,
    "imagenet-32-chrabaszcz": replace(_CHRABASZCZ, resolution=32),
    "imagenet-64-chrabaszcz": _CHRABASZCZ,
    "lsun-church-256": _lsun("church_outdoor", "LSUN church outdoor, training images", 126_227),
    "lsun-bedroom-256": _lsun("bedroom", "LSUN bedroom, training images", 3_033_042),
    "clevr-256": _CLEVR,
    "cityscapes-256": _CITYSCAPES,
    "afhq-cat-256": _afhq("cat", 5153),
    "afhq-dog-256": _afhq("dog", 4739),
    "afhq-wild-256": _afhq("wild", 4738),
    "art-painting-256": _few("Art Painting", "art-painting"),
    "landscape-256": replace(
        _few("Landscape", "landscape"),
        page="www.kaggle.com/arnaud58/landscape-pictures",
        expects="the folder of JPEG files that the page offers",
    ),
    "animalface-dog-256": _few("AnimalFace, dogs", "dog", 389),
    "pokemon-256": _few("Pokemon", "pokemon"),
    "flowers-256": _FLOWERS,
    OWN: _OWN,
}


def find_source(name: str) -> Source:
    """The entry of SOURCES, or a UserError that lists them."""
    if name not in SOURCES:
        raise unknown("data set", name, SOURCES)
    return SOURCES[name]


def nearest(px: int) -> str:
    """The allowed resolutions next to `px`, or `px` where it is one."""
    if px in RESOLUTIONS:
        return str(px)
    below, above = ([r for r in RESOLUTIONS if (r > px) is larger] for larger in (False, True))
    return " and ".join(map(str, (*below[-1:], *above[:1])))


def at_resolution(name: str, resolution: int | None) -> tuple[str, Source]:
    """The entry, or the same pictures at `resolution` px under the name that goes with it (ffhq-256: ffhq-128)."""
    entry = find_source(name)
    if resolution is None or resolution == entry.resolution:
        return name, entry
    if not isinstance(entry, Pictures):
        raise UserError(f"--resolution {resolution}: {name} comes at {entry.resolution} px only")
    if resolution not in RESOLUTIONS:
        raise UserError(
            f"--resolution {resolution} is not allowed; allowed: {', '.join(map(str, RESOLUTIONS))}; "
            f"nearest: {nearest(resolution)}"
        )
    other = name.replace(f"-{entry.resolution}", f"-{resolution}")
    if other != name and other in SOURCES:
        return other, SOURCES[other]
    return other, replace(entry, resolution=resolution)


def own_entry(name: str | None, fit: str | None, resolution: int | None) -> tuple[str, Source]:
    """The entry of own pictures under a name of their own, made square as `fit` says (one of FITS)."""
    own, entry = at_resolution(OWN, resolution)
    assert isinstance(entry, Pictures)
    if fit is not None:
        if fit not in FITS:
            raise unknown("--fit", fit, FITS)
        entry = replace(entry, crop=FITS[fit])
    if name is not None and name != OWN and name in SOURCES:
        raise UserError(f"--name {name} is a data set of the papers; choose another name")
    if name is not None and not re.fullmatch(PART, name):
        raise UserError(f"--name {name!r} is not allowed; allowed: letters, digits, '.', '_' and '-'")
    return name or own, entry


def refuse_variant(manifest: Mapping[str, Any], name: str) -> None:
    """UserError where a prepared set holds the pictures of data set `name` under another protocol."""
    held = manifest["dataset"]
    if held != name and held in SOURCES and name in SOURCES and SOURCES[held].page == SOURCES[name].page:
        raise UserError(
            f"--data holds {held} ({SOURCES[held].protocol}) where {name} ({SOURCES[name].protocol}) is asked for; "
            f"numbers of the two do not compare: run `r3gan prepare {name}`"
        )


def describe(name: str) -> dict[str, Any]:
    """The entry as plain JSON values."""
    source = find_source(name)
    return {"kind": type(source).__name__} | asdict(source)
