"""Labelled images: reading, augmentation, target encoding, batches."""
