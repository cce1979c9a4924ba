"""Memory: settings of the C library's allocator, the peak use, and the micro-batch that fits."""

import ctypes
import resource
import sys
from pathlib import Path

import torch
from torch import nn

from r3gan.interfaces import DiscriminatorNetwork

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc takes no more
# Activations of D in memory during a step, as a multiple of the outputs of one forward pass of D at one image: reals
# and fakes, each forward and transposed, and temporary gradients.
KEPT_PER_FORWARD = 8
USABLE_MEMORY = 0.8


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of activations between steps or batches instead of returning it to the system.

    On two cores a discriminator step and an evaluation are 10 to 30% faster; on systems other than Linux with glibc it
    does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def peak_mib(device: torch.device) -> float:
    """Peak memory so far in MiB: allocated on a GPU, resident in this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 if sys.platform == "linux" else kib / 2**20


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
