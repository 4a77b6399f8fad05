# `make small-sets SETS=folder [WEIGHTS=file]`: the figures of this folder again, hours. Included by
# the Makefile.
#
# Every set in SETS that SMALL_SETS names is trained by the untouched default with three seeds. What
# is done already is not done again; a cell takes up to 45 minutes of two cores.
SMALL_SETS ?= kangaroo BCCD chess limes
SEEDS ?= 0 1 2
START ?=
small_start = $(if $(START),--start-from $(START),$(bccd_weights))
small_from = $(if $(START),_from_$(basename $(notdir $(START))))

# $(call measured,NAME,DATA): float32 and int8 of a training, measured on its test split.
measured = if [ ! -e $(1)/report.json ] || [ $(1).keras -nt $(1)/report.json ]; then \
  $(python) -m convert $(1).keras --data $(2) --out $(1) --variants float32 int8 --no-robustness; \
  else echo "$(1) is measured: remove that folder to measure again"; fi

small-sets: $(installed) ## studies/small_sets again: four small sets, untouched defaults, hours; SETS=, WEIGHTS=
	@test -d "$(SETS)" || { echo "SETS= names the folder with the sets $(SMALL_SETS)"; exit 2; }
	@mkdir -p build/data build/small_sets
	@$(if $(WEIGHTS),$(call link,$(WEIGHTS),imagenet.weights.h5))
	@for seed in $(SEEDS); do for set in $(SMALL_SETS); do \
	  test -e build/data/$$set || ln -s "$(abspath $(SETS))/$$set" build/data/$$set; \
	  $(call stage,small_sets/$${set}_$${seed}$(small_from),--data build/data/$$set --seed $$seed \
	    $(small_start)) || exit; \
	  $(call measured,build/small_sets/$${set}_$${seed}$(small_from),build/data/$$set) || exit; \
	done; done
	@$(python) -m studies.small_sets build/small_sets/*/report.json --out build/small_sets
