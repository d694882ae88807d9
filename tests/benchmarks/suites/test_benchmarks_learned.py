"""The suite `learned`: wrong averages and gradients get no time, answers are expected from the reference."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.__main__ import main
from benchmarks.harness import schema
from benchmarks.harness.runner import run_case
from benchmarks.harness.tensors import TensorCase, views
from benchmarks.peers.blocks import REFERENCE, TensorMethod, oracle
from benchmarks.suites import learned

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


WINDOWED = TensorCase("windowed", "call", (), shape=(1, 3, 40, 36), search_radius=2)
FILTERED = replace(WINDOWED, row="nlm", shape=(1, 1, 44, 40), patch_radius=1, sigma=25.0, strength=0.6)
WHOLE = replace(WINDOWED, shape=(1, 3, 16, 16), search_radius="image")


@pytest.fixture
def torch():
    """Return torch, and give it its threads back."""
    torch = pytest.importorskip("torch", reason="pip install torch")
    threads = torch.get_num_threads()
    yield torch
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Attention(TensorMethod):
    """A method whose function a test chooses: the reference's, changed."""

    changed: object = None

    def function(self, case, threads):
        right = REFERENCE.function(case, threads)[0]
        return lambda *inputs: self.changed(right, *inputs), "changed"


def record_of(method, case):
    (record,) = next(run_case(case, [method], [1], 2))["methods"]
    return record


def changed(function):
    return Attention("changed", "torch", "torch", "float32", changed=function)


def slope(factor):
    def function(right, query, key, value):
        key = key.detach() + factor * (key - key.detach())
        return right(query, key, value)

    return function


@pytest.mark.parametrize("case", [WINDOWED, WHOLE])
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda right, *inputs: right(*inputs) * 1.001, "of the output from the reference in"),
        (slope(1.001), "of the gradient of key from the reference in"),
        (lambda right, *inputs: right(*inputs) * np.nan, "values that are not finite"),
        (lambda right, *inputs: right(*inputs).double(), "right shapes"),
        (lambda right, *inputs: right(inputs[0].detach(), *inputs[1:]), "RuntimeError"),
    ],
)
def test_a_wrong_average_or_gradient_is_a_failure(torch, case, function, reason):
    record = record_of(changed(function), case)
    assert record["status"] == "failed"
    assert reason in record["reason"]
    assert not record["measures"]


def test_an_average_that_is_wrong_when_timed_is_a_failure(torch):
    calls = iter(range(99))
    record = record_of(changed(lambda right, *inputs: right(*inputs) * (1 if next(calls) == 0 else 1.001)), WINDOWED)
    assert record["status"] == "failed"
    assert record["reason"].startswith("wrong answer when timed")


def test_an_answer_of_the_wrong_shape_is_a_failure(torch):
    case = replace(WINDOWED, backward=False)
    record = record_of(changed(lambda right, *inputs: right(*inputs)[..., 1:]), case)
    assert "right shapes" in record["reason"]
    assert record_of(changed(lambda right, *inputs: right(*inputs)), case)["status"] == "measured"
    assert record_of(changed(slope(1.0)), WINDOWED)["status"] == "measured"


@pytest.mark.parametrize("case", [WINDOWED, replace(WINDOWED, row="distance"), FILTERED])
def test_the_answer_is_expected_from_as_much_as_it_depends_on(torch, case):
    inputs, gradient = case.subject()
    whole = REFERENCE.call(case, tuple(x.astype(float) for x in inputs), gradient.astype(float), 1)()
    assert len(views(case)) == 2
    for view in views(case):
        assert view.around[0].stop - view.around[0].start < case.shape[2]
        for ref, comp in zip(whole, oracle(case.problem()).expected(view), strict=True):
            assert comp.shape[2:] == (16, 16)
            assert np.abs(ref[(..., *view.compared)] - comp).max() <= 1e-10 * np.abs(ref).max()


def test_the_reference_over_all_pixels_is_computed_once(torch, monkeypatch):
    case = replace(WHOLE, seed=7)
    known = oracle(case.problem())
    monkeypatch.setattr(known, "solve", lambda given: pytest.fail("computed"))
    answer = REFERENCE.call(case, *case.subject(), 1)()
    assert all(finding.passed for finding in REFERENCE.judge(case, case.subject()).examine(answer))
    judge = changed(None).judge(case, case.subject())
    assert all(finding.passed for finding in judge.examine(answer))
    assert not all(finding.passed for finding in judge.examine(tuple(x * 1.001 for x in answer)))


def test_rows_of_the_table_have_their_inputs():
    sizes = {case.row: [x.shape[1] for x in case.subject()[0]] for case in learned.CASES}
    assert sizes == {"exp": [32] * 3, "distance": [32] * 2, "linear": [32] * 3, "relu": [1, 1, 32], "nlm": [1]}
    assert all(len(case.subject()[0]) == len(case.inputs) for case in learned.CASES)


def test_what_cannot_be_compiled_is_a_visible_skip(torch, monkeypatch):
    def uncompiled(function, **_):
        def fail(*_, **__):
            raise RuntimeError("no C++ compiler")

        return fail

    monkeypatch.setattr(torch, "compile", uncompiled)
    flex = peers.methods(TensorMethod)["torch-flex"]
    record = record_of(flex, replace(WINDOWED, backward=False))
    assert record["status"] == "skipped"
    assert "no C++ compiler" in record["reason"]
    assert not record["measures"]


def test_every_learned_method_but_the_compiled_one_takes_part(torch, tmp_path, capsys):
    path = tmp_path / "learned.json"
    methods = ["--methods", "block-*,nlmeans,torch-unfold"]
    assert main(["learned", "--quick", *methods, "--out", str(tmp_path)]) == 0
    written = schema.read(path)
    assert written["suite"] == "learned"
    assert written["packages"]["torch"]
    found = {case["name"]: {record["name"]: record for record in case["methods"]} for case in written["cases"]}
    assert {record["status"] for case in found.values() for record in case.values()} == {"measured"}
    fresh = found["window-exp-fresh"]["block-numba"]
    assert set(fresh["measures"]) == {"seconds", "cores", "extra_memory", "extra_copies"}
    assert set(fresh["ratios"]) == {"torch-unfold", "torch-unfold (memory)"}
    assert set(found["whole-exp"]["block-numba"]["ratios"]) == {"block-sdpa"}
    assert set(found["nlm-forward"]["block-numba"]["ratios"]) == {"nlmeans"}
    assert "gradient of value" in str(found["window-exp"]["torch-unfold"]["checks"])
    assert "search_radius=3" in found["window-distance"]["block-numba"]["call"]
    assert "torch-unfold" in capsys.readouterr().out


def test_without_torch_every_learned_method_is_a_visible_skip():
    code = (
        "import sys; sys.modules['torch'] = None; from benchmarks.__main__ import main; "
        "sys.exit(main(['learned', '--quick', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = [record for case in json.loads(done.stdout)["cases"] for record in case["methods"]]
    assert {record["status"] for record in records} == {"skipped"}
    assert {record["install"] for record in records} == {"pip install torch", "pip install nlmeans[learned]"}
