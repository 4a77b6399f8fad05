"""What a preset costs: parameters, multiply-adds, maps, boxes, files and milliseconds."""
