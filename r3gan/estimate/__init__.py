"""What a table of a scale would cost before it is run: device-hours, wall clock, disk and downloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from r3gan.configs import find_config
from r3gan.data.sources import find_source
from r3gan.errors import unknown
from r3gan.estimate import storage
from r3gan.estimate.costs import ASSUMED_SHARE_OF_PEAK, Job, cost_of, read_measurements
from r3gan.estimate.features import feature_work
from r3gan.estimate.published import published_costs
from r3gan.estimate.schema import AllEstimates, Estimate, RunCost
from r3gan.metrics import find_metric
from r3gan.pipeline.selection import has_gpu
from r3gan.records.hardware import HARDWARE, cores_of
from r3gan.records.provenance import hardware_name
from r3gan.records.run_id import RunId
from r3gan.records.store import Store
from r3gan.study import Study, StudyRun
from r3gan.tables.registry import TABLES, find_table

Needed = Mapping[str, tuple[RunId, StudyRun]]  # record -> the run, as it is measured for the record


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A record of a run: its training, and the evaluation that writes the record."""

    run_id: RunId
    run: StudyRun
    training: Job
    evaluation: Job


def this_machine() -> str:
    """The name of what computes here: of the folder that `make bench` writes its results to."""
    return hardware_name("cuda" if has_gpu() else "cpu")


def known_hardware(store: Store) -> list[str]:
    """What can be asked about: machines that were measured, and entries of HARDWARE."""
    measured = sorted(path.name for path in (store.results / "benchmarks").glob("*") if path.is_dir())
    return list(dict.fromkeys([*measured, *HARDWARE]))


def check_hardware(hardware: str, store: Store) -> None:
    """UserError if nothing is known of the hardware and it is not this machine."""
    allowed = known_hardware(store)
    if hardware not in allowed and hardware != this_machine():
        raise unknown("--hardware", hardware, allowed)


def estimate(table: str, study: Study, hardware: str, store: Store) -> Estimate:
    """The cost of a table's runs in a study; UserError if the table or the hardware is unknown."""
    check_hardware(hardware, store)
    listed = records_of(study)
    needed = {record: listed[record] for record in find_table(table).records(study) if record in listed}
    runs = tuple(run_costs(study, needed, hardware, store))
    measured = [run for _, run in needed.values()]
    snapshots = {run_id: snapshots_of(study, run_id) for run_id, _ in needed.values()}
    cores = cores_of(hardware)
    at_once = 1 if cores is None else max((cores // run.training.devices for run in runs), default=1)
    return Estimate(
        table=table,
        scale=study.scale,
        hardware=hardware,
        cores=cores,
        ranks=int(study.launch["ranks"]),
        runs=runs,
        disk=storage.on_disk(measured, snapshots, at_once),
        downloads=storage.downloads(measured),
        supplied=storage.supplied(measured),
        published=published_costs(measured),
    )


def records_of(study: Study) -> Needed:
    """All records of a study's runs but those whose work is derived only after their data set is prepared."""
    listed = {run_id.metrics: (run_id, run) for run_id, run in study.measured.items()}
    listed |= {run_id.convergence: (run_id, run) for run_id, run in study.converging.items()}
    return {record: line for record, line in listed.items() if has_preset(line[1])}


def has_preset(run: StudyRun) -> bool:
    return run.dataset in find_config(run.config).recipes


def estimate_all(studies: Iterable[Study], hardware: str, store: Store) -> AllEstimates:
    """The estimates of all tables that need runs; UserError if the hardware is unknown."""
    check_hardware(hardware, store)
    found = [estimate(table, study, hardware, store) for study in studies for table in TABLES]
    return AllEstimates(
        hardware=hardware,
        assumed_share_of_peak=ASSUMED_SHARE_OF_PEAK,
        estimates=tuple(each for each in found if each.runs),
    )


def snapshots_of(study: Study, run_id: RunId) -> int:
    """How often a run keeps G during training, to be measured afterwards."""
    if study.convergence is None or run_id not in study.converging:
        return 0
    return int(study.converging[run_id].total_kimg / study.convergence.snapshot_kimg)


def run_costs(study: Study, needed: Needed, hardware: str, store: Store) -> Iterator[RunCost]:
    """Each record's training and evaluation; a run that has two records is trained once."""
    measured, cores, ranks = list(read_measurements(store)), cores_of(hardware), int(study.launch["ranks"])
    trained = set[RunId]()
    for each in planned(study, needed):
        # The pipeline evaluates in one process.
        devices, evaluating = (n if cores is None else min(cores, each.run.threads * n) for n in (ranks, 1))
        training = cost_of(each.training, devices, hardware, measured)
        if each.run_id in trained:
            training = msgspec.structs.replace(training, device_hours=0.0, how="the same run")
        trained.add(each.run_id)
        yield RunCost(
            record=each.training.record,
            run=each.run_id,
            key=each.run.key,
            total_kimg=each.run.total_kimg,
            training=training,
            evaluation=cost_of(each.evaluation, evaluating, hardware, measured),
        )


def planned(study: Study, needed: Needed) -> Iterator[Planned]:
    """The jobs behind records; the first run that needs features of real images computes them."""
    extracted = set[tuple[str, str]]()
    for record, (run_id, run) in needed.items():
        batch = int(run.set.get("batch", find_config(run.config).recipe(run.dataset).batch))
        amount = round(run.total_kimg * 1000)
        training = Job(record=record, config=run.config, dataset=run.dataset, amount=amount, batch=batch)
        samples, draws = run.evaluation["samples"], run.evaluation.get("draws", 1)
        converging = record == run_id.convergence
        evaluation = replace(
            training,
            batch=0,
            amount=(snapshots_of(study, run_id) if converging else 0) or 1,
            metrics=run.metrics,
            images=samples * (draws if converging else draws + 1),  # also of the untrained G
            real_macs=macs_of_reals(run, extracted),
        )
        yield Planned(run_id=run_id, run=run, training=training, evaluation=evaluation)


def macs_of_reals(run: StudyRun, extracted: set[tuple[str, str]]) -> float:
    """Multiply-adds of the real images' features that the run's metrics need and `extracted`, which grows, lacks."""
    needed = {(run.dataset, metric.extractor) for metric in map(find_metric, run.metrics) if metric.reals != "none"}
    new = sorted(needed - extracted)
    extracted |= needed
    return sum((find_source(dataset).count or 0) * feature_work(name, dataset).macs for dataset, name in new)
