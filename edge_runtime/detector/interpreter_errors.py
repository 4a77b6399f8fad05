"""Interpreter errors: what is to be done about them, by the words that TFLite's runtimes say."""

from __future__ import annotations

NO_REASON = "it says not why; too little memory, perhaps"
# Words → what to do, of errors that are no damage.
_CURES = (
    (
        ("newer model", "An older version of this builtin"),
        "the file is newer than this interpreter: pip install --upgrade ai-edge-litert, or convert "
        "it with an earlier converter",
    ),
    (
        ("unresolved custom op",),
        "an operator of its maker's own, which no interpreter here has: export it with TFLite's "
        "builtin operators alone",
    ),
)


def reason_of(error: Exception) -> str:
    """An interpreter's error in one line."""
    return " ".join(str(error).split()) or NO_REASON


def cure_of(error: Exception, usual: str) -> str:
    """What to do about it; `usual` of one whose words are not known."""
    text = reason_of(error)
    return next((cure for words, cure in _CURES if any(word in text for word in words)), usual)
