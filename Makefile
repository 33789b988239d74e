# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needs: python3 >= 3.11 with venv, make, and a package index.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
LOCKS  := requirements/dev.txt requirements/model.txt requirements/uv.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check fix fuzz bench soak lock clean

help: ## List these commands
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything, versions and hashes locked

$(STAMP): $(LOCKS) pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup.sh

demo: setup ## Watch a real cascade on the embedded model, with its bill
	@$(BIN)/rung demo

serve: setup ## Run the gateway
	@$(BIN)/rung serve

test: setup ## All tests, the embedded model and real clients included
	@$(BIN)/python tools/tests.py

check: setup ## Types, style, layers, sizes, generated docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tools/sizes.py
	@$(BIN)/python tools/cli_reference.py --check

fix: setup ## Format, and mend what can be mended by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python tools/cli_reference.py

fuzz: setup ## Feed a million broken inputs to every reader
	@$(BIN)/python tools/fuzz.py --executions 1000000

bench: setup ## Measure the gateway against a direct call and a bare proxy
	@$(BIN)/python benchmarks/gateway.py
	@$(BIN)/python benchmarks/streams.py

soak: setup ## Kill gateways and databases 1,300 times under load, and look what their ledgers kept
	@$(BIN)/python tools/soak.py --sqlite 1000 --postgres 300

lock: ## Resolve the newest allowed versions into requirements/
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
	  --custom-compile-command 'make lock' --group dev --extra local --extra code --extra duckdb --extra postgres --extra otel pyproject.toml -o requirements/dev.txt

clean: ## Remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
