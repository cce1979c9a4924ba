# From a trained run to its record, which is small and versioned.
rule evaluate:
    input:
        "runs/{scale}/{dataset}/{config}/seed{seed}/generator.safetensors",
        "runs/{scale}/{dataset}/{config}/seed{seed}/train.json",
        "runs/{scale}/{dataset}/{config}/seed{seed}/loss.csv",
        "data/{dataset}/images.npy",
        f"runs/classifier/{STUDY.classifier}/classifier.safetensors",
        FIRST_USE,
    output:
        "results/{scale}/{dataset}/{config}/seed{seed}/metrics.json",
        "results/{scale}/{dataset}/{config}/seed{seed}/samples.png",
        "results/{scale}/{dataset}/{config}/seed{seed}/loss.csv",
    log:
        "work/logs/evaluate/{scale}/{dataset}/{config}/seed{seed}.log",
    # A GPU run takes the whole machine; on a CPU several runs share it.
    threads: lambda wildcards: workflow.cores if GPUS else STUDY.find_run(wildcards).threads
    resources:
        gpu=GPUS,
    params:
        code=fingerprint.code("evaluate"),
        classifier=STUDY.classifier,
        metrics=" ".join(STUDY.metrics),
        samples=STUDY.samples,
        threads=lambda wildcards: STUDY.find_run(wildcards).threads,
    shell:
        "r3gan evaluate {wildcards.scale}/{wildcards.dataset}/{wildcards.config}/seed{wildcards.seed}"
        " --classifier {params.classifier} --metrics {params.metrics} --samples {params.samples}"
        " --threads {params.threads} 2>&1 | tee {log}"
