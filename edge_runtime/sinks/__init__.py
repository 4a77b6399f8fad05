"""Where results go. Each sink has a module of its own, which adds its flags and makes it.

A module has `add_arguments(parser)` and `create(args, context) -> Sink | None`; None where its flag
was not given. Importing one loads nothing but the standard library, NumPy and Pillow.
"""
