"""Post-training quantization: calibration data, equalization, bias correction, weight rounding."""
