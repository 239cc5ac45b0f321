# Everything a newcomer needs: `make run`, then `make test`. See README.md.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CLIENT := .venv-signalwire-2
ROOT   := $(if $(filter 0,$(shell id -u)),,sudo)
ARGS   ?=
PIN    := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help install run test check format docs bench lock clean

help: ## what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed $(CLIENT)/.installed ## make .venv with the gateway and everything its tests need

# Debian ships Python without ensurepip; python3-venv is what adds it.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tidings needs Python 3.11 or later" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(ROOT) apt-get update -q && $(ROOT) apt-get install -qy python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The package signalwire 2.1.1 pins dependencies that nothing else here can live with. Two of them are built where there
# is no wheel: setuptools does it, and aiohttp without its extensions needs no compiler (Python 3.13).
$(CLIENT)/.installed: tests/clients/build.lock tests/clients/requirements.lock | $(BIN)/python
	$(BIN)/python -m venv --clear $(CLIENT)
	$(CLIENT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/clients/build.lock
	AIOHTTP_NO_EXTENSIONS=1 $(CLIENT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --use-pep517 --no-build-isolation -r tests/clients/requirements.lock
	@touch $@

run: $(VENV)/.installed ## send one message through the whole gateway and watch it arrive, then keep serving (ARGS=--once ends)
	$(BIN)/tidings demo $(ARGS)

test: install ## every test
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed ## write docs/errors.md, which is made from the catalogue of errors
	$(BIN)/python docs/errors.py

bench: $(VENV)/.installed ## end-to-end speed, ingest latency, memory (needs wrk, which it installs)
	command -v wrk >/dev/null || { $(ROOT) apt-get update -q && $(ROOT) apt-get install -qy wrk; }
	$(BIN)/python -m bench $(ARGS)

lock: $(BIN)/python ## pin the newest dependencies, with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(PIN) --all-extras --group dev pyproject.toml -o requirements.lock
	$(PIN) tests/clients/build.in -o tests/clients/build.lock
	$(PIN) tests/clients/requirements.in -o tests/clients/requirements.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) $(CLIENT) .mypy_cache .ruff_cache .hypothesis
