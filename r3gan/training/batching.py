"""The recipe's global batch, split into micro-batches of ranks: batch = micro x accumulation x ranks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from r3gan.errors import UserError
from r3gan.interfaces import DiscriminatorNetwork

# Activations of D in memory during a step, as a multiple of the outputs of one forward pass of D at one image: reals
# and fakes, each forward and transposed, and temporary gradients.
KEPT_PER_FORWARD = 8
USABLE_MEMORY = 0.8


@dataclass(frozen=True, kw_only=True)
class Share:
    """One rank's part of every global batch."""

    batch: int
    ranks: int
    rank: int
    micro: int

    @property
    def accumulation(self) -> int:
        return self.batch // (self.ranks * self.micro)

    def slices(self) -> Iterator[slice]:
        """Positions of this rank's micro-batches in the global batch; all ranks together cover each position once."""
        for turn in range(self.accumulation):
            start = (turn * self.ranks + self.rank) * self.micro
            yield slice(start, start + self.micro)

    def describe(self) -> str:
        return f"batch {self.batch} = micro-batch {self.micro} x {self.accumulation} accumulated x {self.ranks} ranks"


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def share_of(batch: int, ranks: int, rank: int = 0, micro: int | None = None, fitting: int | None = None) -> Share:
    """Split the batch; `micro` None takes the largest micro-batch up to `fitting` (what fits into memory).

    UserError with the possible values where it does not divide: the batch is the recipe's and is not changed.
    """
    if batch % ranks:
        raise UserError(f"--ranks {ranks}: the batch of {batch} does not divide by it; {as_list(divisors(batch))} do")
    allowed = divisors(batch // ranks)
    if micro is None:
        micro = max(size for size in allowed if fitting is None or size <= fitting or size == 1)
    elif micro not in allowed:
        raise UserError(f"--micro-batch {micro}: a rank's {batch // ranks} images do not divide; {as_list(allowed)} do")
    return Share(batch=batch, ranks=ranks, rank=rank, micro=micro)


def as_list(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def images_that_fit(
    discriminator: DiscriminatorNetwork, image_shape: tuple[int, ...], classes: int, device: torch.device
) -> int:
    """Images of a micro-batch that fit into the device's free memory, estimated from D's activations at one image."""
    elements = 0

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal elements
        elements += output.numel()

    networks = (discriminator, *discriminator.frozen)
    leaves = [module for network in networks for module in network.modules() if not list(module.children())]
    discriminator.eval()  # so that the state of spectral norms does not change
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    with torch.no_grad():
        labels = torch.zeros(1, dtype=torch.long, device=device) if classes else None
        discriminator(torch.zeros(1, *image_shape, device=device), labels)
    for hook in hooks:
        hook.remove()
    discriminator.train()
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    return max(1, int(free * USABLE_MEMORY / (elements * 4 * KEPT_PER_FORWARD)))


def available_memory() -> int:
    """Free memory of the system in bytes; unlimited where it is not known."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else 1 << 62
