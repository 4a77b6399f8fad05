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
    [
        *("xmin", "x_min", "x1", "left", "minx", "min_x", "xtl", "startx", "start_x", "x_left"),
        *("bbox_xmin", "bbox_x_min", "bbox_x1", "bbox_left"),
    ],
    [
        *("ymin", "y_min", "y1", "top", "miny", "min_y", "ytl", "starty", "start_y", "y_top"),
        *("bbox_ymin", "bbox_y_min", "bbox_y1", "bbox_top"),
    ],
    [
        *("xmax", "x_max", "x2", "right", "maxx", "max_x", "xbr", "endx", "end_x", "x_right"),
        *("bbox_xmax", "bbox_x_max", "bbox_x2", "bbox_right"),
    ],
    [
        *("ymax", "y_max", "y2", "bottom", "maxy", "max_y", "ybr", "endy", "end_y", "y_bottom"),
        *("bbox_ymax", "bbox_y_max", "bbox_y2", "bbox_bottom"),
    ],
)
# Where x0 is the first corner's, x1 is the other's.
CORNERS_FROM_0 = (["x0"], ["y0"], ["x1"], ["y1"])
# x, y, width and height instead; never a plain "x", which some tools write for the center's.
CORNER_AND_SIZE = (
    [*CORNERS[0], "bbox_x", "box_x"],
    [*CORNERS[1], "bbox_y", "box_y"],
    ["bbox_width", "bbox_w", "box_width", "box_w", "bw", "w", "width"],
    ["bbox_height", "bbox_h", "box_height", "box_h", "bh", "h", "height"],
)
SIZE = (["image_width", "img_width", "width"], ["image_height", "img_height", "height"])
SPLIT = ["split", "subset", "ml_use"]
