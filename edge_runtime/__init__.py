"""Run a quantised SSD detector on a Raspberry Pi, with NumPy and a TFLite interpreter."""
