# After a git clone: `make run` serves the demo, `make test` runs the tests; each target creates .venv if necessary.
# ARGS is passed on: make run ARGS="--listen 127.0.0.1:8081", make test ARGS="-k paging".

PYTHON ?= python3
ARGS ?=

MUTMUT := 3.8.1

# Each version of Python has an environment of its own: python3 has .venv, Python 3.12.1 beside it .venv-3.12.1.
version_of = $(shell $(1) -c 'import platform; print(platform.python_version())' 2>/dev/null)
VENV := .venv
ifneq ($(PYTHON),python3)
  ifneq ($(call version_of,$(PYTHON)),$(call version_of,python3))
    VENV := .venv-$(call version_of,$(PYTHON))
  endif
endif
BIN := $(VENV)/bin

# Without bytecode, each process that a test starts would compile the program again.
unexport PYTHONDONTWRITEBYTECODE

PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test range soak fuzz mutation bench lint types format schema lock wheel setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.run ## serve the demo: the proxy with its sandbox as upstream
	@$(BIN)/callerid-proxy serve --demo $(ARGS)

# One more than the number of cores, because tests often wait
test: TESTERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
test: $(VENV)/.dev ## run the tests on every core
	@$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal $(ARGS)

range: $(VENV)/.dev ## run what rests on aiohttp under the oldest and the newest release in the range
	@$(BIN)/python tests/support/aiohttp_range.py

soak: $(VENV)/.dev ## run the long tests at full length: half an hour and more
	@$(BIN)/python -m pytest --full -k "nothing_is_stale or g1 or input_36 or reloads_interrupt or g6_every" $(ARGS)

mutation: $(VENV)/.dev ## mutation testing of the modules behind the guarantees; ARGS='proxy.gateway.concurrency.*' for one
	@$(PIP) install 'mutmut==$(MUTMUT)'
	@$(BIN)/python tests/support/mutation.py $(ARGS)

fuzz: $(VENV)/.fuzz ## fuzz each target for FUZZ_SECONDS (60); ARGS="xml list" selects targets
	@PYTHONPATH=tests:. $(BIN)/python -m fuzz.with_atheris $(ARGS)

bench: $(VENV)/.dev ## measure CPU time per request against other proxies; ARGS=--quick checks the gate
	@$(BIN)/python -m bench $(ARGS)

lint: $(VENV)/.dev ## check style, formatting and unsafe patterns
	@$(BIN)/python -m ruff check $(ARGS) .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m bandit --quiet --configfile pyproject.toml --recursive proxy

types: $(VENV)/.dev ## check types in strict mode
	@$(BIN)/python -m mypy $(ARGS)

format: $(VENV)/.dev ## reformat, and apply automatic fixes
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

wheel: $(VENV)/.dev ## build the wheel into dist/
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

setup: $(VENV)/.dev ## install the dependencies of the other targets

schema: $(VENV)/.run ## regenerate the JSON Schemas for editors in config/schema/
	@for kind in proxy profile; do $(BIN)/callerid-proxy schema $$kind >config/schema/$$kind.json; done

# uv runs in a temporary environment; uv.lock contains package hosts, so it is deleted.
lock: $(BIN)/python ## regenerate requirements.lock and requirements-dev.lock
	@set -eu; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch" uv.lock' EXIT; rm -f uv.lock; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/python" -m pip --quiet --disable-pip-version-check install uv; \
	export="$$scratch/bin/uv export --quiet --frozen --all-extras --no-emit-project --no-header --no-annotate"; \
	"$$scratch/bin/uv" lock --quiet; \
	$$export --no-dev --output-file "$$scratch/run" >/dev/null; \
	$$export --output-file "$$scratch/dev" >/dev/null; \
	if grep -n '://' "$$scratch/run" "$$scratch/dev"; then echo 'A lock file contains a host name.' >&2; exit 1; fi; \
	cp "$$scratch/run" requirements.lock; cp "$$scratch/dev" requirements-dev.lock

clean: ## remove everything that these targets created
	@rm -rf .venv .venv-* build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is installed again if its interpreter is missing or the checkout has moved.
$(shell [ -x $(BIN)/python ] && pwd -P | cmp -s - $(VENV)/.run || rm -f $(VENV)/.run $(VENV)/.dev $(VENV)/.fuzz)

# Two stamp files: the dependencies for running, and on top of them those for checking. Each step can be interrupted and
# repeated: the environment starts without pip, and ensurepip does nothing if pip is installed.
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

# atheris is not available for every platform, so the lock files omit it; its last version for Python 3.11 is 3.0.0.
$(VENV)/.fuzz: $(VENV)/.dev
	@$(PIP) install --no-deps --only-binary :all: \
	  'atheris==3.0.0; python_version < "3.12"' 'atheris==3.1.0; python_version >= "3.12"'
	@touch $@

# On Debian, ensurepip is a separate package: root installs it here, other users get its name in an error.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not installed. Install Python 3.11 or newer, or set one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version) is too old: 3.11 or newer is required. Set another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing $$package"; \
	    apt-get -qq update && \
	      DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$$package" >/dev/null; \
	  else \
	    echo "$(PYTHON) cannot create environments. As root: apt-get install $$package" >&2; exit 1; \
	  fi; }
	@$(PYTHON) -m venv --clear --without-pip $(VENV)
