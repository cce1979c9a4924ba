"""A run's name, <scale>/<dataset>/<config>/seed<k>: its folder below runs/ and below results/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from r3gan.errors import UserError

RELEASED = "released"  # the scale of runs that were imported from the authors' snapshots
PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"  # a data set's or a configuration's name
FORM = re.compile(rf"([a-z][a-z0-9]*)/({PART})/({PART})/seed(\d+)")


class RunLike(Protocol):
    """Whatever names a run by its parts: a line of a study file, the wildcards of a Snakemake rule."""

    @property
    def dataset(self) -> str: ...
    @property
    def config(self) -> str: ...
    @property
    def seed(self) -> int | str: ...


@dataclass(frozen=True, order=True)
class RunId:
    """One training run; `str` gives its name."""

    scale: str
    dataset: str
    config: str
    seed: int

    def __str__(self) -> str:
        return f"{self.scale}/{self.dataset}/{self.config}/seed{self.seed}"

    @classmethod
    def parse(cls, text: str) -> RunId:
        """The run of that name; UserError if the text is not of the form."""
        found = FORM.fullmatch(text)
        if found is None:
            raise UserError(f"RUN {text!r} is not of the form SCALE/DATASET/CONFIG/seedK")
        return cls(found[1], found[2], found[3], int(found[4]))

    @classmethod
    def of(cls, scale: str, run: RunLike) -> RunId:
        """The run that these parts name at a scale."""
        return cls(scale, run.dataset, run.config, int(run.seed))

    @property
    def metrics(self) -> str:
        """Its evaluation's record below results/."""
        return f"{self}/metrics.json"

    @property
    def convergence(self) -> str:
        """Its convergence's record below results/."""
        return f"{self}/convergence.json"
