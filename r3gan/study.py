"""Study files: which runs a scale consists of. Read by the command, by the Snakefile and (as plain YAML) by DVC."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from r3gan.configs import find_config
from r3gan.configs.derive import check_settings
from r3gan.data.sources import find_source, own_entry
from r3gan.data.untrusted import one_line
from r3gan.errors import UserError, unknown
from r3gan.metrics import needs_classifier
from r3gan.records.run_id import RunId

INSTALLED = Path(__file__).with_name("studies")  # in a checkout a link to pipelines/
SCHEMA = INSTALLED / "study.schema.yaml"
SEEDS = "../../params.yaml"  # from a study: seeds of runs whose line has none, which DVC merges into the study too


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """One run of a study file's line, which may have several seeds; `key` names it in both engines."""

    key: str
    config: str
    dataset: str
    seed: int
    total_kimg: float
    threads: int
    evaluation: Mapping[str, Any]
    set: Mapping[str, Any] = field(default_factory=dict)  # what it changes of its configuration's recipe and networks
    precision: str = ""
    width: float | None = None
    unconditional: bool = False

    @property
    def train_options(self) -> str:
        """The options of `r3gan train` that not every run has, with a blank before them."""
        words = [f"{name}={','.join(map(str, ends_of(value)))}" for name, value in self.set.items()]
        changed = f" --set {' '.join(words)}" if words else ""
        width = f" --width {self.width}" if self.width else ""
        labels = " --unconditional" if self.unconditional else ""
        return changed + width + labels + (f" --precision {self.precision}" if self.precision else "")

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured of it."""
        return tuple(self.evaluation["metrics"])

    @property
    def classifier(self) -> str | None:
        """The data set of the classifier that its metrics use, if they use one."""
        return self.evaluation.get("classifier")

    @property
    def classifier_files(self) -> list[str]:
        return [f"runs/classifier/{self.classifier}/classifier.safetensors"] if self.classifier else []

    @property
    def evaluation_options(self) -> str:
        """The options of `r3gan evaluate`, as DVC writes them from the same mapping."""
        return options_of({name: value for name, value in self.evaluation.items() if value != []})


@dataclass(frozen=True, kw_only=True)
class OwnSource:
    """A study's data set of own pictures; `kind` has one value so far."""

    name: str
    kind: str
    path: str
    resolution: int
    fit: str = "crop"
    bad: str = "stop"

    @property
    def arguments(self) -> str:
        """What `r3gan prepare` is called with."""
        options = {"resolution": self.resolution, "fit": self.fit, "bad": self.bad}
        return f"own --name {self.name} --source {shlex.quote(self.path)} {options_of(options)}"


def ends_of(value: Any) -> list[Any]:
    """The two ends of a schedule, or the one value of anything else."""
    return value if isinstance(value, list) else [value]


def options_of(mapping: Mapping[str, Any]) -> str:
    """A mapping as options of a command, in its order, the way DVC unpacks it."""
    words = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in mapping.items()}
    return " ".join(f"--{name} {value}" for name, value in words.items())


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """Runs in addition to the study's others, of which G is kept every `snapshot_kimg` and measured afterwards.

    `at_end` are those among them of which the last G is measured once more, with metrics too slow for every snapshot.
    """

    snapshot_kimg: float
    evaluation: Mapping[str, Any]
    runs: tuple[StudyRun, ...]
    at_end: tuple[StudyRun, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """A scale's data sets, classifiers and runs."""

    scale: str
    datasets: tuple[str, ...]
    classifiers: tuple[str, ...]
    launch: Mapping[str, str | int]
    runs: tuple[StudyRun, ...]
    convergence: Convergence | None = None
    toys: Mapping[str, Any] | None = None  # the options of `r3gan toys`
    sources: Mapping[str, OwnSource] = field(default_factory=dict)  # those of the data sets that are own pictures

    @property
    def toy_options(self) -> str:
        """The options of `r3gan toys`, as DVC writes them from the same mapping."""
        return options_of(self.toys or {})

    @property
    def toy_records(self) -> list[str]:
        """The record of the 2-D toys below results/, if the study has them."""
        return [f"{self.scale}/toys.json"] if self.toys else []

    @property
    def launch_options(self) -> str:
        """How `r3gan train` starts its ranks, as DVC writes it from the same mapping."""
        return options_of(self.launch)

    @cached_property
    def evaluated(self) -> dict[RunId, StudyRun]:
        """The runs of the tables, in the order of the file."""
        return {RunId.of(self.scale, run): run for run in self.runs}

    @cached_property
    def converging(self) -> dict[RunId, StudyRun]:
        """The runs whose convergence is measured."""
        return {RunId.of(self.scale, run): run for run in (self.convergence.runs if self.convergence else ())}

    @cached_property
    def at_end(self) -> dict[RunId, StudyRun]:
        """Those of them whose last G is measured once more, with what is measured then."""
        return {RunId.of(self.scale, run): run for run in (self.convergence.at_end if self.convergence else ())}

    @cached_property
    def trained(self) -> dict[RunId, StudyRun]:
        """All runs, in the order in which they start."""
        return self.evaluated | self.converging

    @cached_property
    def measured(self) -> dict[RunId, StudyRun]:
        """The runs that `r3gan evaluate` measures, with what it measures."""
        return self.at_end | self.evaluated

    @cached_property
    def priorities(self) -> dict[RunId, int]:
        """Larger starts sooner."""
        return {run_id: len(self.trained) - i for i, run_id in enumerate(self.trained)}

    def run_of_record(self, record: str) -> StudyRun:
        """The run, as it is measured there, of a record below results/."""
        run_id, _, file = record.rpartition("/")
        return (self.converging if file == "convergence.json" else self.measured)[RunId.parse(run_id)]

    def stage_of(self, record: str) -> str:
        """The stage of dvc.yaml that writes a record below results/, and the run's key: "evaluate/E"."""
        if record in self.toy_records:
            return "toys"
        run_id, _, file = record.rpartition("/")
        run = RunId.parse(run_id)
        at_end = "evaluate" if run in self.evaluated else "evaluate_at_end"
        stage = "evaluate_snapshots" if file == "convergence.json" else at_end
        return f"{stage}/{self.run_of_record(record).key}"

    def snapshot_option(self, run_id: RunId) -> str:
        """How often `r3gan train` keeps G of this run, if it does."""
        kept = self.convergence is not None and run_id in self.converging
        return f" --snapshot-kimg {self.convergence.snapshot_kimg}" if kept and self.convergence else ""


def study_folder() -> Path:
    """The studies of the working folder where it has any, else those that came with this package."""
    here = Path("pipelines/study")
    return here if here.is_dir() else INSTALLED / "study"


def _load_yaml(path: Path) -> Any:
    import yaml  # here, since `r3gan list` reads no study

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        allowed = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise UserError(f"study file {path} does not exist; there are: {allowed}") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise UserError(
            f"study file {path} is not valid YAML{line}: {one_line(getattr(error, 'problem', error))}"
        ) from None
    except (OSError, ValueError, RecursionError, TypeError) as error:  # not UTF-8, no date, a key that is no word
        raise UserError(f"study file {path} cannot be read ({one_line(error)})") from None


def read_study(path: Path) -> Study:
    """A study file, checked once against schema and registries; UserError names file, place and what is allowed."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    content = _load_yaml(path)
    problem = best_match(Draft202012Validator(_load_yaml(SCHEMA)).iter_errors(content))
    if problem is not None:
        place = ".".join(str(part) for part in problem.absolute_path) or "the top level"
        allowed = ", ".join(problem.schema.get("properties", {})) if isinstance(problem.schema, dict) else ""
        hint = f" (allowed: {allowed})" if problem.validator == "additionalProperties" else ""
        raise UserError(f"study file {path}, {place}: {problem.message}{hint}")
    sources = {name: OwnSource(name=name, **entry) for name, entry in content.get("sources", {}).items()}
    study = Study(
        scale=content["scale"],
        datasets=(*content["datasets"], *sources),
        sources=sources,
        classifiers=tuple(content["classifiers"]),
        launch=content["launch"],
        runs=runs_of(content, seeds_beside(path)),
        convergence=_convergence(content.get("convergence")),
        toys=content.get("toys"),
    )
    try:
        _check_names(study)
    except UserError as error:
        raise UserError(f"study file {path}: {error}") from None
    return study


def seeds_beside(path: Path) -> dict[str, int]:
    """The seeds of params.yaml by run, of which `dvc exp run -S` changes one; none where the file is not there."""
    file = (path.resolve().parent / SEEDS).resolve()
    if not file.exists():
        return {}
    try:
        found = {key: entry["seed"] for key, entry in _load_yaml(file)["runs"].items()}
        if all(type(seed) is int and seed >= 0 for seed in found.values()):
            return found
    except (TypeError, KeyError, AttributeError):
        pass
    raise UserError(f"{file.name} does not hold `runs: {{RUN: {{seed: NUMBER}}}}` with seeds from 0 on")


def runs_of(part: Mapping[str, Any], seeds_of: Mapping[str, int] | None = None) -> tuple[StudyRun, ...]:
    """The runs of a part's lines: one for each of a line's `seeds`, else one under its key.

    That has its `seed`, or where it has none the one of `seeds_of`, or 0.
    """
    shared = {"evaluation": part["evaluation"]} if "evaluation" in part else {}
    found = []
    for key, line in part["runs"].items():
        rest = shared | {name: value for name, value in line.items() if name not in ("seed", "seeds")}
        seeds = (
            {f"{key}-seed{seed}": seed for seed in line["seeds"]}
            if "seeds" in line
            else {key: line.get("seed", (seeds_of or {}).get(key, 0))}
        )
        found += [StudyRun(key=name, seed=seed, **rest) for name, seed in seeds.items()]
    return tuple(found)


def _convergence(content: dict[str, Any] | None) -> Convergence | None:
    if content is None:
        return None
    return Convergence(
        snapshot_kimg=content["snapshot_kimg"],
        evaluation=content["evaluation"],
        runs=runs_of(content),
        at_end=runs_of(content["at_end"]) if "at_end" in content else (),
    )


def _check_names(study: Study) -> None:
    for name in study.sources:
        own_entry(name, None, None)
    for dataset in (*study.datasets, *study.classifiers):
        if dataset not in study.sources:
            find_source(dataset)
    if missing := [name for name in study.classifiers if name not in study.datasets]:
        raise UserError(f"classifiers: {missing[0]} is not among datasets")
    keys = {run_id: run.key for run_id, run in study.converging.items()}
    if unkept := [run.key for run_id, run in study.at_end.items() if keys.get(run_id) != run.key]:
        raise UserError(f"convergence.at_end: {unkept[0]} is not among convergence.runs under this key")
    runs = [*study.runs, *(study.convergence.runs if study.convergence else ())]
    for run in (*runs, *study.at_end.values()):
        if run.dataset not in study.datasets:
            raise unknown(f"data set in runs.{run.key}", run.dataset, study.datasets)
        check_settings(find_config(run.config), run.dataset, run.set)
        if (digits := needs_classifier(run.metrics)) and run.classifier is None:
            raise UserError(f"evaluation in runs.{run.key}: {digits[0]} needs a classifier; name one of classifiers")
        if run.classifier is not None and run.classifier not in study.classifiers:
            raise unknown(f"evaluation.classifier in runs.{run.key}", run.classifier, study.classifiers)
    if len(study.trained) != len(runs):
        raise UserError("runs: two runs have the same configuration, data set and seed")
    if len({run.key for run in runs}) != len(runs):
        raise UserError("runs and convergence.runs: two runs have the same key")


def read_all_studies(folder: Path | None = None, required: str = "") -> Iterator[Study]:
    """Every study file of a folder (default: `study_folder`), the smallest scale first; a warning for a damaged one.

    UserError instead for the scale that is required.
    """
    folder = folder or study_folder()
    order = ["smoke", "desk", "mini", "paper"]
    paths = sorted(folder.glob("*.yaml"), key=lambda p: (order.index(p.stem) if p.stem in order else len(order), p))
    for path in paths:
        try:
            yield read_study(path)
        except UserError as error:
            if path.stem == required:
                raise
            print(f"warning: {error}; its scale is left out", file=sys.stderr)
    if required and required not in [path.stem for path in paths]:
        read_study(folder / f"{required}.yaml")
