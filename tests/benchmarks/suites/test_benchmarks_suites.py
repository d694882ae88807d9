"""What holds for every suite, and what the suite `speed` measures."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers, suites
from benchmarks.harness import schema
from benchmarks.peers.equal import Equal
from benchmarks.suites import all_suites, speed

ROOT = Path(__file__).resolve().parents[3]
SUITES = all_suites()
CASES = {case.name: case for case in speed.CASES}
METHODS = peers.methods(Equal)


def test_suites_run_in_the_order_of_their_places():
    names = ["quality", "real", "speed", "denoiser", "scaling", "learned", "locality"]
    assert [suite.name for suite in SUITES] == names
    assert sorted(names) == sorted(path.stem for path in Path(suites.__path__[0]).glob("[!_]*.py"))


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


def test_a_photograph_is_measured_blind_too():
    assert CASES["photograph-24mp"].shape == (4000, 6000)
    assert CASES["whole-image-224"].window_size == 447
    case = CASES["photograph-24mp"].quick()
    given, blind = (METHODS[name] for name in case.methods)
    judge = blind.judge(case, case.subject())
    call = blind.call(case, *judge.given, 1)
    assert "sigma=None" in str(call)
    assert all(finding.passed for finding in judge.examine(call()))
    assert not np.array_equal(call(), given.call(case, *judge.given, 1)())


class Told:
    """Results that a test makes up, all of them on two threads."""

    def __init__(self, **cases):
        self.made = {(name.replace("_", "-"), 2): methods for name, methods in cases.items()}

    def cases(self, suite):
        return self.made


def measured(name, seconds, psnr=30.0, **ratios):
    measures = {"seconds": {"median": seconds}, "psnr": {"median": psnr}}
    against = {other: {"median": ratio} for other, ratio in ratios.items()}
    own = name.startswith(("nlmeans", "ridge"))
    return {name: {"name": name, "own": own, "measures": measures, "ratios": against}}


def test_the_table_of_equal_work_names_nlm_ispc_where_it_was_measured():
    ours = measured("nlmeans-float32", 0.02, opencv=6.0) | measured("nlmeans-uint8", 0.01, opencv=6.0)
    ours |= measured("opencv", 0.12)
    assert "nlm_ispc" not in speed.contests(Told(grey_p7_w21=ours))[0]
    clip = ours | measured("nlmeans-float32", 0.02, **{"nlm-ispc": 5.0}) | measured("nlm-ispc", 0.1)
    head, _, row, other = speed.contests(Told(clip_p7_w21=clip, grey_p7_w21=ours, types={}))
    assert head.index("nlm_ispc") < head.index("scikit-image")
    assert row.startswith("| 16 frames of grey 512²")
    assert "| 100 ms: **5.0×** | – | 10 ms | 120 ms: **6.0×** |" in row
    assert other.startswith("| grey 512²")


def test_all_that_are_given_sigma_stand_in_one_table_by_time():
    still = measured("ridge", 0.2, 29.97) | measured("bm3dcpu-step8", 0.03, 29.13)
    assert speed.by_time(Told(types=still)) == []
    rows = speed.by_time(Told(qualities=still, clip_qualities=measured("bm3dcpu-step8", 0.25)))[2:]
    assert rows == ["| bm3dcpu-step8 | 29.13 | 30 ms | 250 ms |", "| **ridge** | 29.97 | 200 ms | – |"]
