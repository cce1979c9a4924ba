"""The definition of a training run, before anything is built."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from r3gan.configs import Config, Recipe


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run: configuration x data set x seed at a scale."""

    scale: str
    config_name: str
    config: Config
    recipe: Recipe
    dataset: str
    seed: int

    @property
    def id(self) -> str:
        return f"{self.scale}/{self.dataset}/{self.config_name}/seed{self.seed}"

    def describe(self) -> dict[str, Any]:
        """The resolved configuration as plain JSON values."""
        description = self.config.describe(self.dataset) | {"recipe": asdict(self.recipe)}
        return {"run": self.id, "config": self.config_name, "dataset": self.dataset, "seed": self.seed} | description

    def digest(self) -> str:
        """Hash of everything that decides the weights at a given step: all but the length and the descriptions."""
        decides = self.describe()
        words = ("run", "title", "summary", "unpublished")
        decides = {key: value for key, value in decides.items() if key not in words}
        decides["recipe"] = {k: v for k, v in decides["recipe"].items() if k not in ("total_kimg", "unpublished")}
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
