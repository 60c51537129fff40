# The two commands of the README: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint docs hooks coverage lowest data clean

demo: .venv/core
	$(BIN)/smartpix run --output smartpix-out

test: .venv/dev lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site of docs/, into site/.
docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Lint before each commit.
hooks: .venv/dev
	$(BIN)/pre-commit install

# Which lines the tests run; compiled loops do not count.
coverage: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile --cov --cov-report=term-missing:skip-covered

# The tests with the oldest versions that pyproject.toml allows; their kernels have a cache of their own.
lowest: .venv-lowest/dev
	NUMBA_CACHE_DIR=$(CURDIR)/.venv-lowest/numba OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -q --numprocesses 2 --dist loadfile

# Everything in data/: detector table, embedded sample, trained weights.
data: .venv/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" bash data/make.sh

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "smartpix needs Python 3.11 or newer; call: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev,acts,hls,onnx,dask,docs]'
	@touch $@ .venv/core

.venv-lowest/dev: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt \
	  --editable '.[dev,acts,hls,onnx,dask]'
	@touch $@

clean:
	rm -rf .venv .venv-lowest smartpix-out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
