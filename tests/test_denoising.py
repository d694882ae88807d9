"""The learned denoise(): every kind of array, any scale, tiles; here with a small network that was not trained."""

import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

import nlmeans  # noqa: E402
from nlmeans.noise import Gaussian, PoissonGaussian, Rician  # noqa: E402
from nonlocal_block import denoising  # noqa: E402
from nonlocal_block.denoiser import NonLocalDenoiser  # noqa: E402
from nonlocal_block.denoising import denoise, reach, tiled  # noqa: E402


def lively(channels):
    """Return a small network that changes what it sees."""
    torch.manual_seed(channels)
    net = NonLocalDenoiser(channels, widths=(16, 16, 16), blocks=(1, 1, 1), last=1, search_radius=2)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 4 and not parameter.any():
                parameter.normal_(0, 0.02)
    return net.eval()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Put small networks in place of those that are shipped."""
    nets = {channels: (lively(channels), "test") for channels in (1, 3)}
    monkeypatch.setattr(denoising, "_loaded", nets.__getitem__)
    return nets


def noisy(shape=(40, 52), seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = 120 + 60 * np.sin(x / 6) + 40 * (y > 20)
    return (picture + rng.normal(0, 10, shape)).astype(np.float32)


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
        np.testing.assert_allclose((found - b) / a, ref, atol=2e-3 * (1 + abs(b / a) / 100))


def test_the_reach_of_grey_levels():
    image = noisy((64, 64))
    middle, span = reach(image[None], 10.0)
    assert 75 < span < 290
    assert abs(middle - 140) < 30
    image[5, 5] = 1e5  # a hot pixel: one of 64
    assert reach(image[None], 10.0)[1] < 2.5e3
    assert reach(np.full((1, 3, 5), 7.0), 2.0) == (7.0, 2.0 * 255 / 75)
    assert reach(np.arange(8.0).reshape(1, 1, 8), 0.01)[0] == pytest.approx(3.5)
    ramp = np.repeat(np.arange(4.0), 8)[None, None] * np.ones((1, 16, 1))
    assert reach(ramp, 0.01) == (1.5, 1.25 * 3)


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
    assert report.weights == ("denoiser-grey test",)
    assert call(image, channel_axis=0, full_output=True)[1].weights == ("denoiser-colour test",)


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

    def network(x, sigma):
        told.append(sigma.expand(1, 1, *x.shape[2:]))
        return x

    network.to = lambda device: network
    monkeypatch.setattr(denoising, "_loaded", lambda channels: (network, "test"))
    image, ramp = noisy(), np.linspace(2, 18, 52) * np.ones((40, 1))
    np.testing.assert_allclose(call(image, ramp), image, atol=1e-3)
    span = reach(image[None], float(np.sqrt((ramp**2).mean())))[1]
    np.testing.assert_allclose(told[0][0, 0].numpy() * span, ramp, rtol=1e-4)


def test_other_noise():
    rng = np.random.default_rng(0)
    counts = 2.0 * rng.poisson(np.linspace(20, 200, 64) * np.ones((64, 1)))
    found, report = denoise(counts, noise=PoissonGaussian(gain=2.0), threads=1, full_output=True)
    assert "PoissonGaussian" in report.noise
    assert report.sigma == (1.0,)
    assert 0.5 < found.mean() / counts.mean() < 1.5  # in the image's units again
    assert np.isfinite(denoise(np.abs(counts), noise=Rician(5.0), threads=1)).all()


def test_the_report():
    found, report = call(noisy(), None, full_output=True)
    assert found.dtype == np.float32
    assert report.estimated
    assert 8 < report.sigma[0] < 12
    assert (report.axes, report.device, report.threads) == ("YX", "cpu", 1)
    shown = str(report)
    for words in ("learned, denoiser-grey test", "(estimated)", "seconds"):
        assert words in shown


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (65, 33), (96, 120)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_change_nothing(monkeypatch, small, shape, channels):
    x, net = torch.rand(1, channels, *shape), small[channels][0]
    sigma = 0.02 + 0.2 * torch.rand(1, 1, *shape)
    with torch.inference_mode():
        for level in (sigma, sigma[:, :, :1, :1]):
            whole = net(x, level.expand(1, 1, *shape))
            monkeypatch.setattr(denoising, "TILE", 24)
            done: list[int] = []
            found = tiled(net, x, level, lambda k, total, done=done: done.append(total - k))
            monkeypatch.undo()
            assert float((found - whole).abs().max()) <= 0.01 / 255
            assert done == list(range(len(done)))[::-1]
            assert len(done) >= (shape[0] // 24) * (shape[1] // 24)


def test_tiles_are_as_wide_as_the_default_network_sees(monkeypatch):
    """The margin around a tile holds all that its pixels depend on: with less, this fails."""
    torch.manual_seed(0)
    net = NonLocalDenoiser().double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 4:
                parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5)
        net.stage.log_gain.fill_(-9.0)  # all weights alike, the farthest too
    x = torch.rand(1, 1, 24, 424, dtype=torch.float64)
    monkeypatch.setattr(denoising, "TILE", 216)
    with torch.inference_mode():
        level = torch.full((1, 1, 1, 1), 0.2, dtype=torch.float64)
        whole = net(x, level.expand(1, 1, 24, 424))
        found = tiled(net, x, level)
        monkeypatch.setattr(denoising, "MARGIN", denoising.MARGIN - 8)
        less = tiled(net, x, level)
    scale = float(whole.abs().max())
    assert float((found - whole).abs().max()) < 1e-12 * scale
    assert float((less - whole).abs().max()) > 1e-9 * scale


def test_progress_and_cancel():
    image, steps = np.stack([noisy(seed=k) for k in range(3)]), []
    call(image, axes="NYX", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    event = threading.Event()
    event.set()
    with pytest.raises(nlmeans.Cancelled):
        call(image, axes="NYX", cancel=event)


def test_the_processs_threads_are_given_back():
    before = torch.get_num_threads()
    denoise(noisy(), 10.0, threads=before + 1)
    assert torch.get_num_threads() == before


def broken():
    image = noisy()
    image[3, 4] = np.nan
    return image


@pytest.mark.parametrize(
    ("image", "options", "error", "words"),
    [
        (broken(), {}, ValueError, "needs every pixel; got 1 that are NaN or infinite: method='nlm' fills them"),
        (noisy(), dict(sigma=-1), ValueError, "must be"),
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
