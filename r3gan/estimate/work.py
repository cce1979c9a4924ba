"""Counted work: multiply-adds and sizes of any configuration's networks, from the networks and losses themselves.

Training's own losses and penalties run forwards and backwards on the meta device, where tensors have shapes and no
content, and every convolution and matrix product among them is counted. Results are kept under work/, so that torch is
imported only for what has not been counted yet.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from r3gan.configs import SIZES, find_config
from r3gan.files import sha256, write_text
from r3gan.pipeline import fingerprint
from r3gan.pipeline.code import code_of_stage
from r3gan.records.schema import Record

if TYPE_CHECKING:
    from torch import Tensor, nn

    from r3gan.configs import Config
    from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork
    from r3gan.training.losses import Batch

CACHE = Path("work/cache/counted")
BATCH = 8  # images per pass; Config A's D compares them in groups of 8
T = TypeVar("T", bound=Record)


class Work(Record, frozen=True, kw_only=True):
    """What one image costs a configuration at a data set, in multiply-adds, and how large its networks are."""

    g_macs: float  # a forward pass of G
    d_macs: float  # a forward pass of D, its frozen feature network included
    train_macs: float  # a D step and a G step, penalties and lazy steps included
    mixed_precision: bool  # whether both networks can compute in bfloat16
    g_bytes: int  # a file with its parameters and buffers
    checkpoint_bytes: int  # G, its moving average, D, and Adam's two moments of each


@functools.cache
def work_of(config: str, dataset: str) -> Work:
    """The work of a configuration at a data set, counted once and kept; that of a variant is its configuration's."""
    config = config.partition(".")[0]
    depends_on = [sha256(Path(__file__)), code_of_stage("train"), fingerprint.recipe(config, dataset)]
    return kept(f"{config}-{dataset}", depends_on, Work, lambda: count_work(config, dataset))


def kept(name: str, depends_on: list[str], kind: type[T], count: Callable[[], T]) -> T:
    """What `count` found before for the same name and hashes, or finds now."""
    path = CACHE / f"{name}-{hashlib.sha256(' '.join(depends_on).encode()).hexdigest()[:16]}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):  # not counted yet, or cut short by a full disk
        found = count()
        write_text(path, msgspec.json.encode(found).decode())
        return found


@contextmanager
def no_power_iterations() -> Iterator[None]:
    """Build and run networks without the power iterations of their spectral norms, none of whose products counts."""
    from torch.nn.utils.parametrizations import _SpectralNorm

    iterate = _SpectralNorm._power_method
    setattr(_SpectralNorm, "_power_method", lambda *_: None)  # noqa: B010
    try:
        yield
    finally:
        setattr(_SpectralNorm, "_power_method", iterate)  # noqa: B010


@no_power_iterations()
def count_work(config_name: str, dataset: str) -> Work:
    """Build the networks of a configuration and count one D step and one G step on a few images."""
    import torch

    from r3gan.training.losses import Batch

    config, size = find_config(config_name), SIZES[dataset]
    with torch.device("meta"):
        generator, discriminator = config.networks.generator(size), config.networks.discriminator(size)
    generator.to("meta")  # some initialisers draw on the CPU
    discriminator.to("meta")
    reals = torch.empty(BATCH, size.image_channels, size.resolution, size.resolution, device="meta")
    z = torch.empty(BATCH, generator.z_dim, device="meta")
    labels = torch.empty(BATCH, dtype=torch.long, device="meta") if generator.classes else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # Config A mixes styles at random; each count must find the same number
        with torch.no_grad():
            g_macs, d_macs = macs(lambda: generator(z, labels)), macs(lambda: discriminator(reals, labels))
        steps = count_steps(config, generator, discriminator, Batch(reals=reals, z=z, labels=labels))
    g_bytes, d_bytes = state_bytes(generator), state_bytes(discriminator)
    adam_bytes = sum(2 * 4 * p.numel() for network in (generator, discriminator) for p in network.parameters())
    return Work(
        g_macs=g_macs / BATCH,
        d_macs=d_macs / BATCH,
        train_macs=steps / BATCH,
        mixed_precision=generator.mixed_precision and discriminator.mixed_precision,
        g_bytes=g_bytes,
        checkpoint_bytes=2 * g_bytes + d_bytes + adam_bytes,
    )


def count_steps(
    config: Config, generator: GeneratorNetwork, discriminator: DiscriminatorNetwork, batch: Batch
) -> float:
    """Multiply-adds of one D step and one G step on a batch, lazy steps by their share of all steps."""
    import torch

    from r3gan.interfaces import StyleBased
    from r3gan.penalties import path_length_penalty, path_lengths
    from r3gan.training.losses import Losses

    losses, scalar = Losses(config, generator, discriminator), torch.empty((), device="meta")
    steps = macs(lambda: losses.discriminator(batch, scalar)[0].backward())
    if losses.lazy:
        steps += macs(lambda: losses.lazy_penalty(batch, 1.0)[0].backward()) / config.penalty_interval
    discriminator.requires_grad_(False)
    steps += macs(lambda: losses.generator(batch)[0].backward())
    if settings := config.path_length:
        assert isinstance(generator, StyleBased)

        def path_length_step() -> None:
            ws = generator.latents(batch.z)
            lengths = path_lengths(generator.synthesis(ws), ws)
            path_length_penalty(lengths, scalar)[0].mean().backward()

        steps += macs(path_length_step) / (settings.interval * settings.batch_shrink)
    return steps


def state_bytes(network: nn.Module) -> int:
    """Of a file with all its parameters and buffers, but for a header of a few kilobytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def macs(run: Callable[[], object]) -> float:
    """Multiply-adds of all convolutions and matrix products while `run` does its work on the meta device.

    Resampling does not count: it is less than a tenth, and `apply_both_axes` multiplies nothing there.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counting(TorchDispatchMode):
        found = 0.0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            operation = func.overloadpacket
            if operation is torch.ops.aten.convolution_backward:  # torch's own formula takes grouped ones for dense
                self.found += convolution_backward_macs(*args)
            elif operation in flop_registry:
                self.found += flop_registry[operation](*args, **(kwargs or {}), out_val=out) / 2
            return out

    with Counting() as counting:
        run()
    return counting.found


def convolution_backward_macs(gradient: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> float:
    """Each gradient that is asked for, of the input and of the weight, takes the products of the forward pass."""
    *_, transposed, _, _, (wants_x, wants_weight, _) = rest
    outer = x if transposed else gradient
    return (wants_x + wants_weight) * outer.numel() * weight[0].numel()
