# The verbs a newcomer tries. Each sets up what it needs, once: VENV and PYTHON may be overridden,
# for example `make test VENV=/tmp/favae-env PYTHON=python3.12`.

PYTHON ?= python3
VENV ?= .venv
OUT ?= favae-demo

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
PINS := pyproject.toml constraints.txt
USER_STAMP := $(VENV)/.favae-installed
DEV_STAMP := $(VENV)/.favae-installed-dev
DOCS_STAMP := $(VENV)/.favae-installed-docs
BENCH_STAMP := $(VENV)/.favae-installed-bench

.DELETE_ON_ERROR:
.PHONY: help demo test coverage docs lint format notebooks bench clean

help:
	@echo "make demo       install the package and run the demonstration into $(OUT)/"
	@echo "make test       run the test suite"
	@echo "make coverage   run the quick tests; the share of lines they reach"
	@echo "make docs       build the documentation's pages"
	@echo "make lint       check style and types; make format repairs the style"
	@echo "make notebooks  execute every notebook"
	@echo "make bench      compare with other libraries, and with ourselves, in one table"
	@echo "make clean      remove the demonstration's output and the caches"

demo: $(USER_STAMP)
	$(BIN)/pyro-favae demo --out $(OUT)

test: $(DEV_STAMP)
	$(BIN)/python -m pytest

# All of it is reported; the two halves of the theory must be covered.
coverage: $(DEV_STAMP)
	$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term
	$(BIN)/coverage report --include="pyro_favae/models/*,pyro_favae/inference/*" --fail-under=90

docs: $(DOCS_STAMP)
	$(BIN)/sphinx-build -W --keep-going --quiet docs docs/_build/html
	@echo "the pages are in docs/_build/html/index.html"

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(DEV_STAMP)
	$(BIN)/python notebooks/run.py

# BENCH=... passes options on, for example BENCH="--only streaming --out table.md".
bench: $(BENCH_STAMP)
	$(BIN)/python benchmarks/suite.py $(BENCH)

clean:
	rm -rf $(OUT) .pytest_cache .ruff_cache .mypy_cache .hypothesis docs/_build docs/notebooks

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first, at its pinned version: what follows then builds on it instead of choosing another.
$(USER_STAMP): $(PINS) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): $(PINS) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e ".[dev]"
	@touch $@ $(USER_STAMP)

$(BENCH_STAMP): $(PINS) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e ".[bench]"
	@touch $@ $(USER_STAMP)

$(DOCS_STAMP): $(PINS) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e ".[docs]"
	@touch $@ $(USER_STAMP)
