"""Text members of the zip behind a model file, read within limits."""

from __future__ import annotations

import io
import zipfile

# Names of ten thousand classes fit; a member that unpacks to gigabytes does not.
MOST_BYTES = 1 << 20
MOST_MEMBERS = 64


def read_texts(content: bytes) -> dict[str, str]:
    """Name → text of a file's members in UTF-8, stored or deflated.

    Members that are damaged, too large or no text are left out; {} for a file without a zip.
    """
    texts: dict[str, str] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist()[:MOST_MEMBERS]:
                text = _read(archive, member)
                if text is not None:
                    texts[member.filename] = text
    except Exception:  # a damaged list of members raises much as well
        return texts
    return texts


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    try:
        with archive.open(member) as file:
            data = file.read(MOST_BYTES + 1)
        return data.decode("utf-8-sig") if len(data) <= MOST_BYTES else None
    except Exception:  # of an encrypted or damaged member, zipfile and zlib raise much
        return None
