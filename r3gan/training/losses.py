"""What D and G minimise on one micro-batch (arXiv 2501.05441, section 2): tensors in, the loss and measurements out.

No optimiser step, no schedule, no random number: this is the part that can be compiled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from r3gan.augment import View
from r3gan.configs import Config
from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork, Reconstructing
from r3gan.losses import OBJECTIVES
from r3gan.penalties import PENALISED

Measured = dict[str, Tensor]
PENALISED_SIDE = {"r1": "real", "r2": "fake"}
Loss = Callable[..., tuple[Tensor, Measured]]
# By the names of Execution.compile. A CUDA graph is recorded once and replayed: one launch for all its kernels.
COMPILED: Mapping[str, Callable[[Loss], Loss]] = {
    "off": lambda loss: loss,
    "on": lambda loss: torch.compile(loss),
    "graphs": lambda loss: torch.compile(loss, mode="reduce-overhead"),
}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One micro-batch: reals [N, C, R, R] in [-1, 1], z [N, z_dim], labels [N] or None, and D's augmentations."""

    reals: Tensor
    z: Tensor
    labels: Tensor | None
    real_view: View | None = None
    fake_view: View | None = None


class Losses:
    """The losses of D and G and D's penalties for one configuration and its networks."""

    def __init__(
        self,
        config: Config,
        generator: GeneratorNetwork,
        discriminator: DiscriminatorNetwork,
        *,
        compile_as: str = "off",
    ) -> None:
        self.networks = generator, discriminator
        self.objective, self.penalised = OBJECTIVES[config.loss], PENALISED[config.penalty]
        self.penalties = config.penalties
        self.lazy = config.penalty_interval > 1
        wrap = COMPILED[compile_as]
        self.discriminator = wrap(self._discriminator)
        self.generator = wrap(self._generator)

    def fakes(self, batch: Batch) -> Tensor:
        """New fakes for D, without gradients."""
        with torch.no_grad():
            return self.networks[0](batch.z, batch.labels)

    def _discriminator(self, batch: Batch, gamma: Tensor) -> tuple[Tensor, Measured]:
        """Mean objective + gamma/2 (R1 + R2) on reals and new fakes, + the loss of reconstructing the reals."""
        discriminator = self.networks[1]
        images = {"real": batch.reals, "fake": self.fakes(batch)}
        views = {"real": batch.real_view, "fake": batch.fake_view}
        penalised = [] if self.lazy else [PENALISED_SIDE[name] for name in self.penalties]
        logits: dict[str, Tensor] = {}
        norms: dict[str, Tensor] = {}
        reconstruction: dict[str, Tensor] = {}
        if len(penalised) == 2 and not discriminator.mixes_samples:  # one pass over both sides gives both penalties
            both = torch.cat([images["real"], images["fake"]])
            labels = None if batch.labels is None else batch.labels.repeat(2)
            both_logits, both_norms = self.penalised(discriminator, both, labels, concatenated(*views.values()))
            logits["real"], logits["fake"] = both_logits.chunk(2)
            norms["real"], norms["fake"] = both_norms.chunk(2)
        else:
            for side, x in images.items():
                if side in penalised:
                    logits[side], norms[side] = self.penalised(discriminator, x, batch.labels, views[side])
                elif side == "real" and isinstance(discriminator, Reconstructing):
                    logits[side], losses = discriminator.with_reconstruction(seen(x, views[side]))
                    reconstruction["reconstruction"] = losses.mean()
                else:
                    logits[side] = discriminator(seen(x, views[side]), batch.labels)
        loss = self.objective.reduce(self.objective.discriminator(logits["real"], logits["fake"]))
        measured = {name: norms[PENALISED_SIDE[name]].mean() for name in self.penalties} if penalised else {}
        total = loss + gamma / 2 * sum(measured.values(), torch.zeros_like(loss))
        total = sum(reconstruction.values(), total)
        measured = {"loss_d": loss} | measured | reconstruction
        return total, {name: value.detach() for name, value in measured.items()}

    def lazy_penalty(self, batch: Batch, weight: float) -> tuple[Tensor, Measured]:
        """Weight * (the penalties' means), the loss of a lazy step."""
        images = {"real": batch.reals, "fake": self.fakes(batch)}
        views = {"real": batch.real_view, "fake": batch.fake_view}
        measured = {}
        for name in self.penalties:
            side = PENALISED_SIDE[name]
            _, norms = self.penalised(self.networks[1], images[side], batch.labels, views[side])
            measured[name] = norms.mean()
        total = weight * torch.stack(list(measured.values())).sum()
        return total, {name: value.detach() for name, value in measured.items()}

    def _generator(self, batch: Batch) -> tuple[Tensor, Measured]:
        """G's mean objective, D frozen."""
        generator, discriminator = self.networks
        fakes = generator(batch.z, batch.labels)
        fake_logits = discriminator(seen(fakes, batch.fake_view), batch.labels)
        real_logits = torch.zeros_like(fake_logits)
        if self.objective.generator_sees_reals:
            with torch.no_grad():  # D(r) moves no parameter of G
                real_logits = discriminator(seen(batch.reals, batch.real_view), batch.labels)
        loss = self.objective.reduce(self.objective.generator(real_logits, fake_logits))
        return loss, {"loss_g": loss.detach()}


def seen(images: Tensor, view: View | None) -> Tensor:
    """The images as D sees them."""
    return view.apply(images) if view else images


def concatenated(first: View | None, second: View | None) -> View | None:
    """The views of two concatenated batches."""
    return None if first is None or second is None else first.joined(second)
