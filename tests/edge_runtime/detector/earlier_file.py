"""Files as earlier versions wrote them."""

from __future__ import annotations

import io
import zipfile

from edge_runtime.detector.checksums import CHECKSUMS_MEMBER
from edge_runtime.detector.model_file import read_model_file


def unsealed(path):
    """Take the checksums off a file, in place. Returns: its path."""
    file = read_model_file(path)
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        infos = [info for info in archive.infolist() if info.filename != CHECKSUMS_MEMBER]
        texts = {info: archive.read(info) for info in infos}
    path.write_bytes(file.content[: file.members.front])
    with zipfile.ZipFile(path, "a") as archive:
        for info, data in texts.items():
            archive.writestr(zipfile.ZipInfo(info.filename, info.date_time), data)
    return path
