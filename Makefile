# Two commands on a fresh machine:  make results   and   make test
# Each sets up .venv by itself, and does nothing twice.

PYTHON ?= python3
CORES  ?= 2
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
STUDIES := config/config.yaml config/studies/leadership-climate.yaml \
           config/studies/readiness-waves.yaml config/studies/work-hours.yaml

# The environment's own programs first, so that the workflow's jobs use the same Python.
export PATH := $(abspath $(BIN)):$(PATH)
# One thread a job: the matrices are small, and threads of several jobs would only get in each other's way.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help results test env lint check-slow verify lock clean

help:
	@echo "make results     set up, run the example studies to their reports"
	@echo "make test        set up, run the tests"
	@echo "make verify      compare our numbers with the published ones"
	@echo "make lint        ruff, snakefmt, mypy"
	@echo "make check-slow  the evidence that takes minutes"
	@echo "make lock        renew requirements.lock (needs uv)"
	@echo "make clean       remove what the above made"

results: $(STAMP)
	@for study in $(STUDIES); do $(BIN)/implstats run $$study --cores $(CORES) || exit $$?; done
	@echo
	@echo "All example studies are done. Open one of:"
	@for study in $(STUDIES); do echo "  results/$$(sed -n 's/^  name: *//p' $$study | head -n 1)/report.html"; done

test: $(STAMP)
	$(BIN)/python -m pytest -n $(CORES) -m "not slow" --dist loadgroup
	@echo "Tests passed. What they hold us to: docs/architecture.md; slower evidence: make check-slow"

check-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --durations=0 -q 2>&1 | tee benchmarks/check-slow.txt

verify: $(STAMP)
	@for study in $(STUDIES); do $(BIN)/implstats verify $$study || exit $$?; done

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

env: $(STAMP)
	@echo "The environment is ready: source $(BIN)/activate, then: implstats --help"

$(STAMP): requirements.lock requirements-build.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install it: sudo apt-get install python3 python3-venv (or name one: make PYTHON=/path/to/python3)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "implstats needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Name a newer one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python cannot make virtual environments. Install the missing part: sudo apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (a minute or two, about 1 GB) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --require-hashes -r requirements-build.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --no-build-isolation --require-hashes -r requirements.lock \
	  || { echo "The packages could not be installed. If the lines above ask for a compiler: sudo apt-get install build-essential python3-dev. If they speak of the network: set the proxy or index of pip."; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --no-build-isolation --no-deps -e .
	@# Every stage is a process that loads its packages: compiled once here, they load in a third of the time, also
	@# where PYTHONDONTWRITEBYTECODE keeps Python from doing it. pip would take longer, on one core.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib src || echo "Some packages could not be byte-compiled; everything runs, only slower."
	@touch $@

lock:
	uv lock -q
	uv export -q --locked --no-emit-project --no-annotate --no-header --extra dev --no-group build -o requirements.lock
	uv export -q --locked --no-emit-project --no-annotate --no-header --only-group build -o requirements-build.lock
	rm -f uv.lock

clean:
	rm -rf $(VENV) .snakemake logs results/* data/processed/* benchmarks/snakemake
