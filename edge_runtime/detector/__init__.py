"""The detector: spec, anchors, preprocessing, interpreter, decoding and NMS."""
