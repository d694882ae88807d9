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
