"""Checks of `edge-runtime doctor`: board, software, cameras."""
