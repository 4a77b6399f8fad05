"""The real picamera2 and libcamera, on a camera without hardware: see virtual_camera/shield.py.

A whole Debian Trixie for this machine's own processor, entered by chroot in namespaces of its own:
when the test ends, its processes and mounts are gone with them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from PIL import Image, ImageDraw

from tests.pi.checkout import copy_tests
from tests.pi.host import CACHE, MissingError, built, mirror, must, run
from tests.pi.report import Outcome, read_junit

TITLE = "picamera2 on libcamera's virtual camera"
HERE = Path(__file__).parent
PINS = HERE / "requirements-picamera2.txt"
FILES = HERE / "virtual_camera"
# python3-dev to python3-prctl: some of what picamera2 needs is built from source.
PACKAGES = (
    *("ca-certificates", "python3-venv", "python3-dev", "gcc", "libc6-dev", "linux-libc-dev"),
    *("libcap-dev", "python3-prctl", "python3-libcamera", "libcamera-ipa"),
    *("python3-numpy", "python3-pil"),
)
# Where libcamera looks; without it there is no virtual camera.
CONFIGURATION = "usr/share/libcamera/pipeline/virtual/virtual.yaml"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# left, middle, right, as virtual_camera/contract.py expects them
COLORS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
PICTURE_WH = (1280, 720)
SECONDS = 300


def test(wheel: Path) -> Outcome:
    """The contract of the Pi's camera source. Raises: MissingError, RuntimeError."""
    check()
    root = _system()
    pip = [*_enter(root), "/opt/camera/bin/pip", "install", "--quiet", "--no-index", "--no-deps"]
    options = ["--force-reinstall", "--root-user-action=ignore"]
    must([*pip, *options, _put(wheel, root / "opt")], "installing the wheel")
    checkout = root / "opt" / "checkout"
    shutil.rmtree(checkout, ignore_errors=True)
    shutil.copytree(copy_tests(), checkout)
    _put_camera(root)
    what = "import platform, importlib.metadata as m; print(platform.python_version(), "
    what += "*(f'{n} {m.version(n)}' for n in ('picamera2', 'ai-edge-litert')), sep=', ')"
    probe = must([*_enter(root), "/opt/camera/bin/python", "-c", what], "Python", cwd=root)
    report = checkout / "report.xml"
    pytest = ["/opt/camera/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    contract = "tests/pi/virtual_camera/contract.py"
    command = [*_enter(root, camera=True), *pytest, "--junitxml=report.xml", contract]
    status = run(command, SECONDS).returncode
    return read_junit(report, status, TITLE, probe.strip())


def check() -> None:
    """Raises: MissingError where the system cannot be entered here."""
    if os.geteuid():
        raise MissingError("needs root to enter a system of its own: sudo make test-pi")
    if shutil.which("unshare") is None:
        raise MissingError("sudo apt-get install util-linux")
    probe = ["unshare", *_NAMESPACES, "--mount-proc", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        raise MissingError("this container may not make namespaces (CAP_SYS_ADMIN)")


_NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child")


def _enter(root: Path, camera: bool = False) -> list[object]:
    """The beginning of a command that runs inside `root`, with nothing of this environment."""
    variables = ["PATH=/usr/bin:/bin:/usr/sbin", "HOME=/root", "LANG=C.UTF-8"]
    if camera:
        variables += ["LD_PRELOAD=/opt/virtual_camera/heap.so", "PYTHONPATH=/opt/virtual_camera"]
        variables += ["LIBCAMERA_LOG_LEVELS=*:ERROR", "PYTHONDONTWRITEBYTECODE=1"]
    inside = ["chroot", root, "env", "-i", "-C", "/opt/checkout" if camera else "/", *variables]
    return ["unshare", *_NAMESPACES, f"--mount-proc={root / 'proc'}", *inside]


def _system() -> Path:
    """Debian Trixie with picamera2 installed; built once."""
    root, mark = CACHE / "picamera2", CACHE / "picamera2" / "complete"
    key = hashlib.sha256(f"{mirror()} {PACKAGES} {PINS.read_text()}".encode()).hexdigest()
    if mark.exists() and mark.read_text() == key:
        return root
    print("building a Debian Trixie with libcamera and picamera2: two minutes, once", flush=True)
    architecture = must(["dpkg", "--print-architecture"], "dpkg").strip()
    with built(root) as new:
        options = [f"--arch={architecture}", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        must(["mmdebstrap", *options, "trixie", new, mirror()], "building the system")
        if CERTIFICATES.exists():  # this machine may trust a proxy that a bare system does not
            inside = new / CERTIFICATES.relative_to("/")
            inside.unlink(missing_ok=True)
            shutil.copy(CERTIFICATES, inside)
        venv = ["python3", "-m", "venv", "--system-site-packages", "/opt/camera"]
        must([*_enter(new), *venv], "making an environment")
        pip = ["/opt/camera/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        must([*_enter(new), *pip, "-r", _put(PINS, new / "opt")], f"installing {PINS.name}")
        (new / "complete").write_text(key)
    return root


def _put_camera(root: Path) -> None:
    folder = root / "opt" / "virtual_camera"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FILES, folder)
    (root / CONFIGURATION).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(FILES / "virtual.yaml", root / CONFIGURATION)
    heap = "/opt/virtual_camera/heap"
    gcc = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", f"{heap}.so", f"{heap}.c"]
    must([*_enter(root), *gcc, "-ldl"], "compiling heap.c")
    scenes = root / "opt" / "scenes"
    scenes.mkdir(exist_ok=True)
    # No loss of colour beside that of the camera's NV12.
    exact = {"quality": 95, "subsampling": 0}
    colors().save(scenes / "colours.jpg", **exact)
    digits = HERE.parent / "golden" / "test_00000.jpg"
    with Image.open(digits) as picture:  # the detector stretches it back to a square
        picture.resize(PICTURE_WH, Image.Resampling.BILINEAR).save(scenes / "digits.jpg", **exact)


def colors() -> Image.Image:
    """Three upright bands of red, green and blue."""
    width, height = PICTURE_WH
    picture = Image.new("RGB", PICTURE_WH)
    draw = ImageDraw.Draw(picture)
    for number, color in enumerate(COLORS):
        draw.rectangle((number * width // 3, 0, (number + 1) * width // 3, height), fill=color)
    return picture


def _put(file: Path, folder: Path) -> str:
    """Copy it into the system. Returns: its path there."""
    shutil.copy(file, folder)
    return f"/opt/{file.name}"
