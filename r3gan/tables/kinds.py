"""Kinds of tables: what an entry of TABLES says. Each has a writer of its own (r3gan/tables/write.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with one row a configuration: counted networks, and a published metric beside a reproduced one."""

    title: str
    published: str  # `table` in published.csv; its rows are the titles of the configurations
    configs: tuple[str, ...]
    counted_at: str  # data set at whose paper size the networks are counted
    published_metric: str
    metrics: tuple[str, ...]  # in order; of those measured at a scale the first is set beside the published one
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return ", ".join(self.configs)


@dataclass(frozen=True, kw_only=True)
class SpeedTable:
    """A table of what benchmarks/test_<module>.py measured, one section a machine."""

    title: str
    module: str
    beside: str = "Textbook"  # what the other side of every ratio is called
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return "what `make bench` measured on each machine"


@dataclass(frozen=True, kw_only=True)
class PropositionTable:
    """A table of what the paper proves, computed; no training, no records."""

    title: str
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return "the losses and penalties themselves"


@dataclass(frozen=True, kw_only=True)
class PresetTable:
    """A configuration's hyperparameters at every data set beside the published ones."""

    title: str
    published: str
    config: str
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return f"the recipes of {self.config} in CONFIGS"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Published systems at one data set, some of which are configurations of ours."""

    title: str
    published: str
    datasets: tuple[str, ...]  # the paper's, then what stands for it at smaller scales
    ours: Mapping[str, str]  # published row -> configuration
    metrics: Mapping[str, str]  # published quantity -> our metric; the first decides the order of rows
    ordered: str | None = None  # a quantity whose order is compared in words


@dataclass(frozen=True, kw_only=True)
class ComparisonTable:
    """Comparisons one below the other."""

    title: str
    sections: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return "published systems, and ours where it has been measured"


@dataclass(frozen=True, kw_only=True)
class ParameterFigure:
    """Parameters against FID, drawn from a comparison."""

    title: str
    of: Comparison
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return f"the published systems of {self.of.title}, and ours where it has been measured"


@dataclass(frozen=True, kw_only=True)
class LossFigure:
    """The generator's loss of a comparison's configurations over training."""

    title: str
    of: Comparison
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return f"the loss curves of {', '.join(self.of.ours.values())}"


@dataclass(frozen=True, kw_only=True)
class ConvergenceTable:
    """How soon configurations reach the best of a baseline, beside what is published of it."""

    title: str
    published: str
    also: tuple[str, ...]  # further tables of published.csv that belong to it
    ours: Mapping[str, str]  # published system -> configuration
    datasets: Mapping[str, str]  # as published -> ours, those that are
    speed_dataset: str  # on which the published speed-ups were measured, as published
    baseline: str
    configs: tuple[str, ...]
    trained_on: tuple[str, ...]  # at the scales, the paper's first
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return f"published numbers, and the convergence of {', '.join(self.configs)}"


@dataclass(frozen=True, kw_only=True)
class PublishedColumn:
    """A table of published.csv as a column: which of its rows is which configuration."""

    title: str
    published: str
    quantity: str
    rows: Mapping[str, str]  # configuration -> published row


@dataclass(frozen=True, kw_only=True)
class AblationTable:
    """What the parts of a configuration are worth: one changed at a time, all relative to a baseline without them."""

    title: str
    baseline: str
    configs: tuple[str, ...]
    trained_on: tuple[str, ...]  # at the scales, the paper's first
    counted_at: str  # data set at whose paper size the networks are counted
    published: tuple[PublishedColumn, ...]
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> str:
        return f"published numbers, and the convergence and the end of {', '.join(self.configs)}"


AnyTable = (
    Table
    | SpeedTable
    | PropositionTable
    | PresetTable
    | ComparisonTable
    | ParameterFigure
    | LossFigure
    | ConvergenceTable
    | AblationTable
)
