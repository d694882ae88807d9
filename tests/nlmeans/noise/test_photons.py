"""Photon counts as cameras give them: pixels that differ, multiplied electrons, calibration, few photons."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import binary_dilation
from skimage.data import camera
from typer.testing import CliRunner

import nlmeans
from nlmeans import large, tiled
from nlmeans.cli import app
from nlmeans.large.run import Sizes
from nlmeans.noise import PoissonGaussian, calibrate, read_calibration

LIGHT = camera()[100:196, 130:234] / 8.0
RNG = np.random.default_rng(0)
GAIN = 2 * RNG.normal(1, 0.05, LIGHT.shape)
OFFSET = RNG.normal(100, 8, LIGHT.shape)
SIGMA = 1.5 * np.exp(RNG.normal(0, 0.3, LIGHT.shape))
HOT = RNG.random(LIGHT.shape) < 0.005
SIGMA[HOT] = RNG.uniform(20, 150, HOT.sum())
SCMOS = PoissonGaussian(GAIN, OFFSET, SIGMA)
EVEN = PoissonGaussian(GAIN.mean(), OFFSET.mean(), 1.5)
CLEAN = GAIN.mean() * LIGHT + OFFSET.mean()


def exposed(model, light=LIGHT, seed=1):
    """Return what a camera reads, by the letter of its model."""
    rng = np.random.default_rng(seed)
    return model.gain * rng.poisson(light) + model.offset + model.sigma * rng.normal(size=light.shape)


def error(result, truth=CLEAN, where=...):
    return np.sqrt(np.mean((result - truth)[where] ** 2))


@pytest.mark.parametrize(
    ("method", "quality"), [("nlm", "fast"), ("nlm", "best"), ("ridge", "fast"), ("learned", None)]
)
def test_a_camera_whose_pixels_differ_does_as_well_as_an_even_one(method, quality):
    if method == "learned":
        pytest.importorskip("torch")
    given = dict(method=method, quality=quality)
    result = nlmeans.denoise(exposed(SCMOS), noise=SCMOS, **given)
    even = nlmeans.denoise(exposed(EVEN), noise=EVEN, **given)
    assert error(result) < 1.15 * error(even)
    assert error(result) < 0.5 * error(nlmeans.denoise(exposed(SCMOS), noise=EVEN, **given))
    near = binary_dilation(HOT, iterations=2) & ~HOT
    assert error(result, where=HOT) < 0.1 * error(exposed(SCMOS), where=HOT)
    assert error(result, where=near) < 1.3 * error(even, where=near)
    assert result.mean() == pytest.approx(CLEAN.mean(), rel=0.002)


def test_a_map_of_one_number_is_the_number():
    noisy = exposed(EVEN).astype("f4")
    whole = np.full(LIGHT.shape, 1.0)
    for method in ("nlm", "ridge"):
        ref = nlmeans.denoise(noisy, noise=PoissonGaussian(2.5, 90, 1.25), method=method)
        comp = nlmeans.denoise(noisy, noise=PoissonGaussian(2.5 * whole, 90 * whole, 1.25 * whole), method=method)
        np.testing.assert_allclose(comp, ref, atol=0.1)
    assert "gain 2.5, offset 90, sigma map of" in nlmeans.plan(noisy, noise=PoissonGaussian(2.5, 90, whole)).noise


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_chunks_files_stacks_and_channels(method, tmp_path):
    da = pytest.importorskip("dask.array")
    noisy = exposed(SCMOS).astype("f4")
    given = dict(noise=SCMOS, method=method, quality="fast")
    whole = nlmeans.denoise(noisy, **given)
    chunks = tiled.denoise(da.from_array(noisy, chunks=(40, 50)), block=2000, **given).compute()
    np.testing.assert_allclose(chunks, whole, atol=1e-3)
    np.save(tmp_path / "noisy.npy", noisy)
    sizes = Sizes(most=(1 << 12, 1 << 12))
    large.denoise(tmp_path / "noisy.npy", tmp_path / "clean.npy", sizes=sizes, **given)
    np.testing.assert_allclose(np.load(tmp_path / "clean.npy"), whole, atol=1e-3)
    stack = nlmeans.denoise(np.stack([noisy, noisy[::-1, ::-1]]), axes="NYX", **given)
    np.testing.assert_allclose(stack[0], whole, atol=1e-3)
    colours = np.stack([noisy, exposed(SCMOS, seed=2)], axis=-1)
    planes = PoissonGaussian(GAIN[..., None], np.stack([OFFSET, OFFSET], axis=-1), SIGMA)
    both = nlmeans.denoise(colours, channel_axis=-1, **given | {"noise": planes})
    assert max(error(both[..., c]) for c in (0, 1)) < 1.1 * error(whole)


def test_the_command_takes_files_of_maps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noisy = exposed(SCMOS).astype("f4")
    np.save("noisy.npy", noisy)
    for name, values in (("gain", GAIN), ("offset", OFFSET), ("variance", SIGMA**2)):
        tifffile.imwrite(f"{name}.tif", values.astype("f4"))
    model = "poisson:gain=gain.tif,offset=offset.tif,variance=variance.tif"
    done = CliRunner().invoke(app, ["denoise", "noisy.npy", "clean.npy", "--noise", model])
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(np.load("clean.npy"), nlmeans.denoise(noisy, noise=SCMOS), atol=0.01)
    read = read_calibration("offset.tif", "variance.tif", "gain.tif")
    np.testing.assert_allclose(read.sigma, SIGMA, rtol=1e-5)
    assert "sigma map of" in CliRunner().invoke(app, ["plan", "noisy.npy", "--noise", model]).output
    for bad, words in ((f"{model},sigma=3", "sigma or variance"), ("poisson:gain=none.tif", "no file of a map")):
        refused = CliRunner().invoke(app, ["plan", "noisy.npy", "--noise", bad])
        assert refused.exit_code == 2
        assert words in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PoissonGaussian(np.zeros((3, 3))), "a map of gain must be above 0 everywhere; got 0"),
        (lambda: PoissonGaussian(1, sigma=-np.ones((3, 3))), "a map of sigma must be at least 0 everywhere; got -1"),
        (lambda: PoissonGaussian(1, np.full((3, 3), np.nan)), "a map of offset must be finite everywhere"),
        (lambda: PoissonGaussian(offset=np.ones((3, 3))), "must be left out where gain is"),
        (lambda: PoissonGaussian(1, excess=0.5), "excess must be at least 1: no amplifier takes noise away; got 0.5"),
        (lambda: nlmeans.denoise(LIGHT, noise=PoissonGaussian(np.ones((3, 3)))), "a map of gain must have the image's"),
        (lambda: read_calibration(100, -np.ones((3, 3)), 2), "variance must be at least 0 everywhere; got -1"),
        (lambda: read_calibration(np.ones((3, 3)), np.ones((3, 4)), 2), "maps of one camera must have one shape"),
        (lambda: calibrate(np.ones((4, 3, 3))), "a series of evenly lit frames; got none"),
        (lambda: calibrate(np.ones((1, 3, 3)), np.ones((4, 3, 3))), "darks must be at least two frames"),
        (lambda: calibrate(np.ones((4, 3, 3)), np.ones((4, 3, 3))), "brighter than the dark; got 0 more in series 1"),
    ],
)
def test_what_breaks_a_rule_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_calibration_finds_the_cameras_numbers():
    shape, frames = (24, 30), 600
    rng = np.random.default_rng(0)
    gain, offset = rng.uniform(1.5, 3, shape), rng.normal(100, 10, shape)
    sigma = rng.uniform(1, 5, shape)
    gain[3, 4] = 1e-9  # a pixel that sees nothing

    def series(light):
        counts = rng.poisson(light, (frames, *shape))
        return np.rint(gain * counts + offset + sigma * rng.normal(size=counts.shape)).astype(np.uint16)

    found = calibrate(series(0), series(50), series(400))
    alive = np.ones(shape, bool)
    alive[3, 4] = False
    assert np.std((found.gain / gain)[alive]) < 0.06
    assert np.mean((found.gain / gain)[alive]) == pytest.approx(1, abs=0.01)
    assert np.abs(found.offset - offset).max() < 1
    assert np.std((found.sigma / np.hypot(sigma, 12**-0.5))[alive]) < 0.04
    if found.sigma[3, 4] > 100:  # by chance its variance in the light may be a little more than in the dark
        assert found.gain[3, 4] == pytest.approx(np.median(found.gain), rel=0.01)


def test_excess_noise_is_that_of_multiplied_electrons():
    light = LIGHT * 2
    rng = np.random.default_rng(3)
    counts = rng.poisson(light)
    noisy = 30 * np.where(counts > 0, rng.gamma(np.maximum(counts, 1)), 0) + 10 * rng.normal(size=light.shape) + 200
    model = PoissonGaussian(30, 200, 10, excess=2)
    truth = 30 * light + 200
    assert np.mean((noisy - truth) ** 2) == pytest.approx(model.variance(truth[None, None]).mean(), rel=0.05)
    for method in ("nlm", "ridge"):
        result = nlmeans.denoise(noisy, noise=model, method=method)
        assert error(result, truth) < 0.85 * error(
            nlmeans.denoise(noisy, noise=PoissonGaussian(30, 200, 10), method=method), truth
        )
        assert result.mean() == pytest.approx(truth.mean(), rel=0.01)
        np.testing.assert_array_equal(result, nlmeans.denoise(noisy, noise=PoissonGaussian(60, 200, 10), method=method))
    fitted = nlmeans.plan(noisy, noise=PoissonGaussian(excess=2)).noise
    gain = float(fitted.split("gain ")[1].split(",")[0])
    assert gain == pytest.approx(30, rel=0.2)
    assert fitted.endswith("excess 2")
    assert repr(model) == "PoissonGaussian(gain=30.0, offset=200.0, sigma=10.0, excess=2.0)"
    assert "excess" not in repr(PoissonGaussian(30))


WAYS = [("nlm", "fast"), ("nlm", "balanced"), ("nlm", "best"), ("ridge", "fast"), ("ridge", "balanced"),
        ("ridge", "best"), ("learned", "balanced")]  # fmt: skip


@pytest.mark.parametrize(("method", "quality"), WAYS)
def test_flat_light_keeps_its_mean(method, quality):
    if method == "learned":
        pytest.importorskip("torch")
    for rate in (0.1, 0.5) if method == "learned" else (0.1, 0.5, 1, 5, 20):
        changes = []
        for seed in range(2):
            noisy = np.random.default_rng(seed).poisson(rate, (128, 128)).astype("f4")
            result = nlmeans.denoise(noisy, noise=PoissonGaussian(1.0), method=method, quality=quality)
            changes.append(result.mean() / noisy.mean() - 1)
        assert abs(np.mean(changes)) < 0.01, (rate, changes)


def textured():
    waves = 1 + 0.8 * np.sin(np.mgrid[:128, :128][1] * 2 * np.pi / 32)
    photograph = camera()[::2, ::2][:128, :128] / 100
    return {"waves": waves, "photograph": photograph / photograph.mean()}


@pytest.mark.parametrize(
    ("name", "bounds"),  # 1.15, 0.31, 0.23 and 0.71, 0.37, 0.32 with a σ of 1 in the dark as well
    [("waves", (0.6, 0.2, 0.15)), ("photograph", (0.5, 0.3, 0.27))],
)
def test_the_dark_of_a_texture_is_brightened_less(name, bounds):
    light = textured()[name]
    dark = light <= np.quantile(light, 0.25)
    noisy = [np.random.default_rng(seed).poisson(light).astype("f4") for seed in range(2)]
    for quality, bound in zip(("fast", "balanced", "best"), bounds, strict=True):
        results = [nlmeans.denoise(image, noise=PoissonGaussian(1.0), quality=quality) for image in noisy]
        assert np.mean(results, axis=0)[dark].mean() < (1 + bound) * light[dark].mean(), quality
        assert min(result.min() for result in results) >= 0


def test_few_photons_are_stabilised_to_less():
    from nlmeans.noise.vst import anscombe, stabilised_variance

    for counts, sigma in ((0.3, 0.0), (2.0, 1.5), (50.0, 0.0)):
        rng = np.random.default_rng(0)
        values = 10 + 3 * (rng.poisson(counts, (1, 500, 400)) + sigma * rng.normal(size=(1, 500, 400)))
        expected = stabilised_variance(np.array(10 + 3 * counts), 3, 10, 3 * sigma)
        assert anscombe(3, 10, 3 * sigma).forward(values).var() == pytest.approx(float(expected), rel=0.02)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_few_photons_in_chunks_and_in_equal_channels(method):
    da = pytest.importorskip("dask.array")
    noisy = np.random.default_rng(0).poisson(textured()["photograph"]).astype("f4")
    given = dict(noise=PoissonGaussian(1.0), method=method, quality="fast")
    whole = nlmeans.denoise(noisy, **given)
    chunks = tiled.denoise(da.from_array(noisy, chunks=(40, 50)), block=4000, **given).compute()
    np.testing.assert_allclose(chunks, whole, atol=2e-4)
    grey = nlmeans.denoise(np.stack([noisy] * 3, axis=-1), channel_axis=-1, **given)
    assert error(grey[..., 1], textured()["photograph"]) < 1.05 * error(whole, textured()["photograph"])


@pytest.mark.parametrize("rate", [0.5, 5])
def test_counts_are_the_same_in_every_type(rate):
    counts = np.random.default_rng(0).poisson(rate * textured()["photograph"])
    types = ("u1", "u2", "i4", "f4", "f8")
    models = {nlmeans.plan(counts.astype(kind), noise="auto").noise for kind in types}
    assert models == {"PoissonGaussian, gain 1, offset 0, sigma 0"}
    results = [nlmeans.denoise(counts.astype(kind), noise="auto", dtype="f4") for kind in types]
    for result in results[:-1]:
        np.testing.assert_allclose(result, results[-1], atol=0.02)
