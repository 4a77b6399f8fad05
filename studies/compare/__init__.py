"""Detectors side by side: the presets trained on one data set with one budget."""
