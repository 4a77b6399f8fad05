"""Width multiplier and input size: accuracy against latency and file size."""
