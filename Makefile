# Thin names over the commands in the README. Every target sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || echo python3)
UV_VERSION := 0.13.9
VENV := .venv
LOCK := requirements.lock
# Absolute, unless VENV is so already. The path may hold spaces, at which make's own functions would split it; what is in
# the environment needs no quotes.
export VIRTUAL_ENV := $(if $(filter /%,$(VENV)),,$(CURDIR)/)$(VENV)
export PATH := $(VIRTUAL_ENV)/bin:$(PATH)
# Snakemake and DVC ask for a home and a name, which a container may not have.
export HOME := $(shell if test -d "$$HOME" && test -w "$$HOME"; then echo "$$HOME"; else echo "$(CURDIR)/work/home"; fi)
export USER ?= $(shell id -u)
# Each of the many processes would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE
STAMP := $(VENV)/.synced
# What needs no torch runs in an environment of a few packages, or in that of `make setup` where it is there.
REPORT := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.report)
DOCS := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.docs)

# What tests of the report and of the cluster profile need from Debian; without them those tests are skipped.
SYSTEM_PACKAGES := chromium fonts-dejavu-core munge slurm-client slurmctld slurmd

# uv installs no bytecode. Where a process may not write it, as in a container, each would compile what it imports anew.
COMPILED := torch torchvision deepspeed numpy scipy pandas snakemake

.PHONY: help system setup table1 tables report compare docs dist test oldest fuzz kills lint bench bench-compare lock clean

help:  ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

setup: $(STAMP)  ## create .venv from requirements.lock

$(VENV)/bin/uv:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not on PATH; name a Python 3.11 or newer with PYTHON=..." >&2; exit 2; }
	test -x $(VENV)/bin/python || "$(PYTHON)" -m venv $(VENV)
	python -m pip install --quiet uv==$(UV_VERSION)

$(VENV)/.report $(VENV)/.docs: $(VENV)/.%: $(LOCK) pyproject.toml | $(VENV)/bin/uv
	uv pip install --quiet --constraint $(LOCK) --build-constraint $(LOCK) --editable ".[$*]"
	@touch $@

$(STAMP): $(LOCK) pyproject.toml | $(VENV)/bin/uv
	uv pip sync --quiet --require-hashes $(LOCK)
	uv pip install --quiet --no-deps --no-build-isolation --editable .
	@cd $(VENV)/lib/python*/site-packages && python -m compileall -q -j 0 -x '/(tests?|testing)/' $(COMPILED) "$(CURDIR)/r3gan"
	@echo "building DeepSpeed's extension for CPUs (once, about a minute)"
	@mkdir -p .dvc/tmp && python -c 'from r3gan.report.page import javascript; print(javascript())' > .dvc/tmp/vega.js
	@python -m r3gan.training.engine || echo "not built: several ranks on a CPU will have to do without" >&2
	@touch $@

system:  ## install the Debian packages that some tests need (as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES)

table1: setup  ## Table 1 at smoke scale: train, evaluate, print
	snakemake --cores all results/table1.md
	@cat results/table1.md

tables: setup  ## every table at smoke scale
	snakemake --cores all

report: $(REPORT)  ## results/report.html and its other formats, from the tables there are; BASELINE=REV as below
	r3gan report $(if $(BASELINE),--baseline $(BASELINE))

compare: $(REPORT)  ## published against reproduced; BASELINE=REV also against an earlier tree
	r3gan compare $(if $(BASELINE),--baseline $(BASELINE))

docs: $(DOCS)  ## work/site: the guides, tables and references as a site; fails where a link leads nowhere
	mkdocs build --strict

dist: report  ## work/dist: what a release carries, which is the report, the values as CSV and a wheel
	rm -rf work/dist
	uv build --quiet --wheel --build-constraint $(LOCK) --out-dir work/dist
	cp results/report.html results/records.csv results/cells.csv work/dist

test: setup  ## the whole test suite
	pytest $(TESTS)

oldest: setup  ## the tests that use torch, with the lowest torch and torchvision that pyproject.toml allows
	$(MAKE) test VENV=work/oldest LOCK=work/oldest.lock TESTS="$$(grep -rl --include='test_*.py' torch tests | tr '\n' ' ')"

fuzz: setup  ## damaged files through every reader, for ten minutes; counts tries by kind
	python -W ignore -m tests.fuzz 600

kills: setup  ## 50 trainings killed at random moments; all must end with the same weights
	python -m tests.kills

lint: setup  ## format, types, import directions, workflow style
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	snakefmt --check Snakefile pipelines
	snakemake --lint

# A clone of github.com/brownvc/R3GAN: a variable given to make reaches every command it runs.
bench: setup  ## training steps, data and FID against plain implementations, with OFFICIAL=CLONE also the authors' code
	snakemake --cores all --forcerun benchmark -- \
		work/benchmarks/steps work/benchmarks/projected work/benchmarks/data work/benchmarks/evaluation
	snakemake --cores all results/table7.md results/table7-projected.md
	@cat results/table7.md results/table7-projected.md

# The time of a round, in which every side takes its turn, in the last run of this hardware that is kept and now.
MODULE ?= steps
bench-compare: HARDWARE = $(shell python -c 'from r3gan.estimate import this_machine; print(this_machine())')
bench-compare: setup  ## time one module again, MODULE=steps, and compare with the run of this hardware in results/benchmarks
	@test -d results/benchmarks/$(HARDWARE)/$(MODULE) || { echo "results/benchmarks/$(HARDWARE)/$(MODULE) has no run of this hardware; make bench keeps one there" >&2; exit 2; }
	pytest benchmarks/test_$(MODULE).py --benchmark-only -n0 --benchmark-columns=min,median,max,rounds \
		--benchmark-storage=results/benchmarks/$(HARDWARE)/$(MODULE) --benchmark-compare --benchmark-compare-fail=median:10%

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra dev \
	pyproject.toml

# A lock file that is there keeps its other pins, so only what torch brings along differs.
work/oldest.lock: requirements.lock pyproject.toml
	mkdir -p $(@D)
	cp requirements.lock $@
	sed -nE 's/^ *"(torch|torchvision)>=([0-9.]+)",/\1==\2/p' pyproject.toml | $(COMPILE) --constraint - --output-file $@

lock:  ## compile requirements.lock anew from pyproject.toml
	$(COMPILE) --output-file requirements.lock

clean:  ## remove data, runs and working files, keep .venv and results
	rm -rf data runs work .snakemake
