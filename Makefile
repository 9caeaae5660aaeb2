# avatar-broker: the commands for developers and CI. `make` alone lists them.
PYTHON ?= python3
MINUTES ?= 2
FUZZ_CASES ?= 100000
# Three test workers on two cores: tests wait a third of their time, those with a browser most of it.
WORKERS ?= 3
BIN := .venv/bin
PIP := scripts/fetch $(BIN)/python -m pip --disable-pip-version-check install --quiet
LOCKED := $(PIP) --require-hashes
PYTEST := $(BIN)/python -m pytest --dist loadgroup --no-loadscope-reorder

# Else each of the many processes that the tests start compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run install check test examples lint replicas bench soak fuzz lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/.installed ## set up and start (with the emulator when no Kaltura Session is configured)
	@exec $(BIN)/avatar-broker

install: .venv/.installed ## set up .venv, nothing else

check: .venv/.dev node_modules/.installed ## lint, and the tests in process: what to run after each change
	@scripts/beside $(PYTEST) --numprocesses $(WORKERS) -m "not browser and not process"

test: .venv/.dev node_modules/.installed ## set up and check everything, two real browsers included
	@scripts/ensure-browser chromium >/dev/null
	@scripts/ensure-browser firefox >/dev/null
	@scripts/ensure-haproxy >/dev/null
	@scripts/ensure-postgres >/dev/null
	@scripts/beside $(PYTEST) --numprocesses $(WORKERS)

examples: .venv/.dev node_modules/.installed ## run the examples that install packages of their own
	@scripts/ensure-browser chromium >/dev/null
	$(BIN)/python -m pytest -m installs tests/browser/test_examples.py

lint: .venv/.dev node_modules/.installed ## ruff, mypy, tsc, hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npx --no-install tsc --project tsconfig.json
	$(BIN)/hadolint Dockerfile

replicas: .venv/.dev ## start REPLICAS, Postgres and HAProxy on this machine, with the emulator, to look at
	@exec $(BIN)/python -m bench.replicas $(if $(REPLICAS),--replicas $(REPLICAS))

bench: .venv/.dev node_modules/.installed ## what a speak costs, against other servers; FULL=1 for all that is measured
	$(BIN)/python -m bench.speak $(if $(FULL),--full) $(if $(ROUNDS),--rounds $(ROUNDS))
	$(if $(FULL),$(BIN)/python -m bench.stalls)
	$(if $(FULL),$(BIN)/python -m bench.record)

soak: .venv/.dev ## MINUTES of visitors, faults and kills of one process or of REPLICAS, and the check of all promises
	$(BIN)/python -m bench.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) \
	  $(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(FAULTS),--faults $(FAULTS)) \
	  $(if $(RUSH),--rush $(RUSH)) $(if $(OLDER),--older $(OLDER)) \
	  $(if $(RULES),--rules $(RULES))

fuzz: .venv/.dev ## FUZZ_CASES requests made from the OpenAPI document, and broken bytes
	FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest --timeout 0 tests/test_fuzz.py

lock: .venv/.dev node_modules/.installed ## pin every dependency anew, with hashes
	scripts/lock

clean: ## remove what the commands above made
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@scripts/make-venv "$(PYTHON)"

.venv/.installed: .venv/bin/python requirements/demo.txt requirements/build.txt pyproject.toml
	@echo "Setting up .venv (once, about a minute) ..."
	@$(LOCKED) -r requirements/demo.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.installed requirements/dev.txt
	@echo "Setting up what the tests need ..."
	@$(LOCKED) -r requirements/dev.txt
	@touch $@

node_modules/.installed: .venv/.dev package.json package-lock.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/fetch $(BIN)/npm ci --no-audit --no-fund --ignore-scripts
	@touch $@
