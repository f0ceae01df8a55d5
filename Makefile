# Vedette. `make` alone lists what can be done; CI calls these targets and nothing else.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Wheels of exactly these hashes; no resolver runs on a user's machine.
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --no-deps --require-hashes --prefer-binary
COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --override requirements/overrides.txt pyproject.toml
STREET := synthetic://street?people=6&vehicles=3&seed=1

.PHONY: help dev run demo test soak check format bench bench-accuracy train lock clean

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

run: .venv/run.done ## Start Vedette with a built-in street to watch, or analyse SOURCE=file|rtsp://… (ARGS="--fps 5")
ifdef SOURCE
	@mkdir -p out
	@$(BIN)/vedette run '$(SOURCE)' --annotated out/annotated.mp4 --predictions out/predictions.jsonl $(ARGS)
else
	@$(BIN)/vedette up --data out/vedette-data --start '$(STREET)' --scene examples/street.yaml $(ARGS)
endif

demo: .venv/run.done ## Analyse the built-in street to a video with everything drawn on it (out/street.mp4)
	@mkdir -p out
	@$(BIN)/vedette run '$(STREET)' --scene examples/street.yaml \
		--annotated out/street.mp4 --predictions out/street.jsonl $(ARGS)

test: dev ## Set up what tests need, then run them all
	@scripts/get-parts
	@$(BIN)/python -m pytest -n 2 $(ARGS)

soak: dev ## The proofs in their long form: hundreds of kills, starts and losses (an hour or more)
	@SOAK=1 $(BIN)/python -m pytest tests/system $(ARGS)

check: dev ## Style, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## Put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/bench.done ## Measure speed, memory and start-up (bench/out/*.json)
	@$(BIN)/python -m bench $(ARGS)

bench-accuracy: .venv/bench.done ## Measure accuracy on the folder that VEDETTE_DATA names
	@$(BIN)/python -m bench.accuracy $(ARGS)

dev: .venv/dev.done ## Make the environment for working on Vedette

# The model that comes with Vedette, from the training pictures of the folder that VEDETTE_DATA names.
# What is left out: pictures with a broadcaster's or a stock agency's mark on them (atl, sdc), studio
# portraits of unclear origin (mdl), and a folder whose labels are wrong (lpd).
train: .venv/train.done ## Make the model that ships, from pictures to file and card (hours; goes on where it was)
	@test -n "$(VEDETTE_DATA)" || { echo "make train needs VEDETTE_DATA: a folder with train-clean/"; exit 2; }
	@$(BIN)/vedette train --name vedette-s1 --licence Apache-2.0 --out out/train --begin-with nothing --no-install \
		--from $(VEDETTE_DATA)/train-clean/img --labels $(VEDETTE_DATA)/train-clean/labels.jsonl \
		--labelled-by 'YOLOX-nano (Apache-2.0), not checked by hand' \
		--origins $(VEDETTE_DATA)/train-clean/SOURCES.md --leave-out sdc,atl,mdl,lpd \
		--weights caps=1.3,hum=1.3,hwy=0.8,bsx=0.7,cctvv=0.7,crowdd=1.5 --streets 24 --samples 225000 \
		--imitate $(VEDETTE_DATA)/models/yolox_nano.onnx \
		--judge $(VEDETTE_DATA)/annotations/coco.json --judge-pictures $(VEDETTE_DATA)/images/coco \
		--beside $(VEDETTE_DATA)/models/yolox_nano.onnx $(ARGS)

lock: ## Pin the newest allowed versions by hash (needs uv)
	$(COMPILE) --upgrade --extra build -o requirements/run.txt
	$(COMPILE) --upgrade --extra build --extra test --extra check -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) --upgrade --extra build --extra test --extra check --extra bench -c requirements/dev.txt -o requirements/bench.txt

clean: ## Remove the environment and what runs wrote
	rm -rf .venv out bench/out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/run.done: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Vedette needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Setting up .venv (once; about a minute and 700 MB)"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -r requirements/run.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.done: .venv/run.done requirements/dev.txt
	$(INSTALL) -r requirements/dev.txt
	@touch $@

# The processor's build of PyTorch where the index has one, for it is a tenth of the size.
.venv/train.done: .venv/run.done
	@$(PIP) install -q 'torch==2.13.0+cpu' 2>/dev/null || $(PIP) install 'torch>=2.6'
	@touch $@

.venv/bench.done: .venv/dev.done requirements/bench.txt
	$(INSTALL) -r requirements/bench.txt
	@touch $@
