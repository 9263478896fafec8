# Every verb a contributor needs. `make` alone lists them. ARGS="…" is passed on to what a verb runs.

PYTHON ?=
UV ?= uv
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# A virtual environment does not survive being moved or copied, so the stamp carries the folder it was made in.
READY := $(VENV)/.ready-$(shell pwd | cksum | cut -d' ' -f1)
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready-$(shell pwd | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types docs static sbom simulate drift chaos proof mutants bench bench-memory lock clean

help: ## list these verbs
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv from requirements.lock (once; about a minute)
	@:

$(READY): requirements.lock pyproject.toml
	@set -e; \
	python=""; \
	for each in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  if "$$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python="$$each"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Throughline needs Python 3.11 or newer with its venv module, and found none."; \
	  echo "Install it (Debian and Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3 setup"; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version) (once; about a minute)"; \
	rm -f $(VENV)/.ready-*; \
	"$$python" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	touch $(READY)

demo: setup ## run the whole journey on simulated systems and show what became of every record
	@$(BIN)/throughline demo $(ARGS)

test: setup ## run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: setup ## format, lint, types, static checks, docs and tests: what a change must pass
	@$(MAKE) --no-print-directory lint types static docs test

format: setup ## put the code in its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

lint: setup ## format and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup ## mypy, strict
	$(BIN)/mypy

docs: setup ## check that the documents name only what is there
	$(BIN)/python -m pytest -q tests/docs tests/house

static: setup ## bandit, detect-secrets and pip-audit; what could not be looked up is told as SKIPPED
	@$(BIN)/python -m tests.static $(ARGS)

sbom: setup ## write sbom.json, the bill of materials of requirements.lock (CycloneDX)
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json
	@echo "sbom.json"

drift: setup ## what becomes of 500 changes to each vendor's answers (minutes)
	@$(BIN)/python -m tests.drift $(ARGS)

simulate: setup ## the engine under a seed's scheduler, crashes and faults: 10,000 seeds a write class (an hour on two quiet cores)
	$(BIN)/python -m tests.simulation --mode all --seeds 10000 --every-point $(ARGS)

chaos: setup ## worker processes killed while vendors fail and people edit: 30 seeds of 10,000 records (an hour)
	$(BIN)/python -m tests.chaos --seeds 30 --records 10000 $(ARGS)

proof: setup ## measure the promise, and write throughline-proof.json and the table in docs/explanation/guarantees.md (a quarter of an hour)
	$(BIN)/python -m tests.proof $(ARGS)

mutants: setup ## defects put into the engine on purpose, and which test noticed each
	$(BIN)/python -m tests.mutants $(ARGS)

bench: setup $(BENCH_READY) ## measure speed and size beside dlt, and write docs/explanation/performance.md (minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-memory: setup ## show that memory stays flat from 200,000 to a million records (a quarter of an hour)
	@$(BIN)/python -m benchmarks --memory $(ARGS)

$(BENCH_READY): benchmarks/requirements.lock | $(READY)
	@echo "Setting up $(BENCH_VENV) with the engines compared (once)"
	@rm -f $(BENCH_VENV)/.ready-*
	@$(BIN)/python -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	@touch $(BENCH_READY)

lock: ## resolve pyproject.toml anew into requirements.lock (needs uv)
	$(UV) pip compile pyproject.toml --all-extras --universal --upgrade --generate-hashes \
	  --no-annotate --no-header --quiet --output-file requirements.lock
	$(UV) pip compile benchmarks/requirements.in --universal --upgrade --generate-hashes \
	  --no-annotate --no-header --quiet --output-file benchmarks/requirements.lock

clean: ## remove .venv and caches; data (.throughline) stays
	rm -rf $(VENV) $(BENCH_VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
