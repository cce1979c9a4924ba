"""Ranks: the processes that evaluate one run together, each every k-th block of images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from r3gan.metrics.frechet import Moments


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """A process among those that evaluate; alone unless a launcher started several."""

    rank: int = 0
    size: int = 1
    group: Any = None  # a process group of torch; None is all processes there are

    @property
    def leads(self) -> bool:
        """Whether this rank writes the record."""
        return self.rank == 0

    def interleaved(self, blocks: list[Tensor], count: int) -> Tensor:
        """All ranks' blocks in the order of the images: block 0 of rank 0, block 0 of rank 1, ..."""
        if self.size == 1:
            return torch.cat(blocks)
        gathered: list[list[Tensor]] = [[] for _ in range(self.size)]
        torch.distributed.all_gather_object(gathered, blocks, group=self.group)
        rounds = max(len(theirs) for theirs in gathered)
        ordered = [theirs[i] for i in range(rounds) for theirs in gathered if i < len(theirs)]
        together = torch.cat(ordered)
        assert len(together) == count
        return together

    def summed(self, moments: Moments) -> Moments:
        """The moments of all ranks' images."""
        if self.size == 1:
            return moments
        gathered: list[Moments] = [Moments() for _ in range(self.size)]
        torch.distributed.all_gather_object(gathered, moments, group=self.group)
        return Moments.of(gathered)

    def barrier(self) -> None:
        if self.size > 1:
            torch.distributed.barrier(group=self.group)

    def leave(self) -> None:
        if self.size > 1:
            torch.distributed.destroy_process_group()


def join_ranks() -> Ranks:
    """The ranks that torchrun started (RANK, WORLD_SIZE), or this process alone; what they exchange is on the CPU."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Ranks()
    torch.distributed.init_process_group("gloo")
    return Ranks(rank=int(os.environ["RANK"]), size=size)
