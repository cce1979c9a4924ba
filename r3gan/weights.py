"""Networks on disk as safetensors, which contain no code."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from r3gan.errors import UserError
from r3gan.files import atomic, sha256


def save_network(path: Path, net: nn.Module) -> None:
    """Write the network's parameters and buffers; UserError where the disk is full."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    try:
        with atomic(path) as temporary:
            save_file(tensors, temporary)
    except SafetensorError as error:
        raise UserError(f"{path} cannot be written ({error}); free some space and run the same command again") from None


def load_network(path: Path, net: nn.Module, hint: str, recorded: str | None = None) -> None:
    """Fill `net` from `path`; UserError with `hint` if the file is missing, broken or of another network.

    Also where its sha256 is not the `recorded` one; of older records none is known.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: {hint}")
    if recorded is not None and sha256(path) != recorded:
        raise UserError(f"{path} is not the file that train.json describes (its sha256 differs): {hint}")
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise UserError(f"{path} does not fit ({str(error).splitlines()[0]}): {hint}") from None
