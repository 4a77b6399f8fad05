"""Summary of presets: parameters, multiply-adds, maps, boxes, files and milliseconds."""
