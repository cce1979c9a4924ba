# The authors' snapshots as a scale of their own. They are the user's to download: put one at released/<dataset>.pkl and
# ask for results/released/<dataset>/E/seed0/metrics.json, or for a table with `--config released=cifar10,ffhq-64`.
rule import_released:
    input:
        "released/{released}.pkl",
    output:
        "runs/released/{released}/E/seed0/generator.safetensors",
        "runs/released/{released}/E/seed0/train.json",
    log:
        "work/logs/import_released/{released}.log",
    params:
        code=code_of_stage("released"),
    shell:
        "r3gan import-released {input} --dataset {wildcards.released} 2>&1 | tee {log}"


rule evaluate_released:
    input:
        "runs/released/{released}/E/seed0/generator.safetensors",
        "runs/released/{released}/E/seed0/train.json",
        "data/{released}/images.npy",
    output:
        "results/released/{released}/E/seed0/metrics.json",
        "results/released/{released}/E/seed0/samples.png",
        "results/released/{released}/E/seed0/reals.png",
    log:
        "work/logs/evaluate/released/{released}.log",
    threads: lambda wildcards: workflow.cores
    resources:
        gpu=1,
    params:
        code=code_of_stage("evaluate"),
    shell:
        "r3gan evaluate released/{wildcards.released}/E/seed0"
        " --metrics fid recall --samples 50000 2>&1 | tee {log}"
