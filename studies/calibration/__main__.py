"""How AP moves with the number of calibration pictures and the way ranges are made of them.

    python -m studies.calibration models/digits.keras --data build/data/digits --out build/study

Measured on the simulated int8 net (train/quantization/simulated_net.py) and on a split that is not
the benchmark's, since what is chosen by it would be tuned on the test. Writes calibration.json
and calibration.png.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from convert.arguments import add_calibration_draw, add_model_and_data, whole_number
from convert.benchmark.report import align, check_writable, write_report
from convert.errors import ConversionError
from convert.quantize import calibration_data as representative
from convert.tflite import load_model
from edge_runtime.detector.postprocess import softmax
from edge_runtime.detector.preprocess import pixel_range, preprocess
from edge_runtime.detector.spec import DetectorSpec, read_spec
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import describe_machine, one_line
from train.data.dataset import VocDataset, load_voc, plain_warnings

COUNTS = (1, 10, 100, 500)
LIKELY = 0.1  # the score of anchors whose errors matter
USUAL = 200  # pictures, for the comparison of methods: what `python -m convert` takes


def study(
    model, spec: DetectorSpec, frames: Sequence[np.ndarray], dataset: VocDataset
) -> list[dict]:
    """A row for every number of pictures and every method, the float net's first.

    Args:
        frames: (input_h, input_w, 3) uint8 each, in random order; prefixes of them calibrate.
        dataset: what AP is measured on.

    Returns: {"images", "method", "corrected", "score_error", "ap", "ap50"} each; score_error is
        the RMS difference to float of the scores of anchors that float gives 0.1 or more.
    """
    observed = observe_all(model, frames, spec)
    usual = min(USUAL, len(frames))
    counts = [count for count in COUNTS if count <= len(frames)]
    plan = [(count, "min-max", True) for count in counts]
    plan += [(usual, name, True) for name in METHODS] + [(usual, "min-max", False)]
    look = _Look(model, spec, dataset)
    rows = [{"images": None, "method": "float32", "corrected": None, **look.at(model)}]
    if rows[0]["score_error"] is None or rows[0]["ap"] is None:
        raise ValueError(
            f"boxes in split '{dataset.split}' and a detector that gives some anchor a score of "
            f"{LIKELY} expected, got none; train longer or choose another --split"
        )
    for count, method, corrected in tqdm(
        dict.fromkeys(plan), "measuring", unit="row", leave=False, disable=None
    ):
        net = _int8_net(model, spec, frames[:count], observed.first(count), method, corrected)
        rows.append({"images": count, "method": method, "corrected": corrected, **look.at(net)})
    return rows


def _int8_net(model, spec: DetectorSpec, frames, observed: Observed, method: str, corrected: bool):
    from convert.quantize.bias_correction import correct_rounding
    from train.quantization.simulated_net import Quantization, build_int8_net

    ranges = METHODS[method](observed)
    if corrected:
        return build_int8_net(model, correct_rounding(model, ranges, frames, spec))
    return build_int8_net(model, Quantization(ranges))


class _Look:
    """Measures nets against the float one on the same pictures."""

    def __init__(self, model, spec: DetectorSpec, dataset: VocDataset) -> None:
        self.spec, self.dataset = spec, dataset
        self.reference = self._scores(model)

    def at(self, net) -> dict:
        from train.evaluation.coco import evaluate
        from train.training.callbacks import detect_all

        found = detect_all(net, self.dataset, self.spec)
        accuracy = evaluate(self.dataset.examples, found, self.spec.class_names)
        likely = self.reference >= LIKELY
        error = (self._scores(net) - self.reference)[likely]
        rms = float(np.sqrt(np.mean(error**2))) if error.size else None
        return {"score_error": rms, "ap": accuracy.ap, "ap50": accuracy.ap50}

    def _scores(self, net) -> np.ndarray:
        """(pictures, anchors, classes) of the first pictures."""
        frames = representative.load_frames(self.dataset.examples[:24], self.spec)
        logits = [net.predict_on_batch(preprocess(f, self.spec))["logits"][0] for f in frames]
        return np.stack([softmax(row.astype(np.float64))[:, 1:] for row in logits])


def format_study(report: dict) -> str:
    """Aligned plain text; AP in points."""
    data = report["data"]
    head = (
        f"{one_line(report['machine'])}\n{data['root']}: calibrated on split "
        f"{data['calibration_split']}, AP in points on {data['images']} pictures of split "
        f"{data['split']}, simulated int8"
    )
    rows = [["pictures", "ranges", "rounding", "score error", "AP", "diff", "AP50", "diff"]]
    first = report["rows"][0]
    for row in report["rows"]:
        cells = ["" if row["images"] is None else str(row["images"]), row["method"]]
        cells.append({True: "corrected", False: "to nearest", None: ""}[row["corrected"]])
        cells.append("" if row is first else f"{row['score_error']:.4f}")
        for key in ("ap", "ap50"):
            difference = "" if row is first else f"{100 * (row[key] - first[key]):+.2f}"
            cells += [f"{100 * row[key]:.2f}", difference]
        rows.append(cells)
    return f"{head}\n\n{align(rows, left=(1, 2))}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.calibration",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add_model_and_data(parser)
    add("--out", type=Path, default=Path("build"), help="folder for calibration.json and .png")
    add_calibration_draw(parser)
    add("--split", default="val", help="what AP is measured on; not the benchmark's")
    add("--limit", type=whole_number(1), help="measure AP on the first N pictures; None: all")
    return parser


def _prepare(args: argparse.Namespace) -> tuple[DetectorSpec, list[np.ndarray], VocDataset]:
    spec = read_spec(args.model)
    if args.calibration_split == args.split:
        raise ValueError(f"two splits expected, got '{args.split}' for both; change --split")
    source = load_voc(args.data, args.calibration_split, spec.class_names)
    dataset = load_voc(args.data, args.split, spec.class_names)
    dataset = VocDataset(
        dataset.root, dataset.split, dataset.class_names, dataset.examples[: args.limit]
    )
    check_writable(args.out / "calibration.json")
    count = max(count for count in (*COUNTS, USUAL, len(source)) if count <= len(source))
    examples = representative.choose(source, min(count, max(COUNTS)), args.seed)
    order = np.random.default_rng(args.seed).permutation(len(examples))
    return spec, representative.load_frames([examples[i] for i in order], spec), dataset


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    plain_warnings()
    try:
        spec, frames, dataset = _prepare(args)
        model = load_model(args.model, spec)
        rows = study(model, spec, frames, dataset)
        report = {
            "command": shlex.join(["python", "-m", "studies.calibration", *given]),
            "machine": describe_machine(),
            "model": args.model.name,
            "data": {
                "root": Path(args.data).resolve().name,
                "calibration_split": args.calibration_split,
                "split": args.split,
                "images": len(dataset),
            },
            "rows": rows,
        }
        write_report(args.out / "calibration.json", report)
        draw_study(report, args.out / "calibration.png")
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ConversionError as error:
        print(f"{error.log}\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; earlier results are as they were", file=sys.stderr)
        return 130
    print(format_study(report))
    print(args.out / "calibration.json")
    return 0


Range = tuple[float, float]
SAMPLES = 4096  # values of a tensor that a picture contributes, drawn at random
NARROWEST = 1e-6
SHRINKAGES = np.linspace(0.3, 1, 36)  # of the min-max range, tried by least squares


@dataclass(frozen=True)
class Observed:
    """What every unit put out, picture by picture.

    Attributes:
        pixels: the range of the input.
        ends: by unit, (pictures, 2) smallest and largest value.
        samples: by unit, (pictures, up to SAMPLES) of its values.
    """

    pixels: Range
    ends: Mapping[str, np.ndarray]
    samples: Mapping[str, np.ndarray]

    def first(self, count: int) -> Observed:
        """Of the first `count` pictures only."""
        ends = {name: rows[:count] for name, rows in self.ends.items()}
        samples = {name: rows[:count] for name, rows in self.samples.items()}
        return Observed(self.pixels, ends, samples)


def observe_all(model, frames: Sequence[np.ndarray], spec: DetectorSpec) -> Observed:
    """Run the float net over pictures, (input_h, input_w, 3) uint8 each."""
    from train.quantization.calibrate import observe

    rng = np.random.default_rng(0)
    ends: dict[str, list] = {}
    samples: dict[str, list] = {}
    for found in observe(model, frames, spec):
        for name, values in found.items():
            flat = values.ravel()
            ends.setdefault(name, []).append((flat.min(), flat.max()))
            picked = rng.integers(0, flat.size, min(flat.size, SAMPLES))
            samples.setdefault(name, []).append(flat[picked])
    return Observed(
        pixel_range(spec),
        {name: np.array(rows) for name, rows in ends.items()},
        {name: np.array(rows) for name, rows in samples.items()},
    )


def _min_max(ends: np.ndarray, samples: np.ndarray) -> Range:
    return ends[:, 0].min(), ends[:, 1].max()


def _mean_of_ends(ends: np.ndarray, samples: np.ndarray) -> Range:
    low, high = ends.mean(axis=0)
    return low, high


def _percentile(share: float) -> Callable[[np.ndarray, np.ndarray], Range]:
    def ends_of(ends: np.ndarray, samples: np.ndarray) -> Range:
        low, high = np.percentile(samples, (100 - share, share))
        return low, high

    return ends_of


def _least_squares(ends: np.ndarray, samples: np.ndarray) -> Range:
    """The shrunken min-max range with the smallest mean squared rounding error."""
    low, high = _with_zero(_min_max(ends, samples))
    best, found = np.inf, (low, high)
    for shrinkage in SHRINKAGES:
        scale = (high - low) * shrinkage / 255
        zero_point = np.rint(-low * shrinkage / scale)
        steps = np.clip(np.rint(samples / scale) + zero_point, 0, 255) - zero_point
        error = float(np.mean((steps * scale - samples) ** 2))
        if error < best:
            best, found = error, (low * shrinkage, high * shrinkage)
    return found


def _with_zero(ends: Range) -> Range:
    return min(0.0, float(ends[0])), max(NARROWEST, float(ends[1]))


def _for_all(method: Callable[[np.ndarray, np.ndarray], Range]):
    def ranges(observed: Observed) -> dict[str, Range]:
        from train.quantization.simulated_net import INPUT

        found = {
            name: _with_zero(method(ends, observed.samples[name]))
            for name, ends in observed.ends.items()
        }
        return {INPUT: observed.pixels, **found}

    return ranges


METHODS: dict[str, Callable[[Observed], dict[str, Range]]] = {
    "min-max": _for_all(_min_max),
    "mean of min-max": _for_all(_mean_of_ends),
    "99.99 %": _for_all(_percentile(99.99)),
    "99.9 %": _for_all(_percentile(99.9)),
    "least squares": _for_all(_least_squares),
}


def draw_study(report: dict, path: Path) -> None:
    """What int8 costs against the number of pictures, and by method, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    reference, *rows = report["rows"]
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    counts, methods = figure.subplots(1, 2, width_ratios=(1, 1.4))
    plain = [row for row in rows if row["method"] == "min-max" and row["corrected"]]
    plain.sort(key=lambda row: row["images"])
    for key, name in (("ap", "AP"), ("ap50", "AP50")):
        changes = [100 * (row[key] - reference[key]) for row in plain]
        counts.plot([row["images"] for row in plain], changes, marker="o", label=name)
    counts.set(xscale="log", xlabel="calibration pictures", ylabel="points against float32")
    counts.set_xticks([row["images"] for row in plain], [str(row["images"]) for row in plain])
    counts.set_title("min-max ranges, rounding corrected")
    counts.legend(frameon=False)
    usual = max(row["images"] for row in rows if row["method"] != "min-max")
    compared = [row for row in rows if row["images"] == usual]
    names = [
        row["method"] + ("" if row["corrected"] else "\nrounded to nearest") for row in compared
    ]
    bars = methods.barh(names, [row["score_error"] for row in compared], color="C2")
    labels = [f"{100 * (row['ap'] - reference['ap']):+.2f} AP" for row in compared]
    methods.bar_label(bars, labels, padding=3)
    methods.set(xlabel="RMS error of scores", title=f"{usual} pictures, by method")
    methods.margins(x=0.2)
    methods.invert_yaxis()
    for axes in (counts, methods):
        axes.grid(alpha=0.3)
    counts.axhline(0, color="gray", lw=1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
