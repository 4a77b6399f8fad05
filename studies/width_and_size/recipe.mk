# `make family`: the figures of this folder again. Included by the Makefile.
#
# The digits detector on all of MobileNetV2 (a variant of studies/network), at every width of it and
# size of the input, on a small budget: each learns from 32000 scenes at 224 pixels, which the sizes of a width share, and 4000 at its own.
# From scratch a net takes thousands of steps to begin to find anything (training_*.csv of
# studies/width_and_size), hence small batches and, at first, all negatives: see class_loss.
WIDTHS ?= 0.35 0.5 0.75 1.0
SIZES ?= 160 224 300
family_net := $(digits_recipe) --preset network_mobilenet_v2
family_width := --from-scratch --input-size 224 --batch-size 8 --mining-from 1 --epochs 4 \
  --learning-rate 2e-3 --warmup-epochs 0.25 --crop 0.35 --min-crop 0.4 --zoom-out 0.2 --max-zoom 1.5
family_size := --train-split family --batch-size 8 --epochs 1 --warmup-epochs 0.25 \
  --learning-rate 0.001 $(mild)
# $(call float_and_int8,NAME): converts NAME.keras into the folder NAME; skipped where that is newer.
float_and_int8 = if [ ! -e $(1)/report.json ] || [ $(1).keras -nt $(1)/report.json ]; then \
  $(python) -m convert $(1).keras --data $(digits) --out $(1) --variants float32 int8 \
    --no-robustness; \
  else echo "$(1) is converted: remove that folder to convert again"; fi

family: trainer := studies.network.training
family: $(installed) data ## studies/width_and_size again: the digits detector at several widths and sizes, hours
	@mkdir -p build/family
	@head -n 4000 $(digits)/ImageSets/Main/train.txt > $(digits)/ImageSets/Main/family.txt
	@for width in $(WIDTHS); do \
	  $(call stage,family/digits_$$width,$(family_net) $(family_width) --alpha $$width) || exit; \
	  for size in $(SIZES); do \
	    $(call stage,family/digits_$${width}_$$size,$(family_net) $(family_size) \
	      --alpha $$width --input-size $$size --start-from build/family/digits_$$width.keras) || exit; \
	    $(call float_and_int8,build/family/digits_$${width}_$$size) || exit; \
	  done; \
	done
	@$(python) -m convert.benchmark build/family/*/*.tflite --data $(digits) --no-page \
	  --out build/family/report.json
	@$(python) -m studies.width_and_size build/family/report.json --out build/family
