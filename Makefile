# make verify: from a fresh machine to both theorems decided. make test: lint, types, tests, verify at small size.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: verify small test test-all test-fast coverage lint docs figures strength mutants clean

verify: $(VENV)/installed
	$(BIN)/theory-sim verify

test: lint small
	$(BIN)/pytest -n 2 --dist worksteal -m "not thorough"

small: $(VENV)/installed
	$(BIN)/theory-sim verify configs/small.yaml --out $(VENV)/results

# Every test, those of tests/thorough.txt too: killed processes, several processes at once, every study at its small size.
test-all: $(VENV)/installed lint
	$(BIN)/pytest -n 2 --dist worksteal

# Tests without those that train for long, or start many processes: tests/slow.txt.
test-fast: $(VENV)/installed
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

# The tests of make test, and the lines that none of them runs.
coverage: $(VENV)/installed
	$(BIN)/pytest -n 2 --dist worksteal -m "not thorough" --cov --cov-report=term --cov-report=html:build/coverage

# The site, its notebooks run; a warning is an error. DOCS_NOTEBOOKS=off leaves the notebooks' output out.
docs: $(VENV)/docs
	$(BIN)/sphinx-build -W --keep-going -d docs/_build/doctrees docs docs/_build/html

$(VENV)/docs: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

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
	rm -rf $(VENV) results docs/_build build .coverage*
