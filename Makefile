# make demo   train the demo recipe and write its report          (runs/demo/report.html)
# make test   run the tests, all or those of a place: make test TESTS=tests/train
# make test-slurm  run a sweep on a SLURM cluster, or on one of one node that root starts from Debian's slurm-wlm and munge
# make test-quick  run the tests of what has changed since the last commit
# make check  format, lint and types: what a change must pass before its tests
# make newest run the tests on the newest versions of all packages, in .venv-newest: make newest PYTHON=python3.12
# make docs   build the documentation into site/, from its own environment; a broken link is an error
# make claims train some recipes and judge what they claim; the rest of the tests leaves this out
# make chaos  kill, stop, starve and damage runs, for 40 minutes, and count what survives: make chaos RUNS=5 for less
# All set everything up themselves, once, in .venv, .venv-docs or .venv-newest.

PYTHON ?= python3
VENV := .venv
DOCS := .venv-docs
NEWEST := .venv-newest
RUN := $(VENV)/bin/python

RUNS ?= 30
SEED ?= 0
TESTS ?= tests
PYTEST := -m pytest -n auto --maxprocesses=4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-quick test-slurm check newest docs claims chaos clean

demo: $(VENV)/.ready
	$(RUN) -m experiments.train --config=configs/digits_tag.py --workdir=runs/demo

test: $(VENV)/.ready
	$(RUN) $(PYTEST) $(TESTS)

test-slurm: $(VENV)/.ready
	LAMV_TEST_SLURM=1 $(RUN) -m pytest -rs tests/sweep/test_slurm_cluster.py

test-quick: $(VENV)/.ready
	JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.cache/compiled $(RUN) $(PYTEST) $$($(RUN) -m tests.at_hand)

check: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ty check --python $(VENV)

# Anew each time: what is newest changes by the day.
newest:
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(NEWEST)/bin/python $(PYTEST)

docs: $(DOCS)/.ready
	$(DOCS)/bin/zensical build --clean --strict

claims: $(VENV)/.ready
	$(RUN) $(PYTEST) -m claims tests/test_recipes.py

chaos: $(VENV)/.ready
	$(RUN) -m tests.chaos --runs=$(RUNS) --seed=$(SEED)

clean:
	rm -rf $(VENV) $(DOCS) $(NEWEST) runs site .cache .hypothesis build *.egg-info

# Made anew when what is required changes; .ready is the last thing written, so a broken set-up is not taken for one.
$(VENV)/.ready: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: lamv needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

$(DOCS)/.ready: requirements-docs.txt
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@
