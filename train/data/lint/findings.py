"""Findings: the kinds of flaws of a data set, and how they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

SEVERITIES = ("error", "warning", "note")  # training would refuse; works around; is not concerned


class Kind(NamedTuple):
    """severity: one of SEVERITIES, that of most findings of the kind. training, fix: what they do.

    fix is None where only a person can tell what is right.
    """

    severity: str
    training: str
    fix: str | None


_DROP = "drops the id and leaves the annotation out"
_NOTHING = "keeps it"
KINDS = {
    # a file as a whole
    "malformed-xml": Kind("error", "refuses the file", _DROP),
    "malformed-labels": Kind("error", "refuses the file", _DROP),
    "missing-picture": Kind("error", "refuses the split", _DROP),
    "undecodable-picture": Kind(
        "warning", "leaves the picture out", "drops the id, leaves both files out"
    ),
    "missing-annotation": Kind("error", "refuses the split", "drops the id from the splits"),
    "unannotated-picture": Kind("note", "ignores it", _NOTHING),
    "unused-annotation": Kind("note", "takes only class names from it", _NOTHING),
    "empty-picture": Kind("note", "learns from it what background is", _NOTHING),
    # the picture's size and how it is turned
    "missing-size": Kind("note", "takes the picture's size", "writes the picture's size"),
    "size-mismatch": Kind("error", "refuses the split", _DROP),
    "size-scaled": Kind("note", "scales the boxes", "writes the picture's size, scales the boxes"),
    "exif-turned": Kind("note", "turns the picture upright", "saves it upright"),
    "exif-ambiguous": Kind("warning", "takes boxes as drawn on the upright one", "saves it so"),
    # objects and boxes
    "missing-tag": Kind("error", "refuses the file", "removes the object"),
    "bad-number": Kind("error", "refuses the file", "removes the object"),
    "missing-cell": Kind("error", "refuses the picture", "removes the object"),
    "malformed-row": Kind("error", "refuses the picture", "removes the object"),
    "contradictory-size": Kind("error", "refuses the picture", "removes the object"),
    "contradictory-rows": Kind("error", "refuses the picture", None),
    "no-area": Kind("warning", "skips the box", "removes it"),
    "inverted-box": Kind("warning", "skips the box", "swaps the corners back"),
    "box-outside": Kind("warning", "skips the box", "removes it"),
    "fraction-box": Kind("warning", "skips the box", "removes it"),
    "impossible-box": Kind("warning", "skips the box", "removes it"),
    "box-over-edge": Kind("warning", "clips the box", "clips it"),
    "duplicate-box": Kind("warning", "learns both", "removes the second"),
    "not-normalized": Kind("error", "refuses the file", "removes the object"),
    "unknown-image": Kind("warning", "leaves the boxes out", "leaves them out"),
    "malformed-table": Kind("error", "refuses the file", "leaves the file out"),
    "duplicate-image": Kind("warning", "sees it once", "writes it once"),
    # most boxes of the set
    "normalized-boxes": Kind("error", "refuses the set", None),
    "corner-size-boxes": Kind("error", "refuses the set", None),
    "systematic-flaw": Kind("error", "refuses the set", None),
    "training-stops": Kind("error", "stops at it", None),
    # classes
    "misspelt-class": Kind("warning", "learns it as a class of its own", "corrects the name"),
    "unknown-class": Kind("error", "refuses the split", None),
    "unused-class": Kind("note", "finds nothing to learn", _NOTHING),
    "bad-labels": Kind("error", "refuses the set", "keeps each name once, no empty file"),
    # splits
    "no-split": Kind("note", "makes train, val and test", _NOTHING),
    "no-test": Kind("warning", "leaves nothing to measure int8 on", _NOTHING),
    "empty-split": Kind("error", "refuses the split", "leaves the file out"),
    "duplicate-id": Kind("error", "refuses the split", "keeps the first"),
    "leaked-id": Kind("warning", "measures too well", "drops it here"),
    "leaked-picture": Kind("warning", "measures too well", "drops it here"),
    "duplicate-picture": Kind("note", "sees it twice", _NOTHING),
}


@dataclass(frozen=True, order=True)
class Finding:
    """One flaw. file: below the data set's root, with /. line: from 1; 0 for a file as a whole."""

    file: str
    line: int
    kind: str
    message: str
    severity: str
    training: str
    fix: str | None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        cure = f"--fix {self.fix}" if self.fix else "--fix leaves it to you"
        return (
            f"{where}: {self.severity}: {self.message} [{self.kind}; "
            f"training {self.training}, {cure}]"
        )


@dataclass(frozen=True, order=True)
class Change:
    """One thing that a repair did. file, line, kind: as in `Finding`, of the original."""

    file: str
    line: int
    kind: str
    change: str


def make_finding(
    kind: str,
    file: str,
    line: int,
    message: str,
    severity: str | None = None,
    training: str | None = None,
) -> Finding:
    """A finding of a kind; severity and training only where they differ from the kind's own."""
    usual = KINDS[kind]
    severity = severity or usual.severity
    return Finding(file, line, kind, message, severity, training or usual.training, usual.fix)


def count_severities(findings: Iterable[Finding]) -> dict[str, int]:
    """Findings of each severity, zeros included."""
    counts = Counter(finding.severity for finding in findings)
    return {severity: counts[severity] for severity in SEVERITIES}


def count_kinds(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    """For each severity with findings, worst first: how many of each kind, most first."""
    counts = Counter((finding.severity, finding.kind) for finding in findings)
    table: dict[str, dict[str, int]] = {}
    order = sorted(counts, key=lambda key: (SEVERITIES.index(key[0]), -counts[key], key[1]))
    for severity, kind in order:
        table.setdefault(severity, {})[kind] = counts[severity, kind]
    return table


def format_findings(findings: list[Finding], most: int) -> str:
    """A line a finding, at most `most` of a kind and severity (0: all), then counts by kind."""
    shown: Counter = Counter()
    lines = []
    for finding in findings:
        group = finding.severity, finding.kind
        shown[group] += 1
        if not most or shown[group] <= most:
            lines.append(str(finding))
    for severity, kinds in count_kinds(findings).items():
        for kind, count in kinds.items():
            hidden = f"  ({count - most} not shown; --show 0)" if most and count > most else ""
            lines.append(f"{count:7} {severity:7} {kind}{hidden}")
    return "\n".join(lines)


def findings_to_json(findings: list[Finding]) -> dict:
    """{"findings": [...], "by_kind": {...}, "by_severity": {...}}, ready for `json`."""
    return {
        "findings": [asdict(finding) for finding in findings],
        "by_kind": count_kinds(findings),
        "by_severity": count_severities(findings),
    }
