"""Stands in for the trial's child process, and behaves as BAD_TRIAL says."""

import os
import signal
import sys
import time

content = sys.stdin.buffer.read()
if os.environ["BAD_TRIAL"] == "hangs":
    time.sleep(60)
if os.environ["BAD_TRIAL"] == "crashes":
    os.kill(os.getpid(), signal.SIGSEGV)
if os.environ["BAD_TRIAL"] == "babbles":
    print("library chatter", len(content))
sys.exit("libfoo.so: not found")
