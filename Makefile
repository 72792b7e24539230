# make verify: from a fresh machine to both theorems decided. make test: lint, types, every test, verify at small size.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: verify test lint figures strength mutants clean

verify: $(VENV)/installed
	$(BIN)/theory-sim verify

test: $(VENV)/installed lint
	$(BIN)/theory-sim verify configs/small.yaml --out $(VENV)/results
	$(BIN)/pytest -n 2

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

figures: $(VENV)/installed
	$(BIN)/theory-sim figures

mutants: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[strength]'
	$(BIN)/python tests/strength/mutants.py
# Processes killed at random moments, dead workers, a full disk: tests/strength/README.md. Minutes.
strength: $(VENV)/installed
	$(BIN)/python tests/strength/kills.py
	$(BIN)/python tests/strength/workers.py
	$(BIN)/python tests/strength/full_disk.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) results
