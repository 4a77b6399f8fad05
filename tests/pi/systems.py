"""The systems that are emulated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """A system to emulate.

    Attributes:
        name: also of the file of pinned wheels.
        title: for people.
        suite: of Debian.
        architecture: Debian's name of it.
        machine: as in the names of wheels.
        processor: as qemu calls it.
        emulator: program of qemu.
        python: (3, minor) of the suite.
        glibc: minor version of the suite's C library: the newest manylinux_2_N it may take.
        extras: of this project's wheel.
        packages: of Debian.
        system_site: whether the environment sees Debian's Python packages.
    """

    name: str
    title: str
    suite: str
    architecture: str
    machine: str
    processor: str
    emulator: str
    python: tuple[int, int]
    glibc: int
    extras: str
    packages: tuple[str, ...]
    system_site: bool = False

    @property
    def version(self) -> str:
        """As in the name of the program, "3.13"."""
        return f"{self.python[0]}.{self.python[1]}"


# libgl1, glib and libsm6 are what opencv-python loads for its windows: an image without a desktop
# lacks them, and `import cv2` fails without the first two.
_COMMON = ("python3", "libstdc++6", "libgl1", "libsm6")
SYSTEMS = (
    System(
        "bookworm",
        "Bookworm, 64 bits, as on a Pi 4",
        "bookworm",
        "arm64",
        "aarch64",
        "cortex-a72",
        "qemu-aarch64",
        (3, 11),
        36,
        "litert,opencv,mqtt,web",
        (*_COMMON, "libglib2.0-0"),
    ),
    System(
        "trixie",
        "Trixie, 64 bits, as on a Pi 5",
        "trixie",
        "arm64",
        "aarch64",
        "cortex-a76",
        "qemu-aarch64",
        (3, 13),
        41,
        "litert,opencv,mqtt,web",
        (*_COMMON, "libglib2.0-0t64"),
    ),
    System(
        "bookworm-32",
        "Bookworm, 32 bits, tflite-runtime",
        "bookworm",
        "armhf",
        "armv7l",
        "cortex-a7",
        "qemu-arm",
        (3, 11),
        36,
        "tflite,mqtt,web",
        ("python3", "libstdc++6", "python3-numpy", "python3-pil", "libopenblas0-pthread"),
        system_site=True,
    ),
)
