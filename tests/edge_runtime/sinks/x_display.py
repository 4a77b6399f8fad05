"""A display of the X Window System in memory, and a hand that presses keys and closes windows.

It has the least of a window manager: without any, Qt now and then never paints its first window.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ImageGrab

KEY_PRESS, MAP_REQUEST, CONFIGURE_REQUEST, CLIENT_MESSAGE = 2, 20, 23, 33
SUBSTRUCTURE_REDIRECT = 1 << 20
ESCAPE = 0xFF1B


class _ClientMessage(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
    )


class _Key(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("root", ctypes.c_ulong),
        ("subwindow", ctypes.c_ulong),
        ("time", ctypes.c_ulong),
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("x_root", ctypes.c_int),
        ("y_root", ctypes.c_int),
        ("state", ctypes.c_uint),
        ("keycode", ctypes.c_uint),
        ("same_screen", ctypes.c_int),
    )


class _Request(ctypes.Structure):
    """To map a window, or to change its place and size."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("parent", ctypes.c_ulong),
        ("window", ctypes.c_ulong),
        ("changes", ctypes.c_int * 5),  # x, y, width, height, border
        ("above", ctypes.c_ulong),
        ("detail", ctypes.c_int),
        ("value_mask", ctypes.c_ulong),
    )


class _Event(ctypes.Union):
    _fields_ = (
        ("type", ctypes.c_int),
        ("message", _ClientMessage),
        ("key", _Key),
        ("request", _Request),
        ("pad", ctypes.c_long * 24),
    )


_ErrorHandler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_ignore_errors = _ErrorHandler(lambda display, error: 0)  # Xlib's own ends the process


class XDisplay:
    """One screen of 800 × 600. Attributes: name, for $DISPLAY."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._x = ctypes.CDLL(ctypes.util.find_library("X11"))
        for function in ("XOpenDisplay", "XDefaultRootWindow", "XInternAtom"):
            getattr(self._x, function).restype = ctypes.c_void_p
        self._x.XInitThreads()
        self._x.XSetErrorHandler(_ignore_errors)
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(name.encode()))
        self._stop = threading.Event()
        self._manager = threading.Thread(target=self._manage, args=(name,), daemon=True)
        self._manager.start()

    def screenshot(self) -> np.ndarray:
        """(600, 800, 3) RGB uint8."""
        return np.asarray(ImageGrab.grab(xdisplay=self.name).convert("RGB"))

    def window(self, title: str) -> int | None:
        """The window on the screen whose title contains this."""
        root = ctypes.c_ulong(self._x.XDefaultRootWindow(self._display))
        unused, number = ctypes.c_ulong(), ctypes.c_uint()
        children = ctypes.POINTER(ctypes.c_ulong)()
        places = (ctypes.byref(unused), ctypes.byref(unused), ctypes.byref(children))
        self._x.XQueryTree(self._display, root, *places, ctypes.byref(number))
        for child in children[: number.value]:
            name = ctypes.c_char_p()
            self._x.XFetchName(self._display, ctypes.c_ulong(child), ctypes.byref(name))
            if name.value is not None and title in name.value.decode(errors="replace"):
                return child
        return None

    def press(self, window: int, key: int) -> None:
        """key: its keysym; that of a letter is its code."""
        code = self._x.XKeysymToKeycode(self._display, ctypes.c_ulong(key)) & 0xFF
        event = _Event()
        event.key.type, event.key.window, event.key.keycode = KEY_PRESS, window, code
        event.key.same_screen = 1
        self._send(window, 1, event)

    def close_window(self, window: int) -> None:
        """What the cross in its frame does."""
        event = _Event()
        event.message.type, event.message.window, event.message.format = CLIENT_MESSAGE, window, 32
        event.message.message_type = self._x.XInternAtom(self._display, b"WM_PROTOCOLS", 0)
        event.message.data[0] = self._x.XInternAtom(self._display, b"WM_DELETE_WINDOW", 0)
        self._send(window, 0, event)

    def disconnect(self) -> None:
        self._stop.set()
        self._manager.join()
        self._x.XCloseDisplay(self._display)

    def _manage(self, name: str) -> None:
        """Grant what windows ask for."""
        x, display = self._x, ctypes.c_void_p(self._x.XOpenDisplay(name.encode()))
        root = ctypes.c_ulong(x.XDefaultRootWindow(display))
        x.XSelectInput(display, root, ctypes.c_long(SUBSTRUCTURE_REDIRECT))
        x.XSync(display, 0)
        event = _Event()
        while not self._stop.wait(0.01):
            while x.XPending(display):
                x.XNextEvent(display, ctypes.byref(event))
                window = ctypes.c_ulong(event.request.window)
                if event.type == MAP_REQUEST:
                    x.XMapWindow(display, window)
                elif event.type == CONFIGURE_REQUEST:
                    _, _, width, height, _ = event.request.changes
                    x.XMoveResizeWindow(display, window, 40, 30, width, height)
            x.XSync(display, 0)
        x.XCloseDisplay(display)

    def _send(self, window: int, mask: int, event: _Event) -> None:
        self._x.XSendEvent(
            self._display, ctypes.c_ulong(window), 0, ctypes.c_long(mask), ctypes.byref(event)
        )
        self._x.XSync(self._display, 0)


@contextmanager
def x_display() -> Iterator[XDisplay]:
    """Starts Xvfb on a free number. Raises: FileNotFoundError without it."""
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "800x600x24"]
    command += ["-nolisten", "tcp", "-noreset"]
    try:
        server = subprocess.Popen(
            command, pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    finally:
        os.close(write_end)
    with os.fdopen(read_end) as pipe:
        number = pipe.readline().strip()
    try:
        assert number, "Xvfb did not start"
        display = XDisplay(f":{number}")
        yield display
        display.disconnect()
    finally:
        server.terminate()
        server.wait()
