# From a trained run to its record, which is small and versioned.
rule evaluate:
    input:
        "runs/{scale}/{dataset}/{config}/seed{seed}/generator.safetensors",
        "runs/{scale}/{dataset}/{config}/seed{seed}/train.json",
        "runs/{scale}/{dataset}/{config}/seed{seed}/loss.csv",
        "data/{dataset}/images.npy",
        lambda wildcards: study_of(wildcards).find_evaluated(wildcards).classifier_files,
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        "results/{scale}/{dataset}/{config}/seed{seed}/metrics.json",
        "results/{scale}/{dataset}/{config}/seed{seed}/samples.png",
        "results/{scale}/{dataset}/{config}/seed{seed}/loss.csv",
    log:
        "work/logs/evaluate/{scale}/{dataset}/{config}/seed{seed}.log",
    # A GPU run takes the whole machine; on a CPU several runs share it.
    threads: lambda wildcards: workflow.cores if HAS_GPU else run_of(wildcards).threads
    resources:
        gpu=1,
    params:
        code=fingerprint.code("evaluate"),
        options=lambda wildcards: study_of(wildcards)
        .find_evaluated(wildcards)
        .evaluation_options,
        threads=lambda wildcards: run_of(wildcards).threads,
    shell:
        "r3gan evaluate {wildcards.scale}/{wildcards.dataset}/{wildcards.config}/seed{wildcards.seed}"
        " {params.options}"
        " --threads {params.threads} 2>&1 | tee {log}"


# What a run kept of G on the way, measured afterwards, so that neither is on the other's clock.
rule converge:
    input:
        "runs/{scale}/{dataset}/{config}/seed{seed}/generator.safetensors",
        "runs/{scale}/{dataset}/{config}/seed{seed}/train.json",
        "data/{dataset}/images.npy",
        lambda wildcards: run_of(wildcards).classifier_files,
        lambda wildcards: mark_first_use(wildcards.scale),
    output:
        "results/{scale}/{dataset}/{config}/seed{seed}/convergence.json",
        "results/{scale}/{dataset}/{config}/seed{seed}/convergence.csv",
    log:
        "work/logs/converge/{scale}/{dataset}/{config}/seed{seed}.log",
    threads: lambda wildcards: workflow.cores if HAS_GPU else run_of(wildcards).threads
    resources:
        gpu=1,
    params:
        code=fingerprint.code("converge"),
        options=lambda wildcards: run_of(wildcards).evaluation_options,
        threads=lambda wildcards: run_of(wildcards).threads,
    shell:
        "r3gan converge {wildcards.scale}/{wildcards.dataset}/{wildcards.config}/seed{wildcards.seed}"
        " {params.options}"
        " --threads {params.threads} 2>&1 | tee {log}"
