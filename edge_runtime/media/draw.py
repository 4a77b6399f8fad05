"""Drawing: labeled boxes on an image."""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from edge_runtime.detector.detections import Detections
from edge_runtime.detector.preprocess import check_frame
from edge_runtime.media.font import BITMAP_HEIGHT, find_font

Color = tuple[int, int, int]
PixelBox = tuple[int, int, int, int]  # left, top, right, bottom, all inside

LINE_SHARE = 1 / 200  # of the shorter side; 1 pixel at 240, 10 at 2000
TEXT_SHARE = 1 / 28  # of the shorter side
MIN_TEXT = BITMAP_HEIGHT  # pixels; less cannot be read
GOLDEN_RATIO = 0.618034  # steps of it around the colour circle never come close to an earlier one


def draw_detections(frame: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of a frame with a labeled box for each detection.

    Lines and letters grow with the image. Labels stand above their box where there is room and
    never leave the image; better detections lie on top.

    Args:
        frame: (H, W, 3) RGB uint8.
        detections: in pixels of that frame.

    Returns: (H, W, 3) RGB uint8.
    Raises: TypeError, ValueError for anything but an RGB uint8 frame.
    """
    check_frame(frame)
    image = Image.fromarray(frame)  # a copy, as Pillow has four bytes a pixel
    shorter = min(image.size)
    line = max(1, round(shorter * LINE_SHARE))
    boxes = [_pixel_box(box, image.size) for box in detections.boxes]
    colors = [class_color(class_id) for class_id in detections.class_ids]
    canvas = ImageDraw.Draw(image)
    for box, color in reversed(list(zip(boxes, colors, strict=True))):
        _draw_box(canvas, box, color, line)
    labels = [
        _label(name, score, max(MIN_TEXT, round(shorter * TEXT_SHARE)), image.width)
        for name, score in zip(detections.names, detections.scores, strict=True)
    ]
    places = _places([label.size for label in labels], boxes, image.size)
    for label, place, color in reversed(list(zip(labels, places, colors, strict=True))):
        ink = (0, 0, 0) if _luminance(color) > 0.5 else (255, 255, 255)
        canvas.rectangle(_rectangle(place, label.size), fill=color)
        image.paste(ink, place, label)
    return np.asarray(image)


def class_color(class_id: int) -> Color:
    """A color of its own for each class, the same in every image: RGB, 0 to 255."""
    hue = (0.33 + class_id * GOLDEN_RATIO) % 1  # starts with green
    value = (1.0, 0.75)[class_id // 8 % 2]  # hues crowd after eight: go on darker
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _luminance(color: Color) -> float:
    red, green, blue = color
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _pixel_box(box: np.ndarray, size_wh: tuple[int, int]) -> PixelBox:
    """Corners of the outermost pixels inside the box, within the image."""
    x_min, y_min, x_max, y_max = (round(float(side)) for side in box)
    width, height = size_wh
    left, top = min(max(x_min, 0), width - 1), min(max(y_min, 0), height - 1)
    return left, top, min(max(x_max - 1, left), width - 1), min(max(y_max - 1, top), height - 1)


def _draw_box(canvas: ImageDraw.ImageDraw, box: PixelBox, color: Color, line: int) -> None:
    left, top, right, bottom = box
    if line > 1:  # a dark rim keeps the line visible on a ground of its own colour
        canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0))
        rim = line + 1
        if right - left > 2 * rim and bottom - top > 2 * rim:
            inside = (left + line, top + line, right - line, bottom - line)
            canvas.rectangle(inside, outline=(0, 0, 0))
    canvas.rectangle(box, outline=color, width=line)


def _label(name: str, score: float, height: int, most: int) -> Image.Image:
    """Mask of "name 0.97", shortened to fit into `most` pixels: first the score goes."""
    texts = [f"{name} {score:.2f}", name]
    texts += [name[:length].rstrip() + "." for length in range(len(name) - 1, 0, -1)]
    for text in texts:
        mask = text_mask(text, height)
        if mask.width <= most:
            return mask
    return mask.crop((0, 0, most, mask.height))


def text_mask(text: str, height: int) -> Image.Image:
    """Text as an "L" mask with a small margin, letters about `height` pixels high."""
    font, factor, ascii_only = find_font(text, height)
    if ascii_only:  # better "Ubergang" than a box for the letter that the font lacks
        text = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
        text = text.encode("ascii", "replace").decode("ascii")
    left, top, right, bottom = font.getbbox(text)
    _, low_top, _, low_bottom = font.getbbox("Ag")  # the same height for every text
    top, bottom = min(top, low_top), max(bottom, low_bottom)
    margin = max(1, height // 6 // factor)
    size = (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).text((margin - left, margin - top), text, fill=255, font=font)
    return mask.resize((size[0] * factor, size[1] * factor), Image.Resampling.NEAREST)


def _places(
    sizes: Sequence[tuple[int, int]], boxes: Sequence[PixelBox], size_wh: tuple[int, int]
) -> list[tuple[int, int]]:
    """Top left corner of each label: the first spot that is in the image and free."""
    taken: list[PixelBox] = []
    places: list[tuple[int, int]] = []
    for (width, height), (left, top, right, bottom) in zip(sizes, boxes, strict=True):
        # Above, inside at the top, below, inside at the bottom, inside at the right.
        spots = [(left, top - height), (left, top), (left, bottom + 1), (left, bottom - height + 1)]
        spots.append((right - width + 1, top))
        most = (max(0, size_wh[0] - width), max(0, size_wh[1] - height))
        spots = [(x, y) for x, y in spots if 0 <= y <= most[1]] or [(left, top)]
        spots = [(min(max(x, 0), most[0]), min(max(y, 0), most[1])) for x, y in spots]
        rectangles = [_rectangle(spot, (width, height)) for spot in spots]
        free = [i for i, r in enumerate(rectangles) if not any(_overlap(r, t) for t in taken)]
        choice = free[0] if free else 0
        taken.append(rectangles[choice])
        places.append(spots[choice])
    return places


def _rectangle(place: tuple[int, int], size: tuple[int, int]) -> PixelBox:
    return place[0], place[1], place[0] + size[0] - 1, place[1] + size[1] - 1


def _overlap(one: PixelBox, other: PixelBox) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
