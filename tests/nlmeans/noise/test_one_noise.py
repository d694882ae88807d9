"""One image, one noise: array, dask, blocks, command, plan, drop-in and network agree, and look at a bounded sample."""

import io
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import uniform_filter, zoom
from skimage.data import camera
from typer.testing import CliRunner

import nlmeans
from nlmeans import large
from nlmeans.cli import app
from nlmeans.compat.skimage import estimate_sigma
from nlmeans.noise import PoissonGaussian, Rician, estimate_noise
from nlmeans.noise.image import evidence_of
from nlmeans.noise.models import Auto
from nlmeans.noise.patches import Evidence
from nlmeans.pixels import crops

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")

CAMERA = camera()[:192, 20:212].astype(np.float64)
Y, X = np.mgrid[:128, :128]


def jpeg(image):
    file = io.BytesIO()
    Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file))


def mosaicked(image):
    """Return an image whose pixels but every second one are averages of their neighbours."""
    rows, columns = np.indices(image.shape)
    kept = (rows + columns) % 2 == 0
    around = sum(np.roll(np.where(kept, image, 0), step, axis) for axis in (0, 1) for step in (-1, 1)) / 4
    return np.where(kept, image, around)


def images():
    rng = np.random.default_rng(0)
    white = (CAMERA + rng.normal(0, 10, CAMERA.shape)).astype(np.float32)
    return {
        "white": (white, 10, 0.05),
        "correlated": ((CAMERA + 20 * uniform_filter(rng.normal(0, 1, CAMERA.shape), 2)).astype(np.float32), 10, 0.05),
        "jpeg": (jpeg(white), 10, 0.3),
        "mosaicked": (mosaicked(white).astype(np.float32), 7.9, 0.25),
        "enlarged": (zoom(white, 1.5, order=1), 6.7, 0.25),
        "sparse": (rng.poisson(0.2, CAMERA.shape).astype(np.uint8), 0.2**0.5, 0.03),
        "bright": (np.clip(np.rint(white + 120), 0, 255).astype(np.uint8), 10, 0.08),
    }


IMAGES = images()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def said(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.output.split("\t")[1].strip()


@pytest.mark.parametrize(
    ("name", "sampled"),
    [*((name, False) for name in IMAGES), *((name, True) for name in ("white", "correlated", "sparse"))],
)
def test_every_way_gives_the_same_sigma(name, sampled, monkeypatch):
    if sampled:  # as of an image of many millions of pixels
        monkeypatch.setattr(crops, "PIXELS", 50 * 50)
    image, true, bound = IMAGES[name]
    ref = nlmeans.estimate_sigma(image)
    assert ref == pytest.approx(true, rel=2 * bound if sampled else bound)
    chunked = da.from_array(image, chunks=64)
    np.save("image.npy", image)
    zarr.create_array("image.zarr", data=image, chunks=(64, 64))
    same = nlmeans.plan(image, noise="auto").sigma[0]  # 1, where it stabilises what it knows better
    assert {
        nlmeans.plan(image).sigma, (same,), nlmeans.plan(chunked).sigma,
        large.sampled("image.npy").plan.sigma, (estimate_sigma(image),),
    } - {(1.0,)} == {(ref,)}  # fmt: skip
    assert said("estimate", "image.npy") == said("estimate", "image.zarr") == f"{ref:.6g}"
    model = estimate_noise(image)
    for comp in (
        PoissonGaussian().fit(evidence_of(image[None, None], None)).model,
        large.sampled("image.zarr", noise=PoissonGaussian()).noise.model,
    ):
        assert (comp.gain[0], comp.offset[0], comp.sigma[0]) == (model.gain, model.offset, model.sigma)
    assert said("estimate", "image.npy", "--model", "poisson") == said("estimate", "image.zarr", "--model", "poisson")


def saturation(image):
    return None if image.dtype.kind == "f" else (0.0, 255.0)


def test_the_network_is_told_the_same_sigma():
    pytest.importorskip("torch", reason="torch is not installed: pip install 'nlmeans[learned]'")
    image = IMAGES["correlated"][0][:40, :40]
    _, report = nlmeans.denoise(image, method="learned", full_output=True)
    assert report.sigma == (nlmeans.estimate_sigma(image),)


@pytest.mark.parametrize("most", [1 << 17, 40 * 40])
def test_a_stack_is_pooled_by_the_estimate_and_fitted_image_by_image_by_the_plan(most, monkeypatch):
    monkeypatch.setattr(crops, "PIXELS", most)
    rng = np.random.default_rng(0)
    stack = np.stack([CAMERA[:96, k : k + 96] + rng.normal(0, 10 - 2 * k, (96, 96)) for k in range(4)])
    stack = np.stack([stack, stack[:, ::-1]], axis=-1).astype(np.float32)
    np.save("stack.npy", stack)
    zarr.create_array("stack.zarr", data=stack, chunks=(1, 48, 48, 2))
    pooled = nlmeans.estimate_sigma(stack, axes="NYXC")
    text = " ".join(f"{s:.6g}" for s in pooled)
    assert said("estimate", "stack.npy", "--axes", "NYXC") == said("estimate", "stack.zarr", "--axes", "NYXC") == text
    first = nlmeans.plan(stack[0], channel_axis=-1).sigma
    _, report = nlmeans.denoise(stack, axes="NYXC", quality="fast", search_radius=1, full_output=True)
    assert report.sigma == first == large.sampled("stack.zarr", axes="NYXC").plan.sigma
    assert first == nlmeans.plan(da.from_array(stack, chunks=48), axes="NYXC").sigma
    assert first != pytest.approx(pooled, rel=0.1)


def test_rules_of_an_image_are_asked_of_the_whole_and_of_a_sample_alike(monkeypatch):
    monkeypatch.setattr(crops, "PIXELS", 20 * 20)
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 4, (160, 160)).astype(np.uint16)
    dark[0, 0] = 40000
    unit = rng.random((160, 160)).astype(np.float32)
    magnitude = rng.random((160, 160)) + 5.0
    magnitude[0, 80] = -1
    options = dict(search_radius=1, quality="fast")
    for image, noise in ((dark, {"sigma": 5}), (unit, {"sigma": 0.1}), (magnitude, {"noise": Rician(0.3)})):
        for array in (image, da.from_array(image, 50)):
            nlmeans.plan(array, **noise, **options)
    for image, noise, rule in (
        (unit, {"sigma": 25}, "cannot exceed its range"),
        (magnitude - 6, {"noise": Rician(0.3)}, "cannot be negative"),
    ):
        for array in (image, da.from_array(image, 50)):
            with pytest.raises(ValueError, match=rule):
                nlmeans.plan(array, **noise, **options)
    alone = nlmeans.plan(unit[None], 25, axes="NYX")  # one of a series may be dark
    assert alone.sigma == (25,)
    assert any("more than the image's range" in note for note in alone.notes)
    assert nlmeans.plan(unit, 0.3).notes == ()


@settings(max_examples=25)
@given(
    st.floats(-5, 1.7), st.sampled_from(["u1", "u2", "i4", "f4", "f8"]), st.sampled_from([1, 3, 7]), st.integers(0, 99),
    st.booleans(),
)  # fmt: skip
def test_sparse_counts_have_one_sigma_near_the_true_one(log, dtype, gain, seed, uneven):
    rate = np.exp(log) * (1 + uneven * (X // 32 % 2 + Y // 64 % 2))
    counts = gain * np.random.default_rng(seed).poisson(rate)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sigma = nlmeans.estimate_sigma(counts.astype(dtype))
        model = estimate_noise(counts.astype(dtype))
        chosen = nlmeans.plan(counts.astype(dtype), noise="auto").noise
    assert sigma == nlmeans.estimate_sigma(counts.astype(np.float64))
    assert sigma == pytest.approx(gain * np.sqrt(rate.mean()), rel=0.15)
    assert (model.gain, model.offset, model.sigma) == (gain, 0, 0)
    assert chosen == f"PoissonGaussian, gain {gain}, offset 0, sigma 0"


@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 5])
def test_sigma_of_counts_does_not_depend_on_the_type(rate):
    counts = np.random.default_rng(0).poisson(rate, (256, 256))
    sigmas = {nlmeans.estimate_sigma(counts.astype(kind)) for kind in ("f4", "f8", "u1", "u2", "i2")}
    assert len(sigmas) == 1
    assert sigmas.pop() == pytest.approx(rate**0.5, rel=0.03)


def test_sparse_images_have_a_sigma():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        dots = (rng.random((256, 256)) < 0.05).astype(np.float32)
        assert nlmeans.estimate_sigma(dots) == pytest.approx(0.218, rel=0.06)
        assert nlmeans.plan(dots).sigma == (nlmeans.estimate_sigma(dots),)
        sizes = dots * rng.exponential(1, dots.shape)
        assert nlmeans.estimate_sigma(sizes) == pytest.approx(sizes.std(), rel=0.06)


def test_few_photons_around_a_bright_object():
    clean = np.where(np.hypot(X - 76, Y - 51) < 18, 8.0, 0.02)
    counts = np.random.default_rng(0).poisson(clean).astype(np.uint16)
    assert estimate_noise(counts) == PoissonGaussian(1.0)
    result = nlmeans.denoise(counts.astype(np.float32), noise="auto")
    assert np.sqrt(np.mean((result - clean) ** 2)) < 0.26


def test_graphics_and_clipped_photographs_are_no_counts():
    rng = np.random.default_rng(0)
    blobs = 255 * (uniform_filter(rng.normal(0, 1, (128, 128)), 5) > 0.35).astype(np.uint8)
    assert not nlmeans.plan(blobs, noise="auto").noise.startswith("PoissonGaussian, gain 255")
    for sigma in (2, 10):
        dark = np.clip(np.rint(0.5 * CAMERA - 10 + rng.normal(0, sigma, CAMERA.shape)), 0, 255).astype(np.uint8)
        assert (dark == 0).mean() > 0.02
        assert nlmeans.estimate_sigma(dark) == pytest.approx(sigma, rel=0.1)


def test_two_brightnesses_are_enough_for_photon_noise():
    photons = np.where(np.hypot(X - 64, Y - 64) < 30, 40.0, 4.0)
    clean = 100 + 2.2 * photons
    for seed in range(3):
        rng = np.random.default_rng(seed)
        noisy = np.rint(100 + 2.2 * rng.poisson(photons) + rng.normal(0, 1.5, photons.shape)).astype(np.uint16)
        result, report = nlmeans.denoise(noisy, noise="auto", full_output=True)
        assert report.plan.noise.startswith("PoissonGaussian")
        assert np.sqrt(np.mean((result - clean) ** 2)) < 1.8
        assert any("grows with brightness" in note for note in nlmeans.plan(noisy).notes)


def coiled(clean, coils, sigma=1.0, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, (2 * coils, *clean.shape))
    noise[::2] += clean / coils**0.5
    return np.sqrt(np.square(noise).sum(0)).astype(np.float32)


@pytest.mark.parametrize("coils", [1, 4, 32])
def test_magnitudes_of_several_coils_are_seen_and_their_ground_removed(coils):
    clean = np.where(np.hypot(X - 64, Y - 64) < 40, 20.0, 0.0)
    noisy = coiled(clean, coils)
    result, report = nlmeans.denoise(noisy, noise="auto", full_output=True)
    assert report.plan.noise.startswith("Rician")
    assert report.plan.noise.endswith(f"coils {coils}")
    assert result[clean == 0].mean() < 0.5 < 0.4 * noisy[clean == 0].mean()
    assert np.sqrt(np.mean((result - clean) ** 2)) < 0.7
    fitted = nlmeans.noise.magnitude.fit(Evidence.of(noisy[None, None], None), coils)
    assert fitted[0] == pytest.approx(1, rel=0.02)
    without = nlmeans.noise.magnitude.fit(Evidence.of(noisy[None, None, 44:84, 44:84], None), coils)  # no background
    assert without[0] == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("coils", [4, 8])
def test_several_coils_are_seen_in_dim_and_coarse_images_too(coils):
    inside = np.hypot(X - 64, Y - 64) < 40
    for sigma, clean in ((3, np.where(inside, CAMERA[:128, :128], 0)), (25, np.where(inside, 100.0, 0))):
        noisy = coiled(clean, coils, sigma).astype(np.float64)
        for image in (noisy, np.rint(noisy).astype(np.uint16)):
            assert nlmeans.plan(image, noise="auto").noise.endswith(f"coils {coils}")
        fitted = nlmeans.noise.magnitude.fit(Evidence.of(noisy[None, None], None), coils)
        assert fitted[0] == pytest.approx(sigma, rel=0.02)
    for method in ("nlm", "ridge"):
        result = nlmeans.denoise(noisy, noise=Rician(25, coils), method=method)
        assert result[np.hypot(X - 64, Y - 64) > 50].mean() < 0.35 * 25  # 68 and 98 are what is measured there


@pytest.mark.parametrize("ratio", [3.9, 7, 11.3])
def test_a_dark_ground_with_gaussian_noise_is_no_magnitude(ratio):
    rng = np.random.default_rng(0)
    for texture in (0, 1):  # with texture that doubles the variance where it is bright
        bright = np.hypot(X - 64, Y - 64) < 40
        image = (
            np.where(bright, 5 * ratio, ratio)
            + rng.normal(0, 1, X.shape)
            + texture * bright * rng.normal(0, 1, X.shape)
        )
        assert not nlmeans.plan(np.maximum(image, 0), noise="auto").noise.startswith("Rician")


def test_the_command_takes_coils_and_says_what_is_wrong():
    np.save("noisy.npy", coiled(np.where(X > 64, 20.0, 0.0), 4)[:40, :40])
    run = CliRunner().invoke
    done = run(app, ["plan", "noisy.npy", "--noise", "rician:sigma=1,coils=4"])
    assert "Rician, sigma 1, coils 4" in done.output
    for bad in ("0", "1.5", "1000"):
        assert run(app, ["plan", "noisy.npy", "--noise", f"rician:coils={bad}"]).exit_code == 2
        with pytest.raises(ValueError, match="coils must be a whole number from 1 to 128"):
            Rician(1, coils=float(bad))


def test_the_true_sigma_of_magnitudes_does_as_well_as_the_estimate():
    grid = np.mgrid[:32, :64, :64]
    clean = np.zeros(grid.shape[1:])
    for radii, value in (((14, 26, 24), 300), ((8, 14, 12), 200)):
        clean[sum(((k - n / 2) / r) ** 2 for k, n, r in zip(grid, clean.shape, radii, strict=True)) < 1] += value
    noisy = coiled(clean, 1, 30.6)

    def error(model):
        return np.sqrt(np.mean((nlmeans.denoise(noisy, noise=model, axes="ZYX") - clean) ** 2))

    assert error(Rician(30.6)) < 1.03 * error(Rician())


def test_sure_says_where_sigma_cannot_be_right():
    clean = camera()[100:228, 150:278].astype(np.float32)
    noisy = clean + np.random.default_rng(0).normal(0, 10, clean.shape).astype(np.float32)

    def report(factor):
        return nlmeans.denoise(noisy, 10 * factor, strength="sure", full_output=True)[1]

    right, low, high = report(1), report(0.6), report(1.5)
    assert right.notes == ()
    assert np.isfinite(right.plan.predicted_mse)
    for wrong in (low, high):
        assert any("looks like 10" in note or "looks like 9.9" in note for note in wrong.notes)
    assert np.isnan(high.plan.predicted_mse)
    assert any("expects no error at all" in note for note in high.notes)
    assert high.plan.strength == nlmeans.plan(noisy, 15).strength
    assert high.plan.predicted_psnr is None


@settings(max_examples=20)
@given(
    st.sampled_from([(1, 1, 1, 5), (3, 1, 9, 30), (1, 3, 24, 33), (2, 2, 40, 17)]), st.integers(0, 999),
    st.sampled_from(["normal", "counts", "dots", "constant", "ramp", "two"]), st.sampled_from([1e-300, 1e-30, 1e290]),
    st.sampled_from([Auto(), nlmeans.noise.Gaussian(), PoissonGaussian(), Rician(), Rician(coils=4)]),
)  # fmt: skip
def test_any_image_has_finite_noise_that_scales_with_it(shape, seed, kind, unit, model):
    rng = np.random.default_rng(seed)
    planes = {
        "normal": rng.normal(100, 10, shape), "counts": rng.poisson(2.0, shape) + 0.0, "constant": np.full(shape, 7.0),
        "dots": (rng.random(shape) < 0.1) * rng.exponential(1, shape), "two": rng.integers(0, 2, shape) * 7.0,
        "ramp": np.cumsum(np.ones(shape), -1),
    }[kind]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, plain = (model.fitted(planes * scale) for scale in (unit, 1.0))
    assert np.isfinite(found.sigma).all()
    assert type(found.model) is type(plain.model)
    scaled = np.multiply(plain.model.sigma, unit)
    np.testing.assert_allclose(found.model.sigma, scaled, rtol=1e-4, atol=1e-5 * unit * planes.max())


def test_repeated_slices_are_no_correlated_noise():
    slices = CAMERA[:64, :64] + np.random.default_rng(0).normal(0, 10, (6, 64, 64))
    volume = np.repeat(slices, 3, axis=0)
    assert nlmeans.plan(volume, axes="ZYX").notes == ()
    assert nlmeans.estimate_sigma(volume) == nlmeans.estimate_sigma(slices)


@pytest.mark.parametrize("shape", [(3, 1, 4000, 6000), (1, 300, 400, 400), (1, 1, 20, 900_000), (200, 1, 500, 500)])
def test_however_large_an_image_is_little_of_it_is_looked_at(shape):
    planes = np.broadcast_to(np.random.default_rng(0).normal(100, 10, shape[-1]).astype(np.float32), shape)
    evidence = Evidence.of(planes, None)
    assert evidence.planes.size <= max(shape[0], 4) * 64**3
    assert all(channel.budget * max(len(planes) // 4, 1) <= 160_000 for channel in evidence.channels)


def test_an_estimate_takes_little_memory():
    image = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), np.uint8)
    nlmeans.estimate_sigma(image[:64, :64], channel_axis=-1)
    tracemalloc.start()
    try:
        nlmeans.estimate_sigma(image, channel_axis=-1)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()


def test_a_mask_that_leaves_little_is_looked_at_where_it_is(monkeypatch):
    monkeypatch.setattr(crops, "PIXELS", 60 * 60)
    image = CAMERA + np.random.default_rng(0).normal(0, 80, CAMERA.shape)
    mask = np.zeros(image.shape, bool)
    mask[180:240, 20:80] = True
    image[mask] += np.random.default_rng(1).normal(0, 10, mask.sum()) - (image - CAMERA)[mask]
    assert nlmeans.estimate_sigma(image, mask=mask) == pytest.approx(10, rel=0.25)
