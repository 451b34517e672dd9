# Two commands are enough: `make demo` and `make test`. Everything goes into .venv.
.DEFAULT_GOAL := help
.PHONY: help demo story chaos evaluate package test bench fuzz check lint types imports fix setup env-demo env-dev lock clean

PYTHON_ENV := .venv/bin
CORES := $(shell getconf _NPROCESSORS_ONLN)
# Tests wait as much as they compute, for programs that they start and kill: one more than cores.
TEST_JOBS := $(or $(JOBS),$(shell expr $(CORES) + 1))
# What people wrote: not locks, not generated or downloaded files.
SPELLED := *.md docs deploy gateway backend firmware_sim schemas tests pyproject.toml Makefile

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: env-demo ## Start everything on this machine; state is kept, FRESH=1 begins anew
	@$(PYTHON_ENV)/python -m deploy demo $(if $(FRESH),--fresh)

story: env-demo ## Run the demo's story without a person; the last line is JSON
	@$(PYTHON_ENV)/python -m deploy story

chaos: env-demo ## Kill programs at 50 random moments, then count every reading; SEED=n repeats
	@$(PYTHON_ENV)/python -m deploy chaos $(if $(SEED),--seed $(SEED))

evaluate: env-demo ## Measure detection over simulated months; SITES= DAYS= SEEDS=1..40 SCENARIO= WITHOUT= JSON=1
	@$(PYTHON_ENV)/python -m deploy evaluate $(if $(SCENARIO),--scenario $(SCENARIO)) \
		$(if $(SITES),--sites $(SITES)) $(if $(DAYS),--days $(DAYS)) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(WITHOUT),--without $(WITHOUT)) $(if $(JOBS),--jobs $(JOBS)) $(if $(ONLY),--only $(ONLY)) \
		$(if $(STEP_S),--step-s $(STEP_S)) $(if $(OUT),--out $(OUT)) $(if $(JSON),--json)

package: env-demo ## Build the gateway's Debian package into dist/; ARCH=amd64 or arm64
	@$(PYTHON_ENV)/python -m deploy package $(if $(ARCH),--arch $(ARCH))

# The order is tests/fixtures/order.py's; by default files with few tests, which are long, come last.
test: env-dev ## Run all tests and checks
	@deploy/install.sh test-tools
	$(PYTHON_ENV)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST)
	@$(MAKE) --no-print-directory check

bench: env-dev ## Measure against yardsticks; ONLY=name for one
	@$(PYTHON_ENV)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

fuzz: env-dev ## Mutate what devices and senders send; MINUTES=10 a family, FAMILY=name, SEED=n
	@$(PYTHON_ENV)/python -m tests.fuzz --jobs $(or $(JOBS),$(CORES)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(FAMILY),--family $(FAMILY)) $(if $(SEED),--seed $(SEED))

check: lint types imports ## Format, lint, types and layers, without changing files

lint: env-dev
	$(PYTHON_ENV)/ruff format --check .
	$(PYTHON_ENV)/ruff check .
	$(PYTHON_ENV)/codespell $(wildcard $(SPELLED))

types: env-dev
	$(PYTHON_ENV)/basedpyright

imports: env-dev
	$(PYTHON_ENV)/lint-imports

fix: env-dev ## Let ruff repair what it can
	$(PYTHON_ENV)/ruff check --fix .
	$(PYTHON_ENV)/ruff format .

setup: env-dev ## Install what development needs into .venv

env-demo:
	@deploy/install.sh env demo

env-dev:
	@deploy/install.sh env dev

lock: ## Pin and hash the newest dependencies that fit pyproject.toml; needs uv
	requirements/compile.sh --upgrade

clean: ## Remove .venv and caches; the demo's state in var/ stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
