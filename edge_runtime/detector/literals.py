"""Literals: the dict or list that a text in JSON, or in Python's own notation, stands for.

The text is untrusted: nothing in it is run, and what would keep a parser busy is not parsed.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

MOST_LITERAL = 256 << 10  # letters; ten thousand names fit, and a parser's seconds do not
MOST_BRACKETS = 16  # of a literal inside another; Python's parser itself does not bear any number

_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")


def parse_literal(text: str) -> dict[Any, Any] | list[Any] | None:
    """JSON or a Python literal; None for a text that is neither."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = _python_literal(text)
    return values if isinstance(values, (dict, list)) else None


def _python_literal(text: str) -> object:
    bare = _STRING.sub("", text)
    if (
        len(text) > MOST_LITERAL
        or sum(map(bare.count, "([{")) > MOST_BRACKETS
        or re.search(r"[-+~]{3}|not\b", bare)
    ):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
