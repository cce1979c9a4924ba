# Tables are rendered from records alone; an entry of TABLES says what its table is made of.
# Every table has the same files: <name>.md, .csv, .json, and a folder <name>/ of its pictures.
FIRST_USE = mark_first_use(STUDY.scale)
SELECTED = mark_selection(Path("work/selected-scale"), STUDY.scale)
# Tables that show runs; they are rendered anew when another scale is selected, or a scale is used for the first time.
OF_RUNS = {
    name
    for name, table in TABLES.items()
    if any(table.records(study) for study in STUDIES.values())
}


# With the records of every scale that has any; the DAG asks for those of the selected scale.
rule table:
    input:
        lambda wildcards: table_inputs(wildcards.table, STUDY, RELEASED),
        lambda wildcards: [FIRST_USE, SELECTED] if wildcards.table in OF_RUNS else [],
    output:
        report("results/{table}.md", category="Tables", labels={"table": "{table}"}),
        "results/{table}.csv",
        "results/{table}.json",
        "results/metrics/{table}.json",
        report(
            directory("results/{table}"),
            patterns=["{picture}.png"],
            category="Pictures",
            labels={"table": "{table}", "picture": "{picture}"},
        ),
    log:
        "work/logs/table/{table}.log",
    params:
        code=lambda wildcards: fingerprint.table(wildcards.table),
    shell:
        "r3gan table {wildcards.table} 2>&1 | tee {log}"


# The same table with the records of one scale alone, whichever is selected.
rule table_of_scale:
    input:
        lambda wildcards: table_inputs(wildcards.table, study_of(wildcards)),
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        "results/{scale}/{table}.md",
        "results/{scale}/{table}.csv",
        "results/{scale}/{table}.json",
        "results/{scale}/metrics/{table}.json",
        directory("results/{scale}/{table}"),
    log:
        "work/logs/table/{scale}/{table}.log",
    params:
        code=lambda wildcards: fingerprint.table(wildcards.table),
    shell:
        "r3gan table {wildcards.table} --scale {wildcards.scale} 2>&1 | tee {log}"


# What every table of every scale would cost on a GPU.
rule costs:
    input:
        [f"pipelines/study/{scale}.yaml" for scale in STUDIES],
    output:
        "results/costs.json",
    log:
        "work/logs/costs.log",
    params:
        code=code_of_stage("costs"),
        recipes=fingerprint.all_recipes(),
    shell:
        "r3gan estimate --all --hardware h100 2>&1 | tee {log}"


# All tables on one page, for people and for CI, and all numbers as tidy tables.
rule report:
    input:
        expand("results/{name}.json", name=TABLES),
        "results/costs.json",
    output:
        report("results/report.html", category="Page"),
        [f"results/{file}" for file in REPORT_FILES if file != "report.html"],
    log:
        "work/logs/report.log",
    params:
        code=code_of_stage("report"),
    shell:
        "r3gan report 2>&1 | tee {log}"
