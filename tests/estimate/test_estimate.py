"""Estimates of cost: against hand computation, against what is on record, and over every table and scale."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from benchmarks.cases import CASES, Case
from r3gan import estimate as package
from r3gan.cli import main
from r3gan.configs import CONFIGS
from r3gan.data.loader import open_dataset
from r3gan.errors import UserError
from r3gan.estimate import estimate, estimate_all, known_hardware
from r3gan.estimate.check import check
from r3gan.estimate.check import text as check_text
from r3gan.estimate.costs import BENCHMARK, Job, Measurement, cost_of, read_measurements
from r3gan.estimate.features import feature_work
from r3gan.estimate.schema import COSTS, AllEstimates, Cost, RunCost, Total
from r3gan.estimate.show import text, values
from r3gan.estimate.work import count_work, work_of
from r3gan.metrics.extractors import EXTRACTORS
from r3gan.records.hardware import HARDWARE, cores_of, entry_of, folder_name, stands_for
from r3gan.records.run_id import RunId
from r3gan.records.schema import Device
from r3gan.records.store import Store, read, write
from r3gan.report.costs import read_costs
from r3gan.study import Study, read_all_studies, read_study
from r3gan.tables.registry import TABLES, find_table
from r3gan.training import checkpoint
from r3gan.training.run import Run
from r3gan.training.state import build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step
from r3gan.weights import save_network
from tests.conftest import REPOSITORY, Command, environment
from tests.helpers import evaluation_of, write_run

STUDIES = {study.scale: study for study in read_all_studies(REPOSITORY / "pipelines/study")}
RESULTS = Store(REPOSITORY / "results")
H100 = Device(type="cuda", name="NVIDIA H100 80GB HBM3", count=4)
L40 = Device(type="cuda", name="NVIDIA L40", count=4)
MADE_UP = """\
scale: paper
datasets: [ffhq-256, cifar10, ffhq-64]
classifiers: []
launch: {launcher: torchrun, ranks: 8}
evaluations:
  fid: &fid {metrics: [fid, recall], samples: 50000}
runs:
  A: {config: A, dataset: ffhq-256, seed: 0, total_kimg: 5000, threads: 8, evaluation: *fid}
  E: {config: E, dataset: cifar10, seed: 0, total_kimg: 250000, threads: 8, evaluation: *fid}
  E-64: {config: E, dataset: ffhq-64, seed: 0, total_kimg: 1000, threads: 8, evaluation: *fid}
"""


@pytest.fixture
def made_up(tmp_path: Path) -> Study:
    path = tmp_path / "paper.yaml"
    path.write_text(MADE_UP)
    return read_study(path)


def write_record(results: Path, run: str, images: int, seconds: float, device: Device = H100) -> None:
    """A record of a run that was trained on `device` in so many seconds and evaluated on one GPU in ten minutes."""
    record = evaluation_of(run, {"fid": 2.0, "recall": 0.5}, kimg=images / 1000)
    provenance = msgspec.structs.replace(record.provenance, device=device)
    one = msgspec.structs.replace(provenance, device=msgspec.structs.replace(device, count=1))
    training = msgspec.structs.replace(record.training, seconds=seconds, provenance=provenance)
    write_run(results, msgspec.structs.replace(record, seconds=600.0, training=training, provenance=one))


# Forward passes of G and D in a D step and a G step. E: 9 and 6 of about equal networks. B: D's step has G once, D at
# the fakes with both gradients (3), at the reals forward, transposed and the latter's gradients (4); G's step has G
# with its gradients (3), D and its input gradient (2). C + R2: four at either side, and D at the reals in G's step.
PASSES = {"E": (4, 11), "B": (4, 9), "C-rpgan": (4, 10), "C-r2": (4, 11)}


@pytest.mark.parametrize("case", [case for case in CASES if case.gmac_per_image], ids=lambda case: case.size)
def test_counted_work_is_that_of_the_benchmarks(case: Case) -> None:
    work = work_of(case.config, case.size)
    assert case.gmac_per_image is not None
    assert round(work.g_macs / 1e9, 2) == case.gmac_per_image
    assert work.d_macs == pytest.approx(work.g_macs, rel=1e-3)
    assert work.train_macs == pytest.approx(15 * work.g_macs, rel=1e-3)


@pytest.mark.parametrize("config", PASSES)
def test_a_training_image_costs_the_passes_of_its_losses(config: str) -> None:
    work, (of_g, of_d) = work_of(config, "ffhq-256"), PASSES[config]
    # The first layer needs no gradient at the images: a little less than whole passes.
    assert work.train_macs == pytest.approx(of_g * work.g_macs + of_d * work.d_macs, rel=1e-3)


def test_dcgan_is_counted_as_by_hand() -> None:
    # 4x4 transposed convolutions 100 -> 512 at 1 px, 512 -> 256 at 4, 256 -> 128 at 8, 128 -> 3 at 16.
    by_hand = 16 * (100 * 512 + 512 * 256 * 16 + 256 * 128 * 64 + 128 * 3 * 256)
    assert count_work("dcgan", "stackedmnist").g_macs == by_hand


def test_feature_networks_cost_what_is_known_of_them() -> None:
    assert feature_work("inception-tensorflow", "cifar10").macs == pytest.approx(5.71e9, rel=1e-2)
    vgg16 = feature_work("vgg16", "cifar10")
    assert vgg16.macs == pytest.approx(15.47e9, rel=1e-2)
    assert vgg16.features == 4096
    # Per channel: 9 products for 1 -> 32 at 16 px, 32 -> 64 at 8, 64 -> 64 at 4; ten logits from 64 at 4 px.
    digits = feature_work("digits", "stackedmnist5k-16")
    assert digits.macs == 3 * (9 * (32 * 256 + 32 * 64 * 64 + 64 * 64 * 16) + 10 * 64 * 16)
    assert digits.features == 3 * 64


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_every_feature_network_is_counted_at_the_size_it_takes(extractor: str) -> None:
    small, large = feature_work(extractor, "stackedmnist5k-16"), feature_work(extractor, "stackedmnist")
    assert (small == large) == (EXTRACTORS[extractor].px is not None)
    assert small.macs > 0
    assert small.features in (3 * 64, 1280, 2048, 4096)


def test_counting_again_finds_the_same_work_although_styles_are_mixed_at_random() -> None:
    assert len({count_work("A", "stackedmnist5k-16").train_macs for _ in range(4)}) == 1
    assert len({count_work("A", "stackedmnist5k-16").g_macs for _ in range(4)}) == 1


def test_sizes_of_checkpoints_and_generators_are_those_of_the_files(prepared: Path, tmp_path: Path) -> None:
    dataset = open_dataset(prepared / "data/stackedmnist5k-16")
    config = CONFIGS["E-inverted"]
    run = Run(
        scale="own", config_name="E-inverted", config=config, recipe=config.recipe(dataset.name), dataset=dataset.name,
        seed=0,
    )  # fmt: skip
    state = build_state(run, dataset, torch.device("cpu"))
    hyper = Hyper.at(run.recipe, 0)
    discriminator_step(run, state, hyper)  # Adam has its moments from its first step on
    generator_step(run, state, hyper)
    checkpoint.save(tmp_path, state, {}, keep=2)
    save_network(tmp_path / "generator.safetensors", state.ema)
    work = work_of("E-inverted", dataset.name)
    (saved,) = tmp_path.glob(checkpoint.PATTERN)
    header = 80_000  # names of tensors, their checksums
    assert 0 <= saved.stat().st_size - work.checkpoint_bytes < header
    assert 0 <= (tmp_path / "generator.safetensors").stat().st_size - work.g_bytes < header


def test_the_nearest_evidence_is_taken_and_computed_as_by_hand(made_up: Study, tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_record(results, "own/cifar10/E/seed5", images=1_000_000, seconds=1000)  # 4,000 GPU seconds
    write_record(results, "own/ffhq-256/A/seed5", images=1000, seconds=1e6, device=L40)
    found = estimate("table3", made_up, "h100", Store(results))
    (run,) = found.runs
    assert (run.training.source, run.evaluation.source) == ("measured", "measured")
    assert run.training.device_hours == pytest.approx(250 * 4000 / 3600)
    assert run.training.wall_hours == pytest.approx(250 * 4000 / 3600 / 8)
    assert run.evaluation.device_hours == run.evaluation.wall_hours == pytest.approx(600 / 3600)
    totals = values(found, Store(results))
    assert totals["left"] == totals["everything"]
    assert Total.of(found.runs, None).wall_hours == pytest.approx((250 * 500 + 600) / 3600)
    # The same precision at another size: scaled. A is computed in float32, of which nothing is on record: counted.
    other = next(
        run for run in estimate("table5", made_up, "h100", Store(results)).runs if run.run.dataset == "ffhq-64"
    )
    ratio = work_of("E", "ffhq-64").train_macs / work_of("E", "cifar10").train_macs
    assert other.training.device_hours == pytest.approx(4000 * ratio / 3600)
    assert other.training.how == f"scaled, {ratio:.3g} x E at cifar10"
    (a,) = estimate("table1", made_up, "h100", Store(results)).runs
    flop = 5e6 * 2 * work_of("A", "ffhq-256").train_macs
    assert a.training.source == "counted"
    assert a.training.device_hours == pytest.approx(flop / (0.4 * 66.9e12) / 3600)


def test_a_run_on_record_is_done_and_has_its_own_time(made_up: Study, tmp_path: Path) -> None:
    write_record(tmp_path, "paper/cifar10/E/seed0", images=250_000_000, seconds=90_000)
    write_record(tmp_path, "own/cifar10/E/seed5", images=1_000_000, seconds=5000)
    found = estimate("table3", made_up, "h100", Store(tmp_path))
    answer = values(found, Store(tmp_path))
    assert [run["done"] for run in answer["runs"]] == [True]  # type: ignore[attr-defined]
    assert found.runs[0].training.device_hours == pytest.approx(4 * 90_000 / 3600)
    assert answer["left"] == {"runs": 0, "device_hours": 0, "wall_hours": 0, "not_known": 0}
    assert Total.of(found.runs, found.cores).runs == 1
    assert estimate("table3", made_up, "a100", Store(tmp_path)).runs[0].training.source == "counted"


def test_disk_and_downloads_are_those_of_the_registries(made_up: Study, tmp_path: Path) -> None:
    found = estimate("table3", made_up, "h100", Store(tmp_path))
    disk = found.disk
    assert disk["data/cifar10"] == 50_000 * (3 * 32 * 32 + 8)
    g, d = 20_781_952, 21_280_512
    assert disk["work/: checkpoints, at most"] == 3 * 4 * (2 * g + d + 2 * (g + d))  # two kept, one being written
    assert disk["runs/: generators"] == 4 * g
    assert disk["work/cache/reference: cifar10 in vgg16 features"] == 8 * 4096 * 4097 + 4 * 4096 * 50_000
    assert found.downloads == {
        "cifar-10-python.tar.gz": 170_498_071,
        "inception-2015-12-05.pt": None,
        "vgg16.pt": None,
    }
    assert not found.supplied
    assert "70,000 PNG" in estimate("table1", made_up, "h100", Store(tmp_path)).supplied["ffhq-256"]


def test_snapshots_for_convergence_are_counted_in_time_and_on_disk(tmp_path: Path) -> None:
    found = estimate("table4", STUDIES["paper"], "h100", Store(tmp_path))
    g_bytes = sum(work_of(run.run.config, run.run.dataset).g_bytes for run in found.runs)
    assert found.disk["runs/: snapshots for convergence"] == 50 * g_bytes
    # 50 points of 50,000 samples, through G, Inception and EfficientNet-lite1; the first run also sees the reals.
    a, e = found.runs[:2]
    looked = feature_work("inception-tensorflow", "ffhq-256").macs + feature_work("efficientnet-lite1", "ffhq-256").macs
    macs = 50 * 50_000 * (work_of("A", "ffhq-256").g_macs + looked) + 70_000 * looked
    assert a.evaluation.device_hours == pytest.approx(2 * macs / (0.4 * 66.9e12) / 3600)
    macs = 50 * 50_000 * (work_of("E-inverted", "ffhq-256").g_macs + looked)
    assert e.evaluation.device_hours == pytest.approx(2 * macs / (0.4 * 66.9e12) / 3600)


def test_published_cost_is_compared_with_the_counted_work(tmp_path: Path) -> None:
    (cifar10,) = estimate("table3", STUDIES["paper"], "l40", Store(tmp_path)).published
    assert (cifar10.text, cifar10.device_hours) == ("4 days", 768)
    # 250 M images of 105.3 G multiply-adds over 768 hours of 181 TFLOP/s.
    assert cifar10.share_of_bf16_peak == pytest.approx(250e6 * 2 * 105.3e9 / (768 * 3600 * 181e12), rel=1e-3)
    assert not estimate("table2", STUDIES["mini"], "l40", Store(tmp_path)).published  # a tenth of the images


def run_of(training_hours: float, devices: int, seed: int) -> RunCost:
    cost = Cost(device_hours=training_hours * devices, devices=devices, source="counted", how="")
    nothing = Cost(device_hours=0.0, devices=1, source="counted", how="")
    run = RunId("paper", "cifar10", "E", seed)
    return RunCost(record=run.metrics, run=run, key="", total_kimg=1, training=cost, evaluation=nothing)


def test_wall_clock_is_one_run_at_a_time_on_gpus_and_several_at_once_on_cores() -> None:
    runs = [run_of(3, 1, 0), run_of(2, 1, 1), run_of(2, 1, 2)]
    assert Total.of(runs, cores=None).wall_hours == 7
    assert Total.of(runs, cores=2).wall_hours == 4  # 3 on one core, 2 + 2 on the other
    waiting = [run_of(3, 1, 0), run_of(2, 2, 1), run_of(1, 1, 2)]
    assert Total.of(waiting, cores=2).wall_hours == 6  # both cores wait for the second
    assert Total.of(runs, cores=2).device_hours == 7
    assert Total.of(runs, cores=2).runs == 3


def test_smoke_is_predicted_from_other_configurations_within_a_factor_of_three() -> None:
    """By the smoke records without those of a run's own configuration; with them it is exact.

    Records of other scales come from processors that share a name with those of the smoke scale.
    """
    study = STUDIES["smoke"]
    measured = [m for m in read_measurements(RESULTS) if m.job.record.startswith("smoke/")]
    ratios = {}
    for run_id, run in study.evaluated.items():
        training = RESULTS.evaluation(run_id).training
        seconds, batch = training.seconds, training.recipe.batch
        assert seconds is not None
        hardware = next(m.hardware for m in measured if m.job.record == run_id.metrics)
        job = Job(
            record=run_id.metrics, config=run.config, dataset=run.dataset, amount=1000 * run.total_kimg, batch=batch
        )
        exact = cost_of(job, 1, hardware, measured).wall_hours
        assert exact == pytest.approx(seconds / 3600, rel=1e-3)
        predicted = cost_of(job, 1, hardware, [m for m in measured if m.job.base != run.config])
        assert predicted.source == "scaled"
        assert predicted.wall_hours is not None
        ratios[run.key] = predicted.wall_hours / exact
    assert all(1 / 3 < ratio < 3 for ratio in ratios.values()), ratios
    assert len(ratios) > 10


@pytest.mark.parametrize("scale", STUDIES)
@pytest.mark.parametrize("table", TABLES)
def test_every_table_at_every_scale_has_an_answer_on_every_hardware(table: str, scale: str) -> None:
    for hardware in known_hardware(RESULTS):
        found = estimate(table, STUDIES[scale], hardware, RESULTS)
        answer = values(found, RESULTS)
        json.dumps(answer, allow_nan=False)
        shown = text(found, RESULTS)
        for run in found.runs:
            assert (run.device_hours or 0) > 0
            assert run.training.source in ("measured", "scaled", "counted")
            assert run.run.config in shown
        for name, size in (found.disk | found.downloads).items():
            assert size is None or size > 0
            assert name in shown
        # A run that is measured during training and at its end has two records, and is trained once.
        left = {run.run for run in found.runs if not RESULTS.has(run.record)}
        assert answer["left"]["runs"] == len(left)  # type: ignore[index]
        assert answer["everything"]["runs"] == len({run.run for run in found.runs})  # type: ignore[index]
        trained = [run.run for run in found.runs if run.training.device_hours]
        assert sorted(trained) == sorted({run.run for run in found.runs})
        assert bool(found.runs) != ("no run of this scale is needed for it" in shown)


def test_an_unknown_machine_gets_sizes_but_no_invented_time(
    made_up: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "this_machine", lambda: "some-processor-4-cores")
    found = estimate("table3", made_up, "some-processor-4-cores", Store(tmp_path))
    assert found.runs[0].device_hours is None
    left = Total.of(found.runs, found.cores)
    assert (left.device_hours, left.not_known) == (0, 1)
    assert "run `make bench` there" in text(found, Store(tmp_path))
    assert found.disk


def test_a_device_is_known_by_its_whole_name_or_by_a_word_of_it() -> None:
    assert entry_of(folder_name("NVIDIA H100 80GB HBM3")) is HARDWARE["h100"]
    assert entry_of(folder_name("NVIDIA L40S")) is None
    assert not stands_for("amd-epyc-2-cores", folder_name("AMD EPYC 7763 64-Core Processor, 2 cores"))
    assert cores_of(folder_name("AMD EPYC 7763 64-Core Processor, 16 cores")) == 16
    assert cores_of("nvidia-h100-80gb-hbm3") is None


def test_the_command_prints_the_estimate_and_the_second_time_without_torch(r3gan: Command) -> None:
    arguments = ("estimate", "table3", "--scale", "paper", "--hardware", "l40")
    done = r3gan(*arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    for part in ("table3 at scale paper on 8 x l40 (NVIDIA L40)", "counted, 5.27e+19 FLOP in bf16", "40% (assumed"):
        assert part in done.stdout
    for part in ("downloads: 170 MB and 2 of unknown size", "vgg16.pt", "size not known", "11% of the bfloat16 peak"):
        assert part in done.stdout
    found = json.loads(r3gan(*arguments, "--json", cwd=REPOSITORY).stdout)
    assert found["runs"][0]["training"]["source"] == "counted"
    assert found["everything"]["device_hours"] == pytest.approx(5.27e19 / (0.4 * 181e12) / 3600, rel=1e-2)
    code = f"import sys; from r3gan.cli import main; main({arguments!r}); assert 'torch' not in sys.modules"
    again = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment(REPOSITORY))
    assert again.returncode == 0


def test_a_check_predicts_recorded_runs_without_those_of_their_configuration(made_up: Study, tmp_path: Path) -> None:
    write_record(tmp_path, "own/cifar10/E/seed5", images=1_000_000, seconds=2000)
    nothing = check(made_up, Store(tmp_path))
    assert nothing == [] and "no run of scale paper" in check_text("paper", nothing)
    write_record(tmp_path, "paper/cifar10/E/seed0", images=250_000_000, seconds=250_000)
    write_record(tmp_path, "paper/ffhq-64/E/seed0", images=1_000_000, seconds=1e6)
    found = {(each.run.dataset, each.part): each for each in check(made_up, Store(tmp_path))}
    assert set(found) == {(name, part) for name in ("cifar10", "ffhq-64") for part in ("training", "evaluation")}
    # 2000 s per million images are on record elsewhere, and 1000 s in the run itself.
    training = found["cifar10", "training"]
    assert (training.how, training.recorded) == ("measured, 1 other run", 4 * 250_000)
    assert training.ratio == pytest.approx(2.0) and not training.is_within
    assert found["cifar10", "evaluation"].ratio == pytest.approx(1.0) and found["cifar10", "evaluation"].is_within
    # At the other size E is scaled from that run elsewhere, not from the one of the scale itself.
    ratio = work_of("E", "ffhq-64").train_macs / work_of("E", "cifar10").train_macs
    assert found["ffhq-64", "training"].predicted == pytest.approx(4 * 2000 * ratio)
    lines = check_text("paper", list(found.values())).splitlines()
    (line,) = (line for line in lines if line.split()[:3] == ["E", "cifar10", "training"])
    assert line.split()[3:8] == ["1", "1,000,000.0", "2.00", "2.00", "2.00"]
    assert {"training: 0 of 2 within a factor of 1.5 (0%)", "whole runs: 0 of 2 within a factor of 1.5 (0%)"} <= {
        *lines
    }


def test_jobs_of_one_kind_are_predicted_by_their_median_with_the_batch_of_the_job() -> None:
    def job(record: str, config: str, batch: int = 0, **more: Any) -> Job:
        return Job(record=record, config=config, dataset="stackedmnist5k-16", batch=batch, **({"amount": 1} | more))

    def took(seconds: float, of: Job) -> Measurement:
        return Measurement(job=of, hardware="amd-epyc-2-cores", device_seconds=seconds)

    measured = [
        *(took(s, job(f"search/x/A.v{i}/seed0/metrics.json", "A.v", batch=8)) for i, s in enumerate((3.0, 2.9, 9.0))),
        took(1.5, job("search/x/A.large/seed0/metrics.json", "A.large", batch=32)),
        took(80.0, job(BENCHMARK, "A", batch=8)),
    ]

    def seconds(of: Job) -> float:
        hours = cost_of(of, 1, "amd-epyc-2-cores", measured).device_hours
        assert hours is not None
        return hours * 3600

    assert seconds(job("desk/x/A/seed0/metrics.json", "A", batch=8, amount=100)) == pytest.approx(300)  # the median
    assert seconds(job("desk/x/A/seed0/metrics.json", "A", batch=32)) == pytest.approx(1.5)
    assert seconds(job("desk/x/A/seed0/metrics.json", "A", batch=16)) == pytest.approx(2.95)  # of no other batch
    measured.append(took(7.0, job("desk/x/A/seed1/metrics.json", "A", batch=8)))
    assert seconds(job("desk/x/A/seed0/metrics.json", "A", batch=8)) == pytest.approx(7)  # its own scale's other seed
    # Another configuration is scaled from the nearest one in the same way.
    ratio = work_of("B", "stackedmnist5k-16").train_macs / work_of("A", "stackedmnist5k-16").train_macs
    assert seconds(job("desk/x/B/seed0/metrics.json", "B", batch=32)) == pytest.approx(1.5 * ratio)


MISTAKES = [
    (("estimate", "table9"), ("unknown table 'table9'", "table1")),
    (
        ("estimate", "table1", "--scale", "papr"),
        ("unknown --scale 'papr'", "did you mean paper", "mini, paper, search, smoke"),
    ),
    (("estimate", "table1", "--hardware", "l4"), ("unknown --hardware 'l4'", "did you mean l40", "amd-epyc-2-cores")),
    (("estimate", "--all", "--hardware", "abacus"), ("unknown --hardware 'abacus'", "h100")),
    (("estimate",), ("give one of TABLE", "--all and --check")),
    (("estimate", "--all", "table1"), ("give one of TABLE", "--all and --check")),
    (("estimate", "--all", "--check"), ("give one of TABLE", "--all and --check")),
    (("estimate", "--all", "--scale", "smoke"), ("--scale goes with TABLE and --check",)),
    (("estimate", "--check", "--hardware", "h100"), ("--check takes --scale and --results only",)),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=["-".join(m[0]) for m in MISTAKES])
def test_a_mistake_gets_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...],
    said: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert all(part in captured.err for part in said)


def test_a_run_measured_again_at_its_end_is_trained_once(tmp_path: Path) -> None:
    found = estimate("table4-ablation", STUDIES["smoke"], "h100", Store(tmp_path))
    ended = [run for run in found.runs if run.record.endswith("metrics.json")]
    assert len(found.runs) == 2 * len(ended) == 18
    assert {run.training.device_hours for run in ended} == {0.0}
    assert all(run.evaluation.device_hours for run in ended)
    assert found.disk["runs/: generators"] == sum(work_of(run.run.config, run.run.dataset).g_bytes for run in ended)
    # Feature networks of both records are counted: EfficientNet at the end, the digit classifier during training.
    references = [name for name in found.disk if name.startswith("work/cache/reference")]
    assert len(references) == 2


def test_outside_a_checkout_the_scales_are_those_that_were_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["estimate", "table1", "--scale", "smke"]) == 2
    scales = ", ".join(sorted(STUDIES))
    said = f"r3gan estimate: unknown --scale 'smke' (did you mean smoke?); allowed: {scales}\n"
    assert capsys.readouterr().err == said
    assert list(tmp_path.iterdir()) == []


def runs_of(study: Study, table: str) -> list[str]:
    """The records that a table shows of the study's runs, which the toys are not."""
    return [record for record in find_table(table).records(study) if record not in study.toy_records]


def test_all_tables_of_all_scales_are_written_or_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    arguments = ["estimate", "--all", "--hardware", "h100", "--results", str(tmp_path)]
    assert main([*arguments, "--json"]) == 0
    printed = msgspec.json.decode(capsys.readouterr().out, type=AllEstimates)
    assert list(tmp_path.iterdir()) == []
    assert main(arguments) == 0
    assert read(tmp_path / COSTS, AllEstimates, "again") == printed
    needed = {
        (study.scale, name): records
        for study in STUDIES.values()
        for name in TABLES
        if (records := runs_of(study, name))
    }
    assert {(each.scale, each.table): [run.record for run in each.runs] for each in printed.estimates} == needed


def test_costs_on_record_are_those_of_the_studies() -> None:
    found = read(RESULTS.results / COSTS, AllEstimates, "again")
    for each in found.estimates:
        assert [run.record for run in each.runs] == runs_of(STUDIES[each.scale], each.table)
    assert found.hardware == "h100"


def test_what_has_a_record_costs_nothing_more(tmp_path: Path) -> None:
    study = STUDIES["smoke"]
    runs = tuple(run for run in study.runs if run.config in ("dcgan", "E"))  # of Table 2 alone
    twice = replace(study, runs=runs, convergence=None)
    assert read_costs(tmp_path) is None
    found = estimate_all([twice], "h100", Store(tmp_path))
    write(tmp_path / COSTS, found)
    costs = read_costs(tmp_path)
    assert costs is not None
    (line,), (total,) = costs.lines, costs.totals
    assert (line.table, line.runs_left, line.runs) == ("table2", 2, 2)
    assert (line.device_time, line.wall_time) == (total.device_time, total.wall_time)
    (each,) = found.estimates
    assert math.fsum(run.device_hours or 0 for run in each.runs) > 0
    record = tmp_path / each.runs[0].record
    record.parent.mkdir(parents=True)
    record.touch()
    assert [line.runs_left for line in read_costs(tmp_path).lines] == [1]  # type: ignore[union-attr]


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "of an earlier version": (lambda text: text.replace('"schema": 2', '"schema": 1'), "schema"),
    "with a word for a number": (
        lambda text: text.replace('"total_kimg": ', '"total_kimg": "x", "y": ', 1),
        "total_kimg",
    ),
    "with no devices": (lambda text: text.replace('"devices": 1', '"devices": 0', 1), "devices"),
    "cut short": (lambda text: text[:1000], "costs.json"),
    "of an infinite time": (
        lambda text: re.sub('"device_hours": [^,]+', '"device_hours": Infinity', text),
        "not finite",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_costs_is_one_sentence(tmp_path: Path, damage: str) -> None:
    change, place = DAMAGES[damage]
    (tmp_path / COSTS).write_text(change((RESULTS.results / COSTS).read_text()))
    with pytest.raises(UserError, match=re.escape(str(tmp_path / COSTS))) as raised:
        read_costs(tmp_path)
    assert place in str(raised.value)
    assert "run `r3gan estimate --all` again" in str(raised.value)
    assert "\n" not in str(raised.value)
