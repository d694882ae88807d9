"""Colours through several networks: as mixes through the grey one, and the mean of both ways."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")

import networks  # noqa: E402

import nlmeans  # noqa: E402
from nonlocal_block._planes import averaged  # noqa: E402
from nonlocal_block.ensemble import CHOICES, Mean, Mixes  # noqa: E402


@pytest.fixture
def colours():
    return 0.5 + 0.2 * torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))


def oracle(grey, x, sigma):
    """Return what the grey network makes of each mix by itself, in double precision around it."""
    r, g, b = x.double().unbind(1)
    mean = grey(((r + g + b) / 3)[:, None].float(), sigma / 3**0.5)[:, 0].double()
    red = grey((0.5 + (r - b) / 2**0.5)[:, None].float(), sigma)[:, 0].double() - 0.5
    green = grey((0.5 + (r - 2 * g + b) / 6**0.5)[:, None].float(), sigma)[:, 0].double() - 0.5
    half = red / 2**0.5
    return torch.stack([mean + half + green / 6**0.5, mean - 2 * green / 6**0.5, mean - half + green / 6**0.5], 1)


def test_mixes_are_a_mean_and_two_differences(colours):
    grey = networks.lively(1)
    found = Mixes(grey)(colours, torch.full((1, 1, 32, 40), 0.1))
    torch.testing.assert_close(found.double(), oracle(grey, colours, 0.1), atol=2e-5, rtol=0)
    assert Mixes(grey).margin == grey.margin


def test_their_noise_is_independent_and_as_strong_as_the_network_is_told(colours):
    noise = torch.randn(3, 200_000, generator=torch.Generator().manual_seed(1))
    mixes = Mixes(networks.lively(1))
    found = torch.cov(mixes.forth @ noise)
    torch.testing.assert_close(found, torch.diag(mixes.noise**2), atol=0.01, rtol=0)
    torch.testing.assert_close(mixes.noise, torch.tensor([3**-0.5, 1, 1]))


def test_qualities_of_colours(monkeypatch, colours):
    networks.install(monkeypatch)
    sigma = torch.full((1, 1, 32, 40), 0.1)
    whole, best, fast = (CHOICES[quality][3].load() for quality in ("balanced", "best", "fast"))
    mixed = Mixes(networks.lively(1))
    assert isinstance(best, Mean)
    assert best.margin == max(whole.margin, mixed.margin)
    torch.testing.assert_close(best(colours, sigma), (whole(colours, sigma) + mixed(colours, sigma)) / 2)
    torch.testing.assert_close(fast(colours, sigma), Mixes(networks.lively(1, True))(colours, sigma))
    image = (255 * colours[0, :, :, :32]).numpy()
    for quality in CHOICES:
        plan = nlmeans.plan(image, 25, method="learned", quality=quality, channel_axis=0)
        assert [name.split()[0] for name in plan.weights] == list(CHOICES[quality][3].names)
    assert CHOICES["best"][3].names == ("denoiser-colour", "denoiser-grey")
    assert CHOICES["fast"][3].names == ("denoiser-grey-fast",)


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_tiles_and_positions_of_colours_agree(monkeypatch, quality):
    networks.install(monkeypatch)
    image = np.stack([networks.noisy((90, 140), seed) for seed in range(3)])
    options = dict(quality=quality, channel_axis=0)
    whole = nlmeans.denoise(image, 10, method="learned", **options)
    from nonlocal_block.method import Learned

    tiled = nlmeans.denoise(image, 10, method=Learned(tile=64), **options)
    np.testing.assert_allclose(tiled, whole, atol=0.01)
    choice = CHOICES[quality][3]
    x = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(2))
    network = choice.load()
    turned = network(torch.rot90(x, 1, (2, 3)), torch.full((1, 1, 24, 16), 0.1))
    both = network(x, torch.full((1, 1, 16, 24), 0.1)) + torch.rot90(turned, -1, (2, 3))
    found = averaged(network, x, torch.full((1, 1, 16, 24), 0.1), choice.turns)
    torch.testing.assert_close(found, both / 2 if choice.turns == 2 else network(x, torch.full((1, 1, 16, 24), 0.1)))
