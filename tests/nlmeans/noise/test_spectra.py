"""Noise of a known spectrum or covariance: its rules, what is derived of it, every way in, and what it is worth."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate
from skimage import data
from typer.testing import CliRunner

import nlmeans
from nlmeans import large, tiled
from nlmeans.cli import app
from nlmeans.large.blocks import Sizes
from nlmeans.methods.split import Split
from nlmeans.noise import Gaussian
from nlmeans.noise.patches import cosines
from nlmeans.noise.spectrum import bands_of, coarseness, lags_of
from nlmeans.wiener import naive, wiener

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")

LINE = (16.0 - np.abs(np.arange(-15, 16)))[None]
CLEAN = data.camera()[100:196, 180:288].astype(np.float64)


def lags(kernel):
    """Return the autocovariance of white noise that was convolved with a kernel, of variance 1."""
    return (correlate(kernel, kernel) / np.square(kernel).sum())[None, None]


def spectrum(kernel, sides):
    response = np.abs(np.fft.fft2(kernel, sides)) ** 2
    return response / response.mean()


def coloured(kernel, sides, seed=0):
    white = np.random.default_rng(seed).normal(size=sides)
    return np.fft.ifft2(np.fft.fft2(white) * np.sqrt(spectrum(kernel, sides))).real


def psnr(result, clean):
    return -10 * np.log10(np.square(result - clean).mean() / 255**2)


@pytest.mark.parametrize(
    ("given", "error", "rule"),
    [
        (dict(psd=-np.ones((4, 4))), ValueError, "psd must be at least 0 everywhere; got -1"),
        (dict(psd=[[1, np.inf], [1, 1]]), ValueError, "psd must be finite everywhere; got inf"),
        (dict(psd=np.ones(5)), ValueError, r"psd must have the shape \(Y, X\) or \(C, Y, X\).*; got \(5,\)"),
        (dict(psd=np.zeros((3, 3))), ValueError, "psd must be above 0 somewhere, in each channel; got 0"),
        (dict(psd=np.arange(16.0).reshape(4, 4)), ValueError, "the same at frequencies f and -f.*difference of 10"),
        (dict(psd=[["a"]]), TypeError, "psd must hold real numbers; got dtype"),
        (dict(covariance=np.ones((2, 3))), ValueError, r"as many rows as columns.*got the shape \(2, 3\)"),
        (dict(covariance=np.ones((1, 1, 2, 3))), ValueError, r"odd sides of lags; got the shape \(1, 1, 2, 3\)"),
        (dict(covariance=np.ones((3, 3, 3))), ValueError, r"covariance must have the shape.*got \(3, 3, 3\)"),
        (dict(covariance=[[1, 2], [0, 1]]), ValueError, "covariance must be symmetric.*difference of 2"),
        (dict(covariance=[[1, 2], [2, 1]]), ValueError, "positive semidefinite.*got a power of -1"),
        (dict(psd=np.ones((2, 2)), covariance=[[1]]), ValueError, "psd and covariance say the same: give one of them"),
    ],
)
def test_what_is_no_spectrum_is_refused(given, error, rule):
    with pytest.raises(error, match=rule):
        Gaussian(**given)


def test_a_sample_and_channels_that_cannot_be_right_are_refused():
    for sample, rule in (
        (np.ones((20, 20)), "must vary in each channel; got a constant"),
        (np.eye(9), "at least 16 × 16 pixels; got 9 × 9"),
        (np.full((20, 20), np.nan), "must be finite everywhere"),
    ):
        with pytest.raises(ValueError, match=rule):
            Gaussian.measured(sample)
    with pytest.raises(ValueError, match="of 1 channel or of the image's 3; got one of 2"):
        nlmeans.denoise(np.zeros((20, 20, 3)), noise=Gaussian(3, covariance=np.eye(2)), channel_axis=-1)
    with pytest.raises(ValueError, match="of the image's 1; got one of 3"):
        nlmeans.denoise(np.zeros((20, 20)), noise=Gaussian(covariance=np.eye(3)))


def test_a_spectrum_a_covariance_and_a_sample_say_the_same():
    by_psd, by_lags = Gaussian(psd=25 * spectrum(LINE, (160, 200))), Gaussian(covariance=25 * lags(LINE))
    assert by_psd.sigma == pytest.approx(5) == by_lags.sigma
    ref, comp = (lags_of(model.spectrum.power[0].real, (3, 40))[0] for model in (by_psd, by_lags))
    np.testing.assert_allclose(comp, ref, atol=1e-9)
    np.testing.assert_allclose(comp[3, 10:71], lags(LINE)[0, 0, 0], atol=1e-9)
    small = Gaussian(psd=spectrum(np.ones((2, 2)), (16, 16))).spectrum.power[0].real
    np.testing.assert_allclose(lags_of(small, (1, 1))[0], lags(np.ones((2, 2)))[0, 0], atol=1e-9)
    sample = np.stack([5 * coloured(LINE, (256, 256), seed) for seed in range(8)])
    measured = Gaussian.measured(sample + 100, axes="NYX")
    assert measured.sigma == pytest.approx(5, rel=0.05)
    np.testing.assert_allclose(lags_of(measured.spectrum.power[0].real, (3, 20))[0], ref[:, 20:61], atol=0.06)


def test_models_are_compared_kept_and_scaled():
    model = Gaussian(psd=4 * spectrum(LINE, (64, 64)))
    assert pickle.loads(pickle.dumps(model)) == model != Gaussian(model.sigma)
    assert hash(model) == hash(Gaussian(psd=4 * spectrum(LINE, (64, 64))))
    assert repr(model) == f"Gaussian(sigma={model.sigma}, spectrum=<1 channel, 128 x 128 frequencies>)"
    assert replace(model, sigma=7.0).spectrum == model.spectrum
    assert Gaussian(3, psd=spectrum(LINE, (64, 64))).sigma == 3
    assert model.text == "Gaussian, sigma 2, spectrum <1 channel, 128 x 128 frequencies>"


def test_bands_and_the_wiener_step_are_those_of_the_definition():
    power = Gaussian(covariance=lags(LINE)).spectrum.power[0].real
    y, x = np.indices((8, 8)).reshape(2, -1)
    covariance = np.zeros((64, 64))
    full = lags(LINE)[0, 0, 0]
    for k in range(64):
        covariance[k] = np.where(y == y[k], full[30 + x - x[k]], 0)
    basis = np.kron(cosines(8), cosines(8))
    ref = np.diag(basis @ covariance @ basis.T).reshape(8, 8)
    comp = bands_of(power)
    np.testing.assert_allclose(comp[0], ref, atol=1e-5)
    noisy, pilot = (CLEAN[None, None, :20, :24] + coloured(LINE, (20, 24)), CLEAN[None, None, :20, :24])
    np.testing.assert_allclose(
        wiener(noisy, pilot, 25.0, bands=comp, threads=1)[0],
        naive.wiener(noisy[0], pilot[0], np.full(pilot[0].shape, 25.0), (1, 8, 8), ref), rtol=1e-4,
    )  # fmt: skip


def test_distances_scatter_as_the_coarseness_says():
    kernel = np.ones((1, 6))
    power = Gaussian(covariance=lags(kernel)).spectrum.power[0].real
    assert coarseness(np.ones((1, 128, 128)), (5, 5)) == pytest.approx(1)
    noise = coloured(kernel, (400, 400)) - coloured(kernel, (400, 400), 1)
    patches = np.square(noise).reshape(80, 5, 80, 5).mean(axis=(1, 3))
    white = 2 * patches.mean() ** 2 / 25
    assert coarseness(power, (5, 5)) == pytest.approx(patches.var() / white, rel=0.1)


def test_parts_sum_to_the_image_and_have_the_noise_that_is_said():
    power = Gaussian(covariance=lags(LINE)).spectrum.power[0].real
    split = Split.of(power, (6, 40))
    assert len(split.filters[0]) == 4
    planes = np.stack([coloured(LINE, (300, 300), seed) for seed in range(6)])[None]
    parts = split.parts(planes)
    np.testing.assert_allclose(split.joined(parts), planes, atol=1e-9)
    inside = parts[..., 30:-30, 30:-30]
    noisy = [k for k, sigma in enumerate(split.sigma) if sigma > 1 / 16]
    np.testing.assert_allclose(inside.std(axis=(1, 2, 3))[noisy], 1, rtol=0.1)
    for shift in (1, 8, 20):
        moved = (inside[..., shift:] * inside[..., :-shift]).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(moved[noisy], split.shared[noisy, 6, 40 + shift], atol=0.12)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_every_way_gives_the_same(method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    noisy = (np.tile(CLEAN, (2, 2)) + 15 * coloured(LINE, (192, 216))).astype(np.float32)
    psd = 225 * spectrum(LINE, (128, 128))
    options = dict(method=method, quality="fast")
    ref = nlmeans.denoise(noisy, noise=Gaussian(psd=psd), **options)
    chunked = tiled.denoise(
        da.from_array(noisy, chunks=100), noise=Gaussian(psd=psd), block=100 * 100, **options
    ).compute()
    np.testing.assert_allclose(chunked, ref, atol=2e-2)
    assert np.square(chunked - ref).mean() < 1e-6
    zarr.create_array("in.zarr", data=noisy, chunks=(64, 64))
    large.denoise("in.zarr", "out.zarr", noise=Gaussian(psd=psd), sizes=Sizes((100 * 100, 1)), **options)
    np.testing.assert_allclose(zarr.open("out.zarr")[:], ref, atol=2e-2)
    np.save("in.npy", noisy)
    np.save("psd.npy", psd)
    done = CliRunner().invoke(
        app,
        ["denoise", "in.npy", "out.npy", "--noise", "gaussian:psd=psd.npy", "--method", method, "--quality", "fast"],
    )
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.load("out.npy"), ref)


def test_the_command_line_takes_files_of_covariances_and_samples(tmp_path, monkeypatch):
    from nlmeans.noise import text

    monkeypatch.chdir(tmp_path)
    sample = 5 * coloured(LINE, (64, 64)).astype(np.float32)
    np.save("dark.npy", sample)
    np.save("covariance.npy", lags(LINE))
    assert text.parse("gaussian:sample=dark.npy") == Gaussian.measured(sample)
    assert text.parse("gaussian:sample=dark.npy,sigma=3") == Gaussian.measured(sample, 3)
    assert text.parse("gaussian:sigma=3,covariance=covariance.npy") == Gaussian(3, covariance=lags(LINE))
    for given, rule in (
        ("gaussian:psd=3", "must name a file for psd; got '3'"),
        ("gaussian:psd=none.npy", "no file"),
        ("gaussian:sample=dark.npy,psd=dark.npy", "must give psd or sample, not both"),
        ("poisson:psd=dark.npy", "poisson has gain, offset, sigma"),
    ):
        with pytest.raises(ValueError, match=rule):
            text.parse(given)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_what_is_known_of_noise_in_lines_is_worth_decibels(method):
    noisy = CLEAN + 20 * coloured(LINE, CLEAN.shape)
    known = nlmeans.denoise(noisy, noise=Gaussian(20, covariance=lags(LINE)), method=method)
    white = nlmeans.denoise(noisy, 20, method=method)
    assert psnr(known, CLEAN) > psnr(white, CLEAN) + 2


def test_white_noise_needs_no_spectrum():
    noisy = CLEAN[:40, :40] + np.random.default_rng(0).normal(0, 20, (40, 40))
    for method in ("nlm", "ridge"):
        flat = nlmeans.denoise(noisy, noise=Gaussian(psd=np.full((40, 40), 400.0)), method=method)
        np.testing.assert_array_equal(flat, nlmeans.denoise(noisy, 20, method=method))


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_grey_as_colour_is_grey(method):
    noisy = CLEAN[:60, :60] + 20 * np.random.default_rng(0).normal(size=(60, 60))
    colour = nlmeans.denoise(
        np.stack([noisy] * 3, -1), noise=Gaussian(covariance=np.full((3, 3), 400.0)), channel_axis=-1, method=method
    )
    np.testing.assert_allclose(colour, np.stack([nlmeans.denoise(noisy, 20, method=method)] * 3, -1), atol=1e-6)


def test_what_channels_share_costs_nothing():
    clean = data.astronaut()[:96, 160:256].astype(np.float64)
    white = np.random.default_rng(0).normal(size=(4, 96, 96))
    noisy = clean + 15 * np.stack([np.sqrt(0.5) * (white[3] + white[k]) for k in range(3)], -1)
    covariance = 225 * (0.5 + 0.5 * np.eye(3))
    together = nlmeans.denoise(noisy, noise=Gaussian(covariance=covariance), channel_axis=-1, method="ridge")
    alone = np.stack([nlmeans.denoise(noisy[..., k], 15, method="ridge") for k in range(3)], -1)
    assert psnr(together, clean) > psnr(alone, clean)


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_noise_that_all_channels_share_costs_nothing(quality):
    clean = data.astronaut()[:96, 160:256].astype(np.float64)
    noisy = clean + 15 * np.random.default_rng(0).normal(size=(96, 96, 1))
    model = Gaussian(covariance=np.full((3, 3), 225.0))
    together = nlmeans.denoise(noisy, noise=model, channel_axis=-1, quality=quality)
    alone = np.stack([nlmeans.denoise(noisy[..., k], 15, quality=quality) for k in range(3)], -1)
    assert psnr(together, clean) > psnr(alone, clean) - 0.2


def test_spectra_go_with_maps_masks_channels_and_slices():
    noise = coloured(LINE, CLEAN.shape)
    sigma = np.linspace(5, 30, CLEAN.shape[1]) * np.ones(CLEAN.shape)
    known = np.random.default_rng(1).random(CLEAN.shape) > 0.02
    for method in ("nlm", "ridge"):
        model = Gaussian(sigma, covariance=lags(LINE))
        result = nlmeans.denoise(CLEAN + sigma * noise, noise=model, mask=known, method=method, quality="fast")
        assert psnr(result, CLEAN) > psnr(CLEAN + sigma * noise, CLEAN) + 3
    both = np.stack([CLEAN, 255 - CLEAN])[:, :48, :48]
    covariance = np.array([[1, 0.4], [0.4, 1]])[:, :, None, None] * lags(LINE)
    shared = np.linalg.cholesky(covariance[:, :, 0, 30]) @ np.stack([noise, coloured(LINE, CLEAN.shape, 1)]).reshape(
        2, -1
    )
    shared = shared.reshape(2, *CLEAN.shape)[:, :48, :48]
    for axes, array in (("CYX", both + 20 * shared), ("CZYX", (both + 20 * shared)[:, None].repeat(2, 1))):
        model = Gaussian((20, 20), covariance=covariance)
        result = nlmeans.denoise(array, noise=model, axes=axes, method="ridge", quality="fast")
        assert psnr(result, both if axes == "CYX" else both[:, None]) > psnr(both + 20 * shared, both) + 2
