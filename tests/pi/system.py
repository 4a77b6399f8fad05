"""The Pi's systems, emulated: Debian's files, a virtual environment, and a `python` that is an ARM one.

Nothing is mounted, entered or registered, and no root is needed to run it. The environment's
`python` is a script for this machine's shell that hands over to qemu, which looks for files in the
system's folder first and on this machine otherwise. So `sys.executable` can be started like any
program, and a test on the emulated Python finds this machine's mosquitto or ffmpeg.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.pi.host import CACHE, MIRROR, built, find_qemu, must

HERE = Path(__file__).parent


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


# libxcb, libGL and glib are what opencv-python's windows load; an image without a desktop lacks them.
_COMMON = ("python3", "libstdc++6", "libgl1")
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


def prepare(system: System, wheel: Path) -> Path:
    """The `python` of an environment where `wheel` is installed. Raises: RuntimeError.

    Built once; later only the wheel is exchanged.
    """
    pins = HERE / f"requirements-{system.name}.txt"
    key = hashlib.sha256(repr((system, MIRROR, pins.read_text(), _recipe())).encode())
    folder = CACHE / system.name
    mark = folder / "complete"
    python = folder / "env" / "bin" / "python"
    if not mark.exists() or mark.read_text() != key.hexdigest():
        print(f"building {system.title}: about two minutes, once", flush=True)
        # The environment's scripts carry its place: it is built where it stays.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _unpack_system(system, folder / "root")
        _download(system, pins, folder / "wheels")
        _make_environment(system, folder)
        pip = _pip(python, folder / "wheels")
        must([*pip, "-r", pins], f"installing {pins.name} in the emulated system", env=clean())
        mark.write_text(key.hexdigest())
    for path in python.parents[1].glob("lib/python*/site-packages/edge_runtime*"):
        shutil.rmtree(path)
    # With its extras: what its metadata ask for on this system is among the pins, or pip says so.
    wanted = f"{wheel}[{system.extras}]"
    must([*_pip(python, folder / "wheels"), wanted], "installing the wheel", env=clean())
    return python


def clean(**more: str) -> dict[str, str]:
    """An environment without what would lead the emulated Python to this machine's packages."""
    leading = ("PYTHON", "VIRTUAL_ENV", "PIP_", "LD_", "QEMU_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(leading)}
    return kept | more


def _recipe() -> str:
    return Path(__file__).read_text(encoding="utf-8")


def _unpack_system(system: System, root: Path) -> None:
    with built(root) as new:
        new.rmdir()
        options = [f"--arch={system.architecture}", "--variant=extract", "--include"]
        command = ["mmdebstrap", *options, ",".join(system.packages), system.suite, new, MIRROR]
        must(command, f"unpacking {system.suite} for {system.architecture}")
        for name in ("lib", "sbin"):  # Trixie's packages leave these links to its base-files
            if not (new / name).exists():
                (new / name).symlink_to(f"usr/{name}")
        # qemu would look in these before it looks on the machine: there must be one /tmp, and
        # programs other than Python must be the machine's own.
        for name in ("tmp", "dev", "var", "etc", "run", "proc", "sys"):
            shutil.rmtree(new / name, ignore_errors=True)
        for folder in (new / "bin", new / "usr" / "bin"):
            for path in folder.glob("*"):
                if not path.name.startswith("python3"):
                    path.unlink()
        for path in new.glob("usr/lib/python3*/sitecustomize.py"):
            path.unlink()  # a link to /etc
        _link_alternatives(new)


def _link_alternatives(root: Path) -> None:
    """What update-alternatives would have linked, had the packages been configured."""
    for folder in root.glob("usr/lib/*/openblas-pthread"):
        for library in folder.glob("lib*.so.3"):
            (folder.parent / library.name).symlink_to(f"openblas-pthread/{library.name}")


def _download(system: System, pins: Path, folder: Path) -> None:
    # pip does not know that a newer manylinux takes older ones as well, when asked for by name.
    tags = [f"manylinux_2_{minor}_{system.machine}" for minor in range(17, system.glibc + 1)]
    platforms = [f"--platform={tag}" for tag in (f"manylinux2014_{system.machine}", *tags)]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # Complete pins and no dependencies: pip would judge their markers by this machine.
    wanted = ["--only-binary=:all:", "--no-deps", "--implementation=cp", *platforms, "-r", pins]
    with built(folder) as new:
        command = [*pip, f"--python-version={system.version}", "--dest", new, *wanted]
        must(command, f"downloading the wheels of {pins.name}")


def _make_environment(system: System, folder: Path) -> None:
    root, environment = folder / "root", folder / "env"
    site = environment / "lib" / f"python{system.version}" / "site-packages"
    site.mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(
        f"home = /usr/bin\nversion = {system.version}\n"
        f"include-system-site-packages = {str(system.system_site).lower()}\n"
    )
    python = environment / "bin" / "python"
    python.parent.mkdir()
    words = [find_qemu(system.emulator), "-cpu", system.processor, "-L", root]
    program = root / "usr" / "bin" / f"python{system.version}"
    # -0: the interpreter finds its environment beside the name that it was started by.
    python.write_text(
        f'#!/bin/sh\nexec {shlex.join(map(str, words))} -0 "$0" {shlex.quote(str(program))} "$@"\n'
    )
    python.chmod(0o755)
    (wheel,) = (folder / "wheels").glob("pip-*.whl")
    must([python, wheel / "pip", *_OFFLINE, folder / "wheels", "pip"], "pip", env=clean())


_OFFLINE = (
    *("--isolated", "--disable-pip-version-check", "install", "--quiet"),
    *("--root-user-action=ignore", "--no-index", "--find-links"),
)


def _pip(python: Path, wheels: Path) -> Sequence[object]:
    return [python, "-m", "pip", *_OFFLINE, wheels]
