"""Titles of the columns of a table of boxes, in lower case with `_` for spaces."""

# Of several columns that a table has, the one named first here counts.
IMAGE = [
    "filename",
    "file_name",
    "image_path",
    "img_path",
    "filepath",
    "file_path",
    "path",
    "image_name",
    "imagename",
    "img_name",
    "image",
    "img",
    "file",
    "image_id",
    "imageid",
    "img_id",
]
NAME = [
    "class",
    "class_name",
    "classname",
    "label",
    "label_name",
    "labelname",
    "category",
    "category_name",
    "object",
    "object_name",
    "name",
    "class_id",
    "category_id",
    "label_id",
]
CORNERS = (
    ["xmin", "x_min", "x1", "left", "minx", "min_x", "bbox_xmin", "bbox_x_min"],
    ["ymin", "y_min", "y1", "top", "miny", "min_y", "bbox_ymin", "bbox_y_min"],
    ["xmax", "x_max", "x2", "right", "maxx", "max_x", "bbox_xmax", "bbox_x_max"],
    ["ymax", "y_max", "y2", "bottom", "maxy", "max_y", "bbox_ymax", "bbox_y_max"],
)
# x, y, width and height instead; never a plain "x", which some tools write for the center's.
CORNER_AND_SIZE = (
    [*CORNERS[0], "bbox_x", "box_x"],
    [*CORNERS[1], "bbox_y", "box_y"],
    ["bbox_width", "bbox_w", "box_width", "box_w", "width", "w"],
    ["bbox_height", "bbox_h", "box_height", "box_h", "height", "h"],
)
SIZE = (["image_width", "img_width", "width"], ["image_height", "img_height", "height"])
SPLIT = ["split", "subset", "ml_use"]
