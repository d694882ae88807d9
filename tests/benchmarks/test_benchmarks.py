"""The benchmarks: wrong answers get no time, absent peers are seen, statistics are right, the command line works."""

import copy
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.harness import environment, schema
from benchmarks.harness.cases import SPEED, PictureCase, phantom
from benchmarks.harness.checks import Finding, definition, psnr
from benchmarks.harness.child import held_memory, peak_memory
from benchmarks.harness.runner import run_case
from benchmarks.harness.suite import SUITES
from benchmarks.harness.timing import interleave, ratios, summary, timed
from benchmarks.peers.equal import METHODS, Call, Denoiser
from benchmarks.present import show as terminal
from nlmeans.pairwise.naive import pairwise_average
from nlmeans.pairwise.spec import PairwiseSpec

ROOT = Path(__file__).resolve().parents[2]
TINY = PictureCase("tiny", "call", ("nlmeans-float32",), shape=(48, 40), patch_radius=1, search_radius=3, gain_db=1.0)
EVERY_PAIR = replace(TINY, shape=(24, 20), search_radius="image")
VOLUME = replace(TINY, source="phantom", shape=(14, 16, 18), search_radius=2)
OURS = METHODS["nlmeans-float32"]
CASES = {case.name: case for case in SPEED}


@dataclass(frozen=True)
class Fake(Denoiser):
    """A peer whose answers a test chooses: the array to return for the image, at the n-th call."""

    answers: tuple = ()

    def call(self, case, image, sigma, threads):
        calls = iter(range(99))
        return Call(lambda noisy: self.answers[min(next(calls), len(self.answers) - 1)](noisy), "fake", image, {})


def fake(*answers, module="numpy"):
    return Fake("fake", "fake-package", module, "float32", answers=answers)


def smooth(noisy):
    return (noisy + np.roll(noisy, 1, 0) + np.roll(noisy, 1, 1) + np.roll(noisy, (1, 1), (0, 1))) / 4


def spoilt(noisy):
    answer = smooth(noisy)
    answer[3, 4] = np.nan
    return answer


def broken(noisy):
    raise MemoryError("no room")


@pytest.fixture(scope="module")
def result():
    """Return a real, tiny result: ours, a peer that works, one that is wrong, one that is not installed."""
    methods = [OURS, fake(smooth), replace(fake(spoilt), name="wrong"), replace(fake(module="absent_x"), name="absent")]
    return {
        "schema": schema.VERSION,
        "suite": "speed",
        "version": environment.own_version(),
        "complete": True,
        "quick": True,
        "date": "2025-01-01T00:00:00+00:00",
        "threads": [1],
        **environment.describe(),
        "cases": list(run_case(TINY, methods, [1], 3)),
    }


def record_of(method, case=TINY):
    (record,) = next(run_case(case, [method], [1], 2))["methods"]
    return record


# --- answers before times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((spoilt,), "values that are not finite is 1"),
        ((lambda noisy: noisy,), "PSNR gained"),
        ((lambda noisy: smooth(noisy)[1:],), "shape and type"),
        ((lambda noisy: smooth(noisy).astype(np.float64),), "shape and type"),
        ((lambda noisy: None,), "shape and type"),
        ((broken,), "MemoryError: no room"),
        ((smooth, smooth, spoilt), "differs from the one that was checked"),
        ((smooth, broken), "MemoryError: no room"),
    ],
)
def test_a_wrong_answer_is_a_failure_and_never_a_time(answers, reason):
    record = record_of(fake(*answers))
    assert record["status"] == "failed"
    assert reason in record["reason"]
    assert not record["measures"]
    assert not record["ratios"]
    assert "first_call_s" not in record


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("nlmeans-float32", TINY),
        ("nlmeans-float32", EVERY_PAIR),
        ("nlmeans-float32", VOLUME),
        ("nlmeans-patchwise", TINY),
    ],
)
def test_ours_is_held_against_the_definition(name, case, monkeypatch):
    ours = METHODS[name]
    assert record_of(ours, case)["status"] == "measured"
    call = type(ours).call
    monkeypatch.setattr(
        type(ours), "call", lambda self, case, *rest: call(self, replace(case, strength=1.05 * case.strength), *rest)
    )
    record = record_of(ours, case)
    assert record["status"] == "failed"
    assert "difference from the definition in the middle" in record["reason"]
    assert "difference from the definition in a corner" in record["reason"]


@pytest.mark.parametrize("centre", ["max", "one", "zero"])
@pytest.mark.parametrize("search", [(1, 2, 1), (4, 6, 5)])
def test_the_definition_of_a_part_is_that_of_the_whole(centre, search):
    planes = np.random.default_rng(0).normal(size=(2, 4, 6, 5))
    part = (slice(1, 3), slice(0, 4), slice(3, 5))
    for decay in (0.02, 50.0):  # with the steep one, pixels keep their value for want of others
        spec = PairwiseSpec((1, 0, 1), search, scale=decay, bias=0.5, centre=centre)
        expected = pairwise_average(planes, planes, planes, spec)[:, *part]
        assert definition(planes, spec, part) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        *((name, source) for name in METHODS if "dipy" not in name for source in ("camera", "astronaut")),
        *((name, "phantom") for name in METHODS if name != "opencv"),
    ],
)
def test_every_method_gives_a_right_answer(name, source):
    method = METHODS[name]
    if reason := method.missing():
        pytest.skip(reason)
    case = replace(TINY, source=source, shape=(64, 64), patch_radius=2, search_radius=4)
    record = record_of(method, VOLUME if source == "phantom" else case)
    assert record["status"] == "measured", record["reason"]
    assert method.dtype == record["dtype"]


def test_every_pixel_meets_all_others_where_the_window_is_the_image():
    assert "search_radius='image'" in record_of(OURS, EVERY_PAIR)["call"]
    assert EVERY_PAIR.window_size == 2 * 23 + 1
    assert CASES["whole-image-224"].window_size == 447
    opencv = METHODS["opencv"]
    if reason := opencv.missing():
        pytest.skip(reason)
    record = record_of(opencv, EVERY_PAIR)
    assert record["status"] == "measured", record["reason"]
    assert "searchWindowSize=47" in record["call"]


def test_dipy_is_a_visible_skip_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "dipy.denoise.nlmeans", None)
    record = record_of(METHODS["dipy-classic"], VOLUME)
    assert record["status"] == "skipped"
    assert record["install"] == "pip install dipy"


def test_an_older_dipy_has_the_classic_variant_alone(monkeypatch):
    def nlmeans(arr, sigma, *, patch_radius, block_radius, rician, num_threads):
        assert (sigma, patch_radius, block_radius, rician, num_threads) == (25.0, 1, 2, False, 1)
        return smooth(arr)

    older = ModuleType("dipy.denoise.nlmeans")
    older.nlmeans, older.__version__ = nlmeans, "1.9.0"
    monkeypatch.setitem(sys.modules, older.__name__, older)
    classic, blockwise = (record_of(METHODS[f"dipy-{variant}"], VOLUME) for variant in ("classic", "blockwise"))
    assert classic["status"] == "measured", classic["reason"]
    assert "method" not in classic["call"]
    assert blockwise["status"] == "skipped"
    assert "1.9.0 has no method='blockwise'" in blockwise["reason"]


@pytest.mark.parametrize(("change", "status"), [(0.05, "measured"), (50.0, "failed"), (np.nan, "failed")])
def test_answers_of_dipys_blocks_need_only_be_nearly_the_same(change, status, monkeypatch):
    calls = []

    def nlmeans(arr, *, method, **_):
        calls.append(method)
        answer = smooth(arr)
        if calls.count(method) > 1:
            answer[3, 4, 5] += change
        return answer

    raced = ModuleType("dipy.denoise.nlmeans")
    raced.nlmeans, raced.__version__ = nlmeans, "1.12.1"
    monkeypatch.setitem(sys.modules, raced.__name__, raced)
    assert record_of(METHODS["dipy-blockwise"], VOLUME)["status"] == status
    assert record_of(METHODS["dipy-classic"], VOLUME)["status"] == "failed"


def test_dipy_is_told_which_variant(monkeypatch):
    pytest.importorskip("dipy", reason="pip install dipy")
    monkeypatch.setattr("dipy.denoise.nlmeans.nlmeans", lambda arr, *, method="", **_: smooth(arr))
    for variant in ("classic", "blockwise"):
        assert f"method='{variant}'" in record_of(METHODS[f"dipy-{variant}"], VOLUME)["call"]


def test_a_failing_method_takes_no_time_from_the_others(result):
    records = {record["name"]: record for record in result["cases"][0]["methods"]}
    assert {name: record["status"] for name, record in records.items()} == {
        "nlmeans-float32": "measured",
        "fake": "measured",
        "wrong": "failed",
        "absent": "skipped",
    }
    ours, peer = records["nlmeans-float32"], records["fake"]
    assert list(ours["ratios"]) == ["fake"]
    assert peer["ratios"] == {}
    ours_s, peer_s = (record["measures"]["seconds"]["values"] for record in (ours, peer))
    assert ours["ratios"]["fake"]["values"] == [b / a for a, b in zip(ours_s, peer_s, strict=True)]
    assert len(ours_s) == 3


def test_a_missing_peer_is_a_visible_skip(result):
    record = result["cases"][0]["methods"][-1]
    assert "absent_x" in record["reason"]
    assert record["install"] == "pip install fake-package"
    assert not record["measures"]
    assert "SKIPPED" in terminal.markdown(result)
    assert "pip install fake-package" in terminal.markdown(result)


# --- statistics -------------------------------------------------------------------------------------------------------


def test_summary_of_known_numbers():
    assert summary([5, 1, 3, 2, 4], "s") == {
        "unit": "s", "values": [5, 1, 3, 2, 4], "median": 3, "quartiles": [2, 4]
    }  # fmt: skip
    assert summary([1, 2], "s")["quartiles"] == [1.25, 1.75]
    assert summary([7], "s") == {"unit": "s", "values": [7], "median": 7, "quartiles": [7, 7]}


def test_ratios_pair_the_times_of_a_round():
    found = ratios([1.0, 2.0, 4.0], [3.0, 4.0, 20.0])
    assert found["values"] == [3, 2, 5]
    assert found["median"] == 3
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_times_are_told_as_multiples_of_the_first_ones():
    case = replace(TINY, methods=("fake", "second"), multiples=True)
    methods = [fake(smooth), replace(fake(smooth), name="second")]
    (first, second) = next(run_case(case, methods, [1], 3))["methods"]
    assert "multiple" not in first["measures"]
    found = second["measures"]["multiple"]
    pairs = zip(*(record["measures"]["seconds"]["values"] for record in (first, second)), strict=True)
    assert found["values"] == [b / a for a, b in pairs]
    assert found["unit"] == "times the time of fake"
    assert "times the first's" in terminal.rows({"methods": [second]})[0][2]

    methods[0] = fake(spoilt)
    (_, alone) = next(run_case(case, methods, [1], 3))["methods"]
    assert "multiple" not in alone["measures"]


def test_rounds_interleave_and_the_order_rotates():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    timings = interleave(calls, 3, lambda name, answer: None)
    assert "".join(order) == "abcbcacab"
    assert all(len(timings.seconds(name)) == 3 for name in "abc")
    assert interleave({}, 3, lambda name, answer: None).readings == {}


def test_the_clock_measures_and_hands_back_the_answer():
    answer, reading = timed(lambda: time.sleep(0.02) or "done")
    assert answer == "done"
    assert reading.seconds >= 0.02
    assert reading.cpu_seconds < reading.seconds


def test_psnr_and_findings_of_known_numbers():
    image = np.zeros((4, 4), np.float32)
    assert psnr(image + 25.5, image, 255) == pytest.approx(20)
    assert psnr(image, image, 255) == np.inf
    assert np.isnan(psnr(image + np.nan, image, 255))
    assert Finding("x", 2.0, ">=", 2).passed
    assert not Finding("x", 2.1, "<=", 2).passed
    assert not Finding("x", np.nan, "<=", 2).passed
    assert Finding("x", np.nan, "<=", 2).record()["value"] is None


def test_peak_memory_sees_what_was_freed():
    before = peak_memory()
    np.ones(1 << 24)
    assert peak_memory() >= max(before, 1 << 27)


def test_an_earlier_peak_is_forgotten():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system cannot forget a peak")
    np.ones(1 << 24)
    held = held_memory()
    assert peak_memory() - held < 1 << 26


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_are_the_same_each_time_and_fit_the_type():
    case = replace(TINY, shape=(600, 520))
    picture, again = case.subject(), case.subject()
    assert np.array_equal(picture.noisy, again.noisy)
    assert not np.array_equal(picture.noisy, replace(case, seed=1).subject().noisy)
    assert picture.clean.shape == (600, 520)
    assert abs(float((picture.noisy - picture.clean).std()) - case.sigma) < 0.1
    deep = picture.image("uint16")
    assert deep.noisy.dtype == np.uint16
    assert deep.sigma == pytest.approx(case.sigma * 257)
    assert abs(float((deep.noisy - deep.clean)[(deep.noisy > 0) & (deep.noisy < 65535)].std()) / deep.sigma - 1) < 0.1


def test_the_volume_is_the_same_each_time():
    volume = phantom()
    assert volume.dtype == np.float32
    assert volume.shape == (128, 128, 128)
    assert volume.min() == 64
    assert 240 < volume.max() <= 255
    assert np.array_equal(volume, phantom())
    part = VOLUME.subject()
    assert np.array_equal(part.clean, volume[57:71, 56:72, 55:73])
    assert part.clean.std() > 10
    assert VOLUME.title == "volume 18×16×14, patch 3×3×3, window 5×5×5"


# --- result files -----------------------------------------------------------------------------------------------------


def test_a_real_result_is_valid_and_survives_its_file(result, tmp_path):
    path = tmp_path / "deep" / "speed.json"
    schema.write(result, path)
    assert schema.read(path) == result
    assert [file.name for file in path.parent.iterdir()] == ["speed.json"]


def remove(*keys):
    def damage(result):
        place = result
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return damage


def put(value, *keys):
    def damage(result):
        place = result
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return damage


ONE = ("cases", 0, "methods", 0)


@pytest.mark.parametrize(
    "damage",
    [
        remove("machine"),
        remove("git", "commit"),
        remove("cases", 0, "parameters", "seed"),
        remove(*ONE, "measures", "seconds", "quartiles"),
        put(2, "schema"),
        put("yesterday", "date"),
        put(0, "cases", 0, "threads"),
        put(True, "surprise"),
        put("fast", *ONE, "measures", "seconds", "median"),
        put([], *ONE, "measures", "seconds", "values"),
        put([], *ONE, "checks"),
        put(False, *ONE, "checks", 0, "passed"),
        put("failed", *ONE, "status"),
        put("measured", "cases", 0, "methods", 2, "status"),
        put(1.0, "cases", 0, "methods", 2, "first_call_s"),
        put(None, "cases", 0, "methods", 3, "reason"),
    ],
)
def test_a_broken_result_is_not_written(result, damage, tmp_path):
    bad = copy.deepcopy(result)
    damage(bad)
    with pytest.raises(jsonschema.ValidationError):
        schema.write(bad, tmp_path / "bad.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    with pytest.raises(ValueError, match="no result file"):
        schema.read(tmp_path / "bad.json")


def test_nan_is_not_written(result, tmp_path):
    bad = copy.deepcopy(result)
    bad["cases"][0]["methods"][0]["measures"]["seconds"]["median"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        schema.write(bad, tmp_path / "bad.json")
    assert not list(tmp_path.iterdir())


def test_machine_names_make_folder_names():
    described = {"cpu": "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "cpus_available": 2}
    assert environment.slug(described) == "intel-xeon-gold-6248-2-cpus"


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_names_of_cases_are_unique_and_their_methods_exist(suite):
    assert len({case.name for case in suite.cases}) == len(suite.cases)
    assert {name for case in suite.cases for name in case.methods} <= set(suite.methods)
    assert {case.name for case in suite.small(None, None)} <= {case.name for case in suite.cases}


def test_every_method_takes_part_somewhere():
    used = {name for suite in SUITES for case in suite.cases for name in case.methods}
    assert used == {name for suite in SUITES for name in suite.methods}


def test_published_results_are_read_and_their_cases_stay_what_they_were():
    published = sorted(ROOT.glob("benchmarks/results/*/*/speed.json"))
    assert published
    for path in published:
        for case in schema.read(path)["cases"]:
            assert CASES[case["name"]].parameters() == case["parameters"]


def test_a_note_is_shown_with_its_case(result):
    noted = copy.deepcopy(result)
    noted["cases"][0]["note"] = "without the others"
    schema.validate(noted)
    assert f"| {TINY.title} (without the others) |" in terminal.markdown(noted)
    del noted["cases"][0]["note"]
    assert f"| {TINY.title} |" in terminal.markdown(noted)


def test_a_photograph_is_measured_blind_too():
    assert CASES["photograph-24mp"].shape == (4000, 6000)
    case = CASES["photograph-24mp"].quick()
    given, blind = (METHODS[name] for name in case.methods)
    judge = blind.judge(case, case.subject())
    call = blind.call(case, *judge.given, 1)
    assert "sigma=None" in str(call)
    assert all(finding.passed for finding in judge.examine(call()))
    assert not np.array_equal(call(), given.call(case, *judge.given, 1)())


# --- the command line -------------------------------------------------------------------------------------------------


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
    assert {record["status"] for record in records.values()} == {"measured"}
    assert records["scikit-image"]["threads"] == 1
    assert set(records["nlmeans-float32"]["ratios"]) == {"opencv", "scikit-image"}
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
    assert all("patch_radius=2, search_radius=5" in record["call"] for record in (first, *others))
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
    monkeypatch.setitem(METHODS, "nlmeans-float32", replace(fake(spoilt), name="nlmeans-float32"))
    assert main(["speed", "--quick", "--only", "grey-p7*", "--methods", "nlmeans-float32"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "no case is named 'nothing'"),
        (["--methods", "bm4d"], "no method is named 'bm4d'"),
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
