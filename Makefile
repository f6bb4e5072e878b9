# Everything a person or a machine does with this project, by name.
PYTHON ?= python3
BIN := .venv/bin
CLIENTS := .venv-clients
.PHONY: install clients demo test check bench format clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q minnow
	$(BIN)/python -m minnow.warm
	touch .venv/installed

demo: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh samples/demo.sh

# The clients that the hub is tested with, each version in an environment of its own.
clients: $(patsubst tests/clients/environments/%.txt,$(CLIENTS)/%/installed,$(wildcard tests/clients/environments/*.txt))

$(CLIENTS)/%/installed: tests/clients/environments/%.txt
	$(PYTHON) -m venv --clear $(CLIENTS)/$*
	$(CLIENTS)/$*/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Two files of tests at a time; a thread that waits leaves its core to the other's.
test: install clients
	OMP_WAIT_POLICY=passive $(BIN)/pytest -n 2 --dist loadfile

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python benchmarks/classification.py

clean:
	rm -rf .venv $(CLIENTS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
