"""Whether the same seed gives the same run twice on this machine."""

from collections.abc import Mapping

import torch

from r3gan.data.loader import Dataset
from r3gan.training.checkpoint import tensors_of
from r3gan.training.run import Run
from r3gan.training.state import build_state
from r3gan.training.steps import iterate


def check_determinism(
    run: Run, dataset: Dataset, device: torch.device, wanted: Mapping[str, str | None], steps: int
) -> str | None:
    """Train the same run twice for `steps` steps; a sentence that names the first difference, or None."""
    first, second = (build_state(run, dataset, device, wanted=wanted) for _ in range(2))
    for step in range(steps + 1):
        before, again = tensors_of(first), tensors_of(second)
        differing = [name for name, value in before.items() if not torch.equal(value, again[name])]
        if differing:
            name = differing[0]
            largest = float((before[name] - again[name]).abs().max())
            when = f"step {step}" if step else "the start"
            return f"{run.id}: after {when} {len(differing)} tensors differ, first {name} by up to {largest:.3g}"
        if step < steps:
            for state in (first, second):
                iterate(run, state)
    return None
