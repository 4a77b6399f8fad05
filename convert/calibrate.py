from train.calibrate import measure_ranges, observe, pixel_range  # noqa: F401
