"""The pipeline as it is wired: stages and what each needs, from dvc.yaml and, for what DVC does not run, the rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from r3gan.tables.records import RELEASED

# What a rule writes where only the machine that runs it knows the name, so that its output is a mark.
UNNAMED_OUTPUTS = {"benchmark": ["results/benchmarks"]}
ANY = "*"
SCALE = "<scale>"  # whichever it is: the pipeline is the same at each


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of the pipeline; in the paths that it reads and writes * stands for any name."""

    name: str
    command: str
    times: int | None  # how often, at the scale that dvc.yaml names; None: once
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    needs: tuple[str, ...] = ()


def read_stages(folder: Path) -> tuple[Stage, ...]:
    """The stages of the repository in `folder`, each after those it needs; none where there is no dvc.yaml."""
    if not (folder / "dvc.yaml").exists():
        return ()
    found = dvc_stages(folder)
    known = {stage.name for stage in found}
    for path in sorted((folder / "pipelines").glob("*.smk")):
        found += [rule for rule in rules(path.read_text(encoding="utf-8")) if rule.name not in known]
    linked = [replace(s, needs=tuple(o.name for o in found if o is not s and feeds(o, s))) for s in found]
    connected = {name for stage in linked if stage.needs for name in (stage.name, *stage.needs)}
    return tuple(in_order(stage for stage in linked if stage.name in connected))


def dvc_stages(folder: Path) -> list[Stage]:
    """Those of dvc.yaml but for the one that keeps DVC's own parameters."""
    content = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    study: dict[str, Any] = {}
    for path in content.get("vars", ()):
        study |= yaml.safe_load((folder / path).read_text(encoding="utf-8"))
    stages = [dvc_stage(name, entry, study | {"scale": SCALE}) for name, entry in content["stages"].items()]
    parameters = {path for entry in content["stages"].values() for path in parameter_files(entry.get("do", entry))}
    return [stage for stage in stages if not parameters.intersection(stage.writes)]


def dvc_stage(name: str, entry: Mapping[str, Any], study: Mapping[str, Any]) -> Stage:
    """A stage with the paths of all that it is run for."""
    body, over = entry.get("do", entry), entry.get("foreach")
    listed = looked_up(over, study) if isinstance(over, str) else over
    items = list(listed.values()) if isinstance(listed, dict) else listed

    def paths(*kinds: str) -> tuple[str, ...]:
        entries = [entry for kind in kinds for entry in body.get(kind, ())]
        named = [path for entry in entries for path in (entry if isinstance(entry, dict) else [entry])]
        values = [{"item": item, **study} for item in ([None] if items is None else items)]
        return tuple(dict.fromkeys(filled_in(path, known) for path in named for known in values))

    return Stage(
        name=name,
        command=command_of(body["cmd"]),
        times=None if items is None else len(items),
        reads=paths("deps"),
        writes=paths("outs", "metrics", "plots"),
    )


def parameter_files(body: Mapping[str, Any]) -> Iterable[str]:
    return [path for entry in body.get("params", ()) if isinstance(entry, dict) for path in entry]


def looked_up(expression: str, study: Mapping[str, Any]) -> Any:
    """What ${a.b} is in the study; None where it is nothing."""
    value: Any = study
    for key in expression.strip("${}").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def filled_in(path: str, known: Mapping[str, Any]) -> str:
    """A path of dvc.yaml with its variables' values; any name where there is none."""
    return re.sub(r"\$\{[^}]*\}", lambda found: str(looked_up(found[0], known) or ANY), path)


def wild(path: str) -> str:
    """A path of a rule: its wildcards match any name; results of the authors' checkpoints are those of a scale, too."""
    path = path.replace("{scale}", SCALE).replace(f"results/{RELEASED}/", f"results/{SCALE}/")
    return re.sub(r"\{[^}]*\}", ANY, path)


def command_of(line: str) -> str:
    """Its first words, as far as they are the same for every run of the stage."""
    return " ".join(word for word in line.split()[:2] if "{" not in word)


def rules(text: str) -> list[Stage]:
    """The rules of a Snakefile; without those whose inputs are computed, which cannot be read from the text."""
    found = []
    for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)*)", text, flags=re.MULTILINE):
        blocks = {kind: block_of(body, kind) for kind in ("input", "output", "shell")}
        if "lambda" in blocks["input"]:
            continue
        strings = {kind: re.findall(r'"([^"]*)"', block) for kind, block in blocks.items()}
        reads, writes = ([wild(path) for path in strings[kind]] for kind in ("input", "output"))
        writes = UNNAMED_OUTPUTS.get(name, writes)
        command = command_of(" ".join(strings["shell"]))
        found.append(Stage(name=name, command=command, times=None, reads=tuple(reads), writes=tuple(writes)))
    return found


def block_of(body: str, name: str) -> str:
    """What stands under `name:` in a rule."""
    block = re.search(rf"^    {name}:\n((?:        .*\n|\n)*)", body + "\n", flags=re.MULTILINE)
    return block[1] if block else ""


def feeds(first: Stage, second: Stage) -> bool:
    """Whether something that the first writes is, or lies in, something that the second reads."""
    read = set(second.reads)
    if any(str(parent) in read for path in first.writes for parent in (path, *PurePosixPath(path).parents)):
        return True
    pairs = ((a, b) for a in first.writes for b in second.reads if ANY in a or ANY in b)
    return any(matches(written, read) for written, read in pairs)


def matches(written: str, read: str) -> bool:
    theirs, ours = written.split("/"), read.split("/")
    return len(ours) <= len(theirs) and all(a == b or ANY in (a, b) for a, b in zip(theirs, ours, strict=False))


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """Each stage after those it needs, else as they come."""
    left, done = list(stages), list[Stage]()
    while left:
        ready = [stage for stage in left if not any(other.name in stage.needs for other in left)]
        assert ready, f"the stages {', '.join(stage.name for stage in left)} need each other"
        done += ready
        left = [stage for stage in left if stage not in ready]
    return done
