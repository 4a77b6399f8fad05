"""The detector: spec, anchors, preprocessing, interpreter, postprocessing."""
