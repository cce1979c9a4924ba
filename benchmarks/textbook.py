"""The same D and G step as a textbook writes it: the other side of every ratio.

NCHW, float32, resampling as a depthwise convolution, one pass over reals and one over fakes, the penalties by
autograd.grad with create_graph, torch's Adam as it comes, the EMA parameter by parameter. Same networks, same weights,
same objective, same work: tests hold both sides equal.
"""

import contextlib
import functools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import softplus

from r3gan.models import layers, r3gan, stripped, stylegan2
from r3gan.training.run import Run
from r3gan.training.state import State


@functools.cache
def kernel(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=dtype, device=device) / 8
    return torch.outer(taps, taps).expand(channels, 1, 4, 4).contiguous()


def downsample2x(x: Tensor) -> Tensor:
    channels = x.shape[1]
    return functional.conv2d(x, kernel(channels, x.dtype, x.device), stride=2, padding=1, groups=channels)


def upsample2x(x: Tensor) -> Tensor:
    channels = x.shape[1]
    weight = 4 * kernel(channels, x.dtype, x.device)
    return functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


def filter2d(x: Tensor, gain: float = 1.0, padding: tuple[int, int] = (0, 0)) -> Tensor:
    channels = x.shape[1]
    x = functional.pad(x, [*padding, *padding])
    return functional.conv2d(x, gain * kernel(channels, x.dtype, x.device), groups=channels)


@contextlib.contextmanager
def textbook_resampling() -> Iterator[None]:
    """The networks resample by depthwise convolutions inside."""
    ours = {}
    for module in (layers, r3gan, stripped, stylegan2):
        for function in (downsample2x, upsample2x, filter2d):
            if hasattr(module, function.__name__):
                ours[module, function.__name__] = getattr(module, function.__name__)
                setattr(module, function.__name__, function)
    try:
        yield
    finally:
        for (module, name), function in ours.items():
            setattr(module, name, function)


def batch_of(run: Run, state: State) -> tuple[Tensor, Tensor, Tensor | None]:
    """The first reals, new z, and labels where there are classes."""
    reals, labels = state.stream.at(0, run.recipe.batch)
    z = torch.randn(run.recipe.batch, state.generator.z_dim, device=reals.device)
    return reals, z, labels if state.generator.classes else None


class Textbook:
    """Steps on the networks of a state, with optimisers of their own."""

    def __init__(self, run: Run, state: State) -> None:
        self.run, self.state, self.inputs = run, state, functools.partial(batch_of, run, state)
        adam = functools.partial(torch.optim.Adam, lr=0.0, betas=(0.0, 0.9))
        self.d_adam, self.g_adam = adam(state.discriminator.parameters()), adam(state.generator.parameters())

    def penalised(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        images = images.detach().requires_grad_(True)
        logits = self.state.discriminator(images, labels)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return logits, gradient.square().sum(dim=(1, 2, 3))

    def discriminator_step(self, gamma: float) -> None:
        """Every penalty of the configuration at every step; Config A's lazy R1 is left to its own step, as ours is."""
        config = self.run.config
        with textbook_resampling():
            reals, z, labels = self.inputs()
            with torch.no_grad():
                fakes = self.state.generator(z, labels)
            zero = reals.new_zeros(())
            r1 = r2 = zero
            if "r1" in config.penalties and config.penalty_interval == 1:
                real_logits, r1 = self.penalised(reals, labels)
            else:
                real_logits = self.state.discriminator(reals, labels)
            if "r2" in config.penalties:
                fake_logits, r2 = self.penalised(fakes, labels)
            else:
                fake_logits = self.state.discriminator(fakes, labels)
            if config.loss == "relativistic":
                loss = softplus(fake_logits - real_logits)
            else:
                loss = softplus(-real_logits) + softplus(fake_logits)
            self.d_adam.zero_grad()
            (loss + gamma / 2 * (r1 + r2)).mean().backward()
            self.d_adam.step()

    def generator_step(self) -> None:
        with textbook_resampling():
            reals, z, labels = self.inputs()
            self.state.discriminator.requires_grad_(False)
            fake_logits = self.state.discriminator(self.state.generator(z, labels), labels)
            if self.run.config.loss == "relativistic":
                loss = softplus(self.state.discriminator(reals, labels).detach() - fake_logits)
            else:
                loss = softplus(-fake_logits)
            self.g_adam.zero_grad()
            loss.mean().backward()
            self.g_adam.step()
            self.state.discriminator.requires_grad_(True)

    def update_ema(self, beta: float) -> None:
        with torch.no_grad():
            for average, value in zip(self.state.ema.parameters(), self.state.generator.parameters(), strict=True):
                average.copy_(value.lerp(average, beta))

    def iteration(self, gamma: float, beta: float) -> None:
        self.discriminator_step(gamma)
        self.generator_step()
        self.update_ema(beta)
