"""XML with lines: the tree of a file and where each of its elements starts; no entities, no DTD."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # builds only; defusedxml reads
from pathlib import Path
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, parse

from train.data.annotation import MalformedLabels


class _LineBuilder(ET.TreeBuilder):
    """Notes the line on which each element starts; keeps comments, for a tree written back."""

    def __init__(self) -> None:
        super().__init__(insert_comments=True)
        self.lines: dict[ET.Element, int] = {}
        self.expat: Any = None  # the parser, once there is one

    def start(self, tag: str, attributes: dict[str, str]) -> ET.Element:
        element = super().start(tag, attributes)
        self.lines[element] = self.expat.CurrentLineNumber
        return element


def read_xml(path: Path) -> tuple[ET.Element, dict[ET.Element, int]]:
    """The root of a file and the line, from 1, of each of its elements.

    Raises: MalformedLabels where it is no well-formed XML or declares entities. OSError where it
    cannot be read.
    """
    builder = _LineBuilder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    builder.expat = parser.parser
    try:
        root = parse(path, parser=parser).getroot()
    except ET.ParseError as error:
        line, _ = error.position
        reason = f"expected well-formed XML, got {error}; repair or remove the file"
        raise MalformedLabels(f"{path}, line {line}", line, reason) from error
    except DefusedXmlException as error:
        reason = (
            f"expected plain XML, got a DTD or entities ({type(error).__name__}); "
            "remove the <!DOCTYPE> part"
        )
        raise MalformedLabels(str(path), parser.parser.CurrentLineNumber, reason) from error
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        reason = f"expected XML in a known encoding, got {error}; save it as UTF-8"
        raise MalformedLabels(str(path), 1, reason) from error
    return root, builder.lines
