"""Sinks: where results go. Each has a module of its own, which ends with its `SinkFlags`.

`registry.SINKS` lists them. Importing one loads nothing but the standard library, NumPy and Pillow.
"""
