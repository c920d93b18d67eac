# Lightbox PACS. `make run` and `make test` need Python >= 3.11 and make; everything else they get
# themselves (on Debian, as root, also the servers). A second run only checks that nothing changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
# Node comes from there where the system's is missing or too old.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NPM_CONFIG_UPDATE_NOTIFIER := false

fingerprint = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' '-')
RUNTIME := $(VENV)/.runtime-$(call fingerprint,requirements.txt)
DEV := $(VENV)/.dev-$(call fingerprint,requirements.txt requirements-dev.txt \
	agents/site/requirements.txt)
NODE_MODULES := static/node_modules/.installed-$(call fingerprint,static/package-lock.json)
FRONT_SOURCES := $(shell find static -path static/node_modules -prune -o -path static/dist -prune \
	-o -type f -print 2>/dev/null)

.PHONY: help run setup dev servers test-servers node front test cluster bench agent lint format clean

# Without an interpreter (it goes with an upgrade of the system's) the stamps beside it mean nothing.
ifneq ($(shell test -x $(PYTHON) || echo gone),)
.PHONY: $(RUNTIME) $(DEV)
endif

help:
	@echo "make run     set up, start the portal with Orthanc and print its address"
	@echo "make test    install what the tests need and run all of them"
	@echo "make lint    ruff, mypy, djlint, import-linter, eslint, prettier"
	@echo "make bench   the benchmarks, side by side with Orthanc"
	@echo "make agent   the site agent as one file, dist/lightbox-agent.pyz"
	@echo "make setup   only what 'make run' installs;  make front   only the browser's side"
	@echo "make format  rewrite the sources in the house style"
	@echo "make clean   remove everything built and installed; keeps var/, the data"

run: setup
	@exec $(PYTHON) -m pacs.supervisor

setup: servers $(RUNTIME) front

dev: $(DEV)

servers:
	@deploy/local/install-servers.sh

test-servers:
	@deploy/local/install-test-servers.sh

$(PYTHON):
	@deploy/local/make-venv.sh $(VENV)

# Stamps carry a fingerprint of what they stand for, so a checkout's new times change nothing.
$(RUNTIME): | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@rm -f $(VENV)/.runtime-*
	@touch $@

$(DEV): | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@rm -f $(VENV)/.dev-* $(VENV)/.runtime-*
	@touch $@ $(RUNTIME)

node: | $(PYTHON)
	@deploy/local/ensure-node.sh $(PYTHON)

$(NODE_MODULES): | node
	cd static && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

static/dist/.built: $(NODE_MODULES) $(FRONT_SOURCES) | node
	cd static && npm run --silent build -- --logLevel error
	@touch $@

front: static/dist/.built

test: test-servers $(DEV) front
	cd static && npm run --silent --if-present test
	$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 40

# Every server at once, each part killed three times; LIGHTBOX_CLUSTER_IMAGES is the size of the load.
cluster: test-servers $(DEV) front
	$(PYTHON) -m pytest -s -m cluster tests/integration/test_cluster.py

bench: servers test-servers $(DEV) front
	$(PYTHON) -m benchmarks

agent: $(DEV)
	deploy/agent/build.sh $(PYTHON) dist/lightbox-agent.pyz

lint: node $(DEV) $(NODE_MODULES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --check --lint
	cd static && npm run --silent lint

format: node $(DEV) $(NODE_MODULES)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint templates --reformat --quiet || true
	cd static && npm run --silent format

clean:
	rm -rf $(VENV) static/node_modules static/dist .mypy_cache .ruff_cache .pytest_cache
