"""One core: the layer and the block against the core's non-local means, and gradients."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

import nlmeans  # noqa: E402
from nlmeans.pairwise import PairwiseSpec, naive, pairwise_average  # noqa: E402
from nonlocal_block import NonLocalBlock2d, NonLocalMeans2d  # noqa: E402


def noisy(*shape, seed=0, dtype=torch.float32):
    """Return a batch with some structure and noise of standard deviation 10."""
    rng = np.random.default_rng(seed)
    ramp = 50 * np.sin(np.arange(shape[-1]) / 4) + 80 * (np.arange(shape[-2])[:, None] > shape[-2] // 2)
    return torch.from_numpy(ramp + rng.normal(0, 10, shape)).to(dtype)


@pytest.mark.parametrize("centre", ["max", "one", "zero"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_equals_the_core(centre, bias, channels, backend):
    x = noisy(2, channels, 20, 23)
    layer = NonLocalMeans2d((1, 2), 5, 0.7, centre, bias, backend=backend)
    comp = layer(x, torch.tensor([10.0, 14.0])).detach().numpy()
    for k, sigma in enumerate((10.0, 14.0)):
        planes, terms = x[k, :, None].numpy(), 15 * channels
        spec = PairwiseSpec(
            (0, 1, 2), (0, 5, 5), 1 / (terms * (0.7 * sigma) ** 2), 2 * bias * terms * sigma**2, centre
        )  # fmt: skip
        ref = pairwise_average(planes, planes, spec)[:, 0]
        assert np.abs(ref - comp[k]).max() < 1e-4 * np.ptp(ref)


def test_is_near_denoise():
    """Whose weights end softly, and which mixes a pixel that nothing is like with nothing."""
    x = noisy(1, 1, 60, 63)
    comp = NonLocalMeans2d(1, 5, 0.8)(x, 10.0).detach().numpy()[0]
    ref = nlmeans.denoise(
        x[0].numpy(), 10, channel_axis=0, strength=0.8, patch_radius=1, search_radius=5, quality="fast"
    )
    assert np.median(np.abs(ref - comp)) < 0.1


def test_noise_of_zero_leaves_the_image():
    x = noisy(2, 1, 12, 13)
    y = NonLocalMeans2d(1, 3, 0.5)(x, torch.tensor([0.0, 10.0]))
    assert torch.equal(y[0], x[0])
    assert not torch.equal(y[1], x[1])
    assert torch.equal(NonLocalMeans2d(1, 3, 0.5)(x, 0), x)


@pytest.mark.parametrize("centre", ["max", "one", "zero"])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_reach_image_noise_and_strength(centre, bias):
    x = noisy(2, 2, 5, 6, dtype=torch.float64).requires_grad_()
    layer = NonLocalMeans2d(1, 2, 0.7, centre, bias).double()
    sigma = torch.tensor([9.0, 12.0], dtype=torch.float64, requires_grad=True)

    def function(x, sigma, strength):
        return torch.func.functional_call(layer, {"strength": strength}, (x, sigma))

    strength = layer.strength.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(function, (x, sigma, strength), fast_mode=True)
    layer(x, 10.0).square().sum().backward()
    assert layer.strength.grad.isfinite()
    assert layer.strength.grad != 0


def test_learning_the_strength_denoises_better():
    clean = noisy(1, 1, 32, 32) * 0 + noisy(1, 1, 32, 32).mean(2, keepdim=True)
    x = clean + 10 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    layer = NonLocalMeans2d(1, 4, 0.2)
    optimizer = torch.optim.Adam(layer.parameters(), 0.05)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (layer(x, 10.0) - clean).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("patch", [0, 1])
@pytest.mark.parametrize("search", [4, "image"])
def test_the_block_with_raw_pixels_is_non_local_means(patch, search):
    """Mode distance, θ = φ = g = the pixel, scale 1/(h²·C·P), bias 0, centre one."""
    channels, h = 2, 14.0
    block = NonLocalBlock2d(channels, channels, mode="distance", patch_radius=patch, search_radius=search, norm=None)
    terms = channels * (2 * patch + 1) ** 2
    with torch.no_grad():
        for layer in (block.theta, block.phi, block.g, block.out):
            layer.weight.copy_(torch.eye(channels)[:, :, None, None])
            layer.bias.zero_()
        block.log_scale.fill_(-np.log(h**2 * terms))
    x = noisy(1, channels, 14, 15)
    comp = (block(x) - x).detach().numpy()[0]
    planes = x[0, :, None].numpy()
    radius = (0, 13, 14) if search == "image" else (0, search, search)
    spec = PairwiseSpec((0, patch, patch), radius, 1 / (h**2 * terms), 0.0, "one")
    ref = naive.pairwise_average(planes, planes, planes, spec)[:, 0]
    assert np.abs(ref - comp).max() < 1e-4 * np.ptp(ref)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(patch_radius=-1), ValueError, "patch_radius is a radius .* got -1"),
        (dict(search_radius=1.5), TypeError, "search_radius must be a whole number; got 1.5"),
        (dict(strength=0), ValueError, "strength must be above 0; got 0"),
        (dict(strength=float("nan")), ValueError, "strength must be finite; got nan"),
        (dict(centre="median"), ValueError, "centre must be 'max', 'one' or 'zero'; got 'median'"),
        (dict(bias=2.0), TypeError, "bias must be True or False; got 2.0"),
        (dict(backend="cuda"), ValueError, "backend must be one of .* got 'cuda'"),
    ],
)
def test_bad_parameters_state_rule_and_value(arguments, error, words):
    with pytest.raises(error, match=words):
        NonLocalMeans2d(**{"patch_radius": 1, "search_radius": 2, "strength": 0.5, **arguments})


def test_bad_images_and_noise_state_rule_and_value():
    layer = NonLocalMeans2d(1, 2, 0.5)
    x = noisy(2, 1, 6, 7)
    with pytest.raises(ValueError, match=r"x must have the shape \(B, C, H, W\); got shape \(6, 7\)"):
        layer(x[0, 0], 1.0)
    with pytest.raises(ValueError, match="sigma must be at least 0 and finite, in the units of x; got -1"):
        layer(x, -1)
    with pytest.raises(ValueError, match=r"sigma must be a number, or one for each of 2 images; got shape \(3,\)"):
        layer(x, torch.ones(3))
    with pytest.raises(TypeError, match="sigma must be a number; got 'low'"):
        layer(x, "low")
    assert "(1, 1), (2, 2), centre='max', bias=True" in repr(layer)
