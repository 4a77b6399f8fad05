"""Host: a process that has imported what a target needs, and forks a child for each input.

The parent, which has Hypothesis and threads, does not fork itself. Over stdin come the inputs, each
after its length in eight bytes; over stdout goes a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict

from edge_runtime.system.child_process import child_command, child_environment
from studies.fuzz.child import Attempt, run_in_child
from studies.fuzz.registry import all_targets


class Host:
    """The parent's side. A context manager."""

    def __init__(self, target: str) -> None:
        self._cache = tempfile.TemporaryDirectory()  # the user's own is for files that matter
        self._process = subprocess.Popen(
            child_command("studies.fuzz.host", target),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Threads of a linear algebra library would not survive a fork.
            env=child_environment(
                OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", XDG_CACHE_HOME=self._cache.name
            ),
        )

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._cache.cleanup()

    def attempt(self, data: bytes) -> Attempt:
        """What becomes of an input. Raises: RuntimeError where the host itself has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(len(data).to_bytes(8, "little") + data)
            self._process.stdin.flush()
            return Attempt(**json.loads(self._process.stdout.readline()))
        except (OSError, ValueError) as error:
            raise RuntimeError(f"the host ended with {self._process.poll()}") from error


def main() -> None:
    target = all_targets()[sys.argv[1]]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    target.prepare()
    inputs = sys.stdin.buffer
    while len(head := inputs.read(8)) == 8:
        data = inputs.read(int.from_bytes(head, "little"))
        print(json.dumps(asdict(run_in_child(target.attempt, data))), file=answers, flush=True)


if __name__ == "__main__":
    main()
