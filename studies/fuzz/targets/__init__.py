"""Targets: a file for each kind of foreign bytes, a row for each target in its list TARGETS."""
