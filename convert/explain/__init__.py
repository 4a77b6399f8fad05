"""Quantization error by layer: where int8 loses accuracy, and what to do."""
