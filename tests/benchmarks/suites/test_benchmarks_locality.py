"""How far layers see: what the suite ``locality`` counts."""

from dataclasses import replace

import jsonschema
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from benchmarks import peers  # noqa: E402
from benchmarks.harness import schema  # noqa: E402
from benchmarks.harness.reach import ReachCase, fewest, multiply_adds, support  # noqa: E402
from benchmarks.harness.runner import run_case  # noqa: E402
from benchmarks.peers import layers as ways  # noqa: E402
from benchmarks.peers.layers import Convolutions, Reaching  # noqa: E402
from benchmarks.suites.locality import REACH, WAYS  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
REACHING = peers.methods(Reaching)
TINY = ReachCase("tiny", "call", tuple(WAYS), each_thread_count=False, side=12, channels=4)


def reached(name, layers, side):
    return support(REACHING[name].network(1, layers, seed=0).double(), side)


def judged(name, case=TINY):
    return REACHING[name].judge(case, case.subject())


@pytest.mark.parametrize("side", [9, 10, 21])
@pytest.mark.parametrize("layers", [0, 1, 2, 4])
def test_layers_reach_a_square_that_grows_by_two(layers, side):
    assert reached("convolutions", layers, side) == min(2 * layers + 1, side) ** 2


@pytest.mark.parametrize(("side", "layers"), [(9, 4), (10, 5), (12, 6), (28, 14)])
def test_half_the_side_in_layers_is_just_enough(side, layers):
    judge = judged("convolutions", replace(TINY, side=side))
    assert (judge.layers, judge.reached) == (layers, side**2)
    assert judge.before == (2 * layers - 1) ** 2


@pytest.mark.parametrize(("layers", "seen"), [(1, 4), (2, 10), (3, 22), (4, 46)])
def test_pooling_doubles_what_is_seen(layers, seen):
    assert reached("convolutions-pooled", layers, 64) == seen**2


def test_float64_holds_the_gradient_that_112_layers_leave():
    network = Convolutions("", "", "", "").network(1, 112, seed=0)
    assert support(network.double(), 224) == 224**2
    assert support(network[:-2], 224) == 223**2


def test_one_channel_tells_for_all():
    network = REACHING["convolutions"].network(3, 3, seed=0).double()
    x = torch.rand((1, 3, 11, 11), dtype=torch.float64, requires_grad=True)
    network(x)[0, :, 5, 5].sum().backward()
    assert int((x.grad[0] != 0).any(0).sum()) == reached("convolutions", 3, 11)


@pytest.mark.parametrize("most", [1, 7, 8, 30])
def test_the_fewest_are_found(most):
    for enough in range(1, most + 1):
        assert fewest(lambda count, enough=enough: count >= enough, most) == enough
    with pytest.raises(ValueError, match=f"one of up to {most} layers must be enough; got none that is"):
        fewest(lambda count: False, most)


def test_multiply_adds_are_those_of_the_products():
    x, n = torch.rand(1, 4, 5, 6), 5 * 6
    plain, pooled, block = (REACHING[name].network(4, 1, seed=0) for name in WAYS)
    assert multiply_adds(plain, x)[0] == multiply_adds(pooled, x)[0] == 4 * 4 * 9 * n
    assert multiply_adds(block, x)[0] == 4 * (4 * 2) * n + 2 * n * n * 2
    assert not any(module._forward_hooks for module in block.modules())


def test_one_block_does_what_takes_many_layers():
    (record,) = run_case(TINY, list(REACHING.values()), [1], 2)
    found = {method["name"]: method for method in record["methods"]}
    assert {name: (method["status"], method["reason"]) for name, method in found.items()} == dict.fromkeys(
        WAYS, ("measured", None)
    )
    names = ("layers", "parameters", "macs", "reached")
    layers, parameters, macs, pixels = ({way: found[way]["measures"][name]["median"] for way in WAYS} for name in names)
    assert layers == {"convolutions": 6, "convolutions-pooled": 3, "block": 1}
    assert set(pixels.values()) == {144}
    assert parameters["block"] < parameters["convolutions-pooled"] < parameters["convolutions"] == 6 * (4 * 4 * 9 + 4)
    assert macs["convolutions-pooled"] < macs["convolutions"] == 6 * 4 * 4 * 9 * 144
    assert found["convolutions"]["call"] == "6 × [Conv2d(4, 4, 3, padding=1), ReLU()](x)"
    assert found["block"]["call"] == "NonLocalBlock2d(4)(x)"
    assert set(found["block"]["ratios"]) == {*WAYS} - {"block"}
    jsonschema.validate(record, schema.CASE)


@pytest.mark.parametrize(("change", "what"), [(-1, "pixels that the central output"), (1, "with one layer fewer is")])
def test_a_layer_too_few_or_too_many_is_a_wrong_answer(change, what, monkeypatch):
    monkeypatch.setattr(ways, "fewest", lambda *given: fewest(*given) + change)
    (record,) = run_case(TINY, [REACHING["convolutions"]], [1], 1)
    (method,) = record["methods"]
    assert method["status"] == "failed"
    assert method["reason"].startswith("wrong answer: ")
    assert what in method["reason"]
    assert not method["measures"]


def test_a_block_that_is_the_identity_reaches_nothing(monkeypatch):
    reset = torch.nn.BatchNorm2d.reset_parameters
    monkeypatch.setattr(torch.nn.BatchNorm2d, "reset_parameters", lambda norm: (reset(norm), norm.weight.data.zero_()))
    with pytest.raises(ValueError, match="one of up to 1 layers must be enough; got none that is"):
        judged("block")


def test_another_network_than_the_one_that_was_counted_is_a_fault():
    judge = judged("convolutions")
    answer = REACHING["convolutions"].call(TINY, *judge.given, 1)()
    assert judge.fault(answer) is None
    longer = REACHING["convolutions"].call(TINY, judge.x, judge.layers + 1, 1)()
    assert "largest difference from the network" in judge.fault(longer)
    assert "of the right shape" in judge.fault(answer[..., :5])


def test_quick_cases_are_small():
    assert [(case.quick().side, case.quick().channels) for case in REACH] == [(14, 8), (28, 8), (32, 8)]
    assert REACH[-1].title == "the central output depends on all of 224×224 pixels, 64 channels"
    assert REACH[-1].parameters()["side"] == 224
