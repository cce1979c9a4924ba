# One job a run. Logs mirror outputs; state to resume from lives under work/, which Snakemake does not delete.
rule train:
    input:
        "data/{dataset}/images.npy",
        "data/{dataset}/labels.npy",
    output:
        "runs/{scale}/{dataset}/{config}/seed{seed}/generator.safetensors",
        "runs/{scale}/{dataset}/{config}/seed{seed}/train.json",
        "runs/{scale}/{dataset}/{config}/seed{seed}/loss.csv",
    log:
        "work/logs/train/{scale}/{dataset}/{config}/seed{seed}.log",
    # The study's order, slowest first: with equal priorities the longest run may be left to the end, alone.
    priority: lambda wildcards: STUDY.priority(wildcards)
    # A GPU run takes the whole machine; on a CPU several runs share it.
    threads: lambda wildcards: workflow.cores if GPUS else STUDY.find_run(wildcards).threads
    resources:
        gpu=GPUS,
    params:
        code=fingerprint.code("train"),
        recipe=lambda wildcards: fingerprint.recipe(wildcards.config, wildcards.dataset),
        total_kimg=lambda wildcards: STUDY.find_run(wildcards).total_kimg,
        threads=lambda wildcards: STUDY.find_run(wildcards).threads,
        launch=STUDY.launch_options,
        snapshots=STUDY.snapshot_option,
    shell:
        "r3gan train --scale {wildcards.scale} --config {wildcards.config} --dataset {wildcards.dataset}"
        " --seed {wildcards.seed} --total-kimg {params.total_kimg} --threads {params.threads} {params.launch}{params.snapshots} 2>&1 | tee {log}"
