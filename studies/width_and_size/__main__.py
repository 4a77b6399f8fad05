"""Detectors of several widths and input sizes: which one to choose.

    python -m convert.benchmark build/family/*/*.tflite --data DATA --out build/family/report.json
    python -m studies.width_and_size build/family/report.json --out build/family

Takes one report over the float32 and the int8 file of every detector, measured side by side, and
writes family.json, the same rows as family.csv, and family.png. Width and input size come from
what the files say of themselves, not from their names.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from convert.benchmark.report import read_report, write_report
from convert.tables import align
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line


def combine(report: dict) -> dict:
    """The report with a row for each pair of float32 and int8 files, by width and input size.

    A row is best by "latency" or "size" where no other is both cheaper and more accurate.

    Raises: ValueError, naming the file, where width, size, a figure or the other file is missing.
    """
    pairs: dict[tuple, dict[str, dict]] = {}
    for model in report["models"]:
        if model.get("variant") in ("float32", "int8"):
            pair = pairs.setdefault(_place(model), {})
            if model["variant"] in pair:
                raise ValueError(
                    f"one {model['variant']} file of each width and input size expected, got "
                    f"{pair[model['variant']]['file']} and {model['file']}; measure one of them"
                )
            pair[model["variant"]] = model
    if not pairs:
        variants = sorted({str(model.get("variant")) for model in report["models"]})
        raise ValueError(
            f"a report with float32 and int8 files expected, got {', '.join(variants) or 'none'}; "
            "convert every detector to both and measure them in one run of convert.benchmark"
        )
    for _, pair in sorted(pairs.items()):
        if len(pair) < 2:
            (alone,) = pair.values()
            raise ValueError(
                f"a float32 and an int8 file of each detector expected, got {alone['file']} "
                "alone; give both to one run of convert.benchmark"
            )
    rows = [_row(place, pairs[place]) for place in sorted(pairs)]
    for what, key in (("latency", "int8_ms"), ("size", "int8_mb")):
        for row in pareto_front(rows, key):
            row["best_by"] = f"{row['best_by']}, {what}".strip(", ")
    kept = ("command", "machine", "data", "thresholds")
    return {**{key: report.get(key) for key in kept}, "threads": _threads(report), "family": rows}


def _place(model: dict) -> tuple[float, tuple[int, int]]:
    """(width of the backbone, input size) as the file's row has them."""
    if not model.get("input_hw"):
        raise ValueError(
            f"{model['file']}: input_hw expected in its row of the report, got none; measure it "
            "again with this version's convert.benchmark"
        )
    return _width(model), tuple(model["input_hw"])


def _width(model: dict) -> float:
    training = model.get("training") or {}
    width = (training.get("settings") or {}).get("alpha")
    if not width:  # a record of before settings were written; its command has what was typed
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        parser.add_argument("--alpha", type=float)
        try:
            typed = shlex.split(training.get("command") or "")
            width = parser.parse_known_args(typed)[0].alpha
        except (ValueError, argparse.ArgumentError):
            width = None
    if not width:
        raise ValueError(
            f"{model['file']}: a record of its training with the backbone's width (alpha) "
            "expected, got none; train it with --alpha and convert it with this version"
        )
    return float(width)


def _row(place: tuple, pair: dict[str, dict]) -> dict:
    for model in pair.values():
        missing = [key for key in ("ap", "ap50", "latency_ms") if model.get(key) is None]
        if missing:
            raise ValueError(
                f"{model['file']}: {' and '.join(missing)} expected in its row of the report, got "
                "none; measure it again, without --latency-runs 0"
            )
    width, (height, wide) = place
    float32, int8 = pair["float32"], pair["int8"]
    inference = int8["latency_ms"]["inference"]
    return {
        "width": width,
        "input": str(wide) if height == wide else f"{wide}x{height}",
        "input_hw": [height, wide],
        "int8_mb": int8["bytes"] / 1e6,
        "float32_mb": float32["bytes"] / 1e6,
        **{f"{name}_{key}": pair[name][key] for name in pair for key in ("ap", "ap50")},
        "ap_difference": int8["ap"] - float32["ap"],
        "ap50_difference": int8["ap50"] - float32["ap50"],
        "float32_ms": float32["latency_ms"]["inference"]["median"],
        "int8_ms": inference["median"],
        "int8_ms_p90": inference["p90"],
        "int8_end_to_end_ms": int8["latency_ms"]["end_to_end"]["median"],
        "best_by": "",
        "files": [float32["file"], int8["file"]],
        "training": int8.get("training"),
    }


def pareto_front(rows: Sequence[dict], cost: str) -> list[dict]:
    """Those that no other row beats in int8 AP without costing more; cheapest first.

    Costs count as the table prints them, in hundredths: files of one width differ by a few bytes.
    """
    front: list[dict] = []
    for row in sorted(rows, key=lambda row: (round(row[cost], 2), -row["int8_ap"])):
        if not front or row["int8_ap"] > front[-1]["int8_ap"]:
            front.append(row)
    return front


def _threads(report: dict) -> int | None:
    threads = {model.get("threads") for model in report["models"]}
    return threads.pop() if len(threads) == 1 else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.width_and_size", description=__doc__)
    parser.add_argument("report", type=Path, metavar="REPORT", help="of convert.benchmark")
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON, CSV and PNG")
    args = parser.parse_args(arguments)
    target = args.out / "family.json"
    try:
        if target.resolve() == args.report.resolve():
            raise ValueError(f"a report of another name than {target} expected; rename it")
        family = combine(read_report(args.report))
        draw_family(family["family"], caption(family), args.out / "family.png")
        write_csv(family, args.out / "family.csv")
        write_report(target, family)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(
            f"error: {args.report}: a report of convert.benchmark expected, it lacks {error}; "
            "measure again",
            file=sys.stderr,
        )
        return 2
    print(format_family(family))
    print(target)
    return 0


# Key of a row, heading, format, factor. AP in points; milliseconds of int8.
COLUMNS = (
    ("width", "width", "", None),
    ("input", "input", "s", None),
    ("int8_mb", "size MB", ".2f", 1),
    ("float32_ap", "float32 AP", ".2f", 100),
    ("int8_ap", "int8 AP", ".2f", 100),
    ("ap_difference", "diff", "+.2f", 100),
    ("float32_ap50", "float32 AP50", ".2f", 100),
    ("int8_ap50", "int8 AP50", ".2f", 100),
    ("float32_ms", "float32 ms", ".2f", 1),
    ("int8_ms", "int8 ms", ".2f", 1),
    ("int8_ms_p90", "p90", ".2f", 1),
    ("int8_end_to_end_ms", "end to end ms", ".2f", 1),
    ("best_by", "best by", "s", None),
)


def _cells(row: dict) -> list[str]:
    cells = []
    for key, _, form, factor in COLUMNS:
        # + 0.0 turns a rounded -0.0 into 0.0
        value = row[key] if factor is None else round(row[key] * factor, 2) + 0.0
        cells.append(f"{value:{form}}")
    return cells


def format_family(family: dict) -> str:
    """Conditions and an aligned table, AP in points (hundredths)."""
    data = family["data"]
    head = [
        _conditions(family),
        f"{data['root']}, split {data['split']}: {data['images']} pictures, {data['boxes']} boxes",
        "AP in points (hundredths); ms: median inference; best by: none is cheaper and better",
    ]
    rows = [[heading for _, heading, _, _ in COLUMNS], *map(_cells, family["family"])]
    return "\n".join(head) + "\n\n" + align(rows, left=(len(COLUMNS) - 1,))


def _conditions(family: dict) -> str:
    threads = f", {family['threads']} threads" if family["threads"] else ""
    return f"{one_line(family['machine'])}{threads}, {family['machine']['date'][:10]}"


def caption(family: dict) -> str:
    """Command, data, hardware and date, for below the picture; files are counted, not listed."""
    words = shlex.split(family["command"])
    rest = [shlex.quote(word) for word in words if not word.endswith(".tflite")]
    models = [number for number, word in enumerate(words) if word.endswith(".tflite")]
    if models:
        rest.insert(models[0], f"({len(models)} files)")
    data = family["data"]
    return (
        f"{data['root']}, split {data['split']}, {data['images']} pictures; {_conditions(family)}\n"
        + " ".join(rest)
    )


def write_csv(family: dict, path: Path) -> None:
    """The table's columns under their keys; AP in points, as in the table."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([key for key, *_ in COLUMNS])
        writer.writerows(map(_cells, family["family"]))


MARKERS = "osD^vP*X<>"
COSTS = (
    ("latency", "int8_ms", "int8 inference, ms (median)"),
    ("size", "int8_mb", "int8 file, MB"),
)


def draw_family(rows: Sequence[dict], caption: str, path: Path) -> None:
    """Write a PNG with int8 AP against latency and against file size.

    Args:
        rows: of `studies.width_and_size.combine`, which says which of them none beats.
    """
    from matplotlib.figure import Figure  # the object interface needs no display

    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, (what, cost, label) in zip(figure.subplots(1, 2, sharey=True), COSTS, strict=True):
        _draw_front(axes, rows, what, cost)
        _draw_widths(axes, rows, what, cost)
        axes.set(xlabel=label, title=f"int8 AP against {what}")
        axes.set_xscale("log")
        _plain_ticks(axes, [row[cost] for row in rows])
        axes.margins(x=0.18, y=0.08)  # the labels stand left of their points
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("int8 AP, points")
    _draw_legend(figure, rows)
    lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, 150)]
    figure.supxlabel("\n".join(lines), fontsize=8, color="0.35")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _widths(rows: Sequence[dict]) -> dict[float, tuple]:
    """Width → colour, from light to dark as the nets grow."""
    from matplotlib import colormaps

    widths = sorted({row["width"] for row in rows})
    shades = colormaps["viridis_r"]
    return {w: shades(0.15 + 0.85 * n / max(1, len(widths) - 1)) for n, w in enumerate(widths)}


def _sizes(rows: Sequence[dict]) -> dict[str, str]:
    """Input size → marker."""
    sizes = sorted({(*row["input_hw"], row["input"]) for row in rows})
    return {size[-1]: MARKERS[n % len(MARKERS)] for n, size in enumerate(sizes)}


def _draw_front(axes, rows: Sequence[dict], what: str, cost: str) -> None:
    """A grey staircase: what can be had for a cost or less."""
    from matplotlib.patheffects import withStroke

    front = sorted((row for row in rows if what in row["best_by"]), key=lambda row: row[cost])
    axes.step(
        [row[cost] for row in front],
        [100 * row["int8_ap"] for row in front],
        where="post",
        color="0.75",
        linewidth=6,
        solid_capstyle="round",
        zorder=1,
    )
    accuracies = [100 * row["int8_ap"] for row in rows]
    crowded = 0.03 * (max(accuracies) - min(accuracies))  # two labels would lie in one line
    before = float("-inf")
    for row in front:
        accuracy = 100 * row["int8_ap"]
        beside = accuracy - before < crowded
        before = accuracy
        axes.annotate(
            f"{row['width']}, {row['input']}",
            (row[cost], accuracy),
            (7, -12) if beside else (-7, 7),
            textcoords="offset points",
            ha="left" if beside else "right",
            fontsize=8,
            zorder=4,
            path_effects=[withStroke(linewidth=3, foreground="white")],  # lines end around it
        )


def _draw_widths(axes, rows: Sequence[dict], what: str, cost: str) -> None:
    markers = _sizes(rows)
    for width, color in _widths(rows).items():
        line = [row for row in rows if row["width"] == width]
        points = [(row[cost], 100 * row["int8_ap"]) for row in line]
        axes.plot(*zip(*points, strict=True), color=color, linewidth=1.3, zorder=2)
        for row, point in zip(line, points, strict=True):
            best = what in row["best_by"]
            style = {"facecolor": color if best else "white", "edgecolor": color}
            axes.scatter(*point, s=60, marker=markers[row["input"]], zorder=3, **style)


def _plain_ticks(axes, values: Sequence[float]) -> None:
    """1, 2, 3, 5 and their tenfolds, written out: powers of ten would leave one tick or none."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    subs = (1, 1.5, 2, 3, 5, 7) if max(values) < 10 * min(values) else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_legend(figure, rows: Sequence[dict]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, label=f"width {w}") for w, c in _widths(rows).items()]
    handles += [
        Line2D([], [], color="0.3", marker=marker, linestyle="", label=f"input {size}")
        for size, marker in _sizes(rows).items()
    ]
    handles.append(Line2D([], [], color="0.75", linewidth=6, label="none cheaper and better"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)


if __name__ == "__main__":
    sys.exit(main())
