# Published tables and reproduced ones. `snakemake --cores all results/table1.md` runs the smoke scale;
# a trailing `--config scale=paper` selects another study file.
from snakemake.utils import min_version

min_version("9.5")


include: "pipelines/study.smk"
include: "pipelines/data.smk"
include: "pipelines/train.smk"
include: "pipelines/evaluate.smk"
include: "pipelines/released.smk"
include: "pipelines/toys.smk"
include: "pipelines/benchmark.smk"
include: "pipelines/tables.smk"


# Not in a dry run, nor where there is nothing to do.
onstart:
    hold_tree()


rule all:
    default_target: True
    input:
        expand("results/{table}.md", table=TABLES),
        "results/report.html",
