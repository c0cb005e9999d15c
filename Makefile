# Everything a person or a machine does with this repository. `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

# Chosen on the command line, e.g. `make simulate SEED=7`.
SEED ?=
ERP ?=
CHANNEL ?=
ARGS ?=
FULL ?=
# The published order history, if it is there, and the part of it that `make whatif` draws: its busiest month.
ORDERS ?= $(or $(SYNCLINE_ORDERS),../shared/data/orders_online_retail.csv.gz)
PUBLISHED ?= --from 2011-11-01 --to 2011-12-01
DESIGNS ?= --design batch:15m --design batch:60m --design daily --design poll:2m --design realtime --design hybrid
export SEED ERP CHANNEL UPGRADE PYTHON FULL

.PHONY: help setup demo test check lint format types imports simulate bench whatif crash browser docs wheel lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Build .venv with the `syncline` command in it; quick when nothing changed
	@scripts/setup.sh

demo: setup ## Run Syncline between simulated shops and ERPs, in this terminal and a browser
	@$(BIN)/syncline demo $(ARGS)

test: setup ## Run everything: what continuous integration runs (about 15 minutes on two cores)
	@scripts/system_packages.sh
	@$(BIN)/python scripts/run_tests.py all

check: setup ## Run the everyday part: lint, types, imports, unit and connector tests (under 3 minutes)
	@$(BIN)/python scripts/run_tests.py everyday

lint: setup ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup ## Rewrite the code in the one style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: setup ## Check types
	@$(BIN)/mypy

imports: setup ## Check who may import whom
	@$(BIN)/lint-imports

simulate: setup ## Simulate the whole pipeline under faults; SEED=… replays one run exactly, ERP=… CHANNEL=… other systems
	@$(BIN)/pytest -m simulation -n $(if $(SEED),0 -s,auto) $(ARGS)

bench: setup ## Measure, each figure beside its limit
	@$(BIN)/python -m bench $(ARGS)

whatif: setup ## Compare designs over a made-up history, then the published stock case with its goals (an hour on two cores); FULL=1: the year
	@mkdir -p build
	@$(BIN)/syncline whatif $(DESIGNS) --html build/whatif.html --json build/whatif.json
	@if [ -e "$(ORDERS)" ]; then \
		$(BIN)/syncline whatif --orders "$(ORDERS)" $(PUBLISHED) $(DESIGNS) --html build/whatif-published.html --json build/whatif-published.json; \
	fi
	@SYNCLINE_ORDERS="$(ORDERS)" $(BIN)/python -m bench whatif --json build/bench-whatif.json $(ARGS)

crash: setup ## Kill real processes at random and check what survived
	@$(BIN)/pytest -m crash -n 0 $(ARGS)

browser: setup ## Drive the dashboard in a real browser
	@$(BIN)/pytest -m browser -n 0 $(ARGS)

docs: setup ## Generate docs/reference from the code
	@$(BIN)/python -m scripts.reference $(ARGS)

wheel: setup ## Build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel

lock: setup ## Pin every dependency by hash into requirements/; UPGRADE=1 takes newer versions
	@scripts/lock.sh

clean: ## Remove everything that can be built again
	rm -rf .venv .setup-lock build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
