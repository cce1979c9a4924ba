# One job per run. Logs mirror outputs; checkpoints are under work/, which Snakemake does not delete.
rule train:
    input:
        "data/{dataset}/images.npy",
        "data/{dataset}/labels.npy",
    output:
        f"runs/{RUN}/generator.safetensors",
        f"runs/{RUN}/train.json",
        f"runs/{RUN}/loss.csv",
    log:
        f"work/logs/train/{RUN}.log",
    # The study's order, slowest first: with equal priorities the longest run may be left to the end, alone.
    priority: lambda wildcards: study_of(wildcards).priorities[run_id(wildcards)]
    # A GPU run takes the whole machine; on a CPU several runs share it.
    threads: lambda wildcards: workflow.cores if HAS_GPU else run_of(wildcards).threads
    # Requested from a cluster; on one machine it limits nothing.
    resources:
        gpu=lambda wildcards: study_of(wildcards).launch["ranks"],
    params:
        code=code_of_stage("train"),
        recipe=lambda wildcards: fingerprint.recipe(wildcards.config, wildcards.dataset),
        total_kimg=lambda wildcards: run_of(wildcards).total_kimg,
        threads=lambda wildcards: run_of(wildcards).threads,
        launch=lambda wildcards: study_of(wildcards).launch_options,
        options=lambda wildcards: run_of(wildcards).train_options,
        snapshots=lambda wildcards: study_of(wildcards).snapshot_option(
            run_id(wildcards)
        ),
    shell:
        "r3gan train --scale {wildcards.scale} --config {wildcards.config} --dataset {wildcards.dataset}"
        " --seed {wildcards.seed} --total-kimg {params.total_kimg} --overwrite --threads {params.threads} {params.launch}{params.options}{params.snapshots} 2>&1 | tee {log}"
