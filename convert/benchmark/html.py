"""report.html: the benchmark's numbers, plots and pictures on one page that needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convert.benchmark import html_plots
from convert.benchmark.agreement import NONE, PictureMatch, most_different
from convert.benchmark.report import BenchmarkReport, Json, ModelRow, minus
from convert.benchmark.robustness import ALLOWANCE
from convert.benchmark.run import Comparison
from convert.benchmark.setup import COMPARED
from convert.benchmark.tables import (
    agreement_lines,
    class_rows,
    conditions,
    main_rows,
    robustness_rows,
)
from convert.report_files import write_report
from convert.tables import signed_points
from convert.variants import VARIANTS
from edge_runtime.detector.detections import Detections
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import draw_detections
from edge_runtime.system.machine import one_line
from train.data.dataset import read_image
from train.evaluation.coco import PictureDetections

TEMPLATE = "page.html"
SUMMARIZED = ("int8", "int8_qat")  # what a device is given
MODULES = ("jinja2", "matplotlib")  # of the extra `training`; a board may do without


def write_results(path: Path, comparison: Comparison) -> list[Path]:
    """Write the report as JSON and, beside it, as a page of the same stem: both or neither.

    Where MODULES are missing the page is left out, with a line that says so.

    Returns: the files written, the JSON last.
    Raises: OSError; ValueError for a picture that cannot be read any more.
    """
    try:
        html = render_page(comparison)
    except ModuleNotFoundError as error:
        if error.name not in MODULES:
            raise
        print(f"no {page_path(path).name}: it needs {error.name}; pip install {' '.join(MODULES)}")
        write_report(path, comparison.report.to_json())
        return [path]
    with atomic_path(page_path(path)) as temporary:
        temporary.write_text(html, "utf-8")
        write_report(path, comparison.report.to_json())
    return [page_path(path), path]


def page_path(path: Path) -> Path:
    """Path of a JSON report's page. Raises: ValueError if that is the JSON's own path."""
    if path.suffix.lower() in (".html", ".htm"):
        raise ValueError(f"a path for the JSON expected, got {path}; the page goes beside it")
    return path.with_suffix(".html")


def render_page(comparison: Comparison) -> str:
    """The page as HTML, with whatever the report has; all text from outside is escaped.

    Raises: ModuleNotFoundError without one of MODULES.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    report = comparison.report
    plots = {
        "latency": html_plots.latency_plot(report.models, COMPARED),
        "memory": html_plots.memory_plot(report.models, COMPARED),
        "classes": html_plots.class_plot(report, COMPARED),
        **_agreement_plots(comparison),
    }
    return environment.get_template(TEMPLATE).render(
        **_tables(report),
        title=_stem(report.models[0]),
        summary=summarize_loss(report),
        machine=one_line(report.machine),
        date=str(report.machine["date"])[:10],
        conditions=conditions(report),
        plots={name: Markup(plot) for name, plot in plots.items() if plot},
        pictures=_pictures(comparison),
        variants=COMPARED,
        descriptions=[(v.name, v.description) for v in VARIANTS.values() if report.model(v.name)],
        provenance=_provenance(report),
    )


def _tables(report: BenchmarkReport) -> dict[str, Any]:
    agreement, robustness = report.agreement, report.robustness
    return {
        "main": main_rows(report),
        "classes_ap": class_rows(report.models, "ap_per_class", "AP"),
        "classes_ap50": class_rows(report.models, "ap50_per_class", "AP50"),
        "agreement": agreement_lines(agreement) if agreement else [],
        "shown": agreement.score_threshold if agreement else None,
        "robustness": robustness_rows(robustness) if robustness else [],
        "failing": [row.condition for row in robustness or () if row.passes is False],
        "allowance": 100 * ALLOWANCE,
    }


def _agreement_plots(comparison: Comparison) -> dict[str, str]:
    """Of the detections that have a partner; none without any."""
    matches, agreement = comparison.matches or [], comparison.report.agreement
    paired = [(match.rows != NONE).all(axis=1) for match in matches]
    if agreement is None or not any(rows.any() for rows in paired):
        return {}
    scores = np.concatenate([m.scores[rows] for m, rows in zip(matches, paired, strict=True)])
    ious = np.concatenate([m.ious[rows] for m, rows in zip(matches, paired, strict=True)])
    return {
        "scores": html_plots.score_plot(scores, COMPARED, agreement.score_threshold),
        "differences": html_plots.difference_plot(scores, COMPARED),
        "ious": html_plots.iou_plot(ious),
    }


def _pictures(comparison: Comparison) -> list[Picture]:
    matches, agreement = comparison.matches, comparison.report.agreement
    if not matches or agreement is None:
        return []
    class_names = list(comparison.report.models[0].accuracy.ap_per_class)
    shown = agreement.score_threshold
    return [show_picture(match, class_names, COMPARED, shown) for match in most_different(matches)]


def summarize_loss(report: BenchmarkReport) -> list[str]:
    """Cost and gain of int8 against float32, a sentence for each of SUMMARIZED in the table."""
    first = report.model("float32")
    sentences = []
    for second in (report.model(variant) for variant in SUMMARIZED):
        if first is None or second is None:
            continue
        ap = minus(second.accuracy.ap, first.accuracy.ap)
        ap50 = minus(second.accuracy.ap50, first.accuracy.ap50)
        if ap is None or first.bytes is None or second.bytes is None:
            continue
        gains = [f"{first.bytes / second.bytes:.1f} times smaller", *_speed(first, second)]
        sentences.append(
            f"{second.variant} against float32: {signed_points(ap)} AP and "
            f"{signed_points(ap50)} AP50 points, {' and '.join(gains)}."
        )
    return sentences


def _speed(first: ModelRow, second: ModelRow) -> list[str]:
    times = first.median_ms("inference"), second.median_ms("inference")
    if times[0] is None or times[1] is None:
        return []
    faster = times[0] / times[1]
    return [f"{faster:.2f} times as fast" if faster >= 1 else f"{1 / faster:.2f} times as slow"]


def _stem(model: ModelRow) -> str:
    """The model's name: its file's, without the variant."""
    return Path(model.file).stem.removesuffix(f"_{model.variant}")


def _provenance(report: BenchmarkReport) -> list[tuple[str, list[tuple[str, str]]]]:
    """Headings with names and values, of what the report tells about the model's way here."""
    parts: list[tuple[str, Json]] = [
        ("Benchmark", {"command": report.command, "machine": report.machine})
    ]
    if report.calibration:
        parts.append(("Calibration", report.calibration))
    if report.training:
        parts.append(("Training", report.training))
    return [(title, facts(values)) for title, values in parts]


def facts(values: Json, prefix: str = "") -> list[tuple[str, str]]:
    """A nested dict as a list of names and values, both text; None is left out."""
    listed = []
    for key, value in values.items():
        name = f"{prefix}{key}" if prefix else key.replace("_", " ")  # inner keys may be classes
        if isinstance(value, dict):
            listed += facts(value, f"{name}: ")
        elif isinstance(value, (list, tuple)):
            listed.append((name, ", ".join(map(_text, value))))
        elif value is not None and value != "":
            listed.append((name, _text(value)))
    return listed


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


LONGER_SIDE = 640  # pixels: enough to zoom in on a phone
JPEG_QUALITY = 80
TOLD = 3  # pairs of a picture, those furthest apart


@dataclass(frozen=True)
class Side:
    """One model's part of a picture: the number of detections, a data: address of a JPEG."""

    variant: str
    count: int
    source: str


@dataclass(frozen=True)
class Picture:
    """A picture for the page's template.

    Attributes:
        truth: number of true boxes.
        sides: one for each model.
        told: sentences on what differs most.
    """

    image_id: str
    difference: float
    truth: int
    sides: list[Side]
    told: list[str]


def show_picture(
    match: PictureMatch, class_names: Sequence[str], variants: tuple[str, str], shown: float
) -> Picture:
    """A picture with the detections of both models, side by side.

    Args:
        shown: draw detections with a score >= it.
    """
    image = read_image(match.example.image_path)
    scale = LONGER_SIDE / max(image.shape[:2])
    width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    sides = []
    for variant, found in zip(variants, match.found, strict=True):
        detections = _shown(found, (width, height), class_names, shown)
        source = _data_address(draw_detections(np.asarray(resized), detections))
        sides.append(Side(variant, len(detections), source))
    return Picture(
        match.example.image_id,
        match.difference,
        len(match.example.boxes),
        sides,
        _tell(match, class_names, variants),
    )


def _shown(
    found: PictureDetections, size_wh: tuple[int, int], class_names: Sequence[str], shown: float
) -> Detections:
    boxes, scores, class_ids = found
    keep = scores >= shown
    pixels = boxes[keep] * np.asarray([*size_wh, *size_wh], np.float32)
    return Detections(pixels, scores[keep], class_ids[keep], tuple(class_names))


def _data_address(frame: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _tell(match: PictureMatch, class_names: Sequence[str], variants: tuple[str, str]) -> list[str]:
    told = []
    for place in np.argsort(-match.costs, kind="stable")[:TOLD]:
        side = 0 if match.rows[place, 0] != NONE else 1
        name = class_names[match.found[side][2][match.rows[place, side]]]
        scores = [
            f"{variant} {'no trace' if row == NONE else f'{score:.2f}'}"
            for variant, row, score in zip(
                variants, match.rows[place], match.scores[place], strict=True
            )
        ]
        overlap = "" if NONE in match.rows[place] else f", IoU {match.ious[place]:.2f}"
        told.append(f"{name}: {', '.join(scores)}{overlap}")
    return told
