"""Readers of exported files: who opens them, with what AP, how fast."""
