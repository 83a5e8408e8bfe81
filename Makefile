# `make` alone says what there is. It needs Python 3.11 to 3.13, make and PyPI, and sets up the rest in this folder.

PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

.PHONY: help dev materialize reset test test-cluster prove bench docs screenshots notebook notebook-run lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

dev: sample ## serve the Dagster UI on generated data: http://127.0.0.1:3000, or make dev PORT=3001
	@$(BIN)/stedi dev --port $(PORT)

materialize: sample ## bring every table up to date once, without the UI
	@$(BIN)/stedi run

reset: .venv/runtime ## put the sample lake back; what is in data/ is kept under another name
	@$(BIN)/stedi sample-data --lake data --anew

test: .venv/test ## run every check: ten minutes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate --load-with-grpc --log-level warning
	$(BIN)/dg check defs
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

docs: .venv/test ## write what is derived from the code (docs/tables.md, sql/ddl/ and more), and build the site
	$(BIN)/python -m stedi_assets.exports
	$(BIN)/zensical build --strict --clean

# What takes minutes: Apache Spark on a standalone cluster, on a folder and on S3.
test-cluster: .venv/test ## test Apache Spark on a cluster: minutes
	$(BIN)/pytest -m cluster

# What takes minutes and proves a promise over many histories: tests marked `prove`, and all examples of those that draw.
prove: .venv/test ## prove promises over many histories: many minutes
	$(BIN)/pytest -m 'prove or drawn' --hypothesis-profile prove --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: .venv/test ## compare with other ways to the same tables: minutes, or make bench SCALE=100
	$(BIN)/python -m benchmarks.bench --scale $(or $(SCALE),1)

# The tests of the UI take them on the way: generated data, whatever data/ holds.
screenshots: .venv/test ## take the pictures of the UI in README and docs anew
	STEDI_TEST_PICTURES=docs/images $(BIN)/pytest stedi_assets_tests/browser

notebook: .venv/notebook ## look into the ML table in JupyterLab, on the lake in data/
	@[ -n "$$STEDI_LAKE_URI" ] || [ -e data/catalog.db ] || $(MAKE) materialize
	@$(BIN)/jupyter lab notebooks/exploratory_analysis.ipynb

# On a sample lake of its own, whatever data/ holds.
notebook-run: .venv/test ## compute the committed outputs of the notebook anew
	$(BIN)/python -m stedi_assets_tests.builders.notebook

# Generated data, unless the lake in data/ has some.
.PHONY: sample
sample: .venv/runtime
	@ls data/*/landing/* >/dev/null 2>&1 || $(BIN)/stedi sample-data --lake data

# Scripts in a virtual environment name its folder: it is made anew where the checkout was moved or renamed.
ifneq ($(or $(shell cat .venv/folder 2>/dev/null),$(CURDIR)),$(CURDIR))
$(info This checkout was moved: .venv is made anew. Where data/ has tables, .venv/bin/stedi relocate comes next.)
$(shell rm -rf .venv)
endif

.venv/uv:
	@echo "Setting up .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@echo "$(CURDIR)" > .venv/folder
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/runtime: .venv/uv requirements/runtime.txt pyproject.toml
	@echo "Installing the locked packages into .venv: about 1.6 GB, one to three minutes"
	@$(UV) --require-hashes -r requirements/runtime.txt
	@$(UV) --no-deps --editable .
	@touch $@

.venv/notebook: .venv/runtime requirements/notebook.txt
	@$(UV) --require-hashes -r requirements/notebook.txt
	@touch $@

.venv/test: .venv/runtime requirements/test.txt
	@$(UV) --require-hashes -r requirements/test.txt
	@touch $@

lock: .venv/uv ## take the newest versions into requirements/
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade --extra postgres --constraint requirements/runtime.txt pyproject.toml -o requirements/postgres.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade --extra notebook --constraint requirements/runtime.txt pyproject.toml -o requirements/notebook.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade --extra test --extra docs --extra notebook --constraint requirements/notebook.txt \
		pyproject.toml -o requirements/test.txt

clean: ## remove .venv; the lake and its history stay
	@echo "Removing .venv ($$(du -sh .venv 2>/dev/null | cut -f1)); make installs it anew. data/ and .dagster/ stay."
	@rm -rf .venv
