"""picamera2 source: the Raspberry Pi's camera, and its pixel formats as RGB."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image

from edge_runtime.detector.resize import fitted_hw, resize
from edge_runtime.frame import Frame
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.turning import turn, turned_hw
from edge_runtime.system.optional_imports import require

# The camera's own processor scales to it, so it costs nothing where no sink shows the image; and
# where one does, this is what a page shows well and a Pi still compresses in time.
DEFAULT_SIZE_WH = (1280, 720)
BUFFERS = 4  # one held here, the others being filled; each costs memory that only cameras may use
DEFAULT_FPS = 30.0
SLOWEST_FPS = 5.0  # below, automatic exposure and white balance take ages to follow the light
DARKEST_FPS = 10.0  # how far the camera may slow down by itself, to see more in the dark
SIDEWAYS = (90, 270)
OLDEST_SECONDS = 10.0  # a time stamp that says older than this is of another clock

# name → bytes of a pixel, and which of them are red, green and blue
PACKED = {
    "BGR888": (3, slice(0, 3)),
    "RGB888": (3, slice(2, None, -1)),
    "XBGR8888": (4, slice(0, 3)),
    "XRGB8888": (4, slice(2, None, -1)),
}
FORMATS = (*PACKED, "YUV420", "NV12")

# libcamera's YcbcrEncoding → what red and blue weigh in Y
WEIGHTS = {"Rec601": (0.299, 0.114), "Rec709": (0.2126, 0.0722), "Rec2020": (0.2627, 0.0593)}


class PiCamera(Source):
    """ "picamera2" or "picamera2:N". Belongs into a process of its own: it may hang for ever.

    Where no image is needed only the "lores" stream is read, which the camera's processor makes
    of the network's size: the same view as the image's, stretched as `preprocess` does, or scaled
    by one factor where the network wants that.
    """

    live = True

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self._number = int(text.partition(":")[2] or 0)
        self._camera: Any = None
        self._config: dict[str, Any] = {}

    def open(self) -> None:
        picamera2 = require("picamera2", "camera")
        libcamera = require("libcamera", "camera")
        self._camera = _open(picamera2.Picamera2, self._number)
        try:
            self._camera.configure(self._wanted(libcamera))
            # It may have been adjusted to what the camera can do.
            self._config = self._camera.camera_configuration()
            self._camera.start()
        except Exception as error:  # the library raises a bare RuntimeError, and others
            self.close()
            raise SourceError(f"camera {self._number} does not start: {reasons(error)}") from error
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while self.state == "running":
            request = self._camera.capture_request()
            try:
                # The buffers go back as soon as they are copied: the camera has but a few.
                metadata = request.get_metadata()
                buffers = {name: request.make_buffer(name) for name in self._streams()}
            finally:
                request.release()
            age = sensor_age(metadata)
            yield self._frame(buffers, age, number)
            number += 1

    def close(self) -> None:
        self.state = "closed"
        camera, self._camera = self._camera, None
        if camera is not None:
            with suppress(Exception):
                camera.close()

    def _wanted(self, libcamera: Any) -> Any:
        """A configuration to ask for."""
        camera, options = self._camera, self.options
        width, height = options.size_wh or DEFAULT_SIZE_WH
        main_wh = (width & ~1, height & ~1)
        small_hw = self._small_hw(main_wh)
        lores_wh = (small_hw[1] & ~1, small_hw[0] & ~1)
        fits = lores_wh[0] <= main_wh[0] and lores_wh[1] <= main_wh[1]
        upside_down = options.rotate == 180
        mirror = options.mirror and options.rotate not in SIDEWAYS  # else `_frame` does it
        return camera.create_video_configuration(
            main={"format": "BGR888", "size": main_wh},
            lores={"format": "YUV420", "size": lores_wh} if fits else None,
            raw={"size": _sensor_size(camera.sensor_resolution, main_wh)},
            transform=libcamera.Transform(hflip=upside_down != mirror, vflip=upside_down),
            colour_space=libcamera.ColorSpace.Sycc(),  # BT.601 in full range, what JPEG has
            buffer_count=BUFFERS,
            controls=self._controls(libcamera),
            display=None,
            encode=None,
            queue=False,  # the next frame to come, not one that waited
        )

    def _small_hw(self, main_wh: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the picture for the network, before it is turned."""
        input_hw, rotate = self.options.input_hw, self.options.rotate
        if self.options.keeps_aspect:
            input_hw = fitted_hw(turned_hw(main_wh[::-1], rotate), input_hw)
        return turned_hw(input_hw, rotate)

    def _controls(self, libcamera: Any) -> dict[str, Any]:
        known = self._camera.camera_controls
        controls: dict[str, Any] = {}
        if "FrameDurationLimits" in known:
            fps = max(self.options.max_fps or DEFAULT_FPS, SLOWEST_FPS)
            slowest = min(fps, DARKEST_FPS)
            controls["FrameDurationLimits"] = (round(1e6 / fps), round(1e6 / slowest))
        if "AfMode" in known:  # else a lens that can focus stays where it happens to be
            controls["AfMode"] = libcamera.controls.AfModeEnum.Continuous
        return controls

    def _streams(self) -> list[str]:
        has_lores = self._config.get("lores") is not None
        needs_main = self.options.needs_image or not has_lores
        return ["main"] * needs_main + ["lores"] * has_lores

    def _frame(self, buffers: dict[str, np.ndarray], age: float, number: int) -> Frame:
        width, height = self._config["main"]["size"]
        captured_at, moment = time.monotonic() - age, time.time() - age
        rgb = {name: self._to_rgb(name, buffer) for name, buffer in buffers.items()}
        small = rgb.get("lores")
        if small is not None:  # where the network's size is odd, or the camera adjusted it
            small = resize(small, self._small_hw((width, height)))
        image, hw = rgb.get("main"), (height, width)
        if self.options.rotate in SIDEWAYS:  # the camera itself can flip, not transpose
            image, small = (
                None if picture is None else turn(picture, self.options.rotate, self.options.mirror)
                for picture in (image, small)
            )
            hw = turned_hw(hw, self.options.rotate)
        return Frame(hw, captured_at, moment, number, image, small)

    def _to_rgb(self, name: str, buffer: np.ndarray) -> np.ndarray:
        stream = self._config[name]
        encoding, full_range = colors(self._config.get("colour_space"))
        try:
            return to_rgb(
                buffer, stream["format"], stream["size"], stream["stride"], encoding, full_range
            )
        except ValueError as error:
            raise SourceError(
                f"camera {self._number}, stream {name}: {error}; a USB camera is usb:N"
            ) from error


def _open(picamera2: Any, number: int) -> Any:
    """Raises: SourceError if there is no such camera, or another program has it."""
    try:
        found = len(picamera2.global_camera_info())
        if number >= found:
            raise SourceError(
                f"there is no camera number {number}, {found} found: check both ends of the ribbon "
                "cable, and that `rpicam-hello --list-cameras` shows it"
            )
        return picamera2(number)
    except SourceError:
        raise
    except Exception as error:
        why = reasons(error)
        if any(word in why.lower() for word in ("busy", "acquire", "in use")):
            raise SourceError(
                f"another program uses camera {number} ({why}); end it: `sudo fuser -v "
                "/dev/media*` shows which"
            ) from error
        raise SourceError(f"camera {number} does not open: {why}") from error


def _sensor_size(sensor_wh: tuple[int, int], main_wh: tuple[int, int]) -> tuple[int, int]:
    """(width, height) that the sensor shall read out: all that it sees, halved if that suffices.

    Left alone, the library takes the mode closest to the image's size, and small modes show the
    middle only: two thirds of the Camera Module 3's view at 1280x720.
    """
    width, height = sensor_wh
    half = (width // 2 & ~1, height // 2 & ~1)
    return half if half[0] >= main_wh[0] and half[1] >= main_wh[1] else sensor_wh


def colors(space: Any) -> tuple[str, bool]:
    """(encoding, whether full range) of a libcamera.ColorSpace."""
    encoding = "Null" if space is None else space.ycbcrEncoding.name
    if encoding == "Null":  # not said, as for a stream without Y, U and V: it is what was asked for
        return "Rec601", True
    return encoding, space.range.name == "Full"


def sensor_age(metadata: Mapping[str, Any]) -> float:
    """Seconds since the sensor began with a frame; 0 where its time stamp makes no sense."""
    stamp = metadata.get("SensorTimestamp")
    if stamp is None:
        return 0.0
    age = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - stamp) / 1e9
    return age if 0 <= age <= OLDEST_SECONDS else 0.0


def reasons(error: BaseException) -> str:
    """Messages of an error and of those behind it: the library's own says only that it failed."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen) or type(seen).__name__
        if text not in texts:
            texts.append(text)
        seen = seen.__cause__ or seen.__context__
    return ": ".join(texts)


def to_rgb(
    buffer: np.ndarray,
    pixel_format: str,
    size_wh: tuple[int, int],
    stride: int,
    encoding: str = "Rec601",
    full_range: bool = True,
) -> np.ndarray:
    """A stream's buffer as an image.

    Args:
        buffer: (n,) uint8, as `CompletedRequest.make_buffer` gives it; rows may end in padding.
        pixel_format: one of `FORMATS`.
        size_wh: (width, height) of the image, even for YUV420 and NV12.
        stride: bytes from one row to the next; half of it for the U and V of YUV420.
        encoding, full_range: of YUV420 and NV12: one of `WEIGHTS`; Y in 0 … 255 or in 16 … 235.

    Returns: (height, width, 3) RGB uint8; it may share the buffer's memory.
    Raises: ValueError for another format or encoding, or a buffer that is too short.
    """
    width, height = size_wh
    if pixel_format not in FORMATS:
        raise ValueError(
            f"a pixel format of {', '.join(FORMATS)} expected, the camera delivers {pixel_format}"
        )
    rows = height if pixel_format in PACKED else height * 3 // 2
    if len(buffer) < rows * stride:
        raise ValueError(
            f"{rows * stride} bytes expected for {width}x{height} {pixel_format}, got {len(buffer)}"
        )
    lines = buffer[: rows * stride].reshape(rows, stride)
    if pixel_format in PACKED:
        count, channels = PACKED[pixel_format]
        return lines[:, : width * count].reshape(height, width, count)[:, :, channels]
    if pixel_format == "YUV420":
        chroma = lines[height:].reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    else:
        chroma = np.moveaxis(lines[height:, :width].reshape(height // 2, width // 2, 2), 2, 0)
    return _yuv_to_rgb(lines[:height, :width], chroma, yuv_matrix(encoding, full_range))


def yuv_matrix(encoding: str, full_range: bool) -> tuple[float, ...]:
    """12 numbers, three rows of (y, u, v, 1) → red, green, blue, all in 0 … 255.

    Raises: ValueError for an encoding that is not in `WEIGHTS`.
    """
    if encoding not in WEIGHTS:
        raise ValueError(f"an encoding of {', '.join(WEIGHTS)} expected, got {encoding}")
    red, blue = WEIGHTS[encoding]
    green = 1 - red - blue
    black, luma, chroma = (0, 1.0, 1.0) if full_range else (16, 255 / 219, 255 / 224)
    from_u, from_v = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    rows = (
        (luma, 0.0, from_v),
        (luma, -from_u * blue / green, -from_v * red / green),
        (luma, from_u, 0.0),
    )
    return tuple(x for y, u, v in rows for x in (y, u, v, -y * black - 128 * (u + v)))


def _yuv_to_rgb(luma: np.ndarray, chroma: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    """(h, w), (2, h/2, w/2) uint8 → (h, w, 3): Pillow does it in half the time of NumPy."""
    height, width = luma.shape
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in (luma, *chroma)]
    large = [plane.resize((width, height), Image.Resampling.NEAREST) for plane in planes[1:]]
    return np.asarray(Image.merge("RGB", (planes[0], *large)).convert("RGB", matrix))
