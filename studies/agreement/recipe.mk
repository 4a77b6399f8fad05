# `make agreement MODELS_DIR=folder`: the figures of this folder again. Included by the Makefile.
#
# Ultralytics brings PyTorch, MediaPipe an OpenCV of its own: each gets an environment, as in
# studies/readers. A reader whose environment cannot be made leaves its cells blank. YOLOV5= names a
# Python that has the package yolov5 with what it needs, which is too old for a recipe.
agreement: $(installed) ## studies/agreement again: our adapters against the makers' readers; MODELS_DIR=folder:folder
	@test -n "$(MODELS_DIR)" || { echo "MODELS_DIR= names folders of .tflite files with pictures"; exit 2; }
	@$(call reader,mediapipe,mediapipe==1.2.3 pillow)
	@$(call reader,ultralytics,ultralytics==8.4.190 ai-edge-litert==2.3.0)
	@MODELS_DIR="$(MODELS_DIR)" $(python) -m studies.agreement $(FLAGS) --out build/agreement \
	  $(if $(YOLOV5),--python $(YOLOV5)) $$(for name in mediapipe ultralytics; do \
	    [ ! -e build/readers/$$name/ready ] || echo --python build/readers/$$name/bin/python; done)
