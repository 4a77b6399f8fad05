"""Data set checks: what is wrong with images and labels, and its repair."""
