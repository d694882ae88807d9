"""The command line: it runs suites, keeps what was finished, and says what is wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from contests import TINY, fake, spoilt

from benchmarks.__main__ import COMMANDS, main
from benchmarks.harness import schema
from benchmarks.harness.runner import run_case
from benchmarks.suites import speed

ROOT = Path(__file__).resolve().parents[2]


def test_commands_are_listed_with_what_they_are_for(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = " ".join(capsys.readouterr().out.split())
    for name, (module, about) in COMMANDS.items():
        assert f"{name} {about}" in listed
        assert about
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


NOVEL = {
    "peers": """
from ..harness.methods import Call
from .plain import Plain

class Halved(Plain):
    def call(self, case, image, sigma, threads):
        return Call(lambda noisy: noisy / 2, "halved", image, {})

METHODS = (Halved("halved", "numpy", "numpy", "float32", enters=("quality",)),)
""",
    "suites": """
'Halves of pictures.'
from .. import peers
from ..harness.suite import Suite, fixed
from ..peers.plain import Plain
from .quality import known

SUITE = Suite("novel", __doc__, fixed((known("camera", 20).quick(),)), peers.methods(Plain))
TABLES = {"novel": lambda published: ["| halves |"]}
""",
    "studies": """
'A study of halves: ``python -m benchmarks novel``.'
def main(arguments=None):
    print(*arguments)
    return 0
""",
}


def test_a_peer_a_suite_and_a_study_are_added_by_a_file_each(tmp_path):
    for folder, text in NOVEL.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"novel{'_study' * (folder == 'studies')}.py").write_text(text.lstrip())
    code = f"""
from importlib import import_module
for folder in ("peers", "suites", "studies"):
    import_module(f"benchmarks.{{folder}}").__path__.append({str(tmp_path)!r} + "/" + folder)
from benchmarks.__main__ import main
from benchmarks.present.tables import filled

assert main(["novel-study", "one"]) == 0
assert main(["novel", "--methods", "noisy,halved", "--threads", "1", "--json"]) == 0
assert "| halves |" in filled("<!-- table: novel -->\\n<!-- end -->")
main(["--help"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("one\n")
    (case,) = json.loads(done.stdout[4 : done.stdout.index("usage: ")])["cases"]
    assert [(method["name"], method["status"]) for method in case["methods"]] == [
        ("noisy", "measured"), ("halved", "measured")
    ]  # fmt: skip
    assert "Halves of pictures" in done.stdout
    assert "A study of halves" in done.stdout


def test_quick_run_writes_a_valid_file_and_prints_tables(tmp_path, capsys):
    path = tmp_path / "speed.json"
    arguments = ["--quick", "--only", "grey-p7*,types", "--methods", "nlmeans-*", "--threads", "1", "--repeat", "2"]
    assert main(["speed", *arguments, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    written = schema.read(path)
    assert written["complete"]
    assert written["quick"]
    assert [case["name"] for case in written["cases"]] == ["grey-p7-w21", "types"]
    assert all(name in printed for name in ("nlmeans-uint8", "nlmeans-float64", "grey-p7-w21"))
    assert not path.with_name("speed.json.unfinished").exists()

    assert main(["show", str(path), "--markdown"]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 2 + 3
    assert len({line.count("|") for line in table}) == 1


def test_opencv_and_scikit_image_take_part():
    pytest.importorskip("cv2", reason="pip install opencv-python-headless")
    command = [sys.executable, "-m", "benchmarks", "speed", "--quick", "--only", "grey-p7*", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    schema.validate(found)
    assert found["settings"]["SKIMAGE_NO_DISPATCHING"] == "1"
    records = {record["name"]: record for record in found["cases"][0]["methods"]}
    here = ("nlmeans-float32", "nlmeans-uint8", "opencv", "scikit-image")
    assert {records[name]["status"] for name in here} == {"measured"}
    assert records["scikit-image"]["threads"] == 1
    assert {"opencv", "scikit-image"} <= set(records["nlmeans-float32"]["ratios"])
    assert "dst=None, h=22.5" in records["opencv"]["call"]


def test_passes_and_volumes_are_measured(tmp_path, capsys):
    path = tmp_path / "speed.json"
    arguments = ["--only", "passes*,volume*,whole*", "--methods", "nlmeans-*", "--threads", "1"]
    assert main(["speed", "--quick", *arguments, "--out", str(tmp_path)]) == 0
    found = {case["name"]: case for case in schema.read(path)["cases"]}
    first, *others = found["passes-p5-w21"]["methods"]
    assert "multiple" not in first["measures"]
    assert len(others) == 4
    assert all(record["measures"]["multiple"]["median"] > 0 for record in others)
    assert all("patch_radius=2, search_radius=5" in record["call"] for record in (first, *others[:-1]))
    assert "scikit-image, which would take" in found["whole-image-224"]["note"]
    assert found["volume-p3-w11"]["parameters"]["shape"] == [32, 32, 32]
    assert "times the first's" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["memory-r10", "import", "first-call", "program-png"])
def test_fresh_processes_are_measured(name, tmp_path):
    path = tmp_path / "speed.json"
    methods = ["--methods", "nlmeans-*,scikit-image"]
    assert main(["speed", "--quick", "--only", name, *methods, "--out", str(tmp_path)]) == 0
    ours = schema.read(path)["cases"][0]["methods"][0]
    assert ours["own"]
    expected = {
        "memory-r10": {"seconds", "cores", "extra_memory", "extra_copies"},
        "import": {"import"},
        "first-call": {"compiled_first_call", "cached_first_call"},
        "program-png": {"seconds", "psnr"},
    }[name]
    assert set(ours["measures"]) == expected
    assert all(summary["median"] > 0 for summary in ours["measures"].values())


def test_an_interrupted_run_keeps_what_was_finished(tmp_path, monkeypatch, capsys):
    def interrupted(case, methods, counts, repeat, keep):
        if case.name == "types":
            raise KeyboardInterrupt
        yield from run_case(replace(TINY, name=case.name), methods[:1], counts, repeat)

    monkeypatch.setattr("benchmarks.harness.running.run_case", interrupted)
    path = tmp_path / "speed.json"
    assert main(["speed", "--quick", "--only", "grey-p7*,types", "--out", str(tmp_path)]) == 130
    assert not path.exists()
    kept = schema.read(path.with_name("speed.json.unfinished"))
    assert not kept["complete"]
    assert [case["name"] for case in kept["cases"]] == ["grey-p7-w21"]
    assert "Interrupted" in " ".join(capsys.readouterr().out.split())


def test_a_failure_shows_in_the_exit_code(monkeypatch, capsys):
    monkeypatch.setitem(speed.SUITE.methods, "nlmeans-float32", replace(fake(spoilt), name="nlmeans-float32"))
    assert main(["speed", "--quick", "--only", "grey-p7*", "--methods", "nlmeans-float32"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "no case is named 'nothing'"),
        (["--methods", "bm5d"], "no method is named 'bm5d'"),
        (["--threads", "0"], "at least 1"),
        (["--threads", "100000"], "at most"),
        (["--threads", "two"], "whole number"),
        (["--repeat", "0"], "at least 1"),
        (["--only", "import", "--methods", "opencv"], "none of the methods"),
    ],
)
def test_usage_errors_say_what_is_wrong(arguments, message, capsys):
    try:
        code = main(["speed", *arguments])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_result_that_cannot_be_written_is_known_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.harness.running.run_case", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").touch()
    assert main(["speed", "--quick", "--out", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_a_wrong_file_is_not_shown(tmp_path, capsys):
    (tmp_path / "x.json").write_text("[]")
    assert main(["show", str(tmp_path / "x.json")]) == 1
    assert "no result file" in capsys.readouterr().err
