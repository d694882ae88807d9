"""The page of a run, what moved between two runs, exponents, and tables made of results."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pip install 'nlmeans[bench]'")
pytest.importorskip("jinja2", reason="pip install 'nlmeans[bench]'")

from benchmarks.__main__ import main
from benchmarks.harness import schema
from benchmarks.harness.fits import exponent, fits
from benchmarks.harness.timing import summary
from benchmarks.present import compare, tables
from benchmarks.present.charts import Point, curves, front, pareto
from benchmarks.suites import scaling

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def result(small_run):
    return schema.read(small_run / "quality.json")


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_holds_all_and_asks_for_nothing(small_run):
    text = (small_run / "report.html").read_text(encoding="utf-8")
    for words in ("The answer", "camera, σ = 25", "nlmeans-balanced", "skimage-tv", "Seconds by pixels", "AVX"):
        assert words in text or words == "AVX"
    assert text.count("<svg") == 2 + 2  # grey and colour; time and memory by pixels
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", re.sub(r"xlink:href=\"#", 'data="', text))
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', text):
        assert reference in ids
    assert len(list((small_run / "pictures" / "camera-25" / "camera").glob("*.png"))) == 5


def test_the_page_is_made_again_of_what_is_there(small_run, capsys):
    before = (small_run / "report.html").read_text(encoding="utf-8")
    (small_run / "report.html").unlink()
    assert main(["report", str(small_run)]) == 0
    assert (small_run / "report.html").read_text(encoding="utf-8") == before
    assert capsys.readouterr().out.strip() == str(small_run / "report.html")


def test_no_page_of_nothing(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "there are none in" in capsys.readouterr().err
    (tmp_path / "quality.json").write_text('{"suite": 1}')
    assert main(["report", str(tmp_path)]) == 1
    assert "no result file" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_without_its_libraries_a_run_says_what_to_install(module, small_run, monkeypatch, capsys):
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["report", str(small_run)]) == 1
    assert "pip install 'nlmeans[bench]'" in capsys.readouterr().err


def test_the_front_is_what_no_other_beats():
    names = {"a": (1, 20), "b": (2, 25), "slow": (3, 24), "c": (4, 30), "worst": (5, 10), "twin": (4, 29)}
    points = [Point(name, seconds, psnr, own=True) for name, (seconds, psnr) in names.items()]
    assert [point.name for point in front(points)] == ["a", "b", "c"]
    chart = pareto("Grey", points)
    assert all(f"{name}: " in chart for name in names)
    assert "currentColor" in chart
    assert "<?xml" not in chart


def test_a_chart_of_curves_tells_exponents_and_levels():
    points = [(x, 3 * x**1.5) for x in (1, 10, 100)]
    chart = curves("Growth", {"this": points}, "pixels", "seconds", fitted=True)
    assert "pixels^1.50" in chart
    assert "blur" in curves("Level", {"this": points}, "radius", "dB", levels={"blur": 20.0})


# --- exponents --------------------------------------------------------------------------------------------------------


def test_exponents_of_known_curves():
    x = np.array([1.0, 10, 100])
    assert exponent(x, 5 * x**2) == pytest.approx((2, 5))
    assert exponent(x, 7 * x**0) == pytest.approx((0, 7))
    bent = [1.0, 1.0, 10.0]
    cases = [
        {
            "parameters": {"sweep": "pixels", "at": at},
            "methods": [{"name": "m", "measures": {"seconds": {"median": median}}}],
        }
        for at, median in zip(x, bent, strict=True)
    ]
    (found,) = fits(cases)
    assert found["exponent"] == pytest.approx(0.5)
    assert found["last_exponent"] == pytest.approx(1)
    assert fits(cases[:1]) == []


def test_a_run_of_scaling_has_its_exponents(small_run):
    found = schema.read(small_run / "scaling.json")
    measures = {fit["measure"]: fit for fit in found["fits"]}
    assert set(measures) == {"seconds", "extra_memory"}
    assert measures["seconds"]["points"] == 2


def test_the_sweeps_of_scaling():
    assert {case.sweep for case in scaling.CASES} == {
        "pixels", "candidates in the window", "pixels in the patch", "threads", "channels", "dimensions"
    }  # fmt: skip
    eight = next(case for case in scaling.CASES if case.name == "channels-8")
    assert eight.subject().noisy.shape == (512, 512, 8)
    assert eight.copy_bytes() == 512 * 512 * 8 * 4
    assert len(scaling.QUICK) == 7


# --- comparing --------------------------------------------------------------------------------------------------------


def written(result, path):
    schema.write(result, path)
    return str(path)


def changed(result, method, measure, factor):
    other = copy.deepcopy(result)
    for case in other["cases"]:
        for record in case["methods"]:
            if record["name"] == method:
                summary = record["measures"][measure]
                summary["values"] = [value * factor for value in summary["values"]]
                summary["median"] *= factor
                summary["quartiles"] = [value * factor for value in summary["quartiles"]]
    return other


def test_nothing_moved(result, tmp_path, capsys):
    path = written(result, tmp_path / "a.json")
    assert main(["compare", path, path]) == 0
    assert "nothing moved beyond noise" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("measure", "factor", "code", "worse"),
    [
        ("seconds", 9, 1, 1),
        ("seconds", 0.1, 1, 0),
        ("seconds", 1.03, 0, 0),
        ("psnr", 0.99, 1, 1),
        ("psnr", 1.01, 1, 0),
    ],
)
def test_what_moved_is_told_and_shows_in_the_exit_code(measure, factor, code, worse, result, tmp_path, capsys):
    before = written(result, tmp_path / "a.json")
    after = written(changed(result, "skimage-tv", measure, factor), tmp_path / "b.json")
    assert main(["compare", before, after]) == code
    told = capsys.readouterr().out
    assert main(["compare", before, after, "--worse"]) == worse
    assert told.count("skimage-tv: " + measure) == 2 * code
    assert ("WORSE" in told) == bool(worse)


@pytest.mark.parametrize(
    ("before", "after", "pictures", "moved"),
    [
        ([0.9, 1.0, 1.3], [1.0, 1.1, 1.4], 1, False),  # the middle halves overlap
        ([0.9, 1.0, 1.1], [1.3, 1.4, 1.5], 1, True),
        ([1.0], [3.0], 1, False),  # from one value nothing can be told
        ([1.0, 5.0, 20.0], [1.3, 6.5, 26.0], 3, True),  # each picture takes longer
        ([1.0, 5.0, 20.0], [1.3, 5.0, 15.0], 3, False),
        ([1.0, 5.0, 20.0], [0.7, 3.5, 14.0], 3, True),
    ],
)
def test_what_is_noise(before, after, pictures, moved, result):
    files = []
    for values in (before, after):
        found = copy.deepcopy(result)
        found["cases"] = found["cases"][:1]
        found["cases"][0]["pictures"] = [f"{k}.png" for k in range(pictures)]
        found["cases"][0]["methods"][1]["measures"] = {"seconds": summary(values, "s")}
        files.append(found)
    assert bool(list(compare.changes(*files, 0.05))) == moved


def test_a_method_that_fails_now_got_worse(result, tmp_path, capsys):
    after = copy.deepcopy(result)
    gone = after["cases"][0]["methods"][1]
    gone.pop("first_call_s")
    gone |= {"status": "failed", "reason": "broken", "measures": {}, "checks": []}
    paths = [written(found, tmp_path / name) for found, name in ((result, "a.json"), (after, "b.json"))]
    assert main(["compare", *paths, "--worse"]) == 1
    assert "measured before, failed now: broken" in capsys.readouterr().out
    assert main(["compare", *paths[::-1], "--worse"]) == 0


def test_other_parameters_are_not_compared(result, tmp_path, capsys):
    after = changed(result, "skimage-tv", "psnr", 0.5)
    after["cases"][0]["parameters"]["side"] = 512
    paths = [written(found, tmp_path / name) for found, name in ((result, "a.json"), (after, "b.json"))]
    assert main(["compare", *paths]) == 1
    told = capsys.readouterr().out
    assert "not compared, of other parameters or pictures: camera-25, 1 threads" in told
    assert told.count("skimage-tv: psnr") == 1


def test_two_machines_are_not_compared_by_seconds(result, tmp_path, capsys):
    other = changed(changed(result, "skimage-tv", "seconds", 3), "nlmeans-fast", "psnr", 0.9)
    other["machine"]["cpu"] = "another"
    assert main(["compare", written(result, tmp_path / "a.json"), written(other, tmp_path / "b.json")]) == 1
    told = capsys.readouterr().out
    assert "seconds are not compared" in told
    assert "skimage-tv" not in told
    assert "nlmeans-fast: psnr" in told


def test_what_cannot_be_compared(result, small_run, tmp_path, capsys):
    path = written(result, tmp_path / "a.json")
    (tmp_path / "x.json").write_text("[]")
    assert main(["compare", path, str(tmp_path / "x.json")]) == 2
    assert main(["compare", path, str(tmp_path / "absent.json")]) == 2
    assert main(["compare", path, str(small_run / "scaling.json")]) == 2
    assert "files of one suite can be compared" in capsys.readouterr().err
    other = copy.deepcopy(result)
    for case in other["cases"]:
        case["name"] += "-other"
    assert main(["compare", path, written(other, tmp_path / "b.json")]) == 2
    shown = capsys.readouterr()
    assert "only in" in shown.out
    assert "the files have no case in common" in shown.err


# --- the README -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [str(path.relative_to(ROOT)) for path in tables.pages(ROOT)])
def test_tables_are_those_of_the_committed_results(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert tables.filled(text) == text


def test_every_table_stands_in_a_page():
    shown = {mark[2] for page in tables.pages(ROOT) for mark in tables.MARK.finditer(page.read_text(encoding="utf-8"))}
    assert set(tables.tables()) - shown <= {"real-jpeg"}  # which is not among the committed results


def test_a_table_that_was_changed_by_hand_is_noticed(tmp_path, capsys):
    text = "<!-- table: speed -->\n| invented |\n<!-- end -->\n"
    assert "| invented |" not in tables.filled(text)
    with pytest.raises(ValueError, match="no table 'none'"):
        tables.filled(text.replace("speed", "none"))
    (tmp_path / "README.md").write_text(text)
    assert tables.main(["--check"], root=tmp_path) == 1
    assert "README.md is not what the results say" in capsys.readouterr().out
    assert (tmp_path / "README.md").read_text() == text
