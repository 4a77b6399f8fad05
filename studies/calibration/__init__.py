"""Calibration study: number of images and method."""
