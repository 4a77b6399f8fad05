"""Accuracy: COCO AP and pictures of what was found."""
