"""A model's bytes at their border: limits, damage and checksums, each a ValueError with a name."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector import zip_members
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER, read_calibration
from edge_runtime.detector.checksums import CHECKSUMS_MEMBER, check_checksums
from edge_runtime.detector.model_file import MOST_BYTES, read_model_file
from edge_runtime.detector.spec import SPEC_MEMBER, SpecError, embed, read_member
from edge_runtime.detector.zip_members import read_texts
from tests.conftest import HANG, ROOT
from tests.edge_runtime.detector.earlier_file import unsealed
from tests.tiny_model import SPEC

FRONT = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4
RECORD = '{"version": 1}'


@pytest.fixture
def path(tmp_path):
    """A sealed file whose network is none: what is tested here comes before it is run."""
    path = tmp_path / "model.tflite"
    path.write_bytes(FRONT)
    embed(path, SPEC, {CALIBRATION_MEMBER: RECORD})
    return path


def with_zip(path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "a", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_checksums_hold_and_cover_network_and_members(path):
    file = read_model_file(path)
    assert file.is_sealed and file.text(CALIBRATION_MEMBER) == RECORD
    assert file.content[: file.members.front] == FRONT
    sums = json.loads(file.text(CHECKSUMS_MEMBER))
    assert sums["network"]["bytes"] == len(FRONT)
    assert set(sums["members"]) == {SPEC_MEMBER, "labels.txt", CALIBRATION_MEMBER}


def test_every_byte_of_the_network_is_covered(path):
    content = path.read_bytes()
    for place in (0, 3, 8, 500, len(FRONT) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(SpecError, match=r"model\.tflite is damaged: its network .*copy the"):
            read_model_file(path)


def test_each_byte_behind_the_network_is_right_or_named(path):
    """Of a date or a comment nothing depends; all else is refused, and never another's."""
    content = path.read_bytes()
    before = read_model_file(path)
    harmless = 0
    listed = content.index(b"PK\1\2")
    for place in (*range(len(FRONT), listed, 7), *range(listed, len(content))):
        changed = bytearray(content)
        changed[place] ^= 0x20
        path.write_bytes(changed)
        try:
            file = read_model_file(path)
        except SpecError as error:
            assert "model.tflite is damaged" in str(error)
            continue
        assert file.is_sealed and file.members.contents == before.members.contents
        harmless += 1
    assert 0 < harmless < 200


def test_a_file_cut_off_anywhere_is_named(path):
    content = path.read_bytes()
    for size in (len(content) - 1, len(content) - 30, len(content) - 200, len(FRONT) + 60):
        path.write_bytes(content[:size])
        with pytest.raises(SpecError, match=r"model\.tflite is damaged"):
            read_model_file(path)


def test_members_that_another_tool_appends_do_not_matter(path):
    with_zip(path, {"more.txt": b"theirs"})
    file = read_model_file(path)
    assert file.is_sealed and file.text("more.txt") == "theirs"


def test_a_member_that_is_gone_or_another_is_named(path):
    file = read_model_file(path)
    text, others = file.text(CHECKSUMS_MEMBER), dict(file.members.contents)
    with pytest.raises(ValueError, match=r"labels\.txt is another"):
        check_checksums(text, file.content, others | {"labels.txt": b"blue\n"})
    del others["labels.txt"]
    with pytest.raises(ValueError, match=r"labels\.txt is missing"):
        check_checksums(text, file.content, others)


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", "{", '{"network": 1, "members": {}}', '{"network": {}, "members": {}}'),
        *('{"network": {"bytes": 1e300, "sha256": 1}, "members": {}}', "[" * 100_000),
    ],
    ids=range(7),
)
def test_checksums_that_are_none_are_named(tmp_path, text):
    path = tmp_path / "m.tflite"
    path.write_bytes(FRONT)
    with_zip(path, {SPEC_MEMBER: SPEC.to_json().encode(), CHECKSUMS_MEMBER: text.encode()})
    with pytest.raises(SpecError, match=r"m\.tflite is damaged"):
        read_model_file(path)


def damaged_member(kind: str) -> bytes:
    """A zip whose calibration record cannot be read."""
    data, method = RECORD.encode(), zipfile.ZIP_STORED
    if kind == "utf-8":
        data = b"\xff\xfe{"
    elif kind == "bomb":
        data, method = bytes(40 << 20), zipfile.ZIP_DEFLATED
    elif kind in ("bzip2", "lzma"):
        method = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}[kind]
    elif kind == "deflate":
        method = zipfile.ZIP_DEFLATED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo(SPEC_MEMBER), SPEC.to_json())
        archive.writestr(CALIBRATION_MEMBER, data)
        (*_, info) = archive.infolist()
    packed = bytearray(buffer.getvalue())
    entry = packed.rindex(b"PK\1\2")
    start = info.header_offset + 30 + len(CALIBRATION_MEMBER)
    if kind == "crc":
        packed[start + 3] ^= 1
    elif kind == "deflate":
        packed[start] = 0xFF
    elif kind == "encrypted":
        packed[entry + 8] |= 1
    elif kind == "method":
        packed[entry + 10] = 77
    elif kind == "size":
        packed[entry + 24 : entry + 28] = (2**31 - 1).to_bytes(4, "little")
    elif kind == "name":
        packed[entry + 46] ^= 1
    return bytes(packed)


KINDS = ("crc", "utf-8", "deflate", "encrypted", "method", "size", "bzip2", "lzma")


@pytest.mark.parametrize("kind", [*KINDS, "name", "bomb"])
def test_a_record_that_cannot_be_read_is_damage_and_not_none(tmp_path, kind):
    path = tmp_path / "m.tflite"
    path.write_bytes(FRONT + damaged_member(kind))
    with pytest.raises(SpecError, match=r"m\.tflite is damaged: .*copy the file again"):
        read_model_file(path).text(CALIBRATION_MEMBER)
    if kind != "name":  # whose own is none of that name
        with pytest.raises(SpecError, match=r"m\.tflite is damaged"):
            read_calibration(path)


def test_more_members_or_a_longer_list_than_any_file_has(path):
    with_zip(path, {f"{number}.txt": b"" for number in range(zip_members.MOST_MEMBERS)})
    with pytest.raises(SpecError, match="64 members at most expected, got 68"):
        read_model_file(path)
    with pytest.raises(SpecError, match="64 members at most expected, got 68"):
        read_member(path, SPEC_MEMBER)


def test_another_makers_damaged_zip_has_no_texts():
    assert read_texts(FRONT + damaged_member("crc")).keys() == {SPEC_MEMBER}
    assert read_texts(FRONT + b"PK\5\6") == read_texts(FRONT + b"PK\5\6" + bytes(40)) == {}


def test_a_file_larger_than_any_detector_is_not_read(tmp_path):
    path = tmp_path / "sparse.tflite"
    for front, message in ((FRONT, "300 MiB at most expected, got 8192 MiB"), (b"", "is not a")):
        with path.open("wb") as file:
            file.write(front)
            file.truncate(8 << 30)
        embedded = damaged_member("name")
        with path.open("ab") as file:
            file.write(embedded)
        with pytest.raises(ValueError, match=rf"sparse\.tflite.*{message}"):
            read_model_file(path)
    assert MOST_BYTES == 300 << 20


def test_an_earlier_file_is_tried_first_which_is_said_once(
    tiny_models, tmp_path, caplog, red_frame
):
    path = unsealed(shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "old.tflite"))
    tried = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_runtime.detector.trial_run.try_file", lambda *file: tried.append(file))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        patch.setattr("edge_runtime.detector.adapters.registry._told", set())  # by no other test
        names = [Detector(path, 1).detect(red_frame).names for _ in range(2)]
        sealed = tiny_models / "tiny_int8.tflite"
        for _ in range(2):
            Detector(sealed, 1)  # the second time it is known
    assert names == [["red", "green"]] * 2
    assert [where for where, _ in tried] == [path, path, sealed]
    assert caplog.text.count("old.tflite carries no checksums") == 1


def test_an_earlier_file_that_crashes_is_an_error(tiny_models, tmp_path):
    """Bytes of the operators changed until the interpreter's own process does not survive."""
    path = unsealed(shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "old.tflite"))
    front = read_model_file(path).members.front
    content = np.frombuffer(path.read_bytes(), np.uint8)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(4):
        changed = content.copy()
        changed[random.integers(8, front, 200)] ^= 0xFF
        path.write_bytes(changed.tobytes())
        try:
            Detector(path, 1)
        except ValueError as error:
            assert "old.tflite" in str(error)
            refused += 1
    assert refused == 4


def test_a_member_that_could_not_be_read_again_is_not_written(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(FRONT)
    with pytest.raises(ValueError, match=r"note\.txt of 1048576 bytes at most expected"):
        embed(path, SPEC, {"note.txt": "x" * ((1 << 20) + 1)})
    assert path.read_bytes() == FRONT


def test_no_more_memory_is_asked_for_than_the_file_has(path):
    """A read of all that a file may be takes 300 MiB at once, which strict boards do not give."""
    whole = path.stat().st_size
    code = (
        "import resource, sys\n"
        "from edge_runtime.detector.model_file import read_model_file\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "print(len(read_model_file(sys.argv[1]).content))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=HANG, cwd=ROOT
    )
    assert (done.stdout.strip(), done.stderr) == (str(whole), "")


def test_a_file_that_memory_does_not_suffice_for_is_named(path, monkeypatch):
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if size != 8:
                raise MemoryError
            return super().read(size)

    monkeypatch.setattr(Path, "open", lambda self, mode: Full(FRONT))
    with pytest.raises(ValueError, match=r"too little memory free for its 0\.0 MB; end oth"):
        read_model_file(path)


def test_a_file_that_grows_while_it_is_read(path, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda self, mode: io.BytesIO(FRONT + bytes(1 << 20)))
    with pytest.raises(ValueError, match="grows while it is read; wait until it is copied"):
        read_model_file(path)
