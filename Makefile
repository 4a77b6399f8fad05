# `make help` lists the targets. MODEL= and DATA= point them at your own detector and pictures.
MODEL ?= models/digits.keras
DATA ?= build/data/digits
DETECTOR ?= models/digits_int8.tflite
# What MODEL became by quantisation-aware training, if it lies beside it.
QAT ?= $(wildcard $(MODEL:.keras=_qat.keras))
OUT ?= build/$(basename $(notdir $(MODEL)))
PYTHON ?= python3
# DATA as one word of a shell, as it was typed: no character of it means anything.
data = '$(subst ','\'',$(value DATA))'
# NAME of the files of `make mine`, where it was typed: some systems call the computer so.
name := $(if $(filter command,$(origin NAME)),--name='$(subst ','\'',$(value NAME))')
# Of a soak.
MINUTES ?= 30
# More flags for the command behind a target: make convert FLAGS="--threads 1"
FLAGS ?=

ifeq ($(wildcard .ci/check_python.py),)
$(error run make in the folder of its Makefile, or name it: make -C $(dir $(lastword $(MAKEFILE_LIST))) TARGET)
endif

venv := .venv
python := $(venv)/bin/python
installed := $(venv)/installed
digits := build/data/digits
# The embedded default is drawn when it is wanted; a user's own data are never touched.
needs := $(installed) $(if $(filter $(digits),$(DATA:/=)),data)

# The shipped detector: most of the way at 256 pixels, then at 320, where small digits are found.
# Digits are not mirrored, and the scenes have every size already: little cropping and zooming.
digits_recipe := --data $(digits) --preset digits --batch-size 16 --horizontal-flip 0 \
  --weight-decay 0 --anchors preset --validate-every 2
mild := --crop 0.25 --min-crop 0.5 --zoom-out 0.1 --max-zoom 1.25
coarse := --from-scratch --learning-rate 2e-3 --input-size 256 --epochs 30 --stop-after 10 \
  --crop 0.35 --min-crop 0.4 --zoom-out 0.2 --max-zoom 1.5
fine := --start-from build/digits_256.keras --epochs 18 --learning-rate 0.0015 \
  --warmup-epochs 0.5 $(mild)
# The float detector then learns to live with int8.
digits_qat := --data $(digits) --qat --start-from build/digits.keras --epochs 3 \
  --learning-rate 3e-4 --batch-size 16 --horizontal-flip 0 $(mild)
# Of pip's output a line for each file, with its size, and one for the long silence at the end.
pip_progress := \
  /^ *(Downloading|Using cached) .*\.(whl|tar\.gz) \(/ { sub(/^ */, "  "); print; fflush() } \
  /^Installing collected/ { print "  installing, a minute or two"; fflush() } \
  /^pip failed$$/ { exit 1 }
# Tests start hundreds of processes; none is to compile the project's sources again.
unexport PYTHONDONTWRITEBYTECODE
# A file's tests share what they train and convert, so they stay with one worker.
parallel := -n auto --dist loadfile --no-loadscope-reorder
# $(call stage,NAME,FLAGS): goes on where it was interrupted, and is skipped where it has ended.
trainer := train
stage = if [ -e build/$(1).resume.npz ] || [ ! -e build/$(1).keras ]; then \
  $(python) -m $(trainer) --out build/$(1).keras $(2) $(FLAGS) \
  $$(test ! -e build/$(1).resume.npz || echo --resume); \
  else echo "build/$(1).keras is there: remove build/$(1)[._]* to train again"; fi

# Each has a target that does its study again: agreement, bccd, family, network, readers, fuzz.
include $(wildcard studies/*/recipe.mk)

.DEFAULT_GOAL := help
.PHONY: help setup data check-data train mine agreement bccd bccd-baseline family readers resizers small-sets bench network network-train convert benchmark detect test test-quick test-pi soak fuzz lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Defaults, to be replaced by your own: MODEL=$(MODEL) DATA=$(DATA)"
	@echo "DETECTOR=$(DETECTOR)"

setup: $(installed) ## build .venv once, with pinned dependencies

$(installed): requirements.txt
	@$(PYTHON) .ci/check_python.py
	@$(PYTHON) -m venv $(venv)
	@echo "installing pinned dependencies into $(venv): once, about 2 GB, a few minutes"
	@{ $(python) -m pip install --disable-pip-version-check --progress-bar off \
	    -r requirements.txt || echo "pip failed"; } | awk '$(pip_progress)'
	@touch $@

data: $(installed) ## draw the embedded default, scenes of handwritten digits
	@$(python) -m train.digits --out $(digits)

check-data: $(needs) ## what is wrong with the pictures and labels in DATA, and what would be done
	@$(python) -m train.data check $(data) $(FLAGS)

train: $(installed) data ## train the shipped detector again, from scratch, overnight
	@$(call stage,digits_256,$(digits_recipe) $(coarse))
	@$(call stage,digits,$(digits_recipe) $(fine))
	@$(call stage,digits_qat,$(digits_qat))

mine: $(installed) ## your own pictures from folder to int8: check, train, convert, report; DATA=folder
	@$(python) -m convert.mine --data=$(if $(filter file,$(origin DATA)),,$(data)) \
	  $(name) $(FLAGS)

convert: $(needs) ## int8 and other .tflite files, and what they cost: report.html
	@$(python) -m convert "$(MODEL)" $(if $(QAT),--qat "$(QAT)") --data $(data) --out "$(OUT)" $(FLAGS)

benchmark: $(needs) ## measure again the files that convert wrote
	@ls "$(OUT)"/*.tflite >/dev/null 2>&1 || { echo "no .tflite file in $(OUT): make convert first"; exit 2; }
	@$(python) -m convert.benchmark "$(OUT)"/*.tflite --data $(data) --out "$(OUT)"/report.json $(FLAGS)

detect: $(if $(IMAGES),$(installed),$(needs)) ## what DETECTOR finds in IMAGES="a.jpg b.jpg": JSON lines and pictures
	@$(python) -m edge_runtime detect $(DETECTOR) $(or $(IMAGES),$(data)/JPEGImages/test_0000?.jpg) \
	  --out build/detections $(FLAGS)

test: $(installed) ## run the tests, on all cores
	@$(python) -m pytest $(parallel) $(FLAGS)

test-quick: $(installed) ## run the tests but those that train, convert or install
	@$(python) -m pytest $(parallel) -m "not slow" $(FLAGS)

test-pi: $(installed) ## the runtime's tests on emulated Pis and picamera2 on a virtual camera: minutes, apt
	@$(python) -m tests.pi $(FLAGS)

soak: $(installed) data ## the whole runtime for MINUTES, cameras and brokers killed: does anything grow?
	@$(python) -m studies.soak --minutes $(MINUTES) --pictures $(digits)/JPEGImages --out build/soak

lint: $(installed) ## check style and types
	@$(venv)/bin/ruff check .
	@$(venv)/bin/ruff format --check .
	@$(venv)/bin/mypy

clean: ## remove what was built; models/ stays
	rm -rf build .venv
