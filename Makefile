# Vedette. `make` alone lists what can be done.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
SOURCE ?=
ARGS ?=

.PHONY: help dev run test check bench bench-accuracy lock clean

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
