"""The official networks and trainer on a state's weights: a third side of the steps, imported from the user's clone.

`make bench OFFICIAL=<clone of github.com/brownvc/R3GAN>`; nothing of it is copied here. On a CPU its own reference
operations run, on a GPU its compiled ones. Its training loop is left out, which also replaces NaN in gradients.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import packaging.version
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.utils import cpp_extension

from benchmarks.textbook import batch_of
from r3gan.configs import SIZES
from r3gan.models.r3gan import Discriminator, Generator
from r3gan.released import official_names
from r3gan.training.run import Run
from r3gan.training.state import State

build_extension = cpp_extension.load
# Its networks convolve this filter with [1, 1]: the [1, 3, 3, 1] of the paper.
FILTER = [1, 2, 1]


def load_extension(name: str, **settings: Any) -> Any:
    """Torch's cpp_extension.load as it was: its operations for a GPU import the module by name afterwards."""
    sys.modules[name] = build_extension(name, **settings)
    return sys.modules[name]


def load_network(clone: Path, network: nn.Module, resolution: int, bf16_from_px: int | None) -> nn.Module:
    """The official network with the weights of `network`, a generator or discriminator of Config E."""
    if str(clone) not in sys.path:
        sys.path.insert(0, str(clone))
    # It takes one function from a package that setuptools no longer brings.
    sys.modules.setdefault("pkg_resources", SimpleNamespace(parse_version=packaging.version.parse))  # type: ignore[arg-type]
    cpp_extension.load = load_extension
    official: Any = importlib.import_module("training.networks")
    assert isinstance(network, Generator | Discriminator)
    first_blocks = [stage[0] for stage in network.stages]  # type: ignore[index]
    widths = [block.conv1.weight.shape[1] for block in first_blocks]
    generates, classes = isinstance(network, Generator), network.classes
    px = [4 * 2**i for i in range(len(widths))]
    stage_px = px if generates else px[::-1]
    settings: dict[str, Any] = {
        "WidthPerStage": widths,
        "CardinalityPerStage": [block.conv2.groups for block in first_blocks],
        "BlocksPerStage": [len(stage) for stage in network.stages],  # type: ignore[arg-type]
        "ExpansionFactor": first_blocks[0].conv1.weight.shape[0] // widths[0],
        "ResamplingFilter": FILTER,
        "FP16Stages": [i for i, size in enumerate(stage_px) if bf16_from_px and size >= bf16_from_px],
        "c_dim": classes,
        "img_resolution": resolution,
    }
    if classes:
        settings["ConditionEmbeddingDimension"] = network.embed.weight.shape[0]
    if isinstance(network, Generator):
        settings["NoiseDimension"] = network.z_dim
    built: nn.Module = (official.Generator if generates else official.Discriminator)(**settings)
    own, names = network.state_dict(), official_names(network, len(widths))
    theirs = dict(built.named_parameters())
    assert theirs.keys() == set(names.values()), "the official network has other parameters"
    with torch.no_grad():
        for name, their_name in names.items():
            theirs[their_name].copy_(own[name])
    return built.to(next(network.parameters()).device, memory_format=torch.contiguous_format)


class Official:
    """The D and G step of the official trainer with torch's Adam, as its training loop calls them."""

    def __init__(self, clone: Path, run: Run, state: State) -> None:
        resolution, bf16_from_px = SIZES[run.dataset].resolution, state.generator.bf16_from_px
        self.inputs, self.classes = partial(batch_of, run, state), state.generator.classes
        self.g = load_network(clone, state.generator, resolution, bf16_from_px)
        self.d = load_network(clone, state.discriminator, resolution, bf16_from_px)
        self.ema = load_network(clone, state.ema, resolution, bf16_from_px)
        self.check(state)
        trainer: Any = importlib.import_module("R3GAN.Trainer")
        self.trainer = trainer.AdversarialTraining(self.g, self.d)
        adam = partial(torch.optim.Adam, lr=0.0, betas=(0.0, 0.9))
        self.g_adam, self.d_adam = adam(self.g.parameters()), adam(self.d.parameters())
        self.g.requires_grad_(False)
        self.d.requires_grad_(False)

    def one_hot(self, labels: Tensor | None) -> Tensor | None:
        return None if labels is None else one_hot(labels.long(), self.classes).float()

    @torch.no_grad()
    def check(self, state: State) -> None:
        """Both sides draw the same images and give them the same logits, so they do the same work."""
        reals, z, labels = self.inputs()
        ours, theirs = state.generator(z, labels), self.g(z, self.one_hot(labels))
        limit = 0.1 if state.generator.bf16_from_px else 1e-3
        same = partial(torch.testing.assert_close, rtol=limit, atol=limit, check_dtype=False)
        same(theirs, ours)
        logits = state.discriminator(reals, labels), self.d(reals, self.one_hot(labels))
        same(*logits)

    def step(
        self, network: nn.Module, adam: torch.optim.Adam, accumulate: Callable[..., object], *gamma: float
    ) -> None:
        reals, z, labels = self.inputs()
        adam.zero_grad(set_to_none=True)
        network.requires_grad_(True)
        accumulate(z, reals, self.one_hot(labels), *gamma)
        network.requires_grad_(False)
        adam.step()

    def discriminator_step(self, gamma: float) -> None:
        self.step(self.d, self.d_adam, self.trainer.AccumulateDiscriminatorGradients, gamma)

    def generator_step(self) -> None:
        self.step(self.g, self.g_adam, self.trainer.AccumulateGeneratorGradients)

    def iteration(self, gamma: float, beta: float) -> None:
        self.discriminator_step(gamma)
        self.generator_step()
        with torch.no_grad():
            for average, value in zip(self.ema.parameters(), self.g.parameters(), strict=True):
                average.copy_(value.lerp(average, beta))
