# Speed and memory on this machine; runs only when asked for by name, since a number from a busy machine is worse than
# none. It writes results/benchmarks/<hardware>/, from which the speed tables are rendered.
rule benchmark:
    output:
        touch("work/benchmarks/{module}"),
    log:
        "work/logs/benchmark/{module}.log",
    # Nothing else runs at the same time.
    threads: lambda wildcards: workflow.cores
    params:
        code=code_of_stage("train"),
        # What `make bench-compare` compares with, in pytest-benchmark's own format.
        storage=lambda wildcards: f"{benchmark_folder()}/{wildcards.module}",
    shell:
        "pytest benchmarks/test_{wildcards.module}.py --benchmark-only -n0"
        " --benchmark-storage={params.storage} --benchmark-save={wildcards.module}"
        " --benchmark-columns=min,median,max,rounds 2>&1 | tee {log}"
