# Tables are rendered from records alone; the DAG asks for those of the selected scale.
rule table:
    input:
        lambda wildcards: record_files(STUDY, wildcards.table),
        "r3gan/tables/published.csv",
        FIRST_USE,
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
