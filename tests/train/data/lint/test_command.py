import json
import subprocess
import sys

import pytest

from tests.conftest import HANG, ROOT
from tests.train.data.damaged_voc import BOX, GOOD_BOXES, add, add_line, make_damaged
from tests.train.data.voc_folder import edit
from train.data.__main__ import main


def test_exit_status_and_output(tmp_path, capsys):
    add(tmp_path, "a", [BOX, (4, 2, 4, 2)])
    add(tmp_path, "v", splits=["val"])
    add(tmp_path, "t", splits=["test"])
    assert main(["check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Annotations/a.xml:21: warning:" in printed and "1 warning no-area" in printed
    assert printed.endswith("1 warning\n")
    add_line(tmp_path, "train", "ghost")
    assert main(["check", str(tmp_path), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["by_severity"] == {"error": 1, "warning": 1, "note": 0}
    assert result["findings"][0]["line"] == 21 and result["splits"] == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    assert main(["check", str(tmp_path / "missing")]) == 2
    assert "no such folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["check"])
    assert stopped.value.code == 2


def test_many_findings_of_a_kind_are_cut_short(tmp_path, capsys):
    add(tmp_path, "a", [(n, 2, n, 2) for n in range(25)] + GOOD_BOXES)
    main(["check", str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.count("has no area") == 20 and "(5 not shown; --show 0)" in printed
    main(["check", str(tmp_path), "--show", "0"])
    assert capsys.readouterr().out.count("has no area") == 25


def test_report(tmp_path, capsys):
    make_damaged(tmp_path / "set")
    edit(tmp_path / "set/Annotations/good.xml", "platelet", "größe")
    picture = tmp_path / "out/report.png"
    main(["check", str(tmp_path / "set"), "--report", str(picture), "--preset", "ssdlite"])
    assert picture.read_bytes()[:4] == b"\x89PNG" and str(picture) in capsys.readouterr().out
    assert main(["check", str(tmp_path / "set"), "--report", str(tmp_path / "a.txt")]) == 2
    assert "expected a picture file" in capsys.readouterr().err


def test_the_command_runs_without_tensorflow():
    code = "import sys, train.data.__main__ as d; d.main(['check', 'missing']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG
    )
    assert "no such folder" in done.stderr
    assert not {"tensorflow", "keras", "matplotlib"} & set(done.stdout.split())
