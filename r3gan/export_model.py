"""A trained generator in the formats of other programs, and as a folder for a model hub; nothing is sent anywhere.

Exported networks take z, float32 [N, z_dim], and labels, int64 [N], where they have classes, and give images, uint8
[N, C, R, R], for any N. Their images are those of `r3gan generate`.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import save_file
from tabulate import tabulate
from torch import Tensor, nn

from r3gan.data.sources import SOURCES
from r3gan.errors import UserError
from r3gan.files import atomic, read_json, write_json, write_text
from r3gan.generate import GENERATOR, RECORD_KEY, Sampler
from r3gan.metrics import find_metric
from r3gan.models import fastgan, stylegan2
from r3gan.pictures import quantise, save_tiles
from r3gan.records.run_id import RunId
from r3gan.records.schema import Evaluation
from r3gan.records.store import Store, as_json

NAMES = ("z", "labels")  # of an exported network's inputs
CARD_SEEDS = range(32)


class ImageNetwork(nn.Module):
    """Z [N, z_dim] and labels [N] -> images uint8 [N, C, R, R]."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return quantise(self.generator(z, labels))


class Pattern(nn.Module):
    """Adds a constant map [1, C, H, W]: what is left of a fixed noise."""

    pattern: Tensor

    def __init__(self, pattern: Tensor) -> None:
        super().__init__()
        self.register_buffer("pattern", pattern)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pattern


def with_patterns(sampler: Sampler) -> ImageNetwork:
    """The sampler's network with its fixed noise as constants: generators of random numbers cannot be exported."""
    network, found = sampler.generator, dict[nn.Module, Tensor]()

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[module] = (output - inputs[0])[:1].detach()

    hooks = [each.register_forward_hook(keep) for each in network.modules() if isinstance(each, fastgan.Noise)]
    [*sampler.draw(sampler.choices([0]))]
    for hook in hooks:
        hook.remove()
    for parent in [*network.modules()]:
        for name, child in [*parent.named_children()]:
            if child in found:
                setattr(parent, name, Pattern(found[child]))
    return ImageNetwork(network).eval()


@contextmanager
def any_batch() -> Iterator[None]:
    """While a network is recorded, len() of a batch is its symbolic size instead of the number it happens to be."""
    vars(stylegan2)["len"] = lambda value: value.shape[0] if isinstance(value, Tensor) else len(value)
    try:
        yield
    finally:
        del vars(stylegan2)["len"]


def example(sampler: Sampler) -> tuple[Tensor, ...]:
    """Inputs of two images."""
    z = torch.stack([sampler.latent(seed) for seed in range(2)])
    return (z, torch.zeros(2, dtype=torch.long)) if sampler.classes else (z,)


def write_safetensors(sampler: Sampler, out: Path) -> None:
    """Weights with their record in the header: `r3gan generate FILE` and `r3gan.load` need nothing else."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sampler.generator.state_dict().items()}
    try:
        with atomic(out) as temporary:
            save_file(tensors, temporary, {RECORD_KEY: json.dumps(as_json(sampler.training))})
    except SafetensorError as error:
        raise UserError(f"{out} cannot be written ({error})") from None


def write_torchscript(sampler: Sampler, out: Path) -> None:
    """For torch.jit.load, in Python or C++; torch has deprecated the format, and still reads and writes it."""
    network = with_patterns(sampler)
    with any_batch(), torch.no_grad(), warnings.catch_warnings(action="ignore"):  # also of sizes that are constants
        traced = torch.jit.trace(network, example(sampler), check_trace=False)
        torch.jit.save(traced, content := io.BytesIO())  # torch's own writing of files aborts on a full disk
    with atomic(out) as temporary:
        temporary.write_bytes(content.getvalue())


def write_onnx(sampler: Sampler, out: Path) -> None:
    """For onnxruntime and other programs; UserError where the packages of the extra `onnx` are missing."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"--format onnx needs the package {error.name}: pip install r3gan[onnx]") from None
    network, inputs = with_patterns(sampler), example(sampler)
    batch = torch.export.Dim("batch", min=1)
    logging.getLogger("onnxscript").setLevel(logging.WARNING)
    with any_batch(), warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            network,
            inputs,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            input_names=NAMES[: len(inputs)],
            output_names=["images"],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    with atomic(out) as temporary:
        program.save(temporary)


def write_hub(sampler: Sampler, out: Path) -> None:
    """A folder to upload: weights, config.json, samples, a model card with the metrics there are, a licence note."""
    new = out.with_name(f".{out.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    try:
        write_safetensors(sampler, new / GENERATOR)
        write_json(new / "config.json", as_json(sampler.training))
        images = torch.stack([*sampler.draw(sampler.choices(CARD_SEEDS))])
        save_tiles(new / "samples.png", images.numpy(), columns=8)
        write_text(new / "LICENSE.md", licence(sampler))
        write_text(new / "README.md", card(sampler))
        shutil.rmtree(out, ignore_errors=True)
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)


FORMATS: Mapping[str, tuple[str, Callable[[Sampler, Path], None]]] = {
    "safetensors": (".safetensors", write_safetensors),
    "torchscript": (".pt", write_torchscript),
    "onnx": (".onnx", write_onnx),
    "hub": ("", write_hub),
}


def evaluation_of(sampler: Sampler, results: Path = Path("results")) -> Evaluation | None:
    """The record of the run's evaluation, if it is there."""
    run, store = RunId.parse(sampler.training.run), Store(results)
    return store.evaluation(run) if store.has(run.metrics) else None


def data_licence(dataset: str) -> str:
    """What the data set's manifest or entry says of its licence."""
    manifest = Path("data") / dataset / "manifest.json"
    if manifest.is_file():
        return str(read_json(manifest, "run `r3gan prepare` again").get("licence", "not known"))
    return SOURCES[dataset].licence if dataset in SOURCES else "not known"


def licence(sampler: Sampler) -> str:
    training = sampler.training
    origin = (
        f"The weights are the authors' ({training.released.file}); they state no licence.\n"
        if training.released
        else ""
    )
    return (
        f"# Licence\n\nThe code that reads these weights is under the MIT licence.\n{origin}"
        f"The weights were trained on the data set {training.dataset}. Its licence: {data_licence(training.dataset)}.\n"
        "Whether weights trained on it may be published and used is for whoever uploads this folder to decide; replace "
        "this text by that decision.\n"
    )


def card(sampler: Sampler) -> str:
    """README.md of the folder: what was trained, how to draw images, what was measured and how."""
    training, evaluation = sampler.training, evaluation_of(sampler)
    metrics = evaluation.metrics if evaluation else {}
    task = "class-conditional-image-generation" if sampler.classes else "unconditional-image-generation"
    results = [
        {"type": name, "value": metric.value, "name": find_metric(name).title} for name, metric in metrics.items()
    ]
    head = {
        "license": "other",
        "library_name": "r3gan",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "image-generation", training.config],
        "datasets": [training.dataset],
        "model-index": [
            {
                "name": training.run,
                "results": [
                    {
                        "task": {"type": task},
                        "dataset": {"name": training.dataset, "type": training.dataset},
                        "metrics": results,
                    }
                ],
            }
        ],
    }
    if not results:
        del head["model-index"]
    rows = [
        [name, f"{m.value:.4g}", f"{m.n_fake:,}", f"{m.n_real:,}" if m.n_real else "", m.protocol, m.extractor_line]
        for name, m in metrics.items()
    ]
    headers = ["metric", "value", "samples", "reals", "protocol", "feature network"]
    measured = tabulate(rows, headers, tablefmt="github", disable_numparse=True) if rows else "Not measured yet."
    stamps = [("trained", training.provenance), *([("measured", evaluation.provenance)] if evaluation else [])]
    provenance = "\n".join(
        f"- {what}: {stamp.date[:10]}, {stamp.device}, {stamp.code}, {stamp.versions_line}; `{stamp.command}`"
        for what, stamp in stamps
    )
    classes = f", {sampler.classes} classes" if sampler.classes else ""
    return f"""---
{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---

# {training.title} on {training.dataset}

{training.summary}. {sampler.resolution} px{classes}; {training.kimg:,g} thousand images of training, batch \
{training.recipe.batch}, seed {training.seed}. Everything else is in `config.json`.

![32 images of seeds 0 to 31, not selected](samples.png)

```python
import r3gan

generator = r3gan.load("{GENERATOR}")           # this folder's file
images = generator.sample(seeds=range(16))      # uint8 [16, C, {sampler.resolution}, {sampler.resolution}]
```

## Measured

{measured}

## Where the numbers come from

{provenance}

## Licence

See [LICENSE.md](LICENSE.md).
"""
