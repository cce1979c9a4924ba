"""`python -m tests.kills` (make kills): 50 trainings killed at random: one process, two ranks, in a checkpoint.

Each is started again by the same command until it ends, and must end with the weights of an uninterrupted one.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from r3gan.data.build import prepare
from r3gan.records.store import read_training
from tests.helpers import SMOKE, same
from tests.training.test_resume import LAZY_RUN, RUN, checkpoints, finish, kill, start, weights

RANKS = ("--launcher", "torchrun", "--ranks", "2", "--zero", "1", "--config", "A", "--total-kimg", "0.256")
# By name: options, the run, how often.
WAYS = {"one process": ((), RUN, 20), "in a checkpoint": ((), RUN, 20), "two ranks": (RANKS, LAZY_RUN, 10)}


def kill_once(folder: Path, data: Path, way: str, chance: random.Random) -> None:
    options, run, _ = WAYS[way]
    pause = f"before {chance.randrange(2, 38)}" if way == "in a checkpoint" else ""
    process = start(folder, data, *options, pause=pause)
    parts = folder / "work" / run / "checkpoints"
    while process.poll() is None and not (list(parts.glob(".checkpoint*")) if pause else checkpoints(folder, run)):
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.5 if pause else 3.0))
    if process.poll() is None:
        kill(process)


def main() -> int:
    chance, resumed, wrong = random.Random(0), 0, 0
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        prepare(SMOKE, None, data / "data" / SMOKE)
        for way, (options, run, count) in WAYS.items():
            finish(data / way, data, *options)
            right = weights(data / way, run)
            for i in range(count):
                folder = data / f"{way} {i}"
                kill_once(folder, data, way, chance)
                finish(folder, data, *options)
                went_on = len(read_training(folder / "runs" / run).continued_at_images)
                equal = same(weights(folder, run), right)
                resumed, wrong = resumed + (went_on > 0), wrong + (not equal)
                print(f"{way}, {i}: resumed {went_on} times, weights {'equal' if equal else 'DIFFER'}", flush=True)
    total = sum(count for _, _, count in WAYS.values())
    print(f"{total - wrong} of {total} with the same weights; {resumed} really resumed")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
