"""Several ranks under DeepSpeed against one process of plain torch; how the batch is shared; how ranks are started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from r3gan.configs import CONFIGS
from r3gan.data.loader import open_dataset
from r3gan.errors import UserError
from r3gan.files import read_json
from r3gan.training import checkpoint, launch
from r3gan.training.batching import share_of
from r3gan.training.memory import images_that_fit
from r3gan.training.state import build_networks, build_state
from r3gan.training.steps import iterate
from tests.conftest import REPOSITORY, Command, environment
from tests.helpers import CPU, SMOKE
from tests.rank_worker import A_CASES, CASES, E_CASES, STEADY, STEPS, Case, make_noise_steady

Tensors = dict[str, torch.Tensor]


def test_shares_cover_the_global_batch_once_in_any_split() -> None:
    for ranks, micro in ((1, 24), (1, 4), (2, 12), (2, 3), (3, 2), (4, 6)):
        shares = [share_of(24, ranks, rank, micro) for rank in range(ranks)]
        positions = sorted(i for share in shares for part in share.slices() for i in range(part.start, part.stop))
        assert positions == list(range(24))
        assert all(share.micro * share.accumulation * ranks == 24 for share in shares)


def test_what_does_not_divide_is_refused_with_the_values_that_would() -> None:
    with pytest.raises(UserError, match=r"--ranks 5: the batch of 8 does not divide by it; 1, 2, 4, 8 do"):
        share_of(8, 5)
    with pytest.raises(UserError, match=r"--micro-batch 3: a rank's 4 images do not divide; 1, 2, 4 do"):
        share_of(8, 2, micro=3)
    assert share_of(512, 1, fitting=100).micro == 64
    assert share_of(512, 1, fitting=0).micro == 1


def test_the_micro_batch_follows_from_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    _, discriminator = build_networks(CONFIGS["E-inverted"], SMOKE, 0)
    fits = []
    for free in (1 << 28, 1 << 29):
        monkeypatch.setattr("r3gan.training.memory.available_memory", lambda free=free: free)
        fits.append(images_that_fit(discriminator, (3, 16, 16), 0, CPU))
    assert fits[0] > 8
    assert fits[1] == pytest.approx(2 * fits[0], abs=1)


@pytest.fixture(scope="module")
def alone(prepared: Path) -> dict[Case, Tensors]:
    """The state after the same steps of one process of plain torch, by what these depend on."""
    found: dict[Case, Tensors] = {}
    for case in (E_CASES[0], STEADY):
        run = case.run()
        micro = None if case in E_CASES else case.micro  # Config A's D compares the samples of a micro-batch
        state = build_state(run, open_dataset(prepared / "data" / SMOKE), CPU, micro=micro)
        with pytest.MonkeyPatch.context() as patch:
            if case.steady:
                make_noise_steady(patch)
            for _ in range(STEPS):
                iterate(run, state)
        found |= dict.fromkeys(E_CASES if case in E_CASES else (STEADY,), checkpoint.tensors_of(state))
    return found


@pytest.fixture(scope="module")
def together(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks left of each of CASES."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "tests.rank_worker", str(prepared / "data" / SMOKE), str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment(REPOSITORY), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def assert_close(ours: Tensors, theirs: Tensors) -> None:
    """The same but for rounding."""
    assert ours.keys() == theirs.keys()
    # DeepSpeed has no float64. In float32 the order of a sum differs, and Adam turns the smallest gradients, which are
    # rounding alone, into whole steps; so networks are compared as wholes, and moments less strictly.
    limits = {"generator": 1e-6, "discriminator": 1e-6, "ema": 1e-6, "generator-adam": 1e-5, "discriminator-adam": 1e-5}
    for part, limit in limits.items():
        one, two = (
            torch.cat([v.flatten() for k, v in sorted(side.items()) if k.startswith(f"{part}/") and not own(k)])
            for side in (ours, theirs)
        )
        assert float((one - two).norm()) <= limit * float(two.norm()), part
    steps = [key for key in ours if key.endswith("/step")]
    assert all(torch.equal(ours[key], theirs[key]) for key in steps)
    assert torch.allclose(ours["path_length_mean"], theirs["path_length_mean"], rtol=1e-5, atol=0)


def own(key: str) -> bool:
    """Whether a tensor is a rank's own (the average of the w it saw, which nothing is trained by), or a count."""
    return key.endswith(("w_avg", "/step"))


@pytest.mark.parametrize("case", [*E_CASES, STEADY], ids=str)
def test_two_ranks_train_what_one_process_trains(case: Case, alone: dict[Case, Tensors], together: Path) -> None:
    found = checkpoint.latest(together / str(case), {})
    assert found is not None
    header, tensors = found
    assert header["step"] == STEPS
    assert_close(tensors, alone[case])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_ranks_hold_the_same(case: Case, together: Path) -> None:
    one, two = (load_file(together / f"{case}-rank{rank}.safetensors") for rank in range(2))
    assert one.keys() == two.keys()
    assert [key for key in one if not own(key) and not torch.equal(one[key], two[key])] == []
    assert (float(one["path_length_mean"]) > 0) == (case.config == "A")


@pytest.mark.parametrize("case", A_CASES[1:], ids=str)
def test_every_zero_stage_trains_the_same_with_lazy_penalties_and_noise(case: Case, together: Path) -> None:
    ours, theirs = (load_file(together / f"{name}-rank0.safetensors") for name in (case, A_CASES[0]))
    assert_close(ours, theirs)


@pytest.mark.parametrize("case", E_CASES, ids=str)
def test_every_image_goes_to_exactly_one_rank(case: Case, together: Path) -> None:
    seen = [json.loads((together / f"{case}-seen{rank}.json").read_text()) for rank in range(2)]
    positions = sorted(start + i for rank in seen for start, count in rank for i in range(count))
    assert positions == list(range(2 * STEPS * 8))  # of D and G


def test_launchers_build_the_command_they_are_named_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("one slots=4\ntwo slots=4\n")

    monkeypatch.setattr(launch, "free_port", lambda: 23456)

    def command(**settings: object) -> str:
        wanted = launch.Launch(**settings)  # type: ignore[arg-type]
        launch.check(wanted)
        build = launch.LAUNCHERS[wanted.launcher]
        assert build is not None
        return " ".join(build(wanted))

    assert command(launcher="torchrun", ranks=8) == "torchrun --standalone --nproc-per-node 8 -m"
    assert (
        command(launcher="deepspeed", ranks=2) == "deepspeed --no_local_rank --master_port 23456 --num_gpus 2 --module"
    )
    assert (
        command(launcher="deepspeed", ranks=8, hostfile=hosts)
        == f"deepspeed --no_local_rank --master_port 23456 --hostfile {hosts} --module"
    )
    assert command(launcher="srun", ranks=16).startswith("srun --ntasks 16 --kill-on-bad-exit=1 ")


def test_the_deepspeed_launcher_starts_ranks_that_train(r3gan: Command, prepared: Path, tmp_path: Path) -> None:
    data = ("--data", str(prepared / "data" / SMOKE), "--threads", "1", "--total-kimg", "0.016")
    done = r3gan(*BASE, *data, "--launcher", "deepspeed", "--ranks", "2", "--zero", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    record = read_json(tmp_path / f"runs/own/{SMOKE}/E-inverted/seed0/train.json", "")
    assert record["execution"]["launch"].startswith("deepspeed --no_local_rank --master_port ")
    assert (record["execution"]["ranks"], record["execution"]["zero_stage"]) == (2, 2)


BASE = ("train", "--config", "E-inverted", "--dataset", SMOKE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--launcher", "mpirun"), "--launcher 'mpirun'"),
        (("--ranks", "2"), "--ranks 2 needs --launcher torchrun, deepspeed or srun"),
        (("--launcher", "torchrun", "--ranks", "3"), "--ranks 3: the batch of 8 does not divide by it; 1, 2, 4, 8 do"),
        (("--zero", "3"), "--zero 3 is not possible (3 shards the parameters"),
        (("--engine", "jax"), "--engine 'jax'"),
        (("--hostfile", "x"), "--hostfile goes with --launcher deepspeed"),
        (("--micro-batch", "5"), "--micro-batch 5"),
        (("--layout", "nhwc"), "--layout 'nhwc'"),
    ],
)
def test_bad_launches_are_refused_in_one_sentence(
    arguments: tuple[str, ...], message: str, r3gan: Command, prepared: Path, tmp_path: Path
) -> None:
    done = r3gan(*BASE, *arguments, "--data", str(prepared / "data" / SMOKE))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_srun_outside_of_slurm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    with pytest.raises(UserError, match="SLURM_PROCID is not set"):
        launch.adopt_slurm_rank()
