# `make resizers`: the figures of this folder again, of what `make small-sets` and `make
# bccd-baseline` have trained. Included by the Makefile.
#
# $(call resizers_case,SET,STEM): a set and its two detectors, if they are there.
resizers_case = $(if $(wildcard build/$(2)_int8.tflite),--case build/data/$(1) build/$(2)_float32.tflite build/$(2)_int8.tflite)
resizers_cases = $(foreach set,kangaroo chess limes,$(call resizers_case,$(set),small_sets/$(set)_0/$(set)_0)) \
  $(call resizers_case,BCCD,bccd_short/bccd_short)

resizers: $(installed) ## studies/resizers again: AP with Pillow's resize and OpenCV's, after small-sets; two minutes
	@test -n "$(strip $(resizers_cases))" || { echo "detectors expected: make small-sets, or make bccd-baseline"; exit 2; }
	@$(python) -m studies.resizers $(resizers_cases) $(FLAGS)
