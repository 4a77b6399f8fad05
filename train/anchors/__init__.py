"""Anchor fitting: k-means on box sizes, coverage, plots."""
