"""Gradients and optimiser steps of one network, by plain torch or by DeepSpeed; the only file that imports deepspeed.

Forward passes go through the module itself, never through a DeepSpeed engine: penalties need several passes per step.
ZeRO stage 3, which shards the parameters that those passes need, is not supported.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from r3gan.adam import Adam
from r3gan.distributed import World
from r3gan.errors import UserError
from r3gan.training.batching import Share
from r3gan.training.launch import free_port

MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's state of each parameter, in addition to the number of steps


class Engine(Protocol):
    """One network's optimiser; `backward` is called once per micro-batch, then `step`."""

    def backward(self, loss: Tensor) -> None: ...

    def step(self, lr: float, beta2: float) -> None: ...

    def export_state(self) -> dict[str, Tensor]: ...

    def import_state(self, tensors: dict[str, Tensor]) -> None: ...


def export_adam(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and steps by parameter name; empty before the first step."""
    state = optimiser.state
    named = {name: state[p] for name, p in network.named_parameters() if p in state}
    return {f"{name}/{part}": value for name, parts in named.items() for part, value in parts.items()}


def import_adam(network: nn.Module, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    for name, parameter in network.named_parameters():
        if f"{name}/step" not in tensors:
            continue
        # In the parameter's memory layout, which fused Adam assumes.
        moments = {part: torch.empty_like(parameter).copy_(tensors[f"{name}/{part}"]) for part in MOMENTS}
        # Fused Adam needs the step on the parameter's device; plain Adam accepts either.
        optimiser.state[parameter] = {"step": tensors[f"{name}/step"].to(parameter.device).clone()} | moments


class PlainEngine:
    """One process: loss.backward() and torch's Adam."""

    def __init__(self, network: nn.Module, optimiser: torch.optim.Optimizer, share: Share) -> None:
        self.network, self.optimiser, self.accumulation = network, optimiser, share.accumulation

    def backward(self, loss: Tensor) -> None:
        (loss / self.accumulation).backward()

    def step(self, lr: float, beta2: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"], group["betas"] = lr, (group["betas"][0], beta2)
        for parameter in self.network.parameters():
            if parameter.grad is None:
                # A lazy penalty does not depend on every bias. Adam would skip these; StyleGAN2's code and DeepSpeed
                # give them a gradient of zero, so that their moments decay as the others do.
                parameter.grad = torch.zeros_like(parameter)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def export_state(self) -> dict[str, Tensor]:
        return export_adam(self.network, self.optimiser)

    def import_state(self, tensors: dict[str, Tensor]) -> None:
        import_adam(self.network, self.optimiser, tensors)


class DeepSpeedEngine:
    """Several ranks, or `--engine deepspeed`: gradients averaged over ranks, ZeRO 0, 1 or 2."""

    def __init__(self, network: nn.Module, optimiser: torch.optim.Optimizer, share: Share, zero_stage: int) -> None:
        import deepspeed

        self.network, self.zero_stage = network, zero_stage
        settings = {
            "train_batch_size": share.batch,
            "train_micro_batch_size_per_gpu": share.micro,
            "gradient_accumulation_steps": share.accumulation,
            "zero_optimization": {"stage": zero_stage},
            "gradient_clipping": 0.0,  # its default clips to a norm of 1; the papers clip nothing
            "zero_allow_untested_optimizer": True,
            "steps_per_print": 10**12,
        }
        self.engine, self.optimiser, _, _ = deepspeed.initialize(model=network, optimizer=optimiser, config=settings)
        self.waiting = 0

    def backward(self, loss: Tensor) -> None:
        # DeepSpeed counts micro-batches in calls of step(), of which only the last updates the parameters.
        if self.waiting:
            self.engine.step()
        self.engine.backward(loss)
        self.waiting += 1

    def step(self, lr: float, beta2: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"], group["betas"] = lr, (group["betas"][0], beta2)
        self.engine.step()
        self.waiting = 0

    def _sharded_steps(self) -> list[dict[str, Any]]:
        return list(self.optimiser.optimizer.state.values())

    def export_state(self) -> dict[str, Tensor]:
        """As the plain engine's, gathered from all ranks; all ranks call it together."""
        from deepspeed.utils import safe_get_full_optimizer_state

        if self.zero_stage == 0:
            return export_adam(self.network, self.optimiser)
        steps = [state["step"] for state in self._sharded_steps() if "step" in state]
        if not steps:
            return {}
        found: dict[str, Tensor] = {}
        for name, parameter in self.network.named_parameters():
            found |= {f"{name}/{part}": safe_get_full_optimizer_state(parameter, part) for part in MOMENTS}
            found[f"{name}/step"] = steps[0]
        return found

    def import_state(self, tensors: dict[str, Tensor]) -> None:
        from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

        if self.zero_stage == 0:
            import_adam(self.network, self.optimiser, tensors)
            return
        if not tensors:
            return
        # Before its first step the sharded optimiser has no state: create it, and map it to the parameters.
        for group in self.optimiser.optimizer.param_groups:
            for part in group["params"]:
                empty = {name: torch.zeros_like(part) for name in MOMENTS}
                self.optimiser.optimizer.state[part] = {"step": torch.zeros(())} | empty
        self.optimiser._lazy_init_hp_params_optimizer_state()
        for name, parameter in self.network.named_parameters():
            safe_set_full_fp32_param(parameter, parameter.detach().clone())
            for part in MOMENTS:
                if f"{name}/{part}" in tensors:
                    safe_set_full_optimizer_state(parameter, tensors[f"{name}/{part}"].to(parameter), part)
        steps = [value for name, value in tensors.items() if name.endswith("/step")]
        for state in self._sharded_steps():
            if steps and "step" in state:
                state["step"].copy_(steps[0])


def build_engine(
    network: nn.Module, adam: str, betas: tuple[float, float], share: Share, zero_stage: int | None
) -> Engine:
    """Adam by plain torch, or by DeepSpeed where a ZeRO stage is given."""
    optimiser = Adam(
        network.parameters(), lr=0.0, betas=betas, eps=1e-8, fused=adam == "fused", foreach=adam == "foreach"
    )
    if zero_stage is None:
        return PlainEngine(network, optimiser, share)
    return DeepSpeedEngine(network, optimiser, share, zero_stage)


def choose_zero_stage(engine: str, zero_stage: int) -> int | None:
    """The ZeRO stage of DeepSpeed, or None for plain torch, which trains in one process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if engine == "deepspeed" or (engine == "auto" and size > 1):
        return zero_stage
    if size > 1:
        raise UserError("--engine torch trains in one process; with several ranks use --engine deepspeed")
    return None


def join_deepspeed(device: torch.device) -> World:
    """Join the processes a launcher started (RANK, WORLD_SIZE, LOCAL_RANK), or be alone, under DeepSpeed."""
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"), ("MASTER_ADDR", "127.0.0.1")):
        os.environ.setdefault(name, value)
    os.environ.setdefault("MASTER_PORT", str(free_port()))
    quieten()
    import deepspeed

    deepspeed.init_distributed(dist_backend="nccl" if device.type == "cuda" else "gloo", auto_mpi_discovery=False)
    return World.of_launcher()


def quieten() -> None:
    """Reduce DeepSpeed's log to warnings and errors."""
    import logging

    os.environ.setdefault("DS_LOG_LEVEL", "warning")
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)


def warm_up() -> None:
    """Build the extension that DeepSpeed compiles at its first start on a CPU; `python -m r3gan.training.engine`.

    It takes about a minute, once: `make setup` runs it, so that no training or test seems to hang.
    """
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    quieten()
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

    ShareMemCommBuilder().load(verbose=False)


if __name__ == "__main__":
    warm_up()
