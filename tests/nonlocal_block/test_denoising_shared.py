"""Channels that are equal, or share their noise: grey held as colour is denoised as grey, bit for bit, by every way."""

from io import BytesIO

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")

import networks
from PIL import Image
from typer.testing import CliRunner

import nlmeans
from nlmeans import large
from nlmeans.cli import app
from nlmeans.noise import Camera, Gaussian, PoissonGaussian, Rician, estimate_noise, estimate_sigma

GREY = networks.noisy((150, 190))
MAP = np.linspace(4, 20, 190) * np.ones((150, 1))
HOLES = np.random.default_rng(1).random(GREY.shape) > 0.05


@pytest.fixture
def small(monkeypatch):
    networks.install(monkeypatch)


def photograph():
    """Return a grey picture as a JPEG file holds it."""
    picture = networks.noisy((256, 256))
    file = BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=70)
    return np.asarray(Image.open(file))


def blurred():
    """Return a picture whose noise is correlated."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(3).normal(0, 30, GREY.shape), 0.8)
    return (120 + 60 * np.sin(np.arange(190) / 30) + noise).astype(np.float32)


CASES = {
    "told": (GREY, dict(sigma=10.0)),
    "blind": (GREY, {}),
    "bytes": (GREY.clip(0, 255).astype(np.uint8), {}),
    "float64": (GREY.astype(np.float64), dict(sigma=10.0)),
    "best": (GREY, dict(sigma=10.0, quality="best")),
    "a map": (GREY, dict(sigma=MAP)),
    "masked": (GREY, dict(mask=HOLES)),
    "masked, kept": (GREY, dict(sigma=10.0, mask=HOLES, fill=False)),
    "counts": (GREY.clip(0), dict(noise=PoissonGaussian(0.8, 0, 2))),
    "blind counts": (np.random.default_rng(2).poisson(GREY.clip(0)).astype(np.uint16), dict(noise=PoissonGaussian())),
    "magnitudes": (np.abs(GREY), dict(noise=Rician(8.0))),
    "correlated": (blurred(), dict(noise=Gaussian())),
    "a photograph": (photograph(), {}),
    "a camera": (GREY, dict(noise=Camera(9.0, 7.0, 5.0))),
    "a camera, blind": (GREY, dict(noise=Camera())),
}


@pytest.mark.parametrize("name", CASES)
def test_equal_channels_are_denoised_once_as_grey(name, small):
    image, given = CASES[name]
    grey = nlmeans.denoise(image, method="learned", threads=1, **given)
    found, report = nlmeans.denoise(
        np.stack([image] * 3), method="learned", channel_axis=0, threads=1, full_output=True, **given
    )
    assert np.abs(grey.astype(float) - image).max() > 1
    for channel in found:
        np.testing.assert_array_equal(channel, grey)
    assert report.weights[0] == "denoiser-grey 01234567"
    assert "denoiser-differences 01234567" not in report.weights


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_classical_methods_do_so_too(method):
    grey = nlmeans.denoise(GREY, 10, method=method, threads=1)
    found = nlmeans.denoise(np.stack([GREY] * 3), 10, method=method, channel_axis=0, threads=1)
    for channel in found:
        np.testing.assert_array_equal(channel, grey)


@pytest.mark.parametrize("alpha", [np.full_like(GREY, 255), GREY[::-1] / 2])
def test_alpha_beside_equal_channels(alpha, small):
    found = nlmeans.denoise(np.dstack([GREY] * 3 + [alpha]), 10, method="learned", channel_axis=-1, threads=1)
    grey, own = (nlmeans.denoise(plane, 10, method="learned", threads=1) for plane in (GREY, alpha))
    for channel in range(3):
        np.testing.assert_array_equal(found[..., channel], grey)
    np.testing.assert_array_equal(found[..., 3], own)


def test_a_colour_photograph_is_denoised_in_colour(small, monkeypatch):
    from nonlocal_block import method

    image = np.stack([GREY, GREY[::-1], 255 - GREY])
    noise = Camera(9.0, 7.0, 5.0)
    found, report = nlmeans.denoise(image, noise=noise, method="learned", channel_axis=0, threads=1, full_output=True)
    assert report.weights == ("denoiser-grey 01234567", "denoiser-differences 01234567")
    assert np.abs(found - image).max() > 1
    beside = np.stack([*image, np.full_like(GREY, 255)])
    alpha = nlmeans.denoise(beside, noise=Camera(6.75, 5.25, 3.75), method="learned", channel_axis=0, threads=1)
    np.testing.assert_allclose(alpha[:3], found, atol=0.01)
    assert (alpha[3] == 255).all()
    monkeypatch.setattr(method, "SHARED", 1.2)
    apart = nlmeans.denoise(image, noise=noise, method="learned", channel_axis=0, threads=1, full_output=True)[1]
    assert apart.weights == ("denoiser-grey 01234567",)


def test_photographs_are_mixed_with_another_method(small, monkeypatch):
    from nonlocal_block import method

    image, noise = np.stack([GREY, GREY[::-1], 255 - GREY]), Camera(9.0, 7.0, 5.0)
    given = dict(noise=noise, channel_axis=0, threads=1)
    plan = nlmeans.plan(image, method="learned", noise=noise, channel_axis=0)
    assert plan.halo >= nlmeans.plan(image, method="ridge", noise=noise, channel_axis=0).halo
    assert "ridge, 70%" in str(plan)
    steps = []
    mixed = nlmeans.denoise(image, method="learned", progress=lambda *step: steps.append(step), **given)
    assert steps[-1][0] == steps[-1][1]
    monkeypatch.setattr(method, "SHARE", 1.0)
    other = nlmeans.denoise(image, method="learned", **given)
    np.testing.assert_allclose(other, nlmeans.denoise(image, method="ridge", **given), atol=1e-3)
    assert np.abs(mixed - other).max() > 1
    assert "70%" not in str(nlmeans.plan(image, 10, method="learned", channel_axis=0))


def test_photographs_by_regions(small):
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    image, noise = np.tile(GREY, (1, 2)), Camera(9.0, 7.0, 5.0)
    whole = nlmeans.denoise(image, noise=noise, method="learned", threads=1)
    lazy = nlmeans.denoise(da.from_array(image, chunks=(150, 120)), noise=noise, method="learned")
    np.testing.assert_allclose(lazy.compute(), whole, atol=0.01)


def test_equal_channels_of_unequal_noise_are_not_one(small):
    found = nlmeans.denoise(np.stack([GREY] * 3), (5, 10, 20), method="learned", channel_axis=0, threads=1)
    assert np.ptp(found, axis=0).max() > 1


def test_what_is_coloured_elsewhere_stays_so(small, monkeypatch):
    from nlmeans.pixels import crops

    monkeypatch.setattr(crops, "PIXELS", 1 << 9)  # an image is judged by small crops, which may miss what is coloured
    image = np.tile(np.stack([GREY] * 3), (1, 2, 2))
    image[1, 1, 1] += 100
    found = nlmeans.denoise(image, 10, method="learned", channel_axis=0, threads=1)
    assert found[1, 1, 1] - found[0, 1, 1] == pytest.approx(100)
    np.testing.assert_array_equal(found[2], found[0])


def test_dask_blocks_and_the_command_line(tmp_path, small):
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    colour = np.stack([GREY] * 3)
    lazy = nlmeans.denoise(da.from_array(GREY, chunks=64), 10, method="learned").compute()
    both = nlmeans.denoise(da.from_array(colour, chunks=(3, 64, 64)), 10, method="learned", channel_axis=0).compute()
    np.testing.assert_array_equal(both, np.stack([lazy] * 3))
    for name, pixels, axis in (("grey", GREY, {}), ("colour", colour, {"channel_axis": 0})):
        np.save(tmp_path / f"{name}.npy", pixels)
        large.denoise(tmp_path / f"{name}.npy", tmp_path / f"{name}-clean.npy", 10, method="learned", **axis)
    clean = np.load(tmp_path / "grey-clean.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "colour-clean.npy"), np.stack([clean] * 3))

    picture = GREY.clip(0, 255).astype(np.uint8)
    for name, pixels in (("grey", picture), ("colour", np.dstack([picture] * 3))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        command = ["denoise", str(tmp_path / f"{name}.png"), str(tmp_path / f"{name}-out.png"), "--method", "learned"]
        assert CliRunner().invoke(app, command).exit_code == 0
    grey, rgb = (np.asarray(Image.open(tmp_path / f"{name}-out.png")) for name in ("grey", "colour"))
    np.testing.assert_array_equal(rgb, np.dstack([grey] * 3))


def test_the_noise_of_equal_channels_is_that_of_one():
    colour = np.stack([GREY] * 3)
    assert set(estimate_sigma(colour, channel_axis=0)) == {estimate_sigma(GREY)}
    assert estimate_noise(colour, noise=Camera(), channel_axis=0) == estimate_noise(GREY, noise=Camera())
