"""An annotation's XML tree with the line of each element, safe against entity bombs."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # builds only; the parser is defusedxml's
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, parse


class MalformedXml(ValueError):  # noqa: N818  (a flaw of the file, not of the program)
    """No VOC annotation can be read from a file. `line`: where. `reason`: without file and line."""

    def __init__(self, where: str, line: int, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.line, self.reason = line, reason


class _LineBuilder(ET.TreeBuilder):
    """Notes the line on which each element starts; keeps comments, for a tree written back."""

    def __init__(self) -> None:
        super().__init__(insert_comments=True)
        self.lines: dict[ET.Element, int] = {}
        self.expat = None

    def start(self, tag: str, attributes: dict) -> ET.Element:
        element = super().start(tag, attributes)
        self.lines[element] = self.expat.CurrentLineNumber
        return element


def read_tree(path: Path) -> tuple[ET.Element, dict[ET.Element, int]]:
    """The root of an annotation file and the line, from 1, of each of its elements.

    Raises: MalformedXml where it is no well-formed XML, declares entities or has another root than
    <annotation>. OSError where it cannot be read.
    """
    builder = _LineBuilder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    builder.expat = parser.parser
    try:
        root = parse(path, parser=parser).getroot()
    except ET.ParseError as error:
        line, _ = error.position
        reason = f"expected well-formed XML, got {error}; repair or remove the file"
        raise MalformedXml(f"{path}, line {line}", line, reason) from error
    except DefusedXmlException as error:
        reason = (
            f"expected plain XML, got a DTD or entities ({type(error).__name__}); "
            "remove the <!DOCTYPE> part"
        )
        raise MalformedXml(str(path), parser.parser.CurrentLineNumber, reason) from error
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        reason = f"expected XML in a known encoding, got {error}; save it as UTF-8"
        raise MalformedXml(str(path), 1, reason) from error
    if root.tag != "annotation":
        reason = (
            f"expected a VOC file with the root tag <annotation>, got <{root.tag}>; "
            "export the labels as PASCAL VOC"
        )
        raise MalformedXml(str(path), builder.lines[root], reason)
    return root, builder.lines
