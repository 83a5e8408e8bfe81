# Two commands: `make dev` serves the Dagster UI on generated data, `make test` checks everything.
# They need Python 3.11 to 3.13, make and PyPI, and set up the rest in this folder.

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode
export DAGSTER_HOME := $(CURDIR)/.dagster

# Sample data and pools are made at the same time.
MAKEFLAGS += --jobs=2

.PHONY: dev materialize test test-cluster prove docs lock clean

dev: $(DAGSTER_HOME)/pools sample
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000

materialize: $(DAGSTER_HOME)/pools sample
	$(BIN)/stedi run

test: .venv/test $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate --load-with-grpc --log-level warning
	$(BIN)/dg check defs
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

# What is derived from the code: Athena DDL, docs/tables.md and docs/commands.md.
docs: .venv/runtime
	$(BIN)/python -m stedi_assets.exports

# What takes minutes: Apache Spark on a standalone cluster, on a folder and on S3.
test-cluster: .venv/test
	$(BIN)/pytest -m cluster

# What takes minutes and proves a promise over many histories: tests marked `prove`.
prove: .venv/test
	$(BIN)/pytest -m prove --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Generated data, unless the lake in data/ has some.
.PHONY: sample
sample: .venv/runtime
	@ls data/*/landing/* >/dev/null 2>&1 || $(BIN)/stedi sample-data --lake data

# Scripts in a virtual environment name its folder: it is made anew where the checkout was moved or renamed.
ifneq ($(or $(shell cat .venv/folder 2>/dev/null),$(CURDIR)),$(CURDIR))
$(shell rm -rf .venv)
endif

.venv/uv:
	$(PYTHON) -m venv .venv
	@echo "$(CURDIR)" > .venv/folder
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/runtime: .venv/uv requirements/runtime.txt pyproject.toml
	$(UV) --require-hashes -r requirements/runtime.txt
	$(UV) --no-deps --editable .
	@touch $@

.venv/test: .venv/runtime requirements/test.txt
	$(UV) --require-hashes -r requirements/test.txt
	@touch $@

# An instance that survives restarts.
$(DAGSTER_HOME)/dagster.yaml: stedi_assets/cli/dagster.local.yaml
	@mkdir -p $(@D)
	@cp $< $@

# One run at a time writes a table; the instance learns of the tables' pools again when an asset changes.
$(DAGSTER_HOME)/pools: $(DAGSTER_HOME)/dagster.yaml .venv/runtime $(wildcard stedi_assets/assets/*.py)
	@$(BIN)/stedi register-pools >/dev/null
	@touch $@

lock: .venv/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade --extra test --constraint requirements/runtime.txt pyproject.toml -o requirements/test.txt

clean:
	rm -rf .venv .dagster
