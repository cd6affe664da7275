# make push   set up .venv and run the main job        make test   set up what the tests need and run them all
# make lint   style, types and layers                   make clean  remove .venv, caches and build outputs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REMEDY := install it with: sudo apt install python3 python3-pip python3-venv

.PHONY: push test lint clean

push: $(VENV)/.core
	$(BIN)/microtwin push --frequency 12 --width 5 --path circle --trials 4 --seed 0 --out runs/push

test: $(VENV)/.dev
	@tests/install-debian.sh
	$(BIN)/pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --cache-dir $(VENV)/.lint-cache

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so an interrupted set-up is done again; it is renewed when the requirements change.
$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/.created
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.created
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.core

# Debian splits ensurepip out of Python; without it the system's pip puts pip into the new environment.
$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: $(REMEDY)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), microtwin needs 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; }
	@rm -rf $(VENV)
	@if $(PYTHON) -m venv $(VENV) >/dev/null 2>&1; then :; \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	    $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	else rm -rf $(VENV); echo "$(PYTHON) can make no environment, it lacks venv and pip: $(REMEDY)" >&2; exit 1; fi
	@touch $@
