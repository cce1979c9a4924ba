# Data sets as arrays with a manifest, and the classifiers that the offline metrics use.
rule prepare:
    output:
        "data/{dataset}/images.npy",
        "data/{dataset}/labels.npy",
        "data/{dataset}/manifest.json",
    log:
        "work/logs/prepare/{dataset}.log",
    params:
        code=code_of_stage("prepare"),
        source=lambda wildcards: fingerprint.source(
            wildcards.dataset, OWN.get(wildcards.dataset)
        ),
        what=lambda wildcards: (
            OWN[wildcards.dataset].arguments
            if wildcards.dataset in OWN
            else wildcards.dataset
        ),
    shell:
        "r3gan prepare {params.what} 2>&1 | tee {log}"


rule fit:
    input:
        "data/{dataset}/images.npy",
        "data/{dataset}/labels.npy",
    output:
        "runs/classifier/{dataset}/classifier.safetensors",
        "runs/classifier/{dataset}/classifier.json",
    log:
        "work/logs/fit/{dataset}.log",
    params:
        code=code_of_stage("fit"),
    shell:
        "r3gan fit {wildcards.dataset} 2>&1 | tee {log}"
