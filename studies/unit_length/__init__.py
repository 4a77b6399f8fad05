"""Vector length in int8: what it costs where VGG's vectors are divided by it."""
