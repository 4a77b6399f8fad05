"""Stop early, with one line that says what to install, where set-up could not succeed.

Written for any Python 3, so that an old one gets the message and not a syntax error.
"""

import importlib.util
import sys

OLDEST, NEWEST = (3, 10), (3, 13)  # TensorFlow 2.21 has wheels for these


def problem():
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        return (
            "Python 3.10 to 3.13 expected (TensorFlow has no wheel for others), got {}.{}; "
            "install one, e.g. sudo apt install python3.13 python3.13-venv, "
            "and run make with PYTHON=python3.13".format(*version)
        )
    # Debian ships venv without ensurepip; a package for each Python completes it.
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        package = "python{}.{}-venv".format(*version)
        return "python3 -m venv is missing; install it: sudo apt install " + package
    return None


if __name__ == "__main__":
    message = problem()
    if message:
        sys.exit(message)
