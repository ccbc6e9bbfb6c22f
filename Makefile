# Every command a person needs; CI runs the same ones.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FIRST := results/digits

.PHONY: run test test-slow lint types format clean

run: $(READY)  ## search a real task, and go on with it where it was interrupted
	@if [ -f $(FIRST)/study.yaml ]; then $(BIN)/tunefleet resume $(FIRST); else $(BIN)/tunefleet run digits --out $(FIRST); fi

test: $(READY)  ## the quick tests
	$(BIN)/python -m pytest -q

test-slow: $(READY)  ## the tests that take longer: kills, whole studies, real data
	$(BIN)/python -m pytest -q -m slow

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@
