"""The report as two files, or as numbers alone."""

import json
import sys

import pytest

from convert.benchmark import html as page


def test_both_files_or_neither(comparison, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "render_page", lambda comparison: "<!doctype html>")
    path = tmp_path / "out" / "report.json"
    assert page.write_results(path, comparison) == [path.with_suffix(".html"), path]
    assert json.loads(path.read_text()) == json.loads(json.dumps(comparison.report.to_json()))
    assert path.with_suffix(".html").read_text() == "<!doctype html>"
    for file in path.parent.iterdir():
        file.write_text("earlier")

    def full(path, report):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "write_report", full)
    with pytest.raises(OSError, match="No space"):
        page.write_results(path, comparison)
    assert {file.name: file.read_text() for file in path.parent.iterdir()} == {
        "report.html": "earlier",
        "report.json": "earlier",
    }


@pytest.mark.parametrize("module", page.MODULES)
def test_a_board_without_the_extra_gets_the_numbers(
    comparison, tmp_path, monkeypatch, capsys, module
):
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "report.json"
    assert page.write_results(path, comparison) == [path]
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"no report.html: it needs {module}; pip install jinja2 matplotlib"
