"""What `convert.explain` has measured, as a picture."""

from __future__ import annotations

import textwrap
from pathlib import Path

from edge_runtime.media.atomic import atomic_path

BLOCKS = 15  # of the ranking


def draw_explanation(report: dict, path: Path) -> None:
    """Errors along the net, saturation, and what each block would win back, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    figure = Figure(figsize=(13, 9), layout="constrained")
    errors, saturation, blocks = figure.subplots(3, 1, height_ratios=(1.3, 0.7, 1.2))
    figure.suptitle("\n".join(textwrap.wrap(report["advice"]["line"], 130)), fontsize=11)
    _draw_errors(errors, report["units"])
    _draw_saturation(saturation, report["units"])
    _draw_blocks(blocks, report)
    for axes in (errors, saturation, blocks):
        axes.grid(alpha=0.3, axis="y")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _draw_errors(axes, units: list[dict]) -> None:
    for key, name in (("local", "this layer alone in int8"), ("total", "the whole net in int8")):
        values = [unit["snr_db"][key] for unit in units]
        places = [place for place, value in enumerate(values) if value is not None]
        axes.plot(places, [values[place] for place in places], ".-", label=name)
    axes.set(ylabel="SNR, dB (higher is better)", title="Error of each layer's output")
    axes.legend(frameon=False, ncols=2)
    axes.set_xlim(-1, len(units))
    axes.tick_params(labelbottom=False)


def _draw_saturation(axes, units: list[dict]) -> None:
    shares = [100 * unit["saturated"] for unit in units]
    axes.bar(range(len(units)), shares, color="C3")
    axes.set(ylabel="%", title="Values outside the layer's int8 range", xlim=(-1, len(units)))
    axes.set_ylim(0, max(1.0, 1.1 * max(shares)))
    every = max(1, -(-len(units) // 50))
    names = [unit["name"] for unit in units]
    ticks = range(0, len(units), every)
    axes.set_xticks(ticks, [names[tick] for tick in ticks], rotation=90, fontsize=7)


def _draw_blocks(axes, report: dict) -> None:
    rows = report["blocks"][:BLOCKS]
    places = range(len(rows))
    gains = [100 * row["gain"] for row in rows]
    # Three standard errors, as convert/explain/diagnosis.py asks for.
    axes.bar(places, gains, yerr=[300 * row["noise"] for row in rows], capsize=3, ecolor="0.4")
    axes.set_xticks(places, [row["name"] for row in rows], rotation=30, ha="right", fontsize=8)
    title = "Error of the detections that a block in float wins back (bars: three standard errors)"
    if report["outputs"]["int8"] is not None:
        title += f"; of {100 * sum(report['outputs']['int8'].values()):.2f} in all"
    axes.set(ylabel="hundredths", title=title)
