# `make help` lists the targets. MODEL= and DATA= point them at your own detector and pictures.
MODEL ?= models/digits.keras
DATA ?= build/data/digits
OUT ?= build/$(basename $(notdir $(MODEL)))
IMAGES ?= $(DATA)/samples.jpg
PYTHON ?= python3
FLAGS ?=

venv := .venv
python := $(venv)/bin/python
installed := $(venv)/installed
digits := build/data/digits

.DEFAULT_GOAL := help
.PHONY: help setup data train convert benchmark detect test lint lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  MODEL=$(MODEL) DATA=$(DATA) FLAGS= switch them to your own."

setup: $(installed) ## build .venv once, with pinned dependencies

$(installed): requirements.txt
	@$(PYTHON) .ci/check_python.py
	@test -x $(python) || $(PYTHON) -m venv $(venv)
	@echo "installing pinned dependencies into $(venv) (once; about 2 GB, a few minutes)"
	@$(python) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

data: $(digits)/dataset.json ## draw the embedded default: scenes of handwritten digits

$(digits)/dataset.json: | $(installed)
	@$(python) -m train.digits --out $(digits)

# Only the embedded default can be made; a user's own data must be there.
$(DATA)/dataset.json:

train: $(installed) $(filter $(digits)/dataset.json,$(DATA)/dataset.json) ## train the shipped model again: hours; see README
	@$(python) -m train --data $(DATA) --out build/digits.keras --preset digits $(FLAGS)

convert: $(installed) $(filter $(digits)/dataset.json,$(DATA)/dataset.json) ## float → int8 .tflite files and what that cost
	@$(python) -m convert $(MODEL) --data $(DATA) --out $(OUT) $(FLAGS)

benchmark: $(installed) $(filter $(digits)/dataset.json,$(DATA)/dataset.json) ## accuracy and speed of the files that convert wrote
	@$(python) -m convert.benchmark $(wildcard $(OUT)/*.tflite) --data $(DATA) --out $(OUT)/report.json $(FLAGS)

detect: $(installed) $(filter $(digits)/dataset.json,$(DATA)/dataset.json) ## detections as JSON lines and pictures: IMAGES="a.jpg b.jpg"
	@$(python) -m edge_runtime detect models/digits_int8.tflite $(IMAGES) --out build/detections $(FLAGS)

test: $(installed) ## run the tests
	@$(python) -m pytest $(FLAGS)

lint: $(installed) ## check style
	@$(venv)/bin/ruff check . && $(venv)/bin/ruff format --check .

clean: ## remove what was built, not the models
	rm -rf build .venv
