# Everything runs in a virtual environment of its own; `make help` lists what there is.
#   make test ARGS="-k claim"     make test PYTHON=python3.12 DJANGO='django~=6.0.0' VENV=.venv3.12

SHELL = /bin/sh
# Each process of the tests would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV ?= .venv
# Another Django than the newest that the Python takes; of an environment that is new.
DJANGO ?=
ARGS ?=
ONCE ?=
ONLY ?=
QUICK ?=
COUNTS ?=
# Processes of a test run; two more than there are cores make up for what waits.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 1) + 2)

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Where `make test-databases` and `make bench` find their servers; the user needs the right to create databases.
POSTGRES_URL ?= postgres://conversion:conversion@127.0.0.1:5432/conversion
MARIADB_URL ?= mysql://conversion:conversion@127.0.0.1:3306/conversion
REDIS_URL ?= redis://127.0.0.1:6379/0
# What a database can break: the rows, their sending, their queue. The clusters of these tests use
# the database as their broker, but where a test says Redis.
WITH_DATABASES = tests/databases tests/models tests/sync tests/queues tests/mirrors \
	tests/admin/test_atomic_requests.py \
	tests/faults/test_interleavings.py tests/faults/test_model.py tests/faults/test_table.py \
	tests/faults/test_gateways.py
ON_DATABASE = env -u REDIS_URL TEST_REDIS_URL=$(REDIS_URL)

# What times concern: a site with USE_TZ off, in a zone with summer time.
WITHOUT_ZONES = tests/sync tests/models/test_synced.py tests/models/test_engagement.py \
	tests/models/test_fields.py tests/models/test_refusals.py tests/admin/test_contact.py \
	tests/admin/test_engagement.py tests/admin/lists/test_filters.py tests/admin/pages/test_calls.py \
	tests/admin/pages/test_compare.py tests/admin/pages/test_dashboard.py \
	tests/admin/pages/test_history.py tests/admin/pages/test_jobs.py tests/admin/pages/test_panel.py \
	tests/admin/pages/import_export/test_export.py tests/admin/pages/import_export/test_import.py \
	tests/faults/test_model.py
WITHOUT_ZONES_ON_DATABASES = tests/sync/test_time_zones.py tests/sync/test_gate.py \
	tests/sync/test_drain.py tests/models/test_refusals.py

# These start many processes of their own, or count calls and slots to the one.
ALONE = tests/faults/test_rate.py tests/faults/test_kill.py tests/faults/test_batches.py \
	tests/faults/test_gate.py
IF_LONG = $(if $(filter long,$(FAULTS)),-o faulthandler_timeout=0)

.PHONY: help demo test test-without-zones test-collection test-databases test-faults test-demo test-browser \
	test-installation lint format typecheck docs screenshots bench wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

# --- Set-up: once, and again when pyproject.toml changed --------------------------------------

# Again, if it was stopped half way.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# What the site and its demo need: no compiler, and no tools of a developer.
$(VENV)/.project: pyproject.toml | $(VENV)/.made
	@$(PIP) --editable '.[project]'
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.made
	@$(PIP) --editable '.[dev]' $(if $(DJANGO),'$(DJANGO)')
	@touch $@ $(VENV)/.project

# mysqlclient is compiled: this needs MariaDB's headers (Debian: libmariadb-dev, pkg-config).
$(VENV)/.databases: $(VENV)/.installed
	@$(PIP) --editable '.[dev,databases]'
	@touch $@

$(VENV)/.browser: $(VENV)/.installed
	@$(PIP) --editable '.[dev,browser]'
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	@$(PIP) --editable '.[dev,docs]'
	@touch $@

# --- See it -----------------------------------------------------------------------------------

demo: $(VENV)/.project ## the site, its queue and a stand-in of the API, with sample data; ONCE=1: check and end
	@$(BIN)/python -m project.demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

screenshots: $(VENV)/.browser ## take the pictures of the documentation again
	$(BIN)/python docs/screenshots.py $(ARGS)

# --- Test it ----------------------------------------------------------------------------------

test: $(VENV)/.installed ## the default tests on SQLite; ARGS="--cov --cov-report=term": with coverage
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-without-zones: $(VENV)/.installed ## what times concern, on SQLite, for a site with USE_TZ off
	USE_TZ=0 $(BIN)/python -m pytest -n $(WORKERS) $(WITHOUT_ZONES) $(ARGS)

test-collection: $(VENV)/.browser ## see that every process finds the same tests
	$(BIN)/python -m tests.collection

test-databases: $(VENV)/.databases ## rows, sending, queues and two clusters at once, on PostgreSQL and MariaDB
	$(ON_DATABASE) DATABASE_URL=$(POSTGRES_URL) $(BIN)/python -m pytest -n $(WORKERS) $(WITH_DATABASES) $(ARGS)
	$(ON_DATABASE) DATABASE_URL=$(MARIADB_URL) $(BIN)/python -m pytest -n $(WORKERS) $(WITH_DATABASES) $(ARGS)
	$(ON_DATABASE) USE_TZ=0 DATABASE_URL=$(POSTGRES_URL) $(BIN)/python -m pytest -n $(WORKERS) $(WITHOUT_ZONES_ON_DATABASES) $(ARGS)
	$(ON_DATABASE) USE_TZ=0 DATABASE_URL=$(MARIADB_URL) $(BIN)/python -m pytest -n $(WORKERS) $(WITHOUT_ZONES_ON_DATABASES) $(ARGS)

test-faults: $(VENV)/.databases ## kill, cut and delay, and see that nothing is lost; FAULTS=long: longer
	$(BIN)/python -m pytest -n $(WORKERS) tests/faults $(ALONE:%=--ignore=%) $(IF_LONG) $(ARGS)
	$(BIN)/python -m pytest $(ALONE) $(IF_LONG) $(ARGS)

test-demo: $(VENV)/.installed ## stop, edit, kill and start the demo again
	$(BIN)/python -m pytest -n 2 tests/demo -o timeout=600 $(ARGS)

test-browser: $(VENV)/.browser ## the admin in a real browser (Chromium)
	$(BIN)/python -m pytest tests/browser $(ARGS)

test-installation: $(VENV)/.installed ## the built package in sites of its own; needs Redis and PostgreSQL
	POSTGRES_URL=$(POSTGRES_URL) $(BIN)/python -m pytest tests/installation $(ARGS)

lint: $(VENV)/.installed ## style, formatting and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed ## put the code in shape
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

typecheck: $(VENV)/.installed ## mypy, strict
	$(BIN)/mypy

docs: $(VENV)/.docs ## build the documentation into build/docs; what Sphinx warns of is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env docs build/docs $(ARGS)
	@echo "build/docs/index.html"

bench: $(VENV)/.databases ## measure, beside targets; QUICK=1: in a minute; COUNTS=1: no times; ONLY=saves,edits
	@$(BIN)/python -m benchmarks $(if $(filter-out 0,$(QUICK)),--quick) \
		$(if $(filter-out 0,$(COUNTS)),--counts-only) $(if $(ONLY),--only $(ONLY)) $(ARGS)

wheel: $(VENV)/.installed ## build the package into dist/
	$(BIN)/python -m build --wheel

clean: ## remove all that the targets made, the demo's data too
	rm -rf $(VENV) .venv3.* .demo build dist staticfiles htmlcov .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
