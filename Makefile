# Everything runs in a virtual environment of its own; `make help` lists what there is.
#   make test ARGS="-k claim"     PYTHON=python3.13 VENV=.venv313 make test

SHELL = /bin/sh
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
ONCE ?=
ONLY ?=

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Where `make test-databases` finds its servers; the user needs the right to create databases.
POSTGRES_URL ?= postgres://conversion:conversion@127.0.0.1:5432/conversion
MARIADB_URL ?= mysql://conversion:conversion@127.0.0.1:3306/conversion
REDIS_URL ?= redis://127.0.0.1:6379/0
# What a database can break: the rows, their sending, their queue. The clusters of these tests use
# the database as their broker, but where a test says Redis.
WITH_DATABASES = tests/databases tests/models tests/sync tests/queues \
	tests/faults/test_interleavings.py tests/faults/test_model.py tests/faults/test_table.py
ON_DATABASE = env -u REDIS_URL TEST_REDIS_URL=$(REDIS_URL)

.PHONY: help demo test test-databases test-faults test-browser test-installation lint format \
	typecheck screenshots benchmark wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

# --- Set-up: once, and again when pyproject.toml changed --------------------------------------

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Installing into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[dev]'
	@touch $@

# mysqlclient is compiled: this needs MariaDB's headers (Debian: libmariadb-dev, pkg-config).
$(VENV)/.databases: $(VENV)/.installed
	@$(PIP) --editable '.[dev,databases]'
	@touch $@

$(VENV)/.browser: $(VENV)/.installed
	@$(PIP) --editable '.[dev,browser]'
	@touch $@

# --- See it -----------------------------------------------------------------------------------

demo: $(VENV)/.installed ## the site, its queue and a stand-in of the API, with sample data; ONCE=1: check and end
	@$(BIN)/python -m project.demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

screenshots: $(VENV)/.browser ## take the pictures of the documentation again
	$(BIN)/python docs/screenshots.py $(ARGS)

# --- Test it ----------------------------------------------------------------------------------

test: $(VENV)/.installed ## the default tests on SQLite; ARGS="--cov --cov-report=term": with coverage
	$(BIN)/python -m pytest -n auto $(ARGS)

test-databases: $(VENV)/.databases ## rows, sending, queues and two clusters at once, on PostgreSQL and MariaDB
	$(ON_DATABASE) DATABASE_URL=$(POSTGRES_URL) $(BIN)/python -m pytest $(WITH_DATABASES) $(ARGS)
	$(ON_DATABASE) DATABASE_URL=$(MARIADB_URL) $(BIN)/python -m pytest $(WITH_DATABASES) $(ARGS)

test-faults: $(VENV)/.databases ## kill, cut and delay, and see that nothing is lost
	$(BIN)/python -m pytest tests/faults $(ARGS)

test-browser: $(VENV)/.browser ## the admin in a real browser (Chromium)
	$(BIN)/python -m pytest tests/browser $(ARGS)

test-installation: $(VENV)/.installed ## the built package in sites of its own
	$(BIN)/python -m pytest tests/installation $(ARGS)

lint: $(VENV)/.installed ## style, formatting and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed ## put the code in shape
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

typecheck: $(VENV)/.installed ## mypy, strict
	$(BIN)/mypy

benchmark: $(VENV)/.databases ## measure; ONLY=million_rows ARGS="--rows 10000": one of them
	@for script in benchmarks/$(or $(ONLY),[a-z]*).py; do \
		echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

wheel: $(VENV)/.installed ## build the package into dist/
	$(BIN)/python -m build --wheel

clean: ## remove all that the targets made, the demo's data too
	rm -rf $(VENV) .demo build dist staticfiles htmlcov .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
