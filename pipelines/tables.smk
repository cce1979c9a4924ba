# Tables are rendered from records alone; the DAG asks for those of the selected scale.
rule table:
    input:
        lambda wildcards: record_files(STUDY, wildcards.table),
        "r3gan/tables/published.csv",
        FIRST_USE,
        SELECTED,
    output:
        "results/{table}.md",
        "results/{table}.csv",
        "results/{table}.json",
        f"results/{{table}}-{STUDY.scale}-samples.png",
        f"results/{{table}}-{STUDY.scale}-curves.png",
    log:
        "work/logs/table/{table}.log",
    params:
        code=fingerprint.code("table"),
    shell:
        "r3gan table {wildcards.table} 2>&1 | tee {log}"


# The same table with the records of one scale alone, whichever is selected.
rule table_of_scale:
    input:
        lambda wildcards: record_files(study_of(wildcards), wildcards.table),
        "r3gan/tables/published.csv",
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        "results/{scale}/{table}.md",
        "results/{scale}/{table}.csv",
        "results/{scale}/{table}.json",
        "results/{scale}/{table}-{scale}-samples.png",
        "results/{scale}/{table}-{scale}-curves.png",
    log:
        "work/logs/table/{scale}/{table}.log",
    params:
        code=fingerprint.code("table"),
    shell:
        "r3gan table {wildcards.table} --scale {wildcards.scale} 2>&1 | tee {log}"


# Published comparisons, and ours where a study's runs are on that data set.
rule comparison_table:
    input:
        lambda wildcards: comparison_files(STUDY, wildcards.comparison, RELEASED),
        "r3gan/tables/published.csv",
        FIRST_USE,
        SELECTED,
    output:
        "results/{comparison}.md",
        "results/{comparison}.csv",
        "results/{comparison}.json",
    log:
        "work/logs/table/{comparison}.log",
    params:
        code=fingerprint.code("comparisons"),
    shell:
        "r3gan table {wildcards.comparison} 2>&1 | tee {log}"


# When each configuration reaches the best of a baseline.
rule convergence_table:
    input:
        lambda wildcards: convergence_files(STUDY, wildcards.convergence_table),
        "r3gan/tables/published.csv",
        FIRST_USE,
        SELECTED,
    output:
        "results/{convergence_table}.md",
        "results/{convergence_table}.csv",
        "results/{convergence_table}.json",
        (
            [f"results/{{convergence_table}}-{STUDY.scale}-convergence.png"]
            if STUDY.convergence
            else []
        ),
    log:
        "work/logs/table/{convergence_table}.log",
    params:
        code=fingerprint.code("convergence"),
    shell:
        "r3gan table {wildcards.convergence_table} 2>&1 | tee {log}"


# What the parts of a configuration are worth.
rule ablation_table:
    input:
        lambda wildcards: convergence_files(STUDY, wildcards.ablation_table),
        "r3gan/tables/published.csv",
        FIRST_USE,
        SELECTED,
    output:
        "results/{ablation_table}.md",
        "results/{ablation_table}.csv",
        "results/{ablation_table}.json",
        "results/{ablation_table}.png",
        "results/{ablation_table}-samples.png",
    log:
        "work/logs/table/{ablation_table}.log",
    params:
        code=fingerprint.code("ablation"),
    shell:
        "r3gan table {wildcards.ablation_table} 2>&1 | tee {log}"


rule figure:
    input:
        lambda wildcards: comparison_files(STUDY, wildcards.figure, RELEASED),
        "r3gan/tables/published.csv",
        FIRST_USE,
        SELECTED,
    output:
        "results/{figure}.md",
        "results/{figure}.csv",
        "results/{figure}.png",
        "results/{figure}.svg",
    log:
        "work/logs/table/{figure}.log",
    params:
        code=fingerprint.code("figures"),
    shell:
        "r3gan table {wildcards.figure} 2>&1 | tee {log}"


# From the configurations alone.
rule preset_table:
    input:
        "r3gan/tables/published.csv",
    output:
        "results/{preset_table}.md",
        "results/{preset_table}.csv",
        "results/{preset_table}.json",
    log:
        "work/logs/table/{preset_table}.log",
    params:
        code=fingerprint.code("presets"),
        recipes=lambda wildcards: fingerprint.recipes(
            find_table(wildcards.preset_table).config
        ),
    shell:
        "r3gan table {wildcards.preset_table} 2>&1 | tee {log}"


# Computed in seconds, from the losses and penalties themselves.
rule proposition_table:
    output:
        "results/{proposition_table}.md",
        "results/{proposition_table}.csv",
        "results/{proposition_table}.json",
        "results/{proposition_table}.png",
    log:
        "work/logs/table/{proposition_table}.log",
    params:
        code=fingerprint.code("propositions"),
    shell:
        "r3gan table {wildcards.proposition_table} 2>&1 | tee {log}"


# Made from what has been measured on this and on other machines; measuring is asked for by name.
rule speed_table:
    input:
        lambda wildcards: benchmark_files(wildcards.speed_table),
    output:
        "results/{speed_table}.md",
        "results/{speed_table}.csv",
        "results/{speed_table}.json",
    log:
        "work/logs/table/{speed_table}.log",
    params:
        code=fingerprint.code("speed"),
    shell:
        "r3gan table {wildcards.speed_table} 2>&1 | tee {log}"


# What every table of every scale would cost on a GPU.
rule costs:
    input:
        [f"pipelines/study/{scale}.yaml" for scale in STUDIES],
    output:
        "results/costs.json",
    log:
        "work/logs/costs.log",
    params:
        code=fingerprint.code("costs"),
        recipes=fingerprint.all_recipes(),
    shell:
        "r3gan estimate --all --hardware h100 2>&1 | tee {log}"


# All tables on one page, for people and for CI; it draws the pipeline from its own files.
rule report:
    input:
        expand("results/{name}.md", name=[*STUDY.tables, *STANDING_TABLES]),
        "results/costs.json",
        "dvc.yaml",
        Path("pipelines").glob("*.smk"),
    output:
        "results/report.md",
        "results/report.html",
        "results/report.json",
        "results/report.xml",
        "results/badge.json",
    log:
        "work/logs/report.log",
    params:
        code=fingerprint.code("report"),
    shell:
        "r3gan report 2>&1 | tee {log}"
