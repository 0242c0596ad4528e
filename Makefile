# What README names. Every target makes the environment it needs in .venv.
PYTHON ?= python3
PIP_OPTIONS ?=
BIN := .venv/bin
STAMP := .venv/.complete

.PHONY: .venv quickstart test lint bench clean
.DELETE_ON_ERROR:

.venv: $(STAMP)

# The stamp is written last: an interrupted installation is done again from the start.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e ".[dev]"
	touch $@

quickstart: $(STAMP)
	$(BIN)/python examples/quickstart.py

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py --suite bench

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
