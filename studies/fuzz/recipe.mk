# `make fuzz`: every way into the runtime, for MINUTES_FUZZ. Included by the Makefile.
MINUTES_FUZZ ?= 10

fuzz: $(installed) ## changed model files, pictures, … to every way in for ten minutes: what survives?
	@$(python) -m studies.fuzz --minutes $(MINUTES_FUZZ) --out build/fuzz $(FLAGS)
