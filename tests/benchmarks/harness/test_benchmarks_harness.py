"""Wrong answers get no time, absent peers are seen, statistics are right, result files have their form."""

import copy
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest
from contests import EVERY_PAIR, TINY, VOLUME, broken, fake, record_of, smooth, spoilt

from benchmarks import peers
from benchmarks.harness import environment, schema
from benchmarks.harness.checks import Finding
from benchmarks.harness.child import held_memory, peak_memory
from benchmarks.harness.metrics import clipped_psnr, psnr, ssim
from benchmarks.harness.phantom import phantom
from benchmarks.harness.pictures import definition
from benchmarks.harness.runner import run_case
from benchmarks.harness.timing import interleave, ratios, summary, timed
from benchmarks.peers.equal import Equal
from benchmarks.present import show
from nlmeans.pairwise.naive import pairwise_average
from nlmeans.pairwise.spec import PairwiseSpec

METHODS = peers.methods(Equal)
OURS = METHODS["nlmeans-float32"]


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
        type(ours), "call", lambda self, case, *rest: call(self, replace(case, strength=1.5 * case.strength), *rest)
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
    if record["status"] == "skipped":
        pytest.skip(record["reason"])
    assert record["status"] == "measured", record["reason"]
    assert method.dtype == record["dtype"]


def test_every_pixel_meets_all_others_where_the_window_is_the_image():
    assert "search_radius='image'" in record_of(OURS, EVERY_PAIR)["call"]
    assert EVERY_PAIR.window_size == 2 * 23 + 1
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
    assert "SKIPPED" in show.markdown(result)
    assert "pip install fake-package" in show.markdown(result)


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
    assert "times the first's" in show.rows({"methods": [second]})[0][2]

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
    assert clipped_psnr(image - 25.5, image, 255) == np.inf
    assert ssim(np.zeros((2, 16, 16)), np.zeros((2, 16, 16))) == 1
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
    assert np.array_equal(volume, phantom.__wrapped__())
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


def test_a_note_is_shown_with_its_case(result):
    noted = copy.deepcopy(result)
    noted["cases"][0]["note"] = "without the others"
    schema.validate(noted)
    assert f"| {TINY.title} (without the others) |" in show.markdown(noted)
    del noted["cases"][0]["note"]
    assert f"| {TINY.title} |" in show.markdown(noted)
