# `make help` lists the targets. MODEL= and DATA= point them at your own detector and pictures.
MODEL ?= models/digits.keras
DATA ?= build/data/digits
DETECTOR ?= models/digits_int8.tflite
# What MODEL became by quantisation-aware training, if it lies beside it.
QAT ?= $(wildcard $(MODEL:.keras=_qat.keras))
OUT ?= build/$(basename $(notdir $(MODEL)))
PYTHON ?= python3
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
  --weight-decay 0
mild := --crop 0.25 --min-crop 0.5 --zoom-out 0.1 --max-zoom 1.25
coarse := --from-scratch --input-size 256 --epochs 30 --stop-after 10 \
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
# A file's tests share what they train and convert, so they stay with one worker.
parallel := -n auto --dist loadfile
# $(call stage,NAME,FLAGS): goes on where it was interrupted, and is skipped where it has ended.
stage = if [ -e build/$(1).resume.npz ] || [ ! -e build/$(1).keras ]; then \
  $(python) -m train --out build/$(1).keras $(2) $(FLAGS) \
  $$(test ! -e build/$(1).resume.npz || echo --resume); \
  else echo "build/$(1).keras is there: remove build/$(1)[._]* to train again"; fi
# $(call link,TARGET,NAME): build/NAME points at a user's file or folder, whatever stood there before.
link = [ "$(1)" -ef "build/$(2)" ] || { rm -f "build/$(2)" && ln -s "$(abspath $(1))" "build/$(2)"; }

# The figures of studies/bccd: the recipe was tuned on train and val, then learns from both.
# Blood cells look alike upside down and are always equally large: little cropping and zooming.
bccd_data := --train-split trainval --val-split none \
  --vertical-flip 0.5 --min-crop 0.6 --zoom-out 0.2 --max-zoom 1.3
bccd_recipe := $(bccd_data) --input-size 300 --epochs 80 --batch-size 8 --warmup-epochs 2 \
  --anchors build/bccd_anchors.json

# The digits detector at every width of the backbone and size of the input, on a small budget: each
# learns from 32000 scenes at 224 pixels, which the sizes of a width share, and 4000 at its own.
# From scratch a net takes thousands of steps to begin to find anything (training_*.csv of
# studies/width_and_size), hence small batches and, at first, all negatives: see class_loss.
WIDTHS ?= 0.35 0.5 0.75 1.0
SIZES ?= 160 224 300
family_width := --from-scratch --input-size 224 --batch-size 8 --no-hard-negatives --epochs 4 \
  --warmup-epochs 0.25 --crop 0.35 --min-crop 0.4 --zoom-out 0.2 --max-zoom 1.5
family_size := --train-split family --batch-size 8 --epochs 1 --warmup-epochs 0.25 \
  --learning-rate 0.001 $(mild)
# $(call float_and_int8,NAME): converts NAME.keras into the folder NAME; skipped where that is newer.
float_and_int8 = if [ ! -e $(1)/report.json ] || [ $(1).keras -nt $(1)/report.json ]; then \
  $(python) -m convert $(1).keras --data $(digits) --out $(1) --variants float32 int8 \
    --no-robustness; \
  else echo "$(1) is converted: remove that folder to convert again"; fi

.DEFAULT_GOAL := help
.PHONY: help setup data check-data train bccd family convert benchmark detect test test-quick test-pi soak lint clean

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
	@$(python) -m train.data check $(DATA) $(FLAGS)

train: $(installed) data ## train the shipped detector again, from scratch, overnight
	@$(call stage,digits_256,$(digits_recipe) $(coarse))
	@$(call stage,digits,$(digits_recipe) $(fine))
	@$(call stage,digits_qat,$(digits_qat))

bccd: $(installed) ## studies/bccd again: three trainings on blood cells; BCCD=folder, WEIGHTS=file
	@test -d "$(BCCD)/ImageSets" || { echo "BCCD= names the data set's folder, with ImageSets/"; exit 2; }
	@mkdir -p build/data
	@$(call link,$(BCCD),data/BCCD)
	@$(if $(WEIGHTS),$(call link,$(WEIGHTS),imagenet.weights.h5))
	@$(python) -m train.anchors --data build/data/BCCD --split trainval --input-size 300 --per-level 4 \
	  --out build/bccd_anchors.json --picture build/bccd_anchors.png
	@for seed in 0 1 2; do \
	  $(call stage,bccd_$$seed,--data build/data/BCCD $(bccd_recipe) --seed $$seed \
	    $(if $(WEIGHTS),--backbone-weights build/imagenet.weights.h5)) || exit; \
	  $(call stage,bccd_$${seed}_qat,--data build/data/BCCD --qat --start-from build/bccd_$$seed.keras \
	    $(bccd_data) --seed $$seed) || exit; \
	  $(python) -m convert build/bccd_$$seed.keras --qat build/bccd_$${seed}_qat.keras \
	    --data build/data/BCCD --out build/bccd_$$seed || exit; \
	done
	@$(python) -m studies.seeds build/bccd_0/report.json build/bccd_1/report.json \
	  build/bccd_2/report.json --out build/bccd

family: $(installed) data ## studies/width_and_size again: the digits detector at several widths and sizes, hours
	@mkdir -p build/family
	@head -n 4000 $(digits)/ImageSets/Main/train.txt > $(digits)/ImageSets/Main/family.txt
	@for width in $(WIDTHS); do \
	  $(call stage,family/digits_$$width,$(digits_recipe) $(family_width) --alpha $$width) || exit; \
	  for size in $(SIZES); do \
	    $(call stage,family/digits_$${width}_$$size,$(digits_recipe) $(family_size) \
	      --alpha $$width --input-size $$size --start-from build/family/digits_$$width.keras) || exit; \
	    $(call float_and_int8,build/family/digits_$${width}_$$size) || exit; \
	  done; \
	done
	@$(python) -m convert.benchmark build/family/*/*.tflite --data $(digits) --no-page \
	  --out build/family/report.json
	@$(python) -m studies.width_and_size build/family/report.json --out build/family

convert: $(needs) ## int8 and other .tflite files, and what they cost: report.html
	@$(python) -m convert $(MODEL) $(if $(QAT),--qat $(QAT)) --data $(DATA) --out $(OUT) $(FLAGS)

benchmark: $(needs) ## measure again the files that convert wrote
	@ls $(OUT)/*.tflite >/dev/null 2>&1 || { echo "no .tflite file in $(OUT): make convert first"; exit 2; }
	@$(python) -m convert.benchmark $(OUT)/*.tflite --data $(DATA) --out $(OUT)/report.json $(FLAGS)

detect: $(if $(IMAGES),$(installed),$(needs)) ## what DETECTOR finds in IMAGES="a.jpg b.jpg": JSON lines and pictures
	@$(python) -m edge_runtime detect $(DETECTOR) $(or $(IMAGES),$(DATA)/JPEGImages/test_0000?.jpg) \
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
