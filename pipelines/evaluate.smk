# From a trained run to its record, which is small and versioned.
rule evaluate:
    input:
        f"runs/{RUN}/generator.safetensors",
        f"runs/{RUN}/train.json",
        f"runs/{RUN}/loss.csv",
        "data/{dataset}/images.npy",
        lambda wildcards: measured(wildcards).classifier_files,
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        f"results/{RUN}/metrics.json",
        f"results/{RUN}/samples.png",
        f"results/{RUN}/reals.png",
        f"results/{RUN}/loss.csv",
    log:
        f"work/logs/evaluate/{RUN}.log",
    # A GPU run takes the whole machine; on a CPU several runs share it.
    threads: lambda wildcards: workflow.cores if HAS_GPU else run_of(wildcards).threads
    resources:
        gpu=1,
    params:
        code=code_of_stage("evaluate"),
        options=lambda wildcards: measured(wildcards).evaluation_options,
        threads=lambda wildcards: run_of(wildcards).threads,
    shell:
        "r3gan evaluate {wildcards.scale}/{wildcards.dataset}/{wildcards.config}/seed{wildcards.seed}"
        " {params.options}"
        " --threads {params.threads} 2>&1 | tee {log}"


# The snapshots that a run kept of G, measured after training, so that neither counts in the other's time.
rule evaluate_snapshots:
    input:
        f"runs/{RUN}/generator.safetensors",
        f"runs/{RUN}/train.json",
        "data/{dataset}/images.npy",
        lambda wildcards: converging(wildcards).classifier_files,
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        f"results/{RUN}/convergence.json",
        f"results/{RUN}/convergence.csv",
    log:
        f"work/logs/evaluate_snapshots/{RUN}.log",
    threads: lambda wildcards: workflow.cores if HAS_GPU else run_of(wildcards).threads
    resources:
        gpu=1,
    params:
        code=code_of_stage("evaluate_snapshots"),
        options=lambda wildcards: converging(wildcards).evaluation_options,
        threads=lambda wildcards: run_of(wildcards).threads,
    shell:
        "r3gan evaluate-snapshots {wildcards.scale}/{wildcards.dataset}/{wildcards.config}/seed{wildcards.seed}"
        " {params.options}"
        " --threads {params.threads} 2>&1 | tee {log}"
