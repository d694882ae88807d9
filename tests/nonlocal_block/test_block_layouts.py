"""Others' state dicts: small implementations of the documented layouts, compared with ours there and back."""

import itertools

import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from nonlocal_block import NonLocalBlock1d, NonLocalBlock2d, NonLocalBlock3d, layouts  # noqa: E402

OURS = {1: NonLocalBlock1d, 2: NonLocalBlock2d, 3: NonLocalBlock3d}
SIDES = {1: (8,), 2: (4, 6), 3: (2, 4, 5)}
MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
FORMS = list(itertools.product((1, 2, 3), (False, True), (False, True)))  # dimension, pooled, normed
EVERY = pytest.mark.parametrize(("dimension", "pooled", "normed"), FORMS)


def random_state(layout, mode, dimension, pooled, normed, channels=6):
    """Return a state dict as the layout's documentation has it (REFERENCE.md, section 6)."""
    inner, ones = channels // 2, [1] * dimension
    wrap = ".0" if pooled else ""
    end = ".conv" if layout == "mmcv" else ""
    shapes = {"g" + wrap + end: (inner, channels)}
    if mode != "gaussian":
        shapes |= {"theta" + end: (inner, channels), "phi" + wrap + end: (inner, channels)}
    out, norm = ("conv_out.conv", "conv_out.bn") if layout == "mmcv" else ("W.0" if normed else "W", "W.1")
    state = {}
    for name, (rows, columns) in (shapes | {out: (channels, inner)}).items():
        state[name + ".weight"] = torch.randn(rows, columns, *ones) / columns**0.5
        if not (layout == "mmcv" and normed and name == out):
            state[name + ".bias"] = torch.randn(rows)
    if normed:
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.randn(channels).abs() + 0.1
        state[f"{norm}.num_batches_tracked"] = torch.tensor(3)
    if mode == "concatenation":
        name = "concat_project.conv.weight" if layout == "mmcv" else "concat_project.0.weight"
        state[name] = torch.randn(1, 2 * inner, 1, 1)
    return state


def output(state, x, layout, mode, pooled, normed, use_scale=False, training=False):
    """Compute a block from its state, as its documentation says: pair by pair, by matrices."""
    dimension = x.ndim - 2
    pool = [lambda t: F.max_pool1d(t, 2), lambda t: F.max_pool2d(t, 2), lambda t: F.max_pool3d(t, (1, 2, 2))]
    pool = pool[dimension - 1] if pooled else lambda t: t
    wrap, end = ".0" if pooled else "", ".conv" if layout == "mmcv" else ""

    def linear(name, t):  # a 1×1 convolution
        weight, bias = state[name + ".weight"].flatten(1), state.get(name + ".bias")
        y = torch.einsum("oc,bc...->bo...", weight, t)
        return y if bias is None else y + bias.reshape(-1, *[1] * dimension)

    g = pool(linear("g" + wrap + end, x)).flatten(2)
    if mode == "gaussian":
        theta, phi = x.flatten(2), pool(x).flatten(2)
    else:
        theta, phi = linear("theta" + end, x).flatten(2), pool(linear("phi" + wrap + end, x)).flatten(2)
    if mode == "concatenation":
        weight = state["concat_project" + (".conv" if layout == "mmcv" else ".0") + ".weight"].flatten()
        pairs = torch.cat(
            [
                theta[:, :, :, None].expand(-1, -1, -1, phi.shape[2]),
                phi[:, :, None, :].expand(-1, -1, theta.shape[2], -1),
            ],
            1,
        )
        relation = F.relu(torch.einsum("c,bcij->bij", weight, pairs)) / phi.shape[2]
    else:
        relation = theta.transpose(1, 2) @ phi
        if use_scale:
            relation = relation / theta.shape[1] ** 0.5
        relation = relation / phi.shape[2] if mode == "dot_product" else relation.softmax(2)
    y = (g @ relation.transpose(1, 2)).reshape(x.shape[0], -1, *x.shape[2:])
    if layout == "mmcv":
        y, norm = linear("conv_out.conv", y), "conv_out.bn"
    else:
        y, norm = linear("W.0" if normed else "W", y), "W.1"
    if normed:
        mean, var, weight, bias = (state[f"{norm}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        y = F.batch_norm(y, mean.clone(), var.clone(), weight, bias, training=training)
    return y + x, relation


def load(state, mode, dimension, pooled, normed, **options):
    """Return our block with a state, ready to evaluate."""
    norm = "batch" if normed else None
    block = OURS[dimension](6, mode=mode, sub_sample=pooled, norm=norm, **options)
    block.load_state_dict(state)
    return block.eval()


@pytest.mark.parametrize("layout", ["alexhex7", "mmcv"])
@pytest.mark.parametrize("mode", MODES)
@EVERY
def test_same_outputs_and_back(layout, mode, dimension, pooled, normed):
    torch.manual_seed(dimension)
    state = random_state(layout, mode, dimension, pooled, normed)
    before = {name: t.clone() for name, t in state.items()}
    block = load(layouts.convert(state, layout, mode=mode, use_scale=False), mode, dimension, pooled, normed)
    x = torch.randn(2, 6, *SIDES[dimension])
    ref, relation = output(state, x, layout, mode, pooled, normed)
    comp, nl_map = block(x, return_nl_map=True)
    torch.testing.assert_close(comp, ref, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(nl_map, relation, rtol=1e-5, atol=1e-5)
    if normed:  # statistics of the batch
        ref, _ = output(state, x, layout, mode, pooled, normed, training=True)
        torch.testing.assert_close(block.train()(x), ref, rtol=1e-4, atol=1e-4)
        block.load_state_dict(layouts.convert(state, layout, mode=mode, use_scale=False))
    back = layouts.convert(block.state_dict(), "ours", layout, mode=mode, use_scale=False)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], t) for name, t in before.items())
    assert all(torch.equal(state[name], t) for name, t in before.items())  # unchanged


@pytest.mark.parametrize("mode", MODES)
@EVERY
def test_between_the_others(mode, dimension, pooled, normed):
    state = random_state("alexhex7", mode, dimension, pooled, normed)
    theirs = layouts.convert(state, "alexhex7", "mmcv", mode=mode)
    x = torch.randn(2, 6, *SIDES[dimension])
    ref, _ = output(state, x, "alexhex7", mode, pooled, normed)
    comp, _ = output(theirs, x, "mmcv", mode, pooled, normed, use_scale=mode == "embedded_gaussian")
    torch.testing.assert_close(comp, ref, rtol=1e-5, atol=1e-5)
    again, _ = output(
        layouts.convert(theirs, "mmcv", "alexhex7", mode=mode), x, "alexhex7", mode, pooled, normed
    )  # fmt: skip
    torch.testing.assert_close(again, ref, rtol=1e-5, atol=1e-5)


def test_use_scale_on_every_side():
    x = torch.randn(2, 6, 4, 6)
    mode, form = "embedded_gaussian", (2, False, False)
    theirs = random_state("mmcv", mode, *form)
    ref, _ = output(theirs, x, "mmcv", mode, False, False, use_scale=True)
    # None: each as by default, so that θ takes up the factor. True: on both sides, so that nothing changes.
    plain = load(layouts.convert(theirs, "mmcv", mode=mode), mode, *form)
    scaled = layouts.convert(theirs, "mmcv", mode=mode, use_scale=True)
    assert torch.equal(scaled["theta.weight"], theirs["theta.conv.weight"])
    scaled = load(scaled, mode, *form, use_scale=True)
    torch.testing.assert_close(plain(x), ref, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scaled(x), ref, rtol=1e-5, atol=1e-5)
    for block, use_scale in ((plain, None), (scaled, True)):
        back = layouts.convert(block.state_dict(), "ours", "mmcv", mode=mode, use_scale=use_scale)
        comp, _ = output(back, x, "mmcv", mode, False, False, use_scale=True)
        torch.testing.assert_close(comp, ref, rtol=1e-5, atol=1e-5)
        other = layouts.convert(block.state_dict(), "ours", "alexhex7", mode=mode, use_scale=use_scale)
        comp, _ = output(other, x, "alexhex7", mode, False, False)
        torch.testing.assert_close(comp, ref, rtol=1e-5, atol=1e-5)


class Net(nn.Module):
    """A network with two blocks, one of them inside a container."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.first = NonLocalBlock2d(6, sub_sample=True)
        self.stage = nn.ModuleDict({"conv": nn.Conv2d(6, 6, 1), "second": NonLocalBlock2d(6, sub_sample=True)})

    def forward(self, x):
        return self.stage["second"](self.stage["conv"](self.first(self.conv(x))))


@pytest.mark.parametrize("layout", ["alexhex7", "mmcv"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("tracked", [True, False])
def test_networks_wrappers_and_old_files(layout, prefix, tracked):
    torch.manual_seed(0)
    net = Net().eval()
    for p in net.parameters():
        nn.init.normal_(p, std=0.4)
    theirs = layouts.convert(net.state_dict(), "ours", layout)
    assert "conv.0.weight" in theirs
    assert any(name.startswith("stage.second.phi.0") for name in theirs)
    state = {prefix + name: t for name, t in theirs.items() if tracked or "num_batches" not in name}
    other = Net().eval()
    other.load_state_dict(layouts.convert(state, layout))
    x = torch.randn(2, 1, 6, 6)
    torch.testing.assert_close(other(x), net(x), rtol=1e-5, atol=1e-5)
    names = set(net.state_dict()) - (set() if tracked else {"conv.1.num_batches_tracked"})
    assert layouts.convert(state, layout).keys() == names


def test_blocks_of_other_forms_in_one_network():
    plain, pooled = NonLocalBlock2d(4, norm=None), NonLocalBlock2d(4, sub_sample=True)
    state = {f"{name}.{k}": t for name, b in (("a", plain), ("b", pooled)) for k, t in b.state_dict().items()}
    theirs = layouts.convert(state, "ours", "alexhex7")
    assert {"a.W.weight", "a.phi.weight", "b.W.0.weight", "b.W.1.running_mean", "b.phi.0.bias"} <= theirs.keys()
    back = layouts.convert(theirs, "alexhex7")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], t) for name, t in state.items())
    assert layouts.convert(state, "ours", "ours").keys() == state.keys()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(source="detectron"), "source must be one of 'ours', 'alexhex7', 'mmcv'; got 'detectron'"),
        (dict(target="theirs"), "target must be one of 'ours', 'alexhex7', 'mmcv'; got 'theirs'"),
        (dict(mode="distance"), "mode must be one of 'gaussian', .* got 'distance'"),
        (dict(mode="gaussian"), "mode must be that of every block; got 'gaussian', which 'the block' is not of"),
        (dict(mode="concatenation"), "mode must be that of every block; got 'concatenation'"),
        (dict(source="mmcv"), "the state must hold a block of the layout 'mmcv'; got the names theta.weight"),
    ],
)
def test_errors_state_rule_and_value(arguments, words):
    state = random_state("alexhex7", "embedded_gaussian", 2, False, False)
    state = dict(sorted(state.items(), reverse=True))
    with pytest.raises(ValueError, match=words):
        layouts.convert(state, **{"source": "alexhex7", **arguments})
    with pytest.raises(TypeError, match="use_scale must be True or False; got 1"):
        layouts.convert(state, "alexhex7", use_scale=1)
    learned = NonLocalBlock2d(4, mode="distance").state_dict()
    with pytest.raises(ValueError, match="mode must be that of every block"):
        layouts.convert(learned, "ours", "mmcv")
