# Everything a person needs is here; `make help` lists it. Each target does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers
DEMO_ARGS ?=
TEST_ARGS ?=
# What is not imported needs no bytecode, and there is a lot of it. What is imported is compiled once
# here, whatever the environment says: else every process of the service compiles all of it anew.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile --no-deps
UV := .venv-uv/bin/uv
# In environment $(1), $(2): by uv in a tenth of pip's time, and by pip where uv cannot.
install = $(UV) pip install --quiet --no-deps --python $(1)/bin/python $(2) || $(1)/bin/python $(PIP_INSTALL) $(2)
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-annotate --custom-compile-command 'make lock' --upgrade
ENVIRONMENTS := $(patsubst client/environments/%.txt,.venv-%,$(wildcard client/environments/*.txt))

.DEFAULT_GOAL := help
.PHONY: help setup peers environments demo test full-test machines check lint types client-types \
  contracts migrations up lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything, from the hashed lock file

$(STAMP): requirements/dev.txt pyproject.toml client/pyproject.toml | $(UV)
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else "Vigie needs Python 3.11 to 3.13, and this is " + sys.version.split()[0] + ". Choose one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(call install,$(VENV),--require-hashes -r requirements/dev.txt)
	$(call install,$(VENV),--no-build-isolation -e ./client -e .)
	$(BIN)/python -m detectors.ahead > /dev/null
	@touch $@

$(UV): requirements/uv.txt
	-$(PYTHON) -m venv --clear .venv-uv && .venv-uv/bin/python $(PIP_INSTALL) --require-hashes -r $<

# dcor, which tests compare with, compiles when it is imported; written at once by several processes
# its cache is broken.
peers: $(PEERS)

$(PEERS): $(STAMP)
	$(BIN)/python -c 'import dcor'
	@touch $@

demo: $(STAMP) ## Play a year of flights, end to end (DEMO_ARGS="--yes --json out.json")
	$(BIN)/vigie demo $(DEMO_ARGS)

# The frameworks of client/environments pin what the service pins otherwise: one environment each.
environments: $(ENVIRONMENTS)

$(ENVIRONMENTS): %: %/.installed

.venv-%/.installed: client/environments/%.txt | $(UV)
	$(PYTHON) -m venv --clear .venv-$*
	$(call install,.venv-$*,--require-hashes -r $<)
	.venv-$*/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "vigie-client.pth").write_text("$(CURDIR)/client/src\n")'
	@touch $@

test: $(PEERS) $(ENVIRONMENTS) ## Run every test; those that want a server skip where it is missing
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder $(TEST_ARGS)

full-test: $(STAMP) ## Start the full profile from Debian's packages and play the loop through it
	VIGIE_NO_SKIPS=1 $(BIN)/python -m pytest tests/acceptance/test_full_profile.py

machines: $(STAMP) ## Play the machines of incidents and retrain requests, 10,000 steps each
	$(BIN)/python -m pytest -s --hypothesis-profile=endurance \
		tests/unit/incidents/test_service_machine.py tests/unit/retraining/test_request_machine.py

check: lint types client-types contracts migrations ## Lint, format, types, dependency rules, migrations

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

client-types: $(STAMP)
	cd client && ../$(BIN)/mypy src tests examples

contracts: $(STAMP)
	$(BIN)/lint-imports

migrations: $(STAMP)
	data=$$(mktemp -d) && trap 'rm -rf "$$data"' EXIT && export VIGIE_DATA_DIR="$$data" && \
	  $(BIN)/vigie db upgrade && $(BIN)/vigie db check

up: $(STAMP) ## Start the embedded service here (Ctrl-C stops it)
	$(BIN)/vigie up

lock: $(UV) ## Write the lock files anew
	$(LOCK) pyproject.toml --extra otel --no-emit-package vigie-client -o requirements/runtime.txt
	$(LOCK) pyproject.toml --all-extras --group dev --no-emit-package vigie-client -o requirements/dev.txt
	printf 'uv\n' | $(LOCK) - -o requirements/uv.txt
	for name in $(ENVIRONMENTS:.venv-%=%); do \
	  printf 'pytest\nscikit-learn\n' | $(LOCK) client/pyproject.toml - --extra $$name \
	    -o client/environments/$$name.txt || exit; done

clean: ## Remove what the targets made
	rm -rf $(VENV) $(ENVIRONMENTS) .venv-uv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
