"""What sub-commands share: the parser, types of arguments, the choice of a device."""

from __future__ import annotations

import argparse
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r3gan.errors import UserError, nearest, unknown

if TYPE_CHECKING:
    import torch

    from r3gan.data.loader import Dataset
    from r3gan.metrics.extractors import ExtractorPaths

MANIFEST = {"sha256": str, "count": int, "shape": list, "classes": int}  # what commands take from a manifest
Function = Callable[[argparse.Namespace], int | None]


def positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"
    return parse


def seed_number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


def scale_name(text: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9]*", text):
        raise ValueError
    return text


scale_name.__name__ = "scale (lower-case letters and digits)"
seed_number.__name__ = "seed (0 to 2^32 - 1)"


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations and with errors of one sentence, exit code 2, and the name that is nearest."""

    commands: Mapping[str, Parser] = {}  # the parsers of its sub-commands

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"allow_abbrev": False})

    def error(self, message: str) -> Any:
        if found := re.match(r"argument COMMAND: invalid choice: '(.*?)'.* \(choose from (.*?)\)", message):
            message = str(unknown("command", found[1], re.findall(r"[\w-]+", found[2])))
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")

    def refuse_unknown_flags(self, words: Sequence[str]) -> None:
        """End the process where a word is a flag that this command does not take."""
        for word in itertools.takewhile(lambda word: word != "--", words):
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in self._option_string_actions:
                self.error(f"unrecognized argument {word}{nearest(flag, self._option_string_actions)}")


AddCommand = Callable[[str, Function, str], Parser]


def add_device(sub: Parser) -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto, a GPU where there is one)")
    sub.add_argument("--threads", type=positive(int), help="CPU threads (default: all cores)")


def add_extractor_paths(sub: Parser | argparse._ArgumentGroup) -> None:
    """Where metrics find what they need; `extractor_paths` reads it."""
    sub.add_argument("--classifier", metavar="DATASET", help="what `r3gan fit` was given, for metrics of digits")
    sub.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="folder with Inception's and VGG16's files (default: $R3GAN_WEIGHTS, else ~/.cache/r3gan)",
    )


def check_classifier(option: str, metrics: list[str], classifier: str | None) -> None:
    """UserError where a metric of `option` is unknown, or needs the classifier of digits and none is named."""
    from r3gan.metrics import needs_classifier

    if (digits := needs_classifier(metrics)) and not classifier:
        raise UserError(f"{option} {digits[0]} needs --classifier, the data set that `r3gan fit` was given")


def extractor_paths(arguments: argparse.Namespace) -> ExtractorPaths:
    """What `add_extractor_paths` asked for, as metrics take it."""
    from r3gan.metrics.extractors import ExtractorPaths
    from r3gan.metrics.weights import weights_folder

    classifier = Path("runs/classifier") / arguments.classifier if arguments.classifier else None
    return ExtractorPaths(weights=weights_folder(arguments.weights), classifier=classifier)


def check_device(arguments: argparse.Namespace) -> None:
    if arguments.device not in ("auto", "cpu", "cuda"):
        raise unknown("--device", arguments.device, ("auto", "cpu", "cuda"))


def choose_device(arguments: argparse.Namespace) -> torch.device:
    """The torch device that --device asks for, with --threads set."""
    check_device(arguments)
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if not torch.cuda.is_available():
        if arguments.device == "cuda":
            raise UserError("--device cuda: this machine has no usable GPU; use --device cpu or auto")
        return torch.device("cpu")
    if arguments.device == "cpu":
        return torch.device("cpu")
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # the rank's own, where a launcher started it
    return torch.device("cuda", torch.cuda.current_device())


def open_data(folder: Path | None, name: str) -> Dataset:
    """The prepared data set `name` in `folder`, or below data/; UserError where it is missing or another."""
    from r3gan.data.sources import SOURCES, refuse_variant

    if folder is None and name not in SOURCES and not (Path("data") / name).is_dir():
        prepared = [path.parent.name for path in sorted(Path("data").glob("*/manifest.json"))]
        hint = f"`r3gan prepare own --name {name} --source FOLDER` makes one of your pictures"
        raise UserError(f"{unknown('data set', name, dict.fromkeys((*prepared, *SOURCES)))}; {hint}")
    dataset = open_prepared(folder or Path("data") / name)
    refuse_variant(dataset.manifest, name)
    return dataset


def open_prepared(folder: Path) -> Dataset:
    """The prepared data set in a folder, whichever it is; UserError where a file of it is missing or damaged."""
    from r3gan.data.loader import open_dataset
    from r3gan.data.untrusted import reading

    with reading(folder / "manifest.json", "the manifest of a prepared data set"):
        dataset = open_dataset(folder)
        typed = [(dataset.name, str), *((dataset.manifest[key], kind) for key, kind in MANIFEST.items())]
        if not all(type(value) is kind for value, kind in typed):
            raise ValueError(f"one of {', '.join(MANIFEST)} is of another type")
    return dataset
