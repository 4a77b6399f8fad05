"""Source addresses: the part that is shown, and those that hold a secret."""

import pytest

from edge_runtime.__main__ import main
from edge_runtime.sources.address import (
    check_address,
    holds_secret,
    public_source,
    public_text,
    tidied_source,
)
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.diagnosis import why_no_stream
from edge_runtime.sources.factory import kind_of, open_source

SECRET = [
    ("rtsp://admin:hunter2@cam:554/x", "rtsp://cam:554"),
    ("rtsp://admin:hun@ter2@cam/x", "rtsp://cam"),
    ("rtsp://hunter2@cam/x", "rtsp://cam"),
    ("rtsp://admin:hun/ter2@cam", "rtsp://cam"),
    ("rtsp://admin:hun/ter2@cam:554/x?channel=1", "rtsp://cam:554"),
    ("rtsp://admin:hun?ter2@cam/x", "rtsp://cam"),
    ("rtsp://admin:hun#ter2@cam/x", "rtsp://cam"),
    ("rtsp://admin:12/34hunter2@cam", "rtsp://…"),  # or is it the port 12 of a host `admin`?
    ("rtsp://admin:hun@ter2/x@cam", "rtsp://…"),
    ("rtsp://admin:hun/ter2@cam/a@hunter2", "rtsp://…"),
    ("rtsp://ad/min@hunter2/x", "rtsp://…"),
    ("rtsp://admin:a=b&c/d@hunter2", "rtsp://…"),
    ("rtsp://admin:hunter2 x@cam", "rtsp://cam"),
    ("rtsp://cam/live?loginuse=admin&loginpas=hunter2", "rtsp://cam"),
    ("http://cam/videostream.cgi?u=admin&p=hunter2", "http://cam"),
    ("http://cam/v?anything", "http://cam"),
    ("http://cam?u=a", "http://cam"),
    ("http://cam#hunter2", "http://cam"),
    ("rtsp://cam/user=admin&password=hunter2&channel=1", "rtsp://cam"),
    ("rtsp://cam/user=admin_password=hunter2", "rtsp://cam"),
    ("rtsp://cam:7441/Zx8pQr2LmN5tUvW1", "rtsp://cam:7441"),
    ("http://cam/admin:hunter2/mjpeg", "http://cam"),
    ("http://cam/mjpeg;token", "http://cam"),
    ("https://[2001:db8::1]:443/x?y", "https://[2001:db8::1]:443"),
    ("rtsp://[fe80::1%eth0]/x?y", "rtsp://[fe80::1%eth0]"),
    ("rtsp:///hunter2", "rtsp://…"),
    ("rtsp://hunter2 x/y", "rtsp://…"),
    ("RTSP://admin:hunter2@cam/x", "RTSP://cam"),
    ("rstp://admin:hunter2@cam/x", "rstp://cam"),
    ("admin:hunter2@cam/x", "…"),
    ("rtsp:/admin:hunter2@cam/x", "…"),
    ("rtsp:admin:hunter2@cam/x", "…"),
    ("cam:554/x?u=admin&p=hunter2", "…"),
    ("rtsp://admin:hunter2@cam/x\nmore", "rtsp://cam"),
    (" rtsp://cam/hunter2key9x", "rtsp://cam"),
    ('"rtsp://cam/hunter2x9"', "rtsp://cam"),  # as an env-file leaves it
    ("ffmpeg:rtsp://cam/hunter2", "…"),
    ("//admin:hunter2@cam/x", "…"),
    ("rtsp//admin:hunter2@cam/x", "…"),
    ("rtsp;//admin:hunter2@cam/x", "…"),
    ("cam/user=admin&password=hunter2&channel=1", "…"),
    ("cam?p=" + "hunter2" * 60, "…"),  # longer than a file's name can be
    ("rtsp://cam/0/admin/hunter2/main", "rtsp://cam"),
    ("rtsp://cam/user/me/pass/hunter2", "rtsp://cam"),
    ("rtsp://admin:hun\udcffter2@cam/x", "rtsp://cam"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SECRET)
def test_what_is_shown_of_an_address(text, shown):
    assert public_source(text) == shown
    assert holds_secret(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://cam/stream", "rtsp://cam"),
        ("rtsp://cam:554/Streaming/Channels/101", "rtsp://cam:554"),
        ("rtsp://192.168.1.5/h264_stream", "rtsp://192.168.1.5"),
        ("http://cam.local:8080/stream.mjpg", "http://cam.local:8080"),
        ("rtsp://cam", "rtsp://cam"),
        ("usb:0", "usb:0"),
        ("picamera2:1", "picamera2:1"),
        ("/dev/v4l/by-id/usb-HD_Webcam-video-index0", "/dev/v4l/by-id/usb-HD_Webcam-video-index0"),
        ("films/a@b c.mp4", "films/a@b c.mp4"),
        ("films/*.jpg", "films/*.jpg"),
        ("films/a=?.jpg", "films/a=?.jpg"),
        ("C:/films", "C:/films"),
    ],
)
def test_what_holds_no_secret(text, shown):
    assert public_source(text) == shown
    assert not holds_secret(text)


def test_a_file_is_a_file_whatever_its_name(tmp_path):
    path = tmp_path / "a:b@c?d=e.mp4"
    path.touch()
    assert public_source(str(path)) == str(path) and not holds_secret(str(path))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot open http://u:p@cam/x?y=z, tried rtsp://cam:554/secret: refused",
         "cannot open http://cam tried rtsp://cam:554 refused"),
        ("got 'rtsp://cam/x'", "got 'rtsp://cam"),
        ("what is --sorce admin:p@cam/x", "what is --sorce …"),
        ("what is --sorce=cam/x?u=a&p=b", "what is --sorce=…"),
        ("a:b@rtsp://cam/x", "…rtsp://cam"),
        ("it says " + 100_000 * ":", "it says …"),
        ("it answers 500 \x1b[31mred\x1b]0;title\x07\r\n", "it answers 500 [31mred]0;title"),
        ("12:30, a/b: no such file", "12:30, a/b: no such file"),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_messages_of_others(said, shown):
    assert public_text(said) == shown


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("RTSP://Cam/X", "rtsp://Cam/X"),
        (" Http://cam/x\r\n", "http://cam/x"),
        ('"rtsp://a:b@cam/x"', "rtsp://a:b@cam/x"),
        ("\ufeffhttps://cam/x\u200b", "https://cam/x"),
        ("USB:0 ", "usb:0"),
        ("PiCamera2", "picamera2"),
        (" films/A.mp4", " films/A.mp4"),
    ],
)
def test_a_source_as_it_was_meant(text, meant):
    assert tidied_source(text) == meant
    if not meant.startswith(" "):
        assert kind_of(text) is kind_of(meant) is not None


def test_what_is_there_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "USB:0").touch()
    assert tidied_source("USB:0") == "USB:0"


@pytest.mark.parametrize(
    "text", ["rtsp://a:hun\udcff@cam/x", "http://cam/hun\udcff", "rtsp://a:h@cam/hun\nx"]
)
def test_an_address_of_other_bytes(text):
    with pytest.raises(ValueError, match=r"written %XX, got \w+://cam$") as caught:
        open_source(text, SourceOptions((32, 48)))
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["rtsp://admin:hun/ter2@cam", "rtsp:///hunter2", "http://cam:99999/hunter2",
             "http://admin:hun#ter2@cam", "rtsp://[hunter2/x", "http://cam:0/hunter2"]
)  # fmt: skip
def test_an_address_that_cannot_be_meant_is_refused_at_once(text):
    with pytest.raises(ValueError, match=r"# \? / @ are written %23 %3F %2F %40") as caught:
        check_address(text)
    with pytest.raises(ValueError, match=r"%23 %3F %2F %40"):
        open_source(text, SourceOptions((32, 48)))
    assert not any(part in str(caught.value) for part in ("hun", "ter2", "hunter2"))


def test_what_is_not_certain_is_not_looked_up():
    why = why_no_stream("rtsp://admin:12/34hunter2@cam", 1)
    assert "%23 %3F %2F %40" in why and not any(word in why for word in ("admin", "12", "hunter"))


@pytest.mark.parametrize(
    "flags",
    [
        ["run", "m.tflite", "--sorce", "rtsp://admin:hunter2@cam/x"],
        ["run", "m.tflite", "--size", "http://cam/x?p=hunter2"],
        ["install-service", "m.tflite", "--sorce=rtsp://admin:hunter2@cam/x"],
        ["run", "m.tflite", "--sorce", "rtsp://admin:x hunter2@cam/x"],
        ["run", "m.tflite", "--sorce=rtsp://admin:x hunter2@cam/x"],
    ],
)
def test_a_flag_that_is_misspelt_does_not_repeat_the_address(capsys, flags):
    with pytest.raises(SystemExit):
        main(flags)
    said = capsys.readouterr().err
    assert "://cam" in said and "hunter2" not in said
