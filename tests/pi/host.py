"""Requirements of `make test-pi` on this machine, and running programs on it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "pi"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Debian Bookworm's 7.2 crashes in the kernels of ai-edge-litert 2.2 and newer; 10 runs them.
OLDEST_QEMU = 10


class MissingError(RuntimeError):
    """Something that this machine lacks: what, and the line that installs it."""


def check_tools() -> None:
    """Raises: MissingError with one line that installs all that is missing."""
    packages = [] if KEYRING.exists() else ["debian-archive-keyring"]
    if shutil.which("apt-get") is None:
        raise MissingError("apt-get expected: the Pi's systems are put together from Debian's")
    for program, package in (("mmdebstrap", "mmdebstrap"), ("dpkg-deb", "dpkg")):
        if shutil.which(program) is None:
            packages.append(package)
    if packages:
        raise MissingError(f"sudo apt-get install --no-install-recommends {' '.join(packages)}")
    mirror()


@lru_cache(maxsize=1)
def mirror() -> str:
    """Where Debian's packages come from: $DEBIAN_MIRROR, else the mirror that apt itself uses.

    Raises: MissingError where apt uses none of Debian.
    """
    if os.environ.get("DEBIAN_MIRROR"):
        return os.environ["DEBIAN_MIRROR"]
    form = ("--format", "$(ORIGIN) $(CODENAME) $(SITE)", "Created-By: Packages")
    for line in must(["apt-get", "indextargets", *form], "asking apt for its mirror").splitlines():
        origin, codename, *site = line.split()
        if origin == "Debian" and not codename.endswith("-security") and site:
            return site[0]
    raise MissingError("apt knows no mirror of Debian; DEBIAN_MIRROR= before the command names one")


def run(command: Sequence[object], seconds: float, **options) -> subprocess.CompletedProcess:
    """Run a program in a session of its own, and end whatever it leaves behind there.

    Raises: subprocess.TimeoutExpired after `seconds`.
    """
    words = [str(word) for word in command]
    process = subprocess.Popen(words, start_new_session=True, **options)
    try:
        output, errors = process.communicate(timeout=seconds)
    finally:  # also on Ctrl-C
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def must(command: Sequence[object], what: str, seconds: float = 600, **options) -> str:
    """The output of a program that must succeed. Raises: RuntimeError with the end of it."""
    merged = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | options
    try:
        done = run(command, seconds, **merged)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{what}: not done after {seconds:.0f} s") from None
    if done.returncode:
        raise RuntimeError(f"{what} failed:\n" + "\n".join(done.stdout.splitlines()[-15:]))
    return done.stdout


@contextmanager
def built(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of `target` once the block has filled it.

    An interrupted build leaves nothing at `target`; the next one removes what it left beside it.
    """
    temporary = target.with_name(target.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def find_qemu(name: str) -> Path:
    """The emulator `name`, of this machine if it is new enough, otherwise Debian Trixie's."""
    for program in (name, f"{name}-static"):
        path = shutil.which(program)
        if path and _version(path) >= OLDEST_QEMU:
            return Path(path)
    folder = CACHE / "qemu"
    if not folder.exists():
        _fetch_qemu(folder)
    return folder / name


def _version(program: str) -> int:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.", done.stdout)
    return int(match[1]) if match else 0


def _fetch_qemu(folder: Path) -> None:
    """Download and unpack the package, with package lists of our own: the machine's stay as is."""
    print(f"fetching qemu from Debian Trixie into {folder.relative_to(ROOT)}", flush=True)
    with built(folder) as new:
        apt = new / "apt"
        for part in ("lists/partial", "cache/archives/partial"):
            (apt / part).mkdir(parents=True)
        sources = apt / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} trixie main\n")
        options = [
            *("-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"),
            *("-o", f"Dir::State::lists={apt / 'lists'}", "-o", f"Dir::Cache={apt / 'cache'}"),
            *("-o", "Acquire::Languages=none"),
            # Root's apt would hand over to a user that may not enter this folder.
            *("-o", "APT::Sandbox::User="),
        ]
        must(["apt-get", *options, "update"], f"apt-get update from {mirror()}", cwd=apt)
        must(["apt-get", *options, "download", "qemu-user"], "downloading qemu-user", cwd=apt)
        (package,) = apt.glob("qemu-user_*.deb")
        must(["dpkg-deb", "-x", package, apt / "files"], "unpacking qemu-user")
        for name in ("qemu-aarch64", "qemu-arm"):
            shutil.move(apt / "files/usr/bin" / name, new / name)
        shutil.rmtree(apt)
