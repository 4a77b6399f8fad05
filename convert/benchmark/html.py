"""report.html: the benchmark's numbers, plots and pictures on one page that needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from convert.benchmark import html_plots
from convert.benchmark.agreement import NONE, PictureMatch, most_different
from convert.benchmark.report import (
    agreement_lines,
    class_rows,
    conditions,
    main_rows,
    robustness_rows,
    write_report,
)
from convert.benchmark.robustness import ALLOWANCE
from convert.benchmark.run import COMPARED, Comparison
from convert.variants import VARIANTS
from edge_runtime.detector.detections import Detections
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import draw_detections
from edge_runtime.system.machine import one_line
from train.data.dataset import read_image
from train.evaluation.coco import PictureDetections

TEMPLATE = "page.html"
SUMMARISED = ("int8", "int8_qat")  # what a device is given
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
        write_report(path, comparison.report)
        return [path]
    with atomic_path(page_path(path)) as temporary:
        temporary.write_text(html, "utf-8")
        write_report(path, comparison.report)
    return [page_path(path), path]


def page_path(path: Path) -> Path:
    """Where the page of a JSON report goes. Raises: ValueError if that is the JSON's own path."""
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
    models = report["models"]
    plots = {
        "latency": html_plots.latency_plot(models, COMPARED),
        "classes": html_plots.class_plot(models, COMPARED),
        **_agreement_plots(comparison),
    }
    return environment.get_template(TEMPLATE).render(
        **_tables(report),
        title=_stem(models),
        summary=summarise_loss(models),
        machine=one_line(report["machine"]),
        date=report["machine"]["date"][:10],
        conditions=conditions(report),
        plots={name: Markup(plot) for name, plot in plots.items() if plot},
        pictures=_pictures(comparison),
        variants=COMPARED,
        descriptions=[(v.name, v.description) for v in VARIANTS.values() if _row(models, v.name)],
        provenance=_provenance(report),
    )


def _tables(report: dict) -> dict:
    models, robustness = report["models"], report.get("robustness")
    agreement = report.get("agreement")
    return {
        "main": main_rows(models),
        "classes_ap": class_rows(models, "ap_per_class", "AP"),
        "classes_ap50": class_rows(models, "ap50_per_class", "AP50"),
        "agreement": agreement_lines(agreement) if agreement else [],
        "shown": agreement["score_threshold"] if agreement else None,
        "robustness": robustness_rows(robustness) if robustness else [],
        "failing": [row["condition"] for row in robustness or () if row["passes"] is False],
        "allowance": 100 * ALLOWANCE,
    }


def _agreement_plots(comparison: Comparison) -> dict[str, str]:
    """Of the detections that have a partner; none without any."""
    matches = comparison.matches or []
    paired = [(match.rows != NONE).all(axis=1) for match in matches]
    if not any(rows.any() for rows in paired):
        return {}
    scores = np.concatenate([m.scores[rows] for m, rows in zip(matches, paired, strict=True)])
    ious = np.concatenate([m.ious[rows] for m, rows in zip(matches, paired, strict=True)])
    shown = comparison.report["agreement"]["score_threshold"]
    return {
        "scores": html_plots.score_plot(scores, COMPARED, shown),
        "differences": html_plots.difference_plot(scores, COMPARED),
        "ious": html_plots.iou_plot(ious),
    }


def _pictures(comparison: Comparison) -> list[dict]:
    matches: Sequence[PictureMatch] = comparison.matches or ()
    if not matches:
        return []
    class_names = list(comparison.report["models"][0]["ap_per_class"])
    shown = comparison.report["agreement"]["score_threshold"]
    return [show_picture(match, class_names, COMPARED, shown) for match in most_different(matches)]


def summarise_loss(models: Sequence[dict]) -> list[str]:
    """What int8 costs against float32 and gives, a sentence for each of SUMMARISED in the table."""
    first = _row(models, "float32")
    sentences = []
    for second in (_row(models, variant) for variant in SUMMARISED):
        if not first or not second or None in (first["ap"], second["ap"]):
            continue
        changes = [
            f"{round(100 * (second[key] - first[key]), 2) + 0.0:+.2f} {name}"
            for key, name in (("ap", "AP"), ("ap50", "AP50"))
        ]
        gains = [f"{first['bytes'] / second['bytes']:.1f} times smaller"]
        if first["latency_ms"] and second["latency_ms"]:
            gains.append(_speed(first, second))
        sentences.append(
            f"{second['variant']} against float32: {' and '.join(changes)} points, "
            f"{' and '.join(gains)}."
        )
    return sentences


def _speed(first: dict, second: dict) -> str:
    times = [model["latency_ms"]["inference"]["median"] for model in (first, second)]
    faster = times[0] / times[1]
    return f"{faster:.2f} times as fast" if faster >= 1 else f"{1 / faster:.2f} times as slow"


def _row(models: Sequence[dict], variant: str) -> dict | None:
    return next((model for model in models if model["variant"] == variant), None)


def _stem(models: Sequence[dict]) -> str:
    """The model's name: its first file's, without the variant."""
    name = Path(models[0]["file"]).stem
    return name.removesuffix(f"_{models[0]['variant']}")


def _provenance(report: dict) -> list[tuple[str, list[tuple[str, str]]]]:
    """Headings with names and values, of what the report tells about the model's way here."""
    parts = [("Benchmark", {"command": report["command"], "machine": report["machine"]})]
    for title, key in (("Calibration", "calibration"), ("Training", "training")):
        if isinstance(report.get(key), dict) and report[key]:
            parts.append((title, report[key]))
    return [(title, facts(values)) for title, values in parts]


def facts(values: dict, prefix: str = "") -> list[tuple[str, str]]:
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


def _text(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


LONGER_SIDE = 640  # pixels: enough to zoom in on a phone
JPEG_QUALITY = 80
TOLD = 3  # pairs of a picture, those furthest apart


def show_picture(
    match: PictureMatch, class_names: Sequence[str], variants: tuple[str, str], shown: float
) -> dict:
    """A picture for the page's template.

    Args:
        shown: draw detections with a score >= it.

    Returns: "image_id", "difference", "truth" (number of true boxes), "sides" (for each model
        "variant", "count" and "source", a data: address of a JPEG) and "told" (sentences on what
        differs most).
    """
    frame = read_image(match.example.image_path)
    scale = LONGER_SIDE / max(frame.shape[:2])
    size_wh = tuple(max(1, round(side * scale)) for side in frame.shape[1::-1])
    small = np.asarray(Image.fromarray(frame).resize(size_wh, Image.Resampling.BICUBIC))
    sides = []
    for variant, found in zip(variants, match.found, strict=True):
        detections = _shown(found, size_wh, class_names, shown)
        source = _data_address(draw_detections(small, detections))
        sides.append({"variant": variant, "count": len(detections), "source": source})
    return {
        "image_id": match.example.image_id,
        "difference": match.difference,
        "truth": len(match.example.boxes),
        "sides": sides,
        "told": _tell(match, class_names, variants),
    }


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
