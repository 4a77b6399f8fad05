"""Post-training quantization: calibration data, bias correction, weight rounding."""
