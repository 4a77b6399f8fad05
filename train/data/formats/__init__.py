"""Formats of labelled folders: recognised and read, see `registry`."""
