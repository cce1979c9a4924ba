"""The random inputs of a step, from (seed, step, purpose) alone.

No generator state has to be stored: a resumed run draws what an uninterrupted one would, and the ranks take their
shares from the same global batch, whatever their number.
"""

import numpy as np
import torch

PURPOSES = ("network", "d z", "d real view", "d fake view", "g z", "g real view", "g fake view", "path length", "probe")


def random_seed(seed: int, step: int, purpose: str, rank: int = 0) -> int:
    """A 63-bit seed that differs for all different arguments."""
    state = np.random.SeedSequence([seed, step, PURPOSES.index(purpose), rank]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def random_source(seed: int, step: int, purpose: str) -> torch.Generator:
    """A generator on the CPU, so that every device gets the same numbers."""
    return torch.Generator().manual_seed(random_seed(seed, step, purpose))
