# From a bare clone: `make run` serves the demo, `make test` runs the tests; each sets .venv up by itself.
# Arguments pass through: make run ARGS="--listen 127.0.0.1:8081", make test ARGS="-k paging".

PYTHON ?= python3
ARGS ?=

MUTMUT := 3.8.1

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test range soak fuzz mutation bench lint types format schema lock wheel setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.run ## serve the demo: the proxy in front of its own sandbox upstream
	@$(BIN)/callerid-proxy serve --demo $(ARGS)

# One more than there are cores, because tests wait a lot
test: TESTERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
test: $(VENV)/.dev ## run the tests on every core
	@$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal $(ARGS)

range: $(VENV)/.dev ## run what rests on aiohttp under the oldest and the newest release that is admitted
	@$(BIN)/python tests/support/aiohttp_range.py

soak: $(VENV)/.dev ## run what is long at its full length: half an hour and more
	@$(BIN)/python -m pytest --full -k "nothing_is_stale or g1 or input_36 or nobody_notices or g6_every" $(ARGS)

mutation: $(VENV)/.dev ## change what the guarantees rest on, bit by bit, and see whether a test notices; ARGS='proxy.places.*' for some
	@$(PIP) install 'mutmut==$(MUTMUT)'
	@$(BIN)/python tests/support/mutation.py $(ARGS)

fuzz: $(VENV)/.fuzz ## look for bytes that break something, FUZZ_SECONDS (60) a target; ARGS="xml list" for some
	@PYTHONPATH=tests:. $(BIN)/python -m fuzz.with_atheris $(ARGS)

bench: $(VENV)/.dev ## measure CPU per request beside other proxies; ARGS=--quick gates
	@$(BIN)/python -m bench $(ARGS)

lint: $(VENV)/.dev ## check style, formatting and what is known to be unsafe
	@$(BIN)/python -m ruff check $(ARGS) .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m bandit --quiet --configfile pyproject.toml --recursive proxy

types: $(VENV)/.dev ## check types, strictly
	@$(BIN)/python -m mypy $(ARGS)

format: $(VENV)/.dev ## reformat, and fix what can be fixed by itself
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

wheel: $(VENV)/.dev ## build the wheel into dist/
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

setup: $(VENV)/.dev ## install everything the other targets need, and stop there

schema: $(VENV)/.run ## renew the schemas that editors read, config/schema/
	@for kind in proxy profile; do $(BIN)/callerid-proxy schema $$kind >config/schema/$$kind.json; done

# uv gets a throw-away environment; uv.lock names package hosts, so it never stays.
lock: $(BIN)/python ## renew requirements.lock and requirements-dev.lock
	@set -eu; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch" uv.lock' EXIT; rm -f uv.lock; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/python" -m pip --quiet --disable-pip-version-check install uv; \
	export="$$scratch/bin/uv export --quiet --frozen --all-extras --no-emit-project --no-header --no-annotate"; \
	"$$scratch/bin/uv" lock --quiet; \
	$$export --no-dev --output-file "$$scratch/run" >/dev/null; \
	$$export --output-file "$$scratch/dev" >/dev/null; \
	if grep -n '://' "$$scratch/run" "$$scratch/dev"; then echo 'A lock names a host.' >&2; exit 1; fi; \
	cp "$$scratch/run" requirements.lock; cp "$$scratch/dev" requirements-dev.lock

clean: ## remove everything these targets made
	@rm -rf $(VENV) build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment counts as not installed when its interpreter is gone or the checkout has moved since.
$(shell [ -x $(BIN)/python ] && pwd -P | cmp -s - $(VENV)/.run || rm -f $(VENV)/.run $(VENV)/.dev $(VENV)/.fuzz)

# Two stamps: what running needs, and on top of it what checking needs. Each step may be interrupted and
# repeated: the environment starts without pip, and ensurepip does nothing where pip is there already.
$(VENV)/.run: $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing requirements.lock into $(VENV) (once, about half a minute)"
	@$(BIN)/python -m ensurepip --default-pip >/dev/null
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --editable .
	@pwd -P > $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Installing requirements-dev.lock into $(VENV) (once)"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@

# atheris is not there for every platform, so no lock names it; its last version for Python 3.11 is 3.0.0.
$(VENV)/.fuzz: $(VENV)/.dev
	@$(PIP) install --no-deps --only-binary :all: \
	  'atheris==3.0.0; python_version < "3.12"' 'atheris==3.1.0; python_version >= "3.12"'
	@touch $@

# Debian keeps ensurepip in a package of its own; root gets it installed, anybody else is told its name.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version) is too old: 3.11 is needed. Name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing $$package"; \
	    apt-get -qq update && \
	      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$$package" >/dev/null; \
	  else \
	    echo "$(PYTHON) cannot make environments yet. As root: apt-get install $$package" >&2; exit 1; \
	  fi; }
	@$(PYTHON) -m venv --clear --without-pip $(VENV)
