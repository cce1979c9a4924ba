"""One rank of short trainings, started by torchrun; rank 0 leaves a checkpoint of each. Not a test itself."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from r3gan.data.loader import open_dataset
from r3gan.schedules import Ramp
from r3gan.training import checkpoint
from r3gan.training.engine import join_deepspeed
from r3gan.training.run import Run
from r3gan.training.state import build_state
from r3gan.training.steps import iterate
from tests.helpers import CPU, make_run

STEPS = 3
LR = Ramp(1e-4, 1e-4)


@dataclass(frozen=True)
class Case:
    """A configuration, a ZeRO stage, a micro-batch; of 8 images two ranks accumulate twice at 2."""

    config: str
    zero: int
    micro: int
    steady: bool = False  # whether all that is random inside the networks is alike for every sample

    def __str__(self) -> str:
        return f"{self.config}-zero{self.zero}{'-steady' * self.steady}"

    def run(self) -> Run:
        """A short run; Config A's two lazy penalties come at the first and at the last of three steps."""
        run = make_run(self.config, lr=LR)
        config = run.config
        if config.path_length:
            config = replace(config, penalty_interval=2, path_length=replace(config.path_length, interval=2))
        if self.steady:
            config = replace(config, networks=replace(config.networks, style_mixing_prob=0.0))  # type: ignore[type-var]
        return replace(run, config=config)


E_CASES = (Case("E-inverted", 0, 4), Case("E-inverted", 1, 2), Case("E-inverted", 2, 2))
A_CASES = tuple(Case("A", zero, 2) for zero in range(3))
STEADY = Case("A", 1, 2, steady=True)
CASES = (*E_CASES, *A_CASES, STEADY)


def make_noise_steady(patch: pytest.MonkeyPatch) -> None:
    """Let torch.randn give every sample the same numbers where it is not told what to draw from.

    That is Config A's noise and the direction of its path lengths, which each rank draws for itself.
    """
    randn = torch.randn

    def steady(*size: int, generator: torch.Generator | None = None, **options: Any) -> torch.Tensor:
        if generator is not None:
            return randn(*size, generator=generator, **options)
        return randn(*size[1:], generator=torch.Generator().manual_seed(0), **options).expand(size)

    patch.setattr(torch, "randn", steady)
    patch.setattr(torch, "randn_like", lambda x: steady(*x.shape, dtype=x.dtype))


def main(data: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    dataset = open_dataset(data)
    for case in CASES:
        world = join_deepspeed(CPU)
        run = case.run()
        state = build_state(run, dataset, CPU, micro=case.micro, world=world, zero_stage=case.zero)
        seen: list[tuple[int, int]] = []
        batch_at = state.stream.at

        def noted(
            start: int,
            count: int,
            likely_next: int | None = None,
            at=batch_at,
            seen=seen,  # type: ignore[no-untyped-def]
        ) -> tuple[torch.Tensor, torch.Tensor]:
            seen.append((start, count))
            return at(start, count, likely_next)  # type: ignore[no-any-return]

        state.stream.at = noted  # type: ignore[method-assign,assignment]
        with pytest.MonkeyPatch.context() as patch:
            if case.steady:
                make_noise_steady(patch)
            for _ in range(STEPS):
                iterate(run, state)
        checkpoint.save(folder / str(case), state, {}, keep=1)
        save_file(checkpoint.tensors_of(state), folder / f"{case}-rank{world.rank}.safetensors")
        (folder / f"{case}-seen{world.rank}.json").write_text(json.dumps(seen))
    world.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
