# `make readers`: the figures of this folder again. Included by the Makefile.
#
# MediaPipe brings an OpenCV of its own, tflite-runtime needs NumPy 1 and Python 3.11 at most: each
# gets an environment. A reader whose environment cannot be made leaves a blank row.
READERS_PYTHON ?= python3.11
# $(call reader,NAME,PACKAGES): an environment for a reader, once.
reader = [ -e build/readers/$(1)/ready ] || { $(READERS_PYTHON) -m venv build/readers/$(1) && \
  build/readers/$(1)/bin/python -m pip install --disable-pip-version-check --quiet $(2) && \
  touch build/readers/$(1)/ready; } || echo "$(1) could not be installed: its rows stay blank"

readers: $(installed) data ## studies/readers again: AP of the exported detector in other tools
	@$(call reader,mediapipe,mediapipe==1.2.3 pillow)
	@$(call reader,tflite,tflite-runtime==2.14.0 tflite-support==0.4.4 'numpy<2' pillow)
	@$(python) -m studies.readers $(DETECTOR) --data $(digits) --out build/readers $(FLAGS) \
	  $$(ls -d build/readers/*/ready | sed 's|\(.*\)/ready|--python \1/bin/python|')
