# `make bench`: the figures of this folder again. Included by the Makefile.
bench: $(installed) data ## what all but the network costs, side by side with bare loops: three minutes
	@$(python) -m studies.speed --pictures $(digits)/JPEGImages $(FLAGS)
