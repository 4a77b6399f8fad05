# `make bccd BCCD=folder [WEIGHTS=file]`: the figures of this folder again. Included by the Makefile.
#
# The recipe was tuned on train and val, then learns from both.
# Blood cells look alike upside down and are always equally large: little cropping and zooming.
# The rest are the defaults of that time, when the backbone hardly moved.
bccd_data := --train-split trainval --val-split none \
  --vertical-flip 0.5 --crop 0.5 --min-crop 0.6 --zoom-out 0.2 --max-zoom 1.3
bccd_net := --input-size 300 --batch-size 8 --warmup-epochs 2 --anchors build/bccd_anchors.json \
  --learning-rate 2e-3 --weight-decay 0.05 --backbone-rate 0.15 --frozen-blocks 3 \
  --freeze-batch-norm --validate-every 2
bccd_recipe := $(bccd_data) $(bccd_net) --epochs 80

# $(call link,TARGET,NAME): build/NAME points at a user's file or folder, whatever stood there before.
link = [ "$(1)" -ef "build/$(2)" ] || { rm -f "build/$(2)" && ln -s "$(abspath $(1))" "build/$(2)"; }

bccd_weights = $(if $(WEIGHTS),--backbone-weights build/imagenet.weights.h5)

.PHONY: bccd-inputs
bccd-inputs: $(installed)
	@test -d "$(BCCD)/ImageSets" || { echo "BCCD= names the data set's folder, with ImageSets/"; exit 2; }
	@mkdir -p build/data
	@$(call link,$(BCCD),data/BCCD)
	@$(if $(WEIGHTS),$(call link,$(WEIGHTS),imagenet.weights.h5))
	@$(python) -m train.anchors --data build/data/BCCD --split trainval --input-size 300 --per-level 4 \
	  --out build/bccd_anchors.json --picture build/bccd_anchors.png

bccd-baseline: bccd-inputs ## our int8 against the plain converter's: one short training; BCCD=, WEIGHTS=
	@$(call stage,bccd_short,--data build/data/BCCD $(bccd_data) $(bccd_net) --epochs 24 --seed 0 \
	  $(bccd_weights))
	@$(python) -m convert build/bccd_short.keras --data build/data/BCCD --calibration-split trainval \
	  --out build/bccd_short --variants float32 int8_converter int8

bccd: bccd-inputs ## studies/bccd again: three trainings on blood cells; BCCD=folder, WEIGHTS=file
	@for seed in 0 1 2; do \
	  $(call stage,bccd_$$seed,--data build/data/BCCD $(bccd_recipe) --seed $$seed \
	    $(bccd_weights)) || exit; \
	  $(call stage,bccd_$${seed}_qat,--data build/data/BCCD --qat --start-from build/bccd_$$seed.keras \
	    $(bccd_data) --seed $$seed) || exit; \
	  $(python) -m convert build/bccd_$$seed.keras --qat build/bccd_$${seed}_qat.keras \
	    --data build/data/BCCD --out build/bccd_$$seed || exit; \
	done
	@$(python) -m studies.seeds build/bccd_0/report.json build/bccd_1/report.json \
	  build/bccd_2/report.json --out build/bccd
