"""TABLES: one entry a table of the papers; r3gan/tables/build.py makes its cells, render.py its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from r3gan.configs import CONFIGS
from r3gan.errors import unknown


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with one row a configuration: counted networks, and a published metric beside a reproduced one."""

    title: str
    published: str  # `table` in published.csv; its rows are the titles of the configurations
    configs: tuple[str, ...]
    counted_at: str  # data set at whose paper size the networks are counted
    published_metric: str
    metrics: tuple[str, ...]  # ours, the first of which is set beside the published one
    notes: tuple[str, ...] = ()


TABLES: Mapping[str, Table] = {
    "table1": Table(
        title="Table 1: from StyleGAN2 to R3GAN, Config A to E",
        published="table1",
        configs=tuple(name for name in CONFIGS if name != "E"),
        counted_at="ffhq-256",
        published_metric="fid",
        metrics=("digit-frechet", "modes", "kl"),
        notes=(
            'The paper prints "Well-behaved Loss 12.46" between B and C: it is the heading of C, not a run.',
            "For B to E the paper does not state gamma, augmentation and x-flips on FFHQ-256, nor B's initialisation; "
            "what we chose is in r3gan/configs.py and in every record.",
        ),
    )
}


def find_table(name: str) -> Table:
    """The entry of TABLES, or a UserError that lists them."""
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    return TABLES[name]
