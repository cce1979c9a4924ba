"""Peak memory of one step above what is held between steps, measured alike on both sides."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def step_peak_mib(step: Callable[[], object], device: torch.device) -> float:
    """Tensor memory allocated during `step` at its highest, in MiB."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    # One cycle only; without `acc_events` the older torch warns that others would be forgotten.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as recorded:
        step()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]  # type: ignore[union-attr]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20
