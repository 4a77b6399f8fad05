"""An emulated system: Debian's files, a virtual environment, and a `python` that is an ARM one.

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
from pathlib import Path

from tests.pi.host import CACHE, built, find_qemu, mirror, must
from tests.pi.systems import System

HERE = Path(__file__).parent


def prepare(system: System, wheel: Path) -> Path:
    """The `python` of an environment where `wheel` is installed. Raises: RuntimeError.

    Built once; later only the wheel is exchanged.
    """
    pins = HERE / f"requirements-{system.name}.txt"
    key = hashlib.sha256(repr((system, mirror(), pins.read_text(), _recipe())).encode())
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
        wheels = sorted((folder / "wheels").glob("*.whl"))
        command = [*_pip(python, folder / "wheels"), *wheels]
        must(command, f"installing {pins.name} in the emulated system", env=clean())
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
        archive = new / "system.tar"
        options = [f"--arch={system.architecture}", "--variant=extract"]
        if os.geteuid():
            options.append("--mode=chrootless")  # nothing is run inside, so no root is needed
        packages = f"--include={','.join(system.packages)}"
        command = ["mmdebstrap", *options, packages, system.suite, archive, mirror()]
        must(command, f"unpacking {system.suite} for {system.architecture}")
        left_out = [f"--exclude=./{name}" for name in _OF_THE_MACHINE]
        must(["tar", "-x", "--no-same-owner", *left_out, "-f", archive, "-C", new], "tar")
        archive.unlink()
        for name in ("lib", "sbin"):  # Trixie's packages leave these links to its base-files
            if not (new / name).exists():
                (new / name).symlink_to(f"usr/{name}")
        for folder in (new / "bin", new / "usr" / "bin"):
            for path in folder.glob("*"):
                if not path.name.startswith("python3"):
                    path.unlink()  # programs other than Python are the machine's own
        for path in new.glob("usr/lib/python3*/sitecustomize.py"):
            path.unlink()  # a link to /etc
        _link_alternatives(new)


# qemu looks in the system's folder before it looks on the machine: there must be but one /tmp.
_OF_THE_MACHINE = ("tmp", "dev", "var", "etc", "run", "proc", "sys", "home", "root")


def _link_alternatives(root: Path) -> None:
    """What update-alternatives would have linked, had the packages been configured."""
    for folder in root.glob("usr/lib/*/openblas-pthread"):
        for library in folder.glob("lib*.so.*"):
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
    # By its real place, not as qemu shows it: for a 32-bit program qemu looks for the state of a
    # file (statx) on this machine alone.
    (environment / "pyvenv.cfg").write_text(
        f"home = {root}/usr/bin\nversion = {system.version}\n"
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


# Its wheel is on the path. Whether a 32-bit processor takes wheels of armhf it reads from the
# header of sys.executable, which is a script here.
_PIP = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
from pip._vendor.packaging import _manylinux
_manylinux._is_linux_armhf = lambda executable: True
runpy.run_module("pip", run_name="__main__")
"""


def _pip(python: Path, wheels: Path) -> Sequence[object]:
    """The command that installs wheels in the emulated system, and nothing else; pip's is among
    `wheels`."""
    (wheel,) = wheels.glob("pip-*.whl")
    alone = ("--isolated", "--disable-pip-version-check", "install", "--no-index", "--quiet")
    return [python, "-c", _PIP, wheel, *alone, "--root-user-action=ignore"]
