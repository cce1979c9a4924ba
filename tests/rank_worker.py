"""One rank of short trainings, started by torchrun; rank 0 leaves a checkpoint of each. Not a test itself."""

import json
import sys
from pathlib import Path

import torch

from r3gan.data.loader import open_dataset
from r3gan.schedules import Ramp
from r3gan.training import checkpoint
from r3gan.training.determinism import advance
from r3gan.training.engine import join_world
from r3gan.training.state import build_state
from tests.test_training import CPU, make_run

STEPS = 3
LR = Ramp(1e-4, 1e-4)
CASES = ((0, 4), (1, 2), (2, 2))  # ZeRO stage and micro-batch; with 8 images and two ranks 2 means accumulation


def main(data: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    dataset = open_dataset(data)
    for zero, micro in CASES:
        world = join_world("deepspeed", zero, CPU)
        run = make_run("E-inverted", lr=LR)
        state = build_state(run, dataset, CPU, micro=micro, world=world)
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
        for _ in range(STEPS):
            advance(run, state)
        checkpoint.save(folder / f"zero{zero}", state, {}, keep=1)
        (folder / f"zero{zero}-seen{world.rank}.json").write_text(json.dumps(seen))
    world.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
