"""Export: a .tflite file of ours as one that Frigate, pycoral and MediaPipe open."""
