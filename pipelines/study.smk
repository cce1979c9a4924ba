# The selected study, and what its stages depend on besides files. Nothing here imports torch.
import os
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from r3gan import fingerprint
from r3gan.configs import find_config
from r3gan.engines import hold_tree
from r3gan.tables import (
    TABLES,
    AblationTable,
    ComparisonTable,
    ConvergenceTable,
    LossFigure,
    ParameterFigure,
    PresetTable,
    PropositionTable,
    SpeedTable,
    Table,
    find_table,
)
from r3gan.workflow import (
    benchmark_files,
    comparison_files,
    convergence_files,
    has_gpu,
    load_studies,
    mark_first_use,
    mark_selection,
    names_of,
    record_files,
)

# Runs and records name their scale in their paths; results/<table>.md asks for those of the selected one.
STUDIES = load_studies(config.get("scale", "smoke"))
STUDY = STUDIES[config.get("scale", "smoke")]
study_of = lambda wildcards: STUDIES[wildcards.scale]
run_of = lambda wildcards: study_of(wildcards).find_run(wildcards)
FIRST_USE = mark_first_use(STUDY.scale)
SELECTED = mark_selection(Path("work/selected-scale"), STUDY.scale)
# Tables that need no run of this study.
STANDING_TABLES = [name for name in TABLES if name not in names_of(Table)]
# Of the machine that plans; on a cluster the profile sets threads, and jobs ask for GPUs by the resource `gpu`.
HAS_GPU = has_gpu()
# Data sets of the authors' snapshots that are to be measured as well.
RELEASED = [name for name in str(config.get("released", "")).split(",") if name]

# Inside a Slurm job, training that was stopped and has saved requeues the job.
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
    config="|".join(run.config for study in STUDIES.values() for run in study.all_runs),
    seed=r"\d+",
    table="|".join(names_of(Table)),
    speed_table="|".join(names_of(SpeedTable)),
    comparison="|".join(names_of(ComparisonTable)),
    ablation_table="|".join(names_of(AblationTable)),
    convergence_table="|".join(names_of(ConvergenceTable)),
    figure="|".join(names_of(ParameterFigure, LossFigure)),
    preset_table="|".join(names_of(PresetTable)),
    proposition_table="|".join(names_of(PropositionTable)),
