"""Exports of detections in pictures: one module a file format, and a table of them."""
