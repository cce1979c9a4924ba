"""World: the processes that train or evaluate one run together, and all their communication."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class World:
    """One process among those that a launcher started; alone by default. All ranks call a method together."""

    rank: int = 0
    size: int = 1
    joined: bool = False  # to a process group of torch, which `leave` ends

    @classmethod
    def of_launcher(cls) -> World:
        """The ranks whose process group has been initialised, from the launcher's RANK and WORLD_SIZE."""
        return cls(rank=int(os.environ["RANK"]), size=int(os.environ["WORLD_SIZE"]), joined=True)

    @property
    def is_rank0(self) -> bool:
        """Whether this rank writes the results."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean over ranks of a tensor; a new tensor."""
        if self.size == 1:
            return values
        values = values.clone()
        torch.distributed.all_reduce(values)
        return values / self.size

    def any(self, flags: Iterable[bool]) -> list[bool]:
        """For each flag, whether any rank has it raised."""
        flags = list(flags)
        if self.size == 1:
            return flags
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        raised = torch.tensor(flags, dtype=torch.float32, device=device)
        torch.distributed.all_reduce(raised)
        return [bool(value > 0) for value in raised.tolist()]

    @functools.cached_property
    def _host_group(self) -> Any:
        """A group of all ranks for data on the CPU, which NCCL cannot exchange."""
        return torch.distributed.new_group(backend="gloo")

    def gather(self, value: Value) -> list[Value]:
        """Every rank's value, on the CPU, in the order of ranks."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value, group=self._host_group)
        return found

    def barrier(self) -> None:
        if self.size > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        if self.joined and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


ALONE = World()


def join_on_cpu() -> World:
    """The ranks that torchrun started (RANK, WORLD_SIZE), or this process alone; they exchange data on the CPU."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    torch.distributed.init_process_group("gloo")
    return World.of_launcher()
