from train.calibrate import measure_ranges, observe  # noqa: F401
