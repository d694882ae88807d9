"""The learned denoise(): every kind of array, any scale, tiles; here with a small network that was not trained."""

import os
import threading
from multiprocessing import get_context

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

import networks  # noqa: E402
from networks import noisy  # noqa: E402

import nlmeans  # noqa: E402
from nlmeans.noise import Gaussian, PoissonGaussian, Rician  # noqa: E402
from nlmeans.noise.fitted import FittedNoise  # noqa: E402
from nlmeans.noise.models import CORRELATED  # noqa: E402
from nlmeans.plan.options import Options  # noqa: E402
from nonlocal_block import denoise, method  # noqa: E402
from nonlocal_block._planes import Evening, Scale, extremes  # noqa: E402


@pytest.fixture(autouse=True)
def small(monkeypatch):
    networks.install(monkeypatch)


def call(image, sigma=10.0, **options):
    return denoise(image, sigma, threads=1, **options)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float16", "float32", "float64"])
def test_dtype_and_shape_stay(dtype):
    image = noisy().astype(dtype)
    before = image.copy()
    found = call(image)
    assert (found.dtype, found.shape) == (image.dtype, image.shape)
    assert np.array_equal(image, before)
    ref = call(image.astype(np.float64))
    slack = 0.51 if image.dtype.kind in "ui" else 0.1 if dtype == "float16" else 1e-3
    assert np.abs(found.astype(float) - np.clip(ref, 0, 255 if dtype == "uint8" else None)).max() <= slack
    assert np.abs(found.astype(float) - image).max() > 1


def test_arrays_of_every_kind():
    planes = np.stack([noisy(seed=k) for k in range(3)])
    ref = np.stack([call(plane) for plane in planes])
    for axes in ("NYX", "ZYX", "TYX"):
        np.testing.assert_allclose(call(planes, axes=axes), ref, atol=1e-3)
    four = np.stack([*planes, planes[0]])
    np.testing.assert_allclose(call(four, channel_axis=0), np.stack([*ref, ref[0]]), atol=1e-3)
    np.testing.assert_allclose(
        call(planes[:2].transpose(1, 2, 0), channel_axis=-1), ref[:2].transpose(1, 2, 0), atol=1e-3
    )
    colour = call(planes, channel_axis=0)
    assert colour.shape == planes.shape
    assert np.abs(colour - ref).max() > 0.5  # together, by the other network
    stack = np.stack([planes, planes[::-1]])
    np.testing.assert_allclose(call(stack, axes="NCYX"), np.stack([colour, call(planes[::-1], axes="CYX")]), atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("a", "b"), [(1.0, 500.0), (1 / 255, 0.0), (40.0, -2000.0), (1e-3, -0.2)])
def test_any_scale(dtype, a, b):
    image = noisy().astype(dtype)
    for axes, picture in (("YX", image), ("YXC", np.stack([image, image[::-1], image[:, ::-1]], 2))):
        ref = call(picture, axes=axes)
        found = denoise((a * picture + b).astype(dtype), a * 10.0, axes=axes, threads=1)
        np.testing.assert_allclose((found - b) / a, ref, atol=5e-3 * (1 + abs(b / a) / 100))  # ridge compares rounded


def test_hot_pixels_harm_no_others():
    image = noisy((48, 200))
    ref = call(image)
    image[20, 20], image[30, 25] = 1e6, -3e5
    found = call(image)
    assert np.abs(found[:, 120:] - ref[:, 120:]).max() < 1e-3
    assert np.abs(found - ref)[np.abs(image) < 1e4].max() < 40
    assert found[20, 20] == pytest.approx(1e6, rel=1e-3)
    assert found[30, 25] == pytest.approx(-3e5, rel=1e-3)


def test_sigma_in_every_form():
    image = noisy()
    ref = call(image)
    np.testing.assert_allclose(denoise(image, noise=Gaussian(10.0), threads=1), ref)
    np.testing.assert_allclose(call(image, np.full(image.shape, 10.0)), ref, atol=1e-3)
    ramp = np.linspace(2, 18, image.shape[1]) * np.ones((image.shape[0], 1))
    assert np.abs(call(image, ramp) - ref).max() > 0.1
    assert np.array_equal(call(image, 0), image)
    silent = ramp.copy()
    silent[:, :10] = 0
    assert np.array_equal(call(image, silent)[:, :10], image[:, :10])
    colour = np.stack([image, image[::-1], image[:, ::-1]])
    np.testing.assert_allclose(call(colour, (10, 10, 10), channel_axis=0), call(colour, channel_axis=0), atol=1e-3)
    assert np.abs(call(colour, (5, 10, 15), channel_axis=0) - call(colour, channel_axis=0)).max() > 0.1


def test_channels_of_unequal_noise_are_made_equal_and_back():
    image = np.stack([noisy(), noisy()[::-1], noisy()[:, ::-1]])
    factors = np.array([1.0, 2.0, 0.5], np.float32)[:, None, None]
    found = call(factors * image, (10.0, 20.0, 5.0), channel_axis=0)
    np.testing.assert_allclose(found / factors, call(image, channel_axis=0), atol=2e-3)


def test_channels_of_very_unequal_noise_are_denoised_one_by_one():
    image = np.stack([noisy(), noisy()[::-1], noisy()[:, ::-1]])
    found, report = call(image, (10.0, 2.0, 10.0), channel_axis=0, full_output=True)
    for plane, sigma, ours in zip(image, (10.0, 2.0, 10.0), found, strict=True):
        np.testing.assert_array_equal(ours, call(plane, sigma))
    assert report.weights == ("denoiser-grey 01234567", "denoiser-mixer 01234567")
    assert call(image, channel_axis=0, full_output=True)[1].weights == (
        "denoiser-grey 01234567", "denoiser-differences 01234567", "denoiser-mixer 01234567",
    )  # fmt: skip


def test_channels_without_noise_stay_as_they_are():
    image = np.stack([noisy(), noisy()[::-1], noisy()[:, ::-1]])
    found = call(image, (10.0, 0.0, 10.0), channel_axis=0)
    np.testing.assert_array_equal(found[1], image[1])
    np.testing.assert_array_equal(found[0], call(image[0]))
    steps = []
    same, report = call(image, 0, channel_axis=0, full_output=True, progress=lambda *step: steps.append(step))
    np.testing.assert_array_equal(same, image)
    assert same is not image
    assert report.weights == ()
    assert "learned, nothing to do" in str(report)
    assert steps == [(1, 1)]


def test_a_few_wild_values_of_a_map_change_nothing_elsewhere():
    image = noisy((64, 160))
    level = np.full(image.shape, 10.0)
    ref = call(image, level)
    level[3, 3] = 200.0  # alone, it would have the image scaled to 680 grey levels
    found = call(image, level)
    assert np.abs(found[:, 120:] - ref[:, 120:]).max() < 0.1
    assert np.abs(ref[:, 120:] - image[:, 120:]).max() > 2


def test_the_network_is_told_the_map(monkeypatch):
    told = []

    class Network:
        margin = 8

        def __call__(self, x, sigma):
            told.append(sigma)
            return x

    monkeypatch.setattr(method, "_loaded", lambda channels, device, quality: Network())
    image, ramp = noisy(), np.linspace(2, 18, 52) * np.ones((40, 1))
    np.testing.assert_array_equal(call(image, ramp, quality="fast"), image)
    largest = float(np.sqrt(np.quantile(ramp.astype(np.float32) ** 2, 0.99)))
    span = Scale.of(*extremes(image[None], Evening.of([largest])), largest).span
    np.testing.assert_allclose(told[0][0, 0].numpy() * span, ramp, rtol=1e-4)


def test_planes_without_noise_beside_noisy_ones():
    volume = np.stack([np.full((40, 52), 50.0, np.float32), noisy()])
    level = np.stack([np.zeros((40, 52)), np.full((40, 52), 10.0)])
    found = call(volume, level, axes="ZYX")
    np.testing.assert_array_equal(found[0], volume[0])
    np.testing.assert_allclose(found[1], call(volume[1]), atol=0.5)  # ridge is planned for the volume
    fast = call(volume, level, axes="ZYX", quality="fast")
    np.testing.assert_allclose(fast[1], call(volume[1], quality="fast"), atol=0.01)
    speck = np.zeros((40, 52))
    speck[3, 3] = 5.0
    assert np.isfinite(call(np.full((40, 52), 50.0), speck)).all()


@pytest.mark.parametrize("noise", [PoissonGaussian(gain=2.0, sigma=3.0), Rician(5.0)])
def test_other_noise_goes_through_its_transform(noise):
    counts = np.abs(2.0 * np.random.default_rng(0).poisson(np.linspace(5, 90, 64) * np.ones((64, 1))))
    transform = noise.fitted(counts[None, None]).stabiliser
    clean = denoise(transform.forward(counts[None, None])[0, 0], 1.0, threads=1)
    ref = transform.inverse(transform.settled(clean[None, None]))[0, 0]
    found, report = denoise(counts, noise=noise, threads=1, full_output=True)
    np.testing.assert_allclose(found, ref, atol=1e-6)
    assert np.abs(found - counts).max() > 1
    assert type(noise).__name__ in report.noise
    assert report.sigma == (1.0,)


def test_the_report():
    found, report = call(noisy(), None, full_output=True)
    assert found.dtype == np.float32
    assert report.estimated
    assert 8 < report.sigma[0] < 12
    assert (report.axes, report.device, report.threads) == ("YX", "cpu", 1)
    shown = str(report)
    for words in ("learned, denoiser-grey 01234567", "(estimated)", "seconds"):
        assert words in shown


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (65, 33), (30, 260)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_change_nothing(shape, channels):
    image = np.random.default_rng(0).uniform(50, 200, (channels, *shape)).astype(np.float32)
    for level in (20.0, np.random.default_rng(1).uniform(5, 30, shape)):
        picture, options = (image, {"channel_axis": 0}) if channels == 3 else (image[0], {})
        whole = call(picture, level, **options)
        found = nlmeans.denoise(picture, level, method=method.Learned(tile=24), threads=1, **options)
        assert np.abs(found - whole).max() <= 0.01
        left = []
        nlmeans.denoise(
            picture, level, method=method.Learned(tile=24), threads=1, quality="fast", **options,
            progress=lambda k, total, left=left: left.append(total - k),
        )  # fmt: skip
        assert list(dict.fromkeys(left)) == list(range(left[0], -1, -1))  # a slow tile repeats its number
        assert len(left) >= (shape[0] // 24) * (shape[1] // 24)


def test_progress_and_cancel():
    image, steps = np.stack([noisy(seed=k) for k in range(3)]), []
    call(image, axes="NYX", quality="fast", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    steps.clear()
    call(image, axes="NYX", progress=lambda done, total: steps.append((done, total)))
    assert len({total for _, total in steps}) == 1
    assert len(steps) > 6
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    event = threading.Event()
    event.set()
    steps.clear()
    with pytest.raises(nlmeans.Cancelled):
        call(image, axes="NYX", cancel=event, progress=lambda *step: steps.append(step))
    assert steps == []


def test_a_call_that_waits_for_another_can_be_cancelled(small, monkeypatch):
    event, waiting = threading.Event(), threading.Event()
    errors = []

    def second():
        try:
            call(noisy(), cancel=event, quality="fast")
        except nlmeans.Cancelled as error:
            errors.append(error)

    def slow(done, total):
        other = threading.Thread(target=second)
        other.start()
        event.set()
        other.join(10)
        waiting.set()

    call(noisy(), progress=slow, quality="fast")
    assert waiting.is_set()
    assert len(errors) == 1


def test_the_processs_threads_are_given_back():
    before = torch.get_num_threads()
    denoise(noisy(), 10.0, threads=before + 1)
    assert torch.get_num_threads() == before


def test_missing_pixels_are_filled_first():
    image = noisy()
    image[3, 4], image[20, 30:32] = np.nan, np.inf
    found, report = call(image, full_output=True)
    assert np.isfinite(found).all()
    assert report.missing == 3
    assert "missing pixels  3" in str(report)
    filled = np.where(np.isfinite(image), image, nlmeans.denoise(image, 10.0, quality="fast"))
    np.testing.assert_array_equal(call(image, quality="fast"), call(filled, quality="fast"))
    np.testing.assert_allclose(found, call(filled), atol=1)  # ridge leaves them out


def test_every_image_has_its_noise_in_the_report():
    stack = np.stack([noisy(seed=1), noisy(seed=2) + np.random.default_rng(3).normal(0, 20, (40, 52)).astype("f4")])
    _, report = call(stack, None, axes="NYX", full_output=True)
    assert [image.sigma[0] for image in report.images] == pytest.approx([10, 22], rel=0.3)
    assert report.sigma == report.images[0].sigma
    assert "2 (above: the first one's plan)" in str(report)


def test_correlated_noise_is_named_once(monkeypatch):
    noise = FittedNoise(Gaussian(3.0), (3.0,), estimated=True, notes=(CORRELATED,))
    monkeypatch.setattr(Options, "fitted_noise", lambda *_: noise)
    _, report = call(noisy(), None, full_output=True)
    assert report.correlated
    assert report.notes == (method.UNTRAINED,)
    assert str(report).count("correlated") == 1


def test_the_callers_torch_is_left_as_it_was(monkeypatch):
    networks.uninstall(monkeypatch)
    image = noisy()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    ref = call(image)
    assert torch.equal(torch.rand(1), expected)
    try:
        torch.set_default_dtype(torch.float64)
        np.testing.assert_array_equal(call(image), ref)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(call(image), ref)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_hang():
    image = noisy((96, 96))
    denoise(image, 10.0, threads=2)
    with get_context("fork").Pool(1) as pool:
        report = pool.apply_async(_in_child, (image,)).get(timeout=60)
    assert report.threads == 1


def _in_child(image):
    return denoise(image, 10.0, threads=2, full_output=True)[1]


@pytest.mark.parametrize(
    ("image", "options", "error", "words"),
    [
        (noisy(), dict(sigma=-1), ValueError, "must be at least 0"),
        (noisy(), dict(full_output="map"), ValueError, "full_output must be True, False or 'maps'; got 'map'"),
        (noisy(), dict(device="meta"), ValueError, "device must be 'auto' or one that is there; got 'meta'"),
        (noisy(), dict(device=1.5), ValueError, "device must be 'auto' or one that is there; got 1.5"),
        (noisy(), dict(sigma=5, noise=Gaussian(5)), ValueError, "not both"),
        (np.zeros((5, 5, 3)), {}, ValueError, "may be a colour image or a volume"),
        (noisy().astype(complex), {}, TypeError, "dtype must be one of"),
        (noisy(), dict(threads=0), ValueError, "threads must be at least 1; got 0"),
        (noisy(), dict(device="toaster"), ValueError, "device must be 'auto' or one that is there; got 'toaster'"),
        (noisy(), dict(progress=3), TypeError, "progress must be"),
    ],
)
def test_refusals(image, options, error, words):
    with pytest.raises(error, match=words):
        denoise(image, **options)


def test_the_best_quality_is_the_mean_over_positions_in_tiles_too(monkeypatch):
    image = noisy((90, 140))
    tiled, best = (
        nlmeans.denoise(image, 10.0, method=learned, quality="best") for learned in (method.Learned(tile=64), "learned")
    )
    assert np.abs(tiled - best).max() < 0.01
    monkeypatch.setattr(method, "_mixer", lambda _: lambda x, sigma, one, other: one)  # ridge has no such symmetry
    plain, best = (denoise(image, 10.0, quality=quality) for quality in ("balanced", "best"))
    turned, best_turned = (denoise(image.T.copy(), 10.0, quality=quality).T for quality in ("balanced", "best"))
    assert np.abs(turned - plain).max() > 1
    assert np.abs(best_turned - best).max() < 1e-2
    _, report = denoise(image, 10.0, quality="best", full_output=True)
    assert "best" in str(report)
    with pytest.raises(
        ValueError, match="quality of method 'learned' must be 'fast', 'balanced' or 'best'; got 'good'"
    ):
        denoise(image, 10.0, quality="good")


def test_the_fast_quality_is_a_network_of_its_own():
    image = noisy()
    plain, fast = (call(image, quality=quality) for quality in ("balanced", "fast"))
    assert np.abs(plain - fast).max() > 1
    np.testing.assert_array_equal(call(np.stack([image] * 3), channel_axis=0, quality="fast"), np.stack([fast] * 3))
    colour = np.stack([image, image[::-1], image[:, ::-1]])
    _, report = call(colour, channel_axis=0, quality="fast", full_output=True)
    assert report.weights == ("denoiser-grey-fast 01234567", "denoiser-differences 01234567")
    plans = {quality: nlmeans.plan(image, 10.0, method="learned", quality=quality) for quality in ("fast", "balanced")}
    assert plans["fast"].weights == ("denoiser-grey-fast 01234567",)
    assert "learned, denoiser-grey-fast 01234567" in str(plans["fast"])
    assert plans["fast"].seconds < plans["balanced"].seconds / 2
    assert plans["fast"].halo != plans["balanced"].halo
