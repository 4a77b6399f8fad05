import base64
import copy
import dataclasses
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from convert.benchmark import html as page
from convert.benchmark.agreement import most_different
from convert.benchmark.html_plots import INK, latency_plot
from convert.benchmark.report import BenchmarkReport
from convert.benchmark.run import run_benchmark

ODD = '<b>&"$x$ {{ 7 * 7 }}'


class Page(HTMLParser):
    """Tags, addresses, tables and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.tables, self.headings, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        names = ("src", "href", "xlink:href", "srcset", "data", "action")
        self.addresses += [value for name, value in attributes if name in names]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data):
        self.text += data
        if self.tags[-1:] == ["h3"] and data.strip():
            self.headings.append(data)
        if self.tables and self.tables[-1] and self.tags[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data.strip()


@pytest.fixture(scope="module", name="html")
def html_fixture(comparison):
    return page.render_page(comparison)


@pytest.fixture(scope="module", name="odd")
def odd_fixture(comparison):
    """A comparison with odd names, a class without truth, a model without latency, a failure."""
    report = copy.deepcopy(comparison.report.to_json())
    for model in report["models"]:
        for key in ("ap_per_class", "ap50_per_class"):
            model[key] = {"red": None, ODD: model[key]["green"]}
    report["models"][1]["latency_ms"] = None
    for row in report["robustness"]:
        row["passes"] = row["condition"] != "blurred"
    report["training"] = {"command": "<script>alert(1)</script>", "machine": {"cpu": "some cpu"}}
    report["calibration"] = {"images": 25}
    return dataclasses.replace(comparison, report=BenchmarkReport.from_json(report))


@pytest.fixture(scope="module", name="odd_html")
def odd_html_fixture(odd):
    return page.render_page(odd)


def test_the_page_holds_everything(comparison, html):
    report, got = comparison.report.to_json(), Page(html)
    main, ap, ap50, robustness = got.tables
    assert [row[0] for row in main] == ["variant", *(m["variant"] for m in report["models"])]
    assert main[1][2] == f"{100 * report['models'][0]['ap']:.2f}"
    assert [row[0] for row in ap] == ["AP", "red", "green"]
    assert [row[0] for row in ap50] == ["AP50", "red", "green"]
    assert [row[0] for row in robustness[1:]] == [r["condition"] for r in report["robustness"]]
    assert got.tags.count("svg") == 6  # one of them of peak memory
    assert report["machine"]["platform"] in got.text
    assert report["machine"]["date"][:10] in got.text
    assert "Training" not in got.text  # this report tells of none
    assert INK not in html


def test_pictures_side_by_side_the_most_different_first(comparison, html):
    got = Page(html)
    pictures = [address for address in got.addresses if address.startswith("data:image/jpeg")]
    assert len(pictures) == 2 * len(most_different(comparison.matches))
    assert got.headings[0] == "b"  # the doubtful one
    left, right = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))), int)
        for address in pictures[:2]
    )
    assert left.shape == right.shape == (284, 640, 3)  # from 144x64
    assert np.abs(left - right).max() > 100  # what int8 doubts is not drawn


def test_nothing_is_fetched(odd_html):
    got = Page(odd_html)
    assert got.addresses
    assert all(re.match(r"#|data:image/(jpeg|png);base64,", value) for value in got.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(got.tags)
    assert "@import" not in odd_html
    assert all(target == "#" for target in re.findall(r"url\(['\"]?(.)", odd_html))
    assert len(odd_html) < 5e6


def test_ids_that_plots_refer_to_are_there_once_or_alike(html):
    used = set(re.findall(r"url\(#([\w-]+)\)", html))
    assert used
    for name in used:
        assert len(set(re.findall(rf'<clipPath id="{name}">(.*?)</clipPath>', html, re.S))) == 1


def test_names_are_text_not_markup(odd_html):
    got = Page(odd_html)
    assert not {"script", "b"} & set(got.tags)
    assert "<script>alert(1)</script>" in got.text
    assert [row[0] for row in got.tables[1]] == ["AP", "red", ODD]
    assert ODD[:10] in got.text.split("Accuracy of each class")[1]  # in the plot, too
    assert "Calibration" in got.text
    assert "some cpu" in got.text


def test_what_was_not_measured_stays_blank(odd, odd_html):
    models = odd.report.models
    got = Page(odd_html)
    assert got.tables[1][1] == ["red", *[""] * len(models)]
    assert got.tables[0][2][-7:-3] == [""] * 4  # before memory, threads, file
    plot = latency_plot(models, ("float32", "int8"))
    assert ">float32<" in plot and ">int8<" in plot
    assert f">{models[1].variant}<" not in plot


def test_failing_condition_is_named(odd_html):
    assert "It loses more: blurred." in Page(odd_html).text
    assert odd_html.count('class="fails"') == 1


@pytest.mark.parametrize("variants", [["int8"], ["float16", "int8"]])
def test_without_a_pair_the_sections_are_left_out(models, dataset, variants):
    paths = [models[variant] for variant in variants]
    got = Page(page.render_page(run_benchmark(paths, dataset, latency_runs=0, limit=1)))
    assert len(got.tables) == 3
    assert "svg" not in got.tags
    assert "img" not in got.tags
    for word in ("Agreement", "differ", "Worse", "None", "nan"):
        assert word not in got.text
    assert got.tables[0][1][-1].startswith("tiny_")


def test_the_same_report_gives_the_same_page(comparison, html):
    assert page.render_page(comparison) == html
