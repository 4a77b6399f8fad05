"""Training processes forked from one that has imported a backend, which takes seconds of each.

The parent of them all, `python -m tests.train.forks FD`, imports tests/train/tiny_training.py and
forks whenever it is asked to; a fork goes on as `python -m train` would, to the end of the
interpreter. Forking is safe: neither TensorFlow nor JAX starts a thread before it computes.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from subprocess import Popen
from typing import TextIO

from tests.conftest import HANG, ROOT

MOST = 100_000  # bytes of a request


class Fork:
    """A running training; as much of subprocess.Popen as tests need.

    Attributes:
        stdout: what it prints, of both streams.
        returncode: its exit status, minus the signal that ended it; None before `end`.
    """

    def __init__(self, nursery: Nursery, pid: int, stdout: TextIO) -> None:
        self.pid, self.stdout, self.returncode = pid, stdout, None
        self._nursery = nursery

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def end(self) -> tuple[int, str]:
        """Wait until it ends by itself. Returns: exit status, and what it printed since."""
        hang = threading.Timer(HANG, self.send_signal, [signal.SIGKILL])
        hang.start()
        try:
            output = self.stdout.read()
            self.wait()
        finally:
            hang.cancel()
        return self.returncode, output

    def wait(self) -> None:
        if self.returncode is None:
            self.returncode = self._nursery.ask({"wait": self.pid})["status"]

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()


class Nursery:
    """The parent of the forks of one backend."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.train.forks", str(theirs.fileno())]
        with theirs:
            self._process = Popen(
                command, cwd=ROOT, env=dict(environment), pass_fds=[theirs.fileno()]
            )
        self._forks: list[Fork] = []

    def start(self, arguments: Sequence[object], environment: Mapping[str, str]) -> Fork:
        """A training with these arguments, and variables beside those of the nursery."""
        reading, writing = os.pipe()
        request = {"arguments": list(map(str, arguments)), "environment": dict(environment)}
        try:
            pid = self.ask(request, writing)["pid"]
        finally:
            os.close(writing)
        self._forks.append(Fork(self, pid, os.fdopen(reading, errors="replace")))
        return self._forks[-1]

    def ask(self, request: dict[str, object], *descriptors: int) -> dict[str, int]:
        socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
        answer = self._socket.recv(MOST)
        assert answer, "the parent of the forks has ended"
        return json.loads(answer)

    def clear(self) -> None:
        """End what is left of a test."""
        for fork in self._forks:
            fork.kill()
            fork.stdout.close()
        self._forks.clear()

    def close(self) -> None:
        self.clear()
        self._socket.close()
        self._process.wait(HANG)


def next_request(connection: socket.socket) -> dict[str, object] | None:
    """Fork for every request until the other end is closed.

    Returns: in a fork its request, its streams redirected; in the parent None, at the end.
    """
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, MOST, 1)
        if not message:
            return None
        request = json.loads(message)
        if "wait" in request:
            status = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
            connection.sendall(json.dumps({"status": status}).encode())
            continue
        if not (pid := os.fork()):
            connection.close()
            for stream in (1, 2):
                os.dup2(descriptors[0], stream)
            os.close(descriptors[0])
            return request
        os.close(descriptors[0])
        connection.sendall(json.dumps({"pid": pid}).encode())


def main(descriptor: str) -> int:
    gc.disable()  # see tests/conftest.py
    if os.environ["KERAS_BACKEND"] == "jax":
        sys.modules["tensorflow"] = None  # as on a machine without it
    import train  # noqa: F401 - before Keras: see train/lean_import.py
    from tests.train.tiny_training import run, warm_up  # with the backend

    if os.environ["KERAS_BACKEND"] == "tensorflow":
        assert not {"jax", "sklearn"} & sys.modules.keys()  # it hid them
    warm_up()
    gc.freeze()
    gc.enable()
    request = next_request(socket.socket(fileno=int(descriptor)))
    if request is None:
        return 0
    sys.argv[1:] = request["arguments"]
    os.environ.update(request["environment"])
    return run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
