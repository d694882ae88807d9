"""The digit classifier: its size, its maps, every backend, others' checkpoints, and its weights in a file."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from torch.nn import functional as F  # noqa: E402

from nonlocal_block import NonLocalClassifier, layouts, load_classifier  # noqa: E402
from nonlocal_block.classifier import BLOCKS, MODES, save_classifier  # noqa: E402

SIZES = {
    "none": 390_858, "conv": 401_530, "gaussian": 396_314, "embedded_gaussian": 401_530, "dot_product": 401_530,
    "concatenation": 401_626,
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


def images(count=3, seed=0):
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def lively(block="embedded_gaussian", **options):
    """Return a network whose every part counts, ready to evaluate."""
    torch.manual_seed(1)
    net = NonLocalClassifier(block, **options)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith(("norm.weight", "norm.bias", "running_mean")):
                tensor.normal_()
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
    return net.eval()


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_the_articles_network():
    net = NonLocalClassifier()
    assert net(torch.randn(3, 1, 28, 28)).shape == (3, 10)
    assert [sum(p.numel() for p in part.parameters()) for part in (net, net.nl_1, net.nl_2)] == [401_530, 2_192, 8_480]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_counts_and_learns(block):
    torch.manual_seed(0)  # with some weights no score of the concatenation is above 0
    net = NonLocalClassifier(block)
    assert sum(p.numel() for p in net.parameters()) == SIZES[block]
    x, labels = images(8), torch.arange(8)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        loss = F.cross_entropy(net(x), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    if block != "none":
        assert net.nl_1.g.weight.grad.any()


def test_all_blocks_start_as_the_same_network():
    outputs = []
    for block in BLOCKS:
        torch.manual_seed(3)
        outputs.append(NonLocalClassifier(block).eval()(images()))
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])


@pytest.mark.parametrize("mode", MODES)
def test_maps(mode):
    net, x = lively(mode), images()
    logits, maps = net.forward_with_nl_map(x)
    assert torch.equal(logits, net(x))
    assert [m.shape for m in maps] == [(3, 196, 49), (3, 49, 9)]
    if "gaussian" in mode:
        close(maps[1].sum(2), torch.ones(3, 49))
    features = net.conv_1(x)
    value = F.max_pool2d(net.nl_1.g(features), 2).flatten(2).transpose(1, 2)
    y = (maps[0] @ value).transpose(1, 2).reshape(3, 16, 14, 14)
    close(features + net.nl_1.norm(net.nl_1.out(y)), net.nl_1(features))


@pytest.mark.parametrize("block", ["none", "conv"])
def test_controls_have_no_maps_and_see_one_pixel(block):
    net = lively(block)
    with pytest.raises(ValueError, match=f"this network was made with block='{block}'"):
        net.forward_with_nl_map(images())
    x = torch.randn(1, 32, 4, 4)
    other = x.clone()
    other[..., 0, 0] += 1
    changed = (net.nl_1(x) != net.nl_1(other)).any(1)[0]
    assert changed[0, 0]
    assert changed.sum() == 1


@pytest.mark.parametrize("mode", MODES)
def test_same_logits_with_every_backend(mode):
    fast = "sdpa" if "gaussian" in mode else "linear"
    logits = [lively(mode, backend=backend)(images()) for backend in ("reference", "numba", fast)]
    assert logits[0].std() > 0.01
    for other in logits[1:]:
        close(other, logits[0])


def theirs(mode, tracked, prefix):
    """Return a random state of AlexHex7's network, named as REFERENCE.md says (section 6)."""
    generator = torch.Generator().manual_seed(5)

    def layer(name, *shape):
        fan = np.prod(shape[1:])
        return {
            f"{name}.weight": torch.randn(shape, generator=generator) / fan**0.5,
            f"{name}.bias": torch.randn(shape[0], generator=generator) / 3,
        }

    def norm(name, channels):
        parts = ("weight", "bias", "running_mean", "running_var")
        state = {f"{name}.{part}": torch.rand(channels, generator=generator) + 0.1 for part in parts}
        return state | ({f"{name}.num_batches_tracked": torch.tensor(7)} if tracked else {})

    state = {}
    for k, (before, after) in enumerate(((1, 32), (32, 64), (64, 128)), 1):
        state |= layer(f"conv_{k}.0", after, before, 3, 3) | norm(f"conv_{k}.1", after)
    for k, channels in ((1, 32), (2, 64)):
        name, inner = f"nl_{k}", channels // 2
        state |= layer(f"{name}.g.0", inner, channels, 1, 1)
        state |= layer(f"{name}.W.0", channels, inner, 1, 1) | norm(f"{name}.W.1", channels)
        if mode != "gaussian":
            state |= layer(f"{name}.theta", inner, channels, 1, 1) | layer(f"{name}.phi.0", inner, channels, 1, 1)
        if mode == "concatenation":
            state[f"{name}.concat_project.0.weight"] = torch.randn(1, channels, 1, 1, generator=generator) / 4
    state |= layer("fc.0", 256, 1152) | layer("fc.3", 10, 256)
    return {prefix + name: tensor for name, tensor in state.items()}


def classified(state, x, mode):
    """Compute what AlexHex7's network makes of images, from its state, in the order of its own layers."""

    def norm(name, t):
        return F.batch_norm(t, *(state[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")))

    def conv(name, t, padding=0):
        return F.conv2d(t, state[name + ".weight"], state[name + ".bias"], padding=padding)

    maps = []
    for k in (1, 2, 3):
        x = F.max_pool2d(F.relu(norm(f"conv_{k}.1", conv(f"conv_{k}.0", x, 1))), 2)
        if k == 3:
            break
        name = f"nl_{k}"
        g = F.max_pool2d(conv(f"{name}.g.0", x), 2).flatten(2)
        if mode == "gaussian":
            theta, phi = x.flatten(2), F.max_pool2d(x, 2).flatten(2)
        else:
            theta = conv(f"{name}.theta", x).flatten(2)
            phi = F.max_pool2d(conv(f"{name}.phi.0", x), 2).flatten(2)
        if mode == "concatenation":
            a, b = state[f"{name}.concat_project.0.weight"].flatten().chunk(2)
            f = F.relu((a @ theta)[:, :, None] + (b @ phi)[:, None]) / phi.shape[2]
        else:
            f = theta.transpose(1, 2) @ phi
            f = f / phi.shape[2] if mode == "dot_product" else f.softmax(2)
        maps.append(f)
        y = (f @ g.transpose(1, 2)).transpose(1, 2).reshape(len(x), -1, *x.shape[2:])
        x = x + norm(f"{name}.W.1", conv(f"{name}.W.0", y))
    hidden = F.relu(F.linear(x.flatten(1), state["fc.0.weight"], state["fc.0.bias"]))
    return F.linear(hidden, state["fc.3.weight"], state["fc.3.bias"]), maps


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tracked", [True, False])
def test_alexhex7_checkpoints_classify_as_there(mode, tracked):
    ref, maps = classified(theirs(mode, tracked, ""), images(16), mode)
    for prefix in ("", "module."):
        net = NonLocalClassifier(mode)
        net.load_state_dict(layouts.convert(theirs(mode, tracked, prefix), "alexhex7", mode=mode))
        comp, found = net.eval().forward_with_nl_map(images(16))
        torch.testing.assert_close(comp, ref, rtol=1e-5, atol=1e-5 * float(ref.abs().max()))
        for a, b in zip(found, maps, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(block="distance"), "block must be one of 'none', 'conv', 'gaussian', .* got 'distance'"),
        (dict(backend="cudnn"), "backend must be one of 'auto', .* got 'cudnn'"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        NonLocalClassifier(**arguments)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 3, 28, 28), (2, 1, 32, 32)])
def test_bad_images(shape):
    for method in ("forward", "forward_with_nl_map"):
        with pytest.raises(ValueError, match="x must have"):
            getattr(NonLocalClassifier(), method)(torch.zeros(shape))


@pytest.mark.parametrize("block", BLOCKS)
def test_weights_in_a_file(tmp_path, block):
    net, path = lively(block), tmp_path / "net.safetensors"
    for _ in range(2):  # the second replaces the first
        save_classifier(path, net, {"seed": 3, "figures": {"test_accuracy": 0.5}})
    other, notes = load_classifier(path)
    assert notes == {"seed": 3, "figures": {"test_accuracy": 0.5}}
    assert other.block == block
    assert torch.equal(other(images()), net(images()))
    assert path.stat().st_size < 2e6
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_spoilt_weights_are_named(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    with pytest.raises(FileNotFoundError, match=r"there is no file .*net.safetensors"):
        load_classifier(path)
    save_classifier(path, NonLocalClassifier("none"), {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"net.safetensors is not a whole safetensors file"):
        load_classifier(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"net.safetensors does not hold a NonLocalClassifier"):
        load_classifier(path)
    about = {"network": "NonLocalClassifier", "format": "1", "arguments": '{"block": "none"}', "notes": "{}"}
    for changes, words in (
        ({}, "does not fit NonLocalClassifier\\({.block.: .none., "),
        ({"arguments": '{"blocks": 1}'}, "does not fit NonLocalClassifier"),
        ({"arguments": "{"}, "does not say what it holds"),
        ({"format": "2"}, "must be of format 1 or older; got 2: a newer version"),
    ):
        save_file({"a": torch.zeros(1)}, path, about | changes)
        with pytest.raises(ValueError, match=f"net.safetensors {words}"):
            load_classifier(path)
