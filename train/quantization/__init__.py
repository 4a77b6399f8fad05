"""Simulated int8: fake quantization, calibration, quantization-aware training."""
