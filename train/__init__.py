"""Training: data, model, loss, quantization-aware training and evaluation, on a desktop."""

from edge_runtime import moved

moved.install(__name__)
