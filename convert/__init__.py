"""Float → int8: conversion with the spec embedded, checks, and the float-against-int8 benchmark.

Keras's backend is chosen here, before anything imports Keras: the TFLite converter is TensorFlow's.
So is the level of TensorFlow's log.
"""

import os
import sys

from edge_runtime import moved
from train import lean_import

moved.install(__name__)
lean_import.install()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"
