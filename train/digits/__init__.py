"""The embedded default: synthetic scenes of handwritten digits."""
