"""Training: data, model, loss, quantization-aware training and evaluation, on a desktop."""

from edge_runtime import moved
from train import lean_import

moved.install(__name__)
lean_import.install()
