# `make network` and `make network-train VARIANT=name`: included by the Makefile.
#
# The first converts and times every variant untrained. The second trains one by the recipe of the
# shipped detector, stage by stage, and measures its AP, which `make network` then shows; it goes on
# where it was interrupted. The variants: studies/network/variants.py.
VARIANT ?=
network_fine = $(subst build/digits_256,build/network/$(VARIANT)_256,$(fine))
network_qat = $(subst build/digits.keras,build/network/$(VARIANT).keras,$(digits_qat))

network: $(installed) ## studies/network again: variants of the digits net, untrained: size, speed; half an hour
	@mkdir -p build/network
	@$(python) -m studies.network $(FLAGS)

network-train: trainer := studies.network.training
network-train: $(installed) data ## train VARIANT= of studies/network as the shipped detector was, and measure it: hours
	@test -n "$(VARIANT)" || { echo "VARIANT= names a variant of studies/network/variants.py"; exit 2; }
	@mkdir -p build/network
	@$(call stage,network/$(VARIANT)_256,$(digits_recipe) --preset network_$(VARIANT) $(coarse))
	@$(call stage,network/$(VARIANT),$(digits_recipe) --preset network_$(VARIANT) $(network_fine))
	@$(call stage,network/$(VARIANT)_qat,$(network_qat))
	@out=build/network/$(VARIANT); \
	if [ ! -e $$out/report.json ] || [ $${out}_qat.keras -nt $$out/report.json ]; then \
	  $(python) -m convert $$out.keras --qat $${out}_qat.keras --data $(digits) --out $$out \
	    --variants float32 int8 int8_qat --no-robustness; \
	else echo "$$out is measured: remove that folder to measure again"; fi
