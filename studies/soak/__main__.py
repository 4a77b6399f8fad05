"""Run the whole pipeline for a while, with accidents, and say whether it stays flat.

    python -m studies.soak --minutes 30 --pictures build/data/digits/JPEGImages --out build/soak

A looping video comes as a network camera's stream; web viewers look on, quick, slow and fickle; a
real mosquitto takes the events. Now and then the camera's process is killed or frozen, the camera
goes away for a while, and the broker is killed. Every few seconds the runtime's memory, file
descriptors, threads and latency are noted. Writes soak.json and soak.png, prints a table, and ends
with 1 where something grows or is lost.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import describe_machine, one_line
from studies.soak.measure import children, complaints, drift, sample
from studies.soak.plot import draw
from studies.soak.world import Broker, Camera, Listener, Viewer, free_port, make_video

MODEL = "models/digits_int8.tflite"
COLUMNS = ("mb", "camera_mb", "descriptors", "threads", "latency_ms", "fps")
# What the runtime counts as delivered.
TOPICS = ("edge_runtime/soak/detections", "edge_runtime/soak/motion/event")
BROKER_AWAY = 18.0  # seconds; not when the runtime tries again, for the listener is to be first
# (what, seconds from one to the next in half an hour); other durations scale.
ACCIDENTS = (("camera killed", 240.0), ("camera frozen", 540.0), ("broker killed", 420.0))


def main() -> int:
    """Returns: 0 where all is flat and nothing was lost, else 1; 2 where it could not start."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.soak",
        description="Run the whole pipeline for a while, with accidents.",
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="(default: %(default)s)")
    parser.add_argument("--pictures", type=Path, required=True, help="folder the video is made of")
    parser.add_argument("--out", type=Path, default=Path("build/soak"))
    args = parser.parse_args()
    pictures = sorted(args.pictures.glob("test_*.jpg"))[:120]
    if not pictures:
        print(f"pictures test_*.jpg expected in {args.pictures}; `make data` draws them")
        return 2
    if Broker.program() is None:
        print("mosquitto expected; sudo apt install mosquitto, then stop the service it starts")
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # everything is ended all the same
    soak = Soak(args.out, make_video(pictures, args.out / "video.mp4"))
    try:
        soak.run(60 * args.minutes)
    finally:
        soak.close()
    return soak.report()


class Soak:
    """One run: the runtime as a process, and the world around it."""

    def __init__(self, folder: Path, video: Path) -> None:
        self._folder = folder
        self.rows: list[dict] = []
        self.accidents: list[dict] = []
        self._camera = Camera(video)
        self._broker = Broker(folder)
        self._broker.start()
        self._listener = Listener(self._broker.port, TOPICS)
        self._web = f"http://127.0.0.1:{free_port()}"
        self._command = self._runtime_command()
        with (folder / "runtime.log").open("w") as log:
            self._process = subprocess.Popen(self._command, stderr=log, env=self._environment())
        stream = f"{self._web}/stream.mjpg"
        self._viewers = [
            Viewer(stream),
            Viewer(stream),
            Viewer(stream, slow=True),
            Viewer(stream, stay=7.0),
            Viewer(stream, stay=31.0),
        ]
        self._last_state: dict = {}

    def _runtime_command(self) -> list[str]:
        source = f"http://127.0.0.1:{self._camera.port}/"
        flags = ["--source", source, "--threads", "1", "--stall-after", "3"]
        flags += ["--web", self._web.removeprefix("http://")]
        flags += ["--mqtt", f"mqtt://127.0.0.1:{self._broker.port}", "--mqtt-name", "soak"]
        flags += ["--mqtt-interval", "0.2", "--state-dir", str(self._folder / "state")]
        flags += ["--jsonl", str(self._folder / "soak.jsonl"), "--jsonl-max-mb", "1"]
        flags += ["--save-events", str(self._folder / "events"), "--events-max-mb", "5"]
        return [sys.executable, "-m", "edge_runtime", "run", MODEL, *flags]

    def _environment(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith("EDGE_RUNTIME_")}

    def run(self, seconds: float) -> None:
        """Watch for so long, with accidents in between."""
        started = time.monotonic()
        plans = [
            (what, started + every * seconds / 1800 * n)
            for what, every in ACCIDENTS
            for n in range(1, 1 + int(0.95 * 1800 / every))
        ]
        plans = sorted(plans, key=lambda plan: plan[1])
        pause = min(5.0, seconds / 120)
        back_at = None
        for step in itertools.count(1):
            self._wait(started + step * pause)
            now = time.monotonic()
            if now - started >= seconds and back_at is None:
                break
            if back_at is not None and now >= back_at:
                self._broker.start()
                back_at = None
            if plans and now >= plans[0][1] and back_at is None:
                what, _ = plans.pop(0)
                self._happen(what, now - started)
                back_at = now + BROKER_AWAY if what == "broker killed" else None
            self._note(started, seconds)

    def _wait(self, moment: float) -> None:
        time.sleep(max(0.0, moment - time.monotonic()))
        if self._process.poll() is not None:
            raise RuntimeError(f"the runtime ended by itself with {self._process.returncode}")

    def _happen(self, what: str, seconds: float) -> None:
        if what == "broker killed":
            self._broker.kill()
        for child in children(self._process.pid) if what.startswith("camera") else ():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL if what == "camera killed" else signal.SIGSTOP)
        self.accidents.append({"what": what, "minutes": round(seconds / 60, 2)})

    def _note(self, started: float, seconds: float) -> None:
        with suppress(OSError):
            self._last_state = self._ask()
            if self._last_state.get("latency_ms"):
                self.rows.append(sample(self._process.pid, self._last_state, started))
        share = min(1.0, (time.monotonic() - started) / seconds)
        row = self.rows[-1] if self.rows else {}
        seen = ", ".join(f"{key} {row.get(key)}" for key in ("mb", "threads", "fps"))
        print(f"\r{share:4.0%}  {seen}, accidents {len(self.accidents)}   ", end="", flush=True)

    def _ask(self) -> dict:
        with urllib.request.urlopen(f"{self._web}/detections.json", timeout=5) as answer:
            return json.load(answer)["run"]

    def close(self) -> None:
        """End everything, by process id."""
        with suppress(OSError):
            time.sleep(3)  # for the broker's last deliveries
            self._last_state = self._ask()
        self._process.terminate()
        begin = time.monotonic()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.ended_within = round(time.monotonic() - begin, 2)
        for viewer in self._viewers:
            viewer.close()
        self._camera.close()
        self._listener.close()
        self._broker.kill()

    def report(self) -> int:
        """Write soak.json and soak.png, print the table. Returns: 0 where all is well."""
        drifts = {column: drift(self.rows, column) for column in COLUMNS}
        mqtt = self._last_state["sinks"]["mqtt"]
        received = {"received": self._listener.count, "received_once": self._listener.count_once}
        lost = mqtt["delivered"] - received["received_once"]
        result = {
            "command": f"make soak MINUTES={round(self.rows[-1]['minutes'])}",
            "machine": describe_machine(),
            "minutes": self.rows[-1]["minutes"],
            "drift": drifts,
            "mqtt": {**mqtt, **received},
            "restarts": self.rows[-1]["restarts"],
            "viewers": [{"visits": v.visits, "bytes": v.bytes} for v in self._viewers],
            "ended_within_s": self.ended_within,
            "status": self._process.returncode,
            "accidents": self.accidents,
            "complaints": complaints(drifts, lost, mqtt["overflowed"]),
            "rows": self.rows,
        }
        with atomic_path(self._folder / "soak.json") as path:
            path.write_text(json.dumps(result, indent=1))
        draw(result, self._folder / "soak.png")
        print(f"\n\n{one_line(result['machine'])}; {result['minutes']} minutes")
        print(f"{'':12} {'first':>9} {'last':>9} {'an hour':>9} {'± error':>9}")
        for column, moved in drifts.items():
            values = (moved[key] for key in ("first", "last", "per_hour", "standard_error"))
            print(f"{column:12}" + "".join(f" {value:9.2f}" for value in values))
        print(
            f"{len(self.accidents)} accidents, {result['restarts']} restarts of the camera; MQTT:"
        )
        print(json.dumps(result["mqtt"]))
        print("\n".join(result["complaints"]) or "flat: nothing grew, nothing was lost")
        return 1 if result["complaints"] or self._process.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
