# The selected study, and what its stages depend on besides files. Nothing here imports torch.
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from r3gan import fingerprint
from r3gan.configs import find_config
from r3gan.engines import hold_tree
from r3gan.tables import (
    TABLES,
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
    load_study,
    mark_first_use,
    mark_selection,
    names_of,
    record_files,
)

STUDY = load_study(config.get("scale", "smoke"))
FIRST_USE = mark_first_use(Path(f"work/first-use-{STUDY.scale}"))
SELECTED = mark_selection(Path("work/selected-scale"), STUDY.scale)
# Tables that need no run of this study.
STANDING_TABLES = [name for name in TABLES if name not in names_of(Table)]
GPUS = 1 if has_gpu() else 0
# Data sets of the authors' snapshots that are to be measured as well.
RELEASED = [name for name in str(config.get("released", "")).split(",") if name]


container: "docker://python:3.11-slim"


wildcard_constraints:
    module="[a-z_]+",
    dataset="|".join(STUDY.datasets),
    released="|".join(find_config("E").paper_sizes()),
    scale=STUDY.scale,
    config="|".join(run.config for run in STUDY.all_runs),
    seed=r"\d+",
    table="|".join(names_of(Table)),
    speed_table="|".join(names_of(SpeedTable)),
    comparison="|".join(names_of(ComparisonTable)),
    convergence_table="|".join(names_of(ConvergenceTable)),
    figure="|".join(names_of(ParameterFigure, LossFigure)),
    preset_table="|".join(names_of(PresetTable)),
    proposition_table="|".join(names_of(PropositionTable)),
