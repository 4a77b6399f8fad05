"""Formats of labelled folders: PASCAL VOC, YOLO, COCO and CSV, recognised and read."""
