"""`generate`, `export-model`: images of a trained run as files, and its network for other programs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.cli.arguments import AddCommand, add_device, choose_device, positive
from r3gan.errors import UserError, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def numbers(text: str) -> list[int]:
    """Numbers and ranges: 0-63,100."""
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
            raise ValueError
        found += range(int(ends[1]), int(ends[2] or ends[1]) + 1)
    return found


numbers.__name__ = "numbers (such as 0-63 or 1,5,7)"


def add_commands(command: AddCommand) -> None:
    sub = command("generate", run_generate, "draw images of a trained run, by seed and class")
    sub.add_argument("run", metavar="RUN", help="a run below runs/, or FILE.safetensors")
    sub.add_argument("--seeds", type=numbers, metavar="LIST", help="such as 0-63 or 1,5,7 (default: 0-15)")
    sub.add_argument(
        "--classes", type=numbers, default=[], metavar="LIST", help="every seed for each (default: by chance)"
    )
    sub.add_argument("--latents", type=Path, metavar="FILE.npy", help="z as floats [N, z_dim] instead of seeds")
    sub.add_argument("--truncation", type=float, default=1.0, metavar="PSI", help="of Config A's w (default: 1, none)")
    files = sub.add_argument_group("files to write, at least one")
    files.add_argument("--out", type=Path, metavar="DIR", help="one PNG for each image")
    files.add_argument(
        "--grid", type=Path, metavar="FILE.png", help="all images in one picture; with classes, one per row"
    )
    files.add_argument("--columns", type=positive(int), metavar="N", help="of the grid")
    files.add_argument("--npz", type=Path, metavar="FILE.npz", help="images uint8 [N, R, R, C], z, labels")
    files.add_argument(
        "--interpolate", type=Path, metavar="FILE", help="a film through all images: .gif, .webp or .mp4"
    )
    files.add_argument(
        "--frames", type=positive(int), default=30, metavar="N", help="from image to image (default: 30)"
    )
    files.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_device(sub)

    sub = command("export-model", run_export_model, "write a trained generator in another format; nothing is uploaded")
    sub.add_argument("run", metavar="RUN", help="a run below runs/, or FILE.safetensors")
    sub.add_argument(
        "--format", required=True, metavar="FORMAT", help="safetensors, torchscript, onnx, or hub (a folder)"
    )
    sub.add_argument("--out", type=Path, required=True, metavar="PATH", help="file or folder to write")
    sub.add_argument("--overwrite", action="store_true", help="replace what is there")


def run_export_model(arguments: argparse.Namespace) -> None:
    from r3gan.export_model import FORMATS
    from r3gan.generate import load

    if arguments.format not in FORMATS:
        raise unknown("--format", arguments.format, FORMATS)
    ending, write = FORMATS[arguments.format]
    if arguments.out.suffix != ending:
        raise UserError(f"--out {arguments.out}: allowed ending for {arguments.format}: {ending or 'none, a folder'}")
    refuse_existing([arguments.out], arguments.overwrite)
    write(load(arguments.run), arguments.out)
    print(f"wrote {arguments.out}")


def run_generate(arguments: argparse.Namespace) -> None:
    check_outputs(arguments)
    import numpy as np

    from r3gan.film import save_film
    from r3gan.generate import load
    from r3gan.pictures import save_png, save_tiles

    if arguments.latents and arguments.seeds:
        raise UserError("--latents and --seeds: name one of them")
    sampler = load(arguments.run, str(choose_device(arguments)))
    latents = read_latents(arguments.latents) if arguments.latents else None
    seeds = arguments.seeds or ([] if arguments.latents else range(16))
    choices = sampler.choices(seeds, arguments.classes, latents)
    if arguments.out:
        refuse_existing([arguments.out / f"{choice.name}.png" for choice in choices], arguments.overwrite)
    drawn = []
    if arguments.out or arguments.grid or arguments.npz:
        for choice, image in zip(choices, sampler.draw(choices, arguments.truncation, shown=True), strict=True):
            if arguments.out:
                save_png(arguments.out / f"{choice.name}.png", image.numpy())
            if arguments.grid or arguments.npz:
                drawn.append(image.numpy())
    if arguments.grid:
        per_row = len(choices) // len(arguments.classes) if arguments.classes else round(len(choices) ** 0.5 + 0.49)
        save_tiles(arguments.grid, np.stack(drawn), arguments.columns or per_row)
    if arguments.npz:
        save_npz(arguments.npz, {
            "images": np.stack(drawn).transpose(0, 2, 3, 1),
            "z": np.stack([choice.z.numpy() for choice in choices]),
            "labels": np.array([-1 if choice.label is None else choice.label for choice in choices]),
        })  # fmt: skip
    if arguments.interpolate:
        way = sampler.between(choices, arguments.frames)
        save_film(arguments.interpolate, sampler.draw(way, arguments.truncation, shown=True))
    for path in filter(None, (arguments.out, arguments.grid, arguments.npz, arguments.interpolate)):
        print(f"wrote {path}")


def check_outputs(arguments: argparse.Namespace) -> None:
    """UserError before anything is drawn where a file has a wrong ending, exists, or none is asked for."""
    from r3gan.film import ENDINGS

    endings = {"grid": (".png",), "npz": (".npz",), "interpolate": ENDINGS}
    wanted = {name: path for name in endings if (path := getattr(arguments, name))}
    for name, path in wanted.items():
        if path.suffix not in endings[name]:
            raise UserError(f"--{name} {path}: allowed endings: {', '.join(endings[name])}")
    if not wanted and not arguments.out:
        raise UserError("name a file to write: --out, --grid, --npz or --interpolate")
    refuse_existing([*wanted.values()], arguments.overwrite)


def refuse_existing(paths: list[Path], overwrite: bool) -> None:
    """UserError that names the first of `paths` that exists."""
    if not overwrite and (there := [path for path in paths if path.exists()]):
        raise UserError(f"{there[0]} exists; give --overwrite to replace it, or another name")


def read_latents(path: Path) -> NDArray[np.floating]:
    """The array of an .npy file; UserError where it is none."""
    import numpy as np

    try:
        latents: NDArray[np.floating] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"--latents {path} cannot be read as .npy ({error})") from None
    if not isinstance(latents, np.ndarray):
        raise UserError(f"--latents {path} is not an .npy file of one array")
    return latents


def save_npz(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    import numpy as np

    from r3gan.files import atomic

    with atomic(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
