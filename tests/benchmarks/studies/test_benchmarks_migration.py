"""The study of calls before and after: answers come first, losses are kept, what is missing is said."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.harness.environment import available_cpus
from benchmarks.harness.pictures import Picture
from benchmarks.harness.published import Published
from benchmarks.peers.pairs import GREY, PAIRS, Pair
from benchmarks.present import tables
from benchmarks.studies import migration

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be chosen on this system")
TINY = replace(GREY, shape=(32, 40))


def pair(before, after, **options):
    """Return a pair of two functions of the picture."""

    def make(picture, threads, folder):
        return lambda: before(picture), lambda: after(picture)

    given = {"module": "numpy", "package": "numpy", "before": "before(…)", "after": "after(…)", **options}
    return Pair("a-pair", "A library", case=TINY, make=make, **given)


def better(picture):
    return picture.clean + 1


def noisy(picture):
    return picture.noisy


def test_the_study_runs_and_its_file_makes_the_table(tmp_path, capsys):
    names = "skimage-grey,skimage-volume,opencv-grey,opencv-multi"
    flags = ["--only", names, "--rounds", "2", "--side", "40", "--out", str(tmp_path / "0.1.0")]
    assert main(["migration", *flags]) == 0
    found = json.loads((tmp_path / "0.1.0/migration.json").read_text(encoding="utf-8"))
    assert {"machine", "packages", "git", "date", "ffmpeg"} <= set(found)
    counts = [1, 2][: available_cpus()]
    assert [(row["name"], row["threads"]) for row in found["rows"]] == [
        ("skimage-grey", 1), ("skimage-volume", 1), *(("opencv-grey", n) for n in counts),
        *(("opencv-multi", n) for n in counts),
    ]  # fmt: skip
    for row in found["rows"]:
        assert row["status"] == "measured"
        assert len(row["before"]["values"]) == len(row["after"]["values"]) == 2
        before, after = row["before"]["values"], row["after"]["values"]
        assert row["ratio"]["values"] == pytest.approx([b / a for b, a in zip(before, after, strict=True)])
        assert row["apart"] <= row["may_be_apart"]
    printed = capsys.readouterr().out.splitlines()
    page = tables.filled("<!-- table: migration -->\n<!-- end -->\n", Published(tmp_path)).splitlines()
    assert page[1:-1] == printed


@pytest.mark.parametrize("name", ["skimage-slow", "skimage-sigma", "opencv-colour", "ffmpeg-frames", "dipy-classic"])
def test_other_kinds_of_calls_run_on_small_pictures(name):
    (one,) = (each for each in PAIRS if each.name == name)
    if reason := one.missing():
        pytest.skip(reason)
    found = migration.row(one.small(24 if name == "dipy-classic" else 64), 1, 1)
    assert (found["status"], found.get("reason")) == ("measured", None)
    assert len(found["ratio"]["values"]) == 1
    assert ("psnr" in found) == (name != "skimage-sigma")


def test_answers_that_are_apart_or_worse_have_no_times():
    for one, words in (
        (pair(noisy, better, apart=3.0), "must differ by at most 3 grey levels; got "),
        (pair(better, noisy), "must be at most 0.25 dB below"),
        (pair(noisy, lambda picture: picture.noisy[1:]), "of one shape"),
        (pair(noisy, lambda picture: picture.noisy * np.nan), "must be finite"),
        (pair(lambda picture: 25.5, lambda picture: 20.0), "must be as near to σ = 25"),
        (pair(noisy, lambda picture: 1 / 0), "ZeroDivisionError"),
    ):
        found = migration.row(one, 1, 1)
        assert found["status"] == "failed"
        assert words in found["reason"]
        assert "ratio" not in found
        assert found["reason"] in migration.shown({"rows": [found]})[0]["dB"]


def test_a_failure_is_the_exit_code(capsys):
    assert migration.main(["--rounds", "1"], (pair(noisy, noisy), pair(better, noisy))) == 1
    assert "0.25 dB below" in capsys.readouterr().out


def test_what_is_not_installed_is_left_out_with_a_note():
    found = migration.row(pair(noisy, noisy, module="no_such_module", package="no-such-package"), 1, 1)
    assert found["status"] == "skipped"
    assert migration.shown({"rows": [found]})[0]["dB"] == (
        "skipped: no_such_module is not installed: pip install no-such-package"
    )


def test_losses_and_rounds_of_slow_calls_are_told(monkeypatch):
    monkeypatch.setattr(
        migration, "interleave", lambda calls, rounds, fault: Fixed({"before": [1.0] * rounds, "after": [4.0] * rounds})
    )
    found = migration.row(pair(noisy, noisy, slow=True), 1, 5)
    assert len(found["ratio"]["values"]) == migration.SLOW_ROUNDS
    (cells,) = migration.shown({"rows": [found]})
    assert (cells["it took"], cells["takes now"], cells["times as fast"]) == ("1 s", "4 s", "**0.25×**")


class Fixed:
    """Times that are known."""

    faults = ()

    def __init__(self, times):
        self.seconds = times.get


def test_both_calls_have_as_many_cpus_as_threads():
    allowed = os.sched_getaffinity(0)
    with migration.on_cpus(1):
        assert available_cpus() == 1
    assert os.sched_getaffinity(0) == allowed
    assert migration.counts(pair(noisy, noisy, single=True), (1, 2)) == [1]


def test_frames_have_one_scene_and_noise_of_their_own():
    one = pair(noisy, noisy, frames=3)
    picture = one.subject()
    assert isinstance(picture, Picture)
    assert picture.noisy.shape == (3, 32, 40)
    errors = picture.noisy - picture.clean
    assert np.abs(np.corrcoef(errors.reshape(3, -1)) - np.eye(3)).max() < 0.2
