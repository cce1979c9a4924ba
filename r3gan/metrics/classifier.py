"""The `fit` stage: the digit classifier whose features and classes the offline metrics use."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from r3gan.adam import Adam
from r3gan.data.loader import Dataset
from r3gan.errors import UserError
from r3gan.files import read_json, sha256, write_json
from r3gan.progress import Progress
from r3gan.records.provenance import stamp
from r3gan.records.store import as_json
from r3gan.weights import load_network, save_network

FEATURES = 64
EPOCHS, BATCH, LR, SEED, TEST_SHARE = 8, 64, 2e-3, 0, 0.2
ACCURACY_FLOOR = 0.95  # below this, the number of modes would reflect the classifier's errors


class DigitClassifier(nn.Module):
    """uint8 digits [N, 1, R, R] -> features [N, 64] and logits [N, 10]: three 3x3 convolutions, a linear layer.

    The features are the last convolution's activations averaged over positions, as Inception's are for FID.
    """

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, FEATURES, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.logits = nn.Linear(FEATURES * (resolution // 4) ** 2, 10)

    def forward(self, digits: Tensor) -> tuple[Tensor, Tensor]:
        x = digits.to(torch.float32) / 127.5 - 1.0
        x = self.pool(relu(self.conv1(x)))
        x = self.pool(relu(self.conv2(x)))
        x = relu(self.conv3(x))
        return x.mean(dim=(2, 3)), self.logits(x.flatten(1))


def fit(dataset: Dataset, out: Path) -> dict[str, Any]:
    """Train on four fifths of a set of single digits; write classifier.safetensors and classifier.json into `out`.

    The record has the accuracy on the other fifth; UserError, and nothing written, if it is below the floor.
    """
    if dataset.images.shape[1] != 1 or dataset.labels.max() > 9:
        raise UserError(f"data set {dataset.name} is not one of single digits; `r3gan fit` needs one, like mnist5k-16")
    started = time.perf_counter()
    torch.manual_seed(SEED)
    images = torch.from_numpy(np.array(dataset.images))
    labels = torch.from_numpy(np.array(dataset.labels))
    order = torch.randperm(len(images))
    test, training = order.tensor_split([round(TEST_SHARE * len(order))])
    classifier = DigitClassifier(images.shape[-1])
    optimiser = Adam(classifier.parameters(), lr=LR)
    steps = EPOCHS * -(-len(training) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    with Progress("fit", EPOCHS * len(training), "img") as progress:
        for _ in range(EPOCHS):
            for batch in training[torch.randperm(len(training))].split(BATCH):
                loss = cross_entropy(classifier(images[batch])[1], labels[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                progress.advance(len(batch))
    with torch.no_grad():
        correct = classifier(images[test])[1].argmax(dim=1) == labels[test]
    accuracy = float(correct.float().mean())
    if accuracy < ACCURACY_FLOOR:
        raise UserError(
            f"the classifier reaches {accuracy:.1%} on held-out digits of {dataset.name}, below {ACCURACY_FLOOR:.0%}"
        )
    save_network(out / "classifier.safetensors", classifier)
    record = {
        "dataset": dataset.name,
        "data_sha256": dataset.manifest["sha256"],
        "resolution": images.shape[-1],
        "training_digits": len(training),
        "test_digits": len(test),
        "test_accuracy": accuracy,
        "epochs": EPOCHS,
        "seed": SEED,
        "sha256": sha256(out / "classifier.safetensors"),
        "seconds": round(time.perf_counter() - started, 1),
        "provenance": as_json(stamp("cpu", torch.get_num_threads())),
    }
    write_json(out / "classifier.json", record)
    print(f"fitted {dataset.name}: {accuracy:.1%} of {len(test)} held-out digits, {record['seconds']} s")
    return record


def load_classifier(folder: Path) -> tuple[DigitClassifier, dict[str, Any]]:
    """The classifier that `fit` wrote into `folder`, frozen, and its record; UserError if its hash does not match."""
    hint = "run `r3gan fit` first, or name its data set with --classifier"
    record = read_json(folder / "classifier.json", hint)
    classifier = DigitClassifier(record["resolution"])
    load_network(folder / "classifier.safetensors", classifier, hint)
    if (found := sha256(folder / "classifier.safetensors")) != record["sha256"]:
        raise UserError(
            f"{folder}/classifier.safetensors has sha256 {found}, its record says {record['sha256']}; {hint}"
        )
    return classifier.eval().requires_grad_(False), record
