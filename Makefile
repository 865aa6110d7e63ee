# The words of the project. Each needs Python 3.11 or newer, git and make, and makes the environment it needs.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
.PHONY: help demo test check fast slow bench docs clean

PYTHON ?= python3
CORE := .venv
FULL := .venv-full
PEERS := .venv-bench

# Times are for two cores with a fast mirror of the package index.
help: ## this list
	@echo "Drivetrain. The words of the project:"
	@echo "  make demo   installs the core into $(CORE) (40 s) and trains the race car by every pattern (4 min); leaves report/index.html"
	@echo "  make test   installs everything into $(FULL) (3 to 4 min), then: make check, make fast, make slow (25 min in all at most)"
	@echo "  make check  ruff, mypy --strict, the floors of the architecture (1 min)"
	@echo "  make fast   the tests that take seconds (2 min)"
	@echo "  make slow   the tests that train, benchmark and run the examples (15 min)"
	@echo "  make bench  installs the peers into $(PEERS) (2 min) and measures every claim beside them (10 min)"
	@echo "  make docs   checks the links and examples of docs/ and renders them to docs/site (10 s)"
	@echo "  make clean  removes the environments and what the words left behind"

demo: $(CORE)/.installed
	@$(call say,the race car: every training pattern from the same start; about four minutes)
	$(CORE)/bin/python -m examples.race_car

test: check fast slow
	@$(call say,all passed)

check: $(FULL)/.installed
	@$(call say,format and lint; seconds)
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/ruff check .
	@$(call say,strict type check of src; about a minute the first time)
	$(FULL)/bin/mypy
	@$(call say,imports go downstairs; seconds)
	PYTHONPATH=src $(FULL)/bin/lint-imports --no-logo

fast: $(FULL)/.installed
	@$(call say,fast tests on two workers; about two minutes)
	OMP_NUM_THREADS=1 $(FULL)/bin/python -m pytest -n 2 -m "not slow" --durations=5

slow: $(FULL)/.installed
	@$(call say,slow tests one after another; about fifteen minutes)
	OMP_NUM_THREADS=1 $(FULL)/bin/python -m pytest -m slow --verbose --durations=5

bench: $(PEERS)/.installed
	@$(call say,every claim beside its peers in the same run; about ten minutes)
	$(PEERS)/bin/python -m benchmarks

docs: $(FULL)/.installed
	@$(call say,links and pages of docs/)
	$(FULL)/bin/python -m docs.build

clean:
	rm -rf $(CORE) $(FULL) $(PEERS) report docs/site benchmarks/results build dist src/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(CORE)/.installed: pyproject.toml constraints/core.txt
	@$(call say,installing the core into $(CORE); about 40 seconds)
	@$(PYTHON) .ci/install.py $(CORE) constraints/core.txt "."
	@touch $@

$(FULL)/.installed: pyproject.toml constraints/full.txt constraints/weights.txt
	@$(call say,installing everything into $(FULL); three to four minutes and 8 GB)
	@$(PYTHON) .ci/install.py $(FULL) constraints/full.txt ".[aggregators,fabric,flax,jax,keras,metrics,mlflow,onnx,optuna,postgres,ray,scan,sklearn,tensorflow,ui,yolo,dev]"
	@$(FULL)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement constraints/weights.txt
	@touch $@

$(PEERS)/.installed: pyproject.toml constraints/bench.txt
	@$(call say,installing the peers into $(PEERS); about two minutes)
	@$(PYTHON) .ci/install.py $(PEERS) constraints/bench.txt ".[bench,fabric]"
	@touch $@

say = echo && echo "== $$(date +%H:%M:%S) $(1)"
