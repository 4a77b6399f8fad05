"""Formats of labelled folders: PASCAL VOC, YOLO, COCO, LabelMe and CSV, recognised and read."""
