# Small networks on 2-D data: every setting and every seed of a scale in one job.
rule toys:
    input:
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        "results/{scale}/toys.json",
    log:
        "work/logs/toys/{scale}.log",
    # Before the trainings: one job instead of a thousand runs, at the claims' own scale.
    priority: 1000
    threads: lambda wildcards: study_of(wildcards).toys["threads"]
    params:
        code=code_of_stage("toys"),
        options=lambda wildcards: study_of(wildcards).toy_options,
    shell:
        "r3gan toys {wildcards.scale} {params.options} 2>&1 | tee {log}"
