"""Which trained networks a quality takes, and how colours go through several."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")

import networks  # noqa: E402

import nlmeans  # noqa: E402
from nonlocal_block._planes import averaged  # noqa: E402
from nonlocal_block.denoiser import NonLocalDenoiser  # noqa: E402
from nonlocal_block.method import Learned  # noqa: E402
from nonlocal_block.trained import CHOICES, ColourDenoiser, load_denoiser  # noqa: E402


@pytest.fixture
def colours():
    return 0.5 + 0.2 * torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mixed():
    """Return mixes through small networks."""
    return ColourDenoiser(networks.lively(1), networks.lively(1, guides=1))


def oracle(grey, guided, x, sigma):
    """Return what the grey network makes of the mean and the guided one of each difference, in double precision."""
    r, g, b = x.double().unbind(1)
    mean = grey(((r + g + b) / 3)[:, None].float(), sigma / 3**0.5)
    red = guided((0.5 + (r - b) / 2**0.5)[:, None].float(), sigma, mean)[:, 0].double() - 0.5
    green = guided((0.5 + (r - 2 * g + b) / 6**0.5)[:, None].float(), sigma, mean)[:, 0].double() - 0.5
    half, mean = red / 2**0.5, mean[:, 0].double()
    return torch.stack([mean + half + green / 6**0.5, mean - 2 * green / 6**0.5, mean - half + green / 6**0.5], 1)


def test_mixes_are_a_mean_and_two_differences_that_it_guides(colours, mixed):
    found = mixed(colours, torch.full((1, 1, 32, 40), 0.1))
    expected = oracle(mixed.network, mixed.differences, colours, 0.1)
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=0)
    assert mixed.margin == mixed.network.margin + mixed.differences.margin


def test_how_far_mixes_see(mixed):
    x = torch.rand(1, 3, 32, 2 * mixed.margin + 80, generator=torch.Generator().manual_seed(3))
    other, edge = x.clone(), 40
    other[..., :edge] = torch.rand(1, 3, 32, edge, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        change = (mixed(x, torch.tensor(0.1)) - mixed(other, torch.tensor(0.1))).abs().amax((0, 1, 2))
    assert change[:edge].max() > 0.1
    assert change[edge : edge + 24].max() > 0
    assert not change[edge + mixed.margin :].any()


def test_their_noise_is_independent_and_as_strong_as_the_networks_are_told(mixed):
    noise = torch.randn(3, 200_000, generator=torch.Generator().manual_seed(1))
    found = torch.cov(mixed.forth @ noise)
    torch.testing.assert_close(found, torch.diag(torch.tensor([1 / 3, 1, 1])), atol=0.01, rtol=0)


def test_qualities_of_colours(monkeypatch, colours):
    networks.install(monkeypatch)
    sigma = torch.full((1, 1, 32, 40), 0.1)
    large, small, guided = (networks.lively(1, *kind) for kind in ((False, 0), (True, 0), (True, 1)))
    for quality, grey in (("fast", small), ("balanced", large), ("best", large)):
        found = CHOICES[quality][3].load()(colours, sigma)
        torch.testing.assert_close(found, ColourDenoiser(grey, guided)(colours, sigma))
    image = (255 * colours[0, :, :, :32]).numpy()
    for quality in CHOICES:
        plan = nlmeans.plan(image, 25, method="learned", quality=quality, channel_axis=0)
        mixer = () if quality == "fast" else ("denoiser-mixer",)
        assert tuple(name.split()[0] for name in plan.weights) == (*CHOICES[quality][3].names, *mixer)
    assert CHOICES["best"][3].names == CHOICES["balanced"][3].names
    assert CHOICES["balanced"][3].names == ("denoiser-grey", "denoiser-differences")
    assert CHOICES["fast"][3].names == ("denoiser-grey-fast", "denoiser-differences")


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_tiles_of_colours_agree(monkeypatch, quality):
    networks.install(monkeypatch)
    image = np.stack([networks.noisy((90, 140), seed) for seed in range(3)])
    options = dict(quality=quality, channel_axis=0)
    whole = nlmeans.denoise(image, 10, method="learned", **options)
    tiled = nlmeans.denoise(image, 10, method=Learned(tile=64), **options)
    np.testing.assert_allclose(tiled, whole, atol=0.01)


def test_positions_of_colours_are_averaged(monkeypatch):
    networks.install(monkeypatch)
    choice, x = CHOICES["best"][3], torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(2))
    network, expected = choice.load(), torch.zeros_like(x)
    for turn in range(choice.turns):
        turned = torch.rot90(x, turn, (2, 3))
        turned = turned.flip(3) if turn >= 4 else turned
        clean = network(turned, 0.1)
        expected += torch.rot90(clean.flip(3) if turn >= 4 else clean, -turn, (2, 3)) / choice.turns
    found = averaged(network, x, torch.full((1, 1, 16, 24), 0.1), choice.turns)
    torch.testing.assert_close(found, expected)


def test_a_trained_network_for_colours_is_one_for_grey_and_one_for_differences():
    colour, notes = load_denoiser(3)
    grey, _ = load_denoiser(1)
    assert isinstance(colour, ColourDenoiser)
    assert not any(module.training for module in colour.modules())
    x = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(5))
    mean = grey(x.mean(1, keepdim=True), 0.1 / 3**0.5)
    torch.testing.assert_close(colour(x, 0.1).mean(1, keepdim=True), mean, atol=1e-5, rtol=0)
    assert notes["channels"] == 3
    small, _ = load_denoiser(3, fast=True)
    assert small.margin < colour.margin


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(channels=2), "channels must be 1 or 3; got 2"),
        (dict(path="a.safetensors", fast=True), "fast must be left out with a path, .*; got a.safetensors"),
    ],
)
def test_what_is_not_there_to_load(arguments, words):
    with pytest.raises(ValueError, match=words):
        load_denoiser(**arguments)


@pytest.mark.parametrize(
    ("x", "sigma", "error", "words"),
    [
        (torch.rand(1, 1, 8, 8), 0.1, ValueError, r"x must have the shape \(B, 3, H, W\); got shape \(1, 1, 8, 8\)"),
        (torch.rand(1, 3, 8, 8).double(), 0.1, TypeError, "x must be of torch.float32, as the network is, .*float64"),
        (torch.rand(1, 3, 8, 8), -0.3, ValueError, "sigma must be at least 0 and finite, in the units of x; got -0.3"),
    ],
)
def test_what_colours_may_not_be(mixed, x, sigma, error, words):
    with pytest.raises(error, match=words):
        mixed(x, sigma)


def test_colours_are_not_rounded_where_convolutions_are(mixed):
    x = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(6))
    still = ColourDenoiser(NonLocalDenoiser(), NonLocalDenoiser(guides=1))  # untrained, they return what they see
    with torch.autocast("cpu", torch.bfloat16):
        found, changed = still(x, 0.1), mixed(x, 0.1)
    assert found.dtype == changed.dtype == torch.float32
    torch.testing.assert_close(found, x)
    assert mixed.double()(x.double(), 0.1).dtype == torch.float64
    assert mixed(x[:0].double(), 0.1).shape == (0, 3, 16, 24)
