# `make demo` and `make test` need python3 with venv, git, make and g++, and install the rest into .venv first.
# `make tools` installs the programs that some tests need besides.
PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP) --constraint constraints.txt
TESTS := -m pytest -q --numprocesses 2 --dist loadfile --durations 20

.PHONY: demo test tools bare bounds lint docs hooks coverage lowest data changelog release clean

demo: .venv/core
	$(BIN)/smartpix run --output smartpix-out

# The last lines say which tests were left out, for want of which program; where CI is set there may be none.
test: .venv/dev lint
	OMP_NUM_THREADS=1 $(BIN)/python $(TESTS)

# The system packages that tests use, with apt; where that is not allowed it prints the command and fails.
tools:
	@$(PYTHON) -m tests.programs

# The last commit in a fresh clone with nothing but python3, git, make and g++: `make demo` and `make test` there. Some 20 minutes.
bare:
	@$(PYTHON) -m tests.bare_clone

# The tests of the compiled loops, with every index checked; these loops have a cache of their own.
KERNEL_TESTS := $(addprefix tests/seeding/test_,kernels.py brute_force.py seeds.py hits.py) \
  $(addprefix tests/smartpix/test_,clusters.py outlines.py) \
  $(addprefix tests/smartpix/,networks/test_fused.py networks/test_fused_blocks.py chip/test_fused.py) \
  $(addprefix tests/smartpix/estimate/test_,finish.py shape.py) \
  $(addprefix tests/smartpix/simulate/test_,readout.py induction.py response.py response_ionisation.py) \
  $(addprefix tests/tracking/finders/,gnn/test_fused.py gnn/test_graph.py gnn/test_feature_kernels.py) \
  $(addprefix tests/tracking/finders/,test_paths.py test_components.py trkx/test_toys.py) \
  $(addprefix tests/tracking/fit/test_,kalman.py curvilinear.py material.py)
bounds: .venv/dev
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(CURDIR)/.venv/numba-bounds OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -q $(KERNEL_TESTS)

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
	OMP_NUM_THREADS=1 $(BIN)/python $(TESTS) --cov --cov-report=term-missing:skip-covered

# The tests with the oldest versions that pyproject.toml allows; their kernels have a cache of their own.
lowest: .venv-lowest/dev
	NUMBA_CACHE_DIR=$(CURDIR)/.venv-lowest/numba OMP_NUM_THREADS=1 .venv-lowest/bin/python $(TESTS)

# Everything in data/: detector table, embedded sample, trained weights.
data: .venv/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" bash data/make.sh

# The entries of changelog.d/ into CHANGELOG.md, below the version of pyproject.toml.
changelog:
	@$(PYTHON) docs/make_changelog.py

# Wheel and sdist in dist/, each installed into an empty environment and run there, and the text of the tag. Uploads nothing.
release: .venv/dev
	@$(BIN)/python -m tests.release

# Debian's python3 comes without venv and pip. Stamps are written by the shell alone: `:` needs no program.
CHECK_PYTHON = @command -v $(PYTHON) >/dev/null || { echo "make: '$(PYTHON)' was not found; on Debian: apt install python3-venv" >&2; exit 1; }; \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "make: smartpix needs Python 3.11 or newer; call: make PYTHON=python3.11 ..." >&2; exit 1; }; \
  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
  { echo "make: '$(PYTHON)' cannot make virtual environments (no venv or ensurepip); on Debian: apt install python3-venv" >&2; exit 1; }

.venv/bin/python:
	$(CHECK_PYTHON)
	$(PYTHON) -m venv .venv

# An environment that was interrupted has no pip, which comes last.
.venv/bin/pip: | .venv/bin/python
	@[ -f $@ ] || $(PYTHON) -m venv .venv

.venv/core: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@: > $@

.venv/dev: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev,acts,hls,onnx,dask,docs,release]'
	@: > $@; : > .venv/core

.venv-lowest/dev: pyproject.toml constraints-lowest.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python $(PIP) --constraint constraints-lowest.txt --editable '.[dev,acts,hls,onnx,dask]'
	@: > $@

clean:
	rm -rf .venv .venv-lowest smartpix-out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
