# The selected study, and what its stages depend on besides files. Nothing here imports torch.
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from r3gan.configs import find_config
from r3gan.pipeline import fingerprint
from r3gan.pipeline.code import code_of_stage
from r3gan.pipeline.dvc import REPORT_FILES
from r3gan.pipeline.engines import hold_tree
from r3gan.pipeline.selection import (
    has_gpu,
    load_studies,
    mark_first_use,
    mark_selection,
    own_sources,
    table_inputs,
)
from r3gan.records.provenance import hardware_name
from r3gan.records.run_id import RunId
from r3gan.tables.registry import TABLES

# Runs and records name their scale in their paths; results/<table>.md asks for those of the selected one.
STUDIES = load_studies(config.get("scale", "smoke"))
STUDY = STUDIES[config.get("scale", "smoke")]
OWN = own_sources(STUDIES.values())
RUN = "{scale}/{dataset}/{config}/seed{seed}"
run_id = lambda wildcards: RunId.of(wildcards.scale, wildcards)
study_of = lambda wildcards: STUDIES[wildcards.scale]
run_of = lambda wildcards: study_of(wildcards).trained[run_id(wildcards)]
measured = lambda wildcards: study_of(wildcards).measured[run_id(wildcards)]
converging = lambda wildcards: study_of(wildcards).converging[run_id(wildcards)]
# Of the machine that plans. On a cluster the profile sets threads, and jobs request GPUs by the resource `gpu`.
HAS_GPU = has_gpu()
benchmark_folder = (
    lambda: f"results/benchmarks/{hardware_name('cuda' if HAS_GPU else 'cpu')}"
)
# Data sets of the authors' snapshots that are evaluated as well.
RELEASED = [name for name in str(config.get("released", "")).split(",") if name]

# Inside a Slurm job, training that has been stopped and has saved a checkpoint requeues the job.
if "SLURM_JOB_ID" in os.environ:
    shell.prefix(
        "set -euo pipefail; . {workflow.basedir:q}/pipelines/profiles/slurm/requeue.sh; "
    )


# Only with `--sdm apptainer`; docs/scaling.md builds it.
container: "r3gan.sif"


wildcard_constraints:
    module="[a-z_]+",
    dataset="|".join(name for study in STUDIES.values() for name in study.datasets),
    released="|".join(find_config("E").paper_sizes()),
    scale="|".join(STUDIES),
    config="|".join(
        {re.escape(run.config) for s in STUDIES.values() for run in s.trained}
    ),
    seed=r"\d+",
    table="|".join(TABLES),
