"""The random inputs of a step, from (seed, step, purpose) alone.

Nothing is drawn from a stream that has to be remembered: a resumed run draws what an uninterrupted one would, and every
number of ranks cuts its shares from the same global batch.
"""

import numpy as np
import torch

PURPOSES = ("network", "d z", "d real view", "d fake view", "g z", "g real view", "g fake view", "path length", "probe")


def random_seed(seed: int, step: int, purpose: str, rank: int = 0) -> int:
    """A 63-bit seed that differs for every argument."""
    state = np.random.SeedSequence([seed, step, PURPOSES.index(purpose), rank]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def random_source(seed: int, step: int, purpose: str) -> torch.Generator:
    """A generator on the CPU, so that every device is given the same numbers."""
    return torch.Generator().manual_seed(random_seed(seed, step, purpose))
