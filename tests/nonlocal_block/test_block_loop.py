"""The layer around any method: the answer of denoise(), gradients where there are any, one error where not."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

import nlmeans  # noqa: E402
from nonlocal_block import Denoiser  # noqa: E402
from nonlocal_block.mixer import Mixer  # noqa: E402


def noisy(*shape, seed=0, dtype=torch.float32):
    """Return a batch with some structure and noise of standard deviation 10."""
    rng = np.random.default_rng(seed)
    ramp = 50 * np.sin(np.arange(shape[-1]) / 4) + 80 * (np.arange(shape[-2])[:, None] > shape[-2] // 2)
    return torch.from_numpy(ramp + rng.normal(0, 10, shape)).to(dtype)


@pytest.mark.parametrize(
    ("method", "quality"), [("nlm", "fast"), ("ridge", "fast"), ("learned", "fast"), ("learned", "balanced")]
)
def test_the_answer_is_that_of_denoise(method, quality):
    x, layer = noisy(2, 1, 40, 44), Denoiser(method, quality)
    comp = layer(x, torch.tensor([10.0, 14.0]))
    for k, sigma in enumerate((10.0, 14.0)):
        ref = nlmeans.denoise(x[k].numpy(), sigma, method=method, quality=quality, axes="CYX")
        np.testing.assert_array_equal(comp[k].numpy(), ref)
    assert torch.equal(layer.prox(x, 100.0), layer(x, 10.0))
    assert layer(x.double(), 10).dtype == torch.float64
    assert layer(x.bfloat16(), 10).dtype == torch.bfloat16
    assert layer(x[:0], 10).shape == (0, 1, 40, 44)


@pytest.mark.parametrize(("channels", "quality"), [(1, None), (3, None), (1, "fast"), (3, "fast")])
def test_with_gradients_the_network_gives_the_same(monkeypatch, channels, quality):
    """But for what ridge adds, which has no gradient."""
    x = noisy(2, channels, 40, 44)
    monkeypatch.setattr(Mixer, "forward", lambda mixer, x, sigma, one, other: one)
    for sigma in (10.0, 0.05):
        ref = Denoiser("learned", quality)(x, sigma)
        comp = Denoiser("learned", quality, differentiable=True)(x, sigma)
        assert (ref - comp).abs().max() < 1e-3 * 10


def test_with_gradients_the_average_is_near():
    x = noisy(1, 2, 60, 63)
    given = dict(strength=0.8, patch_radius=1, search_radius=5)
    ref, comp = (Denoiser("nlm", "fast", differentiable=d, **given)(x, 10.0) for d in (False, True))
    assert (ref - comp).abs().median() < 0.1


def test_gradients_are_those_of_differences():
    x = noisy(1, 1, 6, 7, dtype=torch.float64).requires_grad_()
    layer = Denoiser("nlm", "fast", differentiable=True, strength=0.7, patch_radius=1, search_radius=2)
    sigma = torch.tensor([9.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x, sigma), fast_mode=True)


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_gradients_through_the_network_are_those_of_differences(quality):
    layer = Denoiser("learned", quality, differentiable=True)
    x = noisy(1, 1, 32, 32).requires_grad_()
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    layer(x, 10.0).sum().backward()
    with torch.no_grad():
        change = (layer(x + way, 10.0) - layer(x - way, 10.0)).sum() / 2
    assert (x.grad * way).sum() == pytest.approx(float(change), rel=0.1)
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_where_there_is_no_gradient_one_error_says_so():
    x = noisy(1, 1, 20, 20)
    for method, quality in (("ridge", "fast"), ("nlm", "balanced")):
        words = f"others have no gradient; got method '{method}', quality '{quality}'"
        with pytest.raises(ValueError, match=words):
            Denoiser(method, quality, differentiable=True)
        layer = Denoiser(method, quality)
        with pytest.raises(TypeError, match=f"x and sigma must require no gradient here; got method '{method}'"):
            layer(x.clone().requires_grad_(), 10.0)
        with torch.no_grad():
            layer(x.clone().requires_grad_(), 10.0)


@pytest.mark.parametrize(("options", "error", "words"), [
    (dict(wiener=True), TypeError, "differentiable=True has no option wiener for method 'nlm'"),
    (dict(strength="sure"), ValueError, "strength must be a number where differentiable=True; got 'sure'"),
    (dict(differentiable=1), TypeError, "differentiable must be True or False; got 1"),
    (dict(strength=-1), ValueError, "strength is h/σ and must be"),
])  # fmt: skip
def test_bad_arguments_state_rule_and_value(options, error, words):
    with pytest.raises(error, match=words):
        Denoiser("nlm", "fast", **{"differentiable": True, **options})


def test_bad_images_and_noise_state_rule_and_value():
    layer = Denoiser()
    with pytest.raises(ValueError, match=r"x must have the shape \(B, C, H, W\); got shape \(6, 7\)"):
        layer(torch.ones(6, 7), 1.0)
    with pytest.raises(ValueError, match="sigma must be at least 0 and finite, in the units of x; got -1"):
        layer(torch.ones(1, 1, 6, 7), -1)
    assert "'ridge', 'fast', differentiable=False" in repr(Denoiser("ridge", "fast"))
