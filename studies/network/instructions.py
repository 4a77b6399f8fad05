"""Instructions of one inference on Arm: counted under emulation, where times mean nothing.

    python -m studies.network.instructions build/network/mobilenet_v2_int8.tflite \\
        --qemu qemu-aarch64 --root SYSROOT --site PACKAGES --cpu cortex-a76

qemu-user 10 logs every block that LiteRT's library executes and what instructions are in it, for a
run with one inference and a run with two; the difference is one inference. SYSROOT is an arm64
Debian with Python, PACKAGES a folder with the wheels of numpy and ai-edge-litert in it. The kernels
are those that XNNPACK chooses on the given processor: cortex-a72 is a Pi 4, cortex-a76 a Pi 5. A
count is no time: loads, dot products and additions count alike.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from convert.report_files import write_report
from edge_runtime.arguments import CURABLE, run_command
from edge_runtime.system.machine import describe_hardware

# Prints where the library lies, or runs a model so many times.
PROGRAM = """
import sys
from ai_edge_litert.interpreter import Interpreter
if len(sys.argv) == 1:
    for line in open("/proc/self/maps"):
        if "libpywrap_litert_common" in line and " r-xp " in line:
            print(line.split()[0])
    sys.exit()
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
for _ in range(int(sys.argv[2])):
    interpreter.invoke()
"""


class Emulator:
    """LiteRT on an emulated processor, at the same addresses in every run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "QEMU_CPU": args.cpu,
            "PYTHONPATH": str(args.site.absolute()),
            "PYTHONHASHSEED": "0",
        }
        root = args.root.absolute()
        [python] = (root / "usr/bin").glob("python3.[0-9]*[0-9]")
        # Without setarch the library would lie elsewhere each time.
        self._qemu = ["setarch", os.uname().machine, "-R", str(args.qemu)]
        self._python = ["-L", str(root), str(python), "-c", PROGRAM]
        begin, end = (int(part, 16) for part in self._output().split("-"))
        self._range = f"{begin:#x}+{end - begin:#x}"

    def _output(self) -> str:
        command = [*self._qemu, *self._python]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(f"LiteRT on {command[3]} expected, got: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def instructions(self, model: Path) -> int:
        """Of one inference, inside LiteRT's library, XNNPACK's kernels included."""
        return self._run(model, 2) - self._run(model, 1)

    def _run(self, model: Path, times: int) -> int:
        log = ["-d", "in_asm,exec,nochain", "-dfilter", self._range, "-D", "/dev/stderr"]
        command = [*self._qemu, *log, *self._python, str(model.absolute()), str(times)]
        with subprocess.Popen(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            total = count_instructions(process.stderr)
        if process.returncode:
            raise ValueError(f"{command[3]} ended with status {process.returncode} on {model}")
        return total


def count_instructions(log: Iterable[bytes]) -> int:
    """Of qemu's log: a block's instructions, a line each, when it is translated; its runs later."""
    sizes: dict[bytes, int] = {}
    runs: Counter[bytes] = Counter()
    block: list[bytes] = []
    for line in log:
        if line.startswith(b"Trace"):  # Trace 0: host address [flags/address/…
            runs[line.split(b"/", 2)[1]] += 1
        elif line.startswith(b"IN:"):
            block = []
        elif line.startswith(b"0x"):
            block.append(line)
            first = block[0].partition(b":")[0]
            sizes[first.removeprefix(b"0x").rjust(16, b"0")] = len(block)
    return sum(sizes[address] * count for address, count in runs.items())


def _run(args: argparse.Namespace) -> int:
    emulator = Emulator(args)
    counts = {}
    for model in args.models:
        counts[model.stem] = round(emulator.instructions(model) / 1e6, 1)
        print(f"{args.cpu} {model.name}: {counts[model.stem]} M", flush=True)
        # After each, since one takes minutes.
        content = {"cpu": args.cpu, "machine": describe_hardware(), "millions": counts}
        write_report(args.out / f"{args.cpu}.json", content)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.network.instructions",
        description="Instructions of one inference on emulated Arm processors.",
    )
    add = parser.add_argument
    add("models", nargs="+", type=Path, metavar="FILE.tflite")
    add("--qemu", default="qemu-aarch64", help="qemu-user, version 10 or later")
    add("--root", type=Path, required=True, help="arm64 Debian with Python")
    add("--site", type=Path, required=True, help="folder of arm64 packages: ai-edge-litert, numpy")
    add("--cpu", default="cortex-a76", help="as qemu knows it")
    add("--out", type=Path, default=Path("build/network"), help="folder for CPU.json")
    args = parser.parse_args(arguments)
    return run_command("error", lambda: _run(args), CURABLE, "stopped")


if __name__ == "__main__":
    sys.exit(main())
