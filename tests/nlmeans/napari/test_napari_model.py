"""What the plugin makes of layers and settings, without napari."""

from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

import nlmeans
from nlmeans.napari import call
from nlmeans.napari.fit import fit
from nlmeans.napari.look import Look
from nlmeans.napari.scene import Scene
from nlmeans.napari.settings import MODELS, Settings, command_noise, numbers_of
from nlmeans.napari.subject import choices, named, subject_of
from nlmeans.napari.view import region_of, slice_of
from nlmeans.noise import Camera, Gaussian, PoissonGaussian, Rician
from nlmeans.noise.text import parse


def noisy(shape=(96, 120), sigma=12.0, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.add.outer(np.arange(shape[-2]) // 16 % 2, np.arange(shape[-1]) // 24 % 3) * 40 + 60.0
    return (steps + rng.normal(0, sigma, shape)).clip(0, 255).astype(np.uint8)


def layer_of(data, name="cells", multiscale=False, rgb=False, labels=None, scale=None):
    first = data[0] if multiscale else data
    ndim = first.ndim - rgb
    labels = labels or tuple(f"axis {k - ndim}" for k in range(ndim))
    return SimpleNamespace(
        data=data, name=name, multiscale=multiscale, rgb=rgb, ndim=ndim, axis_labels=labels,
        scale=np.ones(ndim) if scale is None else np.asarray(scale),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "rgb", "first"),
    [((9, 9), False, "YX"), ((9, 9, 3), True, "YXC"), ((5, 9, 9), False, "ZYX"), ((5, 6, 9, 9), False, "TZYX")],
)
def test_the_likeliest_axes_come_first(shape, rgb, first):
    found = choices(layer_of(np.zeros(shape), rgb=rgb))
    assert found[0] == first
    assert len(set(found)) == len(found)
    for axes in found:
        assert nlmeans.extend.Layout(axes).planes(np.zeros(shape)).ndim == 5


def test_labels_of_axes_are_believed():
    assert choices(layer_of(np.zeros((5, 9, 9)), labels=("time", "y", "x")))[0] == "TYX"
    assert choices(layer_of(np.zeros((5, 9, 9)), labels=("c", "y", "x")))[0] == "CYX"
    assert named(("x", "x", "y")) is None
    assert choices(layer_of(np.zeros(9))) == []


def test_spacing_is_said_where_it_differs():
    volume = np.zeros((5, 9, 9))
    assert subject_of(layer_of(volume, scale=(2, 0.5, 0.5)), "ZYX").spacing == (2.0, 0.5, 0.5)
    assert subject_of(layer_of(volume, scale=(2, 0.5, 0.5)), "TZX".replace("Z", "Y")).spacing == (2.0, 0.5, 0.5)
    assert subject_of(layer_of(volume, scale=(2, 0.5, 0.5)), "NYX").spacing is None


def test_settings_become_arguments():
    assert Settings().arguments() == {}
    assert Settings("automatic").arguments() == {"noise": "auto"}
    assert Settings(numbers={"sigma": (1.0, 2.0, 3.0)}).arguments() == {"sigma": [1.0, 2.0, 3.0]}
    other = next(name for name in nlmeans.extend.method_names() if name != "nlm")
    assert Settings(method=other, strength=0.5).arguments() == {"method": other}


@pytest.mark.parametrize("noise", MODELS)
def test_the_numbers_of_models_are_shown_and_taken(noise):
    image = noisy()
    found = fit(image, "YX", None, Settings(noise).arguments())
    numbers = numbers_of(noise, found.noise.model)
    if numbers:
        again = Settings(noise, numbers)
        np.testing.assert_allclose(nlmeans.denoise(image, **again.arguments()).mean(), image.mean(), rtol=0.02)


def test_a_region_is_the_middle_of_what_is_seen():
    region = region_of((2000, 3000), "YX", ((0, 2000), (1000, 3000)), (0, 1), (0, 0))
    assert region.core == ((744, 1256), (1744, 2256))
    assert region.whole == ((724, 1276), (1724, 2276))
    assert region_of((20, 30), "YX", ((0, 20), (30, 50)), (0, 1), (0, 0)) is None
    strip = region_of((40, 30000), "YX", ((-5, 60), (0, 30000)), (0, 1), (0, 0))
    assert strip.core[0] == (0, 40)
    assert strip.core[1][1] - strip.core[1][0] == (1 << 18) // 40
    frames = region_of((9, 40, 40), "NYX", ((0, 9), (0, 40), (0, 40)), (1, 2), (3, 0, 0))
    assert frames.whole[0] == frames.core[0] == (3, 4)
    across = region_of((9, 40, 40), "ZYX", ((0, 9), (0, 40), (0, 40)), (0, 2), (0, 7, 0))
    assert across.core == ((0, 9), (7, 8), (0, 40))
    assert across.whole == ((0, 9), (3, 12), (0, 40))
    assert slice_of((9, 4000, 4000), "ZYX", (1, 2), (3, 0, 0)).core == ((3, 4), (0, 4000), (0, 4000))


def seen(subject, core, settings=None):
    sides = subject.sides
    displayed = (len(sides) - 2, len(sides) - 1)
    region = region_of(sides, subject.axes, core, displayed, [first for first, _ in core])
    scene = Scene(region, slice_of(sides, subject.axes, displayed, [first for first, _ in core]))
    return region, Look().at(subject, settings or Settings(), scene, lambda *_: None, Event())


@pytest.mark.parametrize("noise", ["Gaussian", "Poisson-Gaussian"])
def test_a_preview_is_a_part_of_the_result(noise):
    image = noisy()
    subject = subject_of(layer_of(image), "YX")
    _, looked = seen(subject, ((30, 60), (40, 90)), Settings(noise))
    whole = call.denoised(subject, Settings(noise), lambda *_: None, Event())[0]
    assert looked.pixels.shape == (30, 50)
    assert looked.start == (30, 40)
    off = np.abs(looked.pixels.astype(int) - whole[30:60, 40:90])
    assert off.max() <= 2
    assert np.abs(looked.pixels.astype(int) - image[30:60, 40:90]).max() > 10


def test_a_preview_of_a_volume_is_one_slice_and_of_colours_has_all():
    volume = noisy((7, 48, 60))
    _, looked = seen(subject_of(layer_of(volume), "ZYX"), ((3, 4), (0, 48), (0, 60)))
    assert looked.pixels.shape == (1, 48, 60)
    colours = np.stack([noisy((48, 60), seed=k) for k in range(4)], axis=-1)
    subject = subject_of(layer_of(colours, rgb=True), "YXC")
    _, looked = seen(subject, ((10, 30), (0, 60)))
    assert looked.pixels.shape == (20, 60, 4)
    np.testing.assert_array_equal(looked.pixels[..., 3], colours[10:30, :, 3])


def test_a_mask_counts_in_previews_too():
    image = noisy().astype(np.float32)
    image[:, :60] += 500
    labels = layer_of((np.arange(120) >= 60) * np.ones((96, 1), int), name="right")
    masked = subject_of(layer_of(image), "YX", labels)
    _, looked = seen(masked, ((0, 96), (0, 120)))
    _, plain = seen(subject_of(layer_of(image), "YX"), ((0, 96), (0, 120)))
    assert looked.fit.noise.sigma != plain.fit.noise.sigma or not np.array_equal(looked.pixels, plain.pixels)
    assert "mask=mask" in call.as_python(masked, Settings())


def run(text, *layers):
    names = {"viewer": SimpleNamespace(layers={layer.name: layer for layer in layers})}
    exec(text, names)
    return names["clean"]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(quality="fast"),
        Settings(numbers={"sigma": 9.5}, strength=0.4),
        Settings("Poisson-Gaussian", {"gain": 1.5, "offset": 2.0, "sigma": 3.0}),
        Settings("automatic"),
    ],
)
def test_copied_python_does_the_same(settings):
    layer = layer_of(noisy(), name="it's")
    subject = subject_of(layer, "YX")
    done = call.denoised(subject, settings, lambda *_: None, Event())[0]
    np.testing.assert_array_equal(run(call.as_python(subject, settings), layer), done)


def test_copied_python_does_the_same_with_levels_masks_and_opacity():
    colours = np.stack([noisy((64, 60), seed=k) for k in range(4)], axis=-1)
    levels = layer_of([colours, colours[::2, ::2]], multiscale=True, rgb=True)
    subject = subject_of(levels, "YXC")
    settings = Settings(numbers={"sigma": 12.0}, quality="fast")
    done = call.denoised(subject, settings, lambda *_: None, Event())
    for comp, ref in zip(run(call.as_python(subject, settings), levels), done, strict=True):
        np.testing.assert_array_equal(comp, ref)
    image, labels = layer_of(noisy()), layer_of((noisy() > 90).astype(int), name="cells 2")
    subject = subject_of(image, "YX", labels)
    done = call.denoised(subject, settings, lambda *_: None, Event())[0]
    np.testing.assert_array_equal(run(call.as_python(subject, settings), image, labels), done)


@pytest.mark.parametrize(
    "model",
    [
        PoissonGaussian(gain=2.0, offset=1.0, sigma=3.0), PoissonGaussian(gain=(2.0, 3.0), sigma=1.5),
        PoissonGaussian(gain=40.0, excess=2.0), Rician(), Rician(4.5, coils=8), Camera(), Camera(3.0, 2.0, 1.0),
    ],
)  # fmt: skip
def test_the_command_line_reads_the_model_that_was_written(model):
    assert parse(command_noise(model)) == model


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(numbers={"sigma": 9.5}, strength=0.4, quality="fast"), "--sigma 9.5 --quality fast --strength 0.4"),
        (Settings("Poisson-Gaussian", {"gain": 1.5, "offset": 0.0, "sigma": 3.0}), "--noise poisson:gain=1.5,"),
        (Settings("Rician"), "--noise rician"),
    ],
)
def test_a_copied_command_does_the_same(settings, said, tmp_path):
    from typer.testing import CliRunner

    from nlmeans import io
    from nlmeans.cli import app

    image, path = noisy(), tmp_path / "noisy cells.tif"
    io.write(path, io.Picture(image))
    subject = subject_of(layer_of(image), "YX")
    text = call.as_command(subject, settings, str(path))
    assert said in text
    import shlex

    words = shlex.split(text)
    assert words[:2] == ["nlmeans", "denoise"]
    clean = tmp_path / "clean.tif"
    words[words.index("clean.tif")] = str(clean)
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(io.read(clean).pixels, call.denoised(subject, settings, lambda *_: None, Event())[0])


def test_dask_stays_lazy():
    da = pytest.importorskip("dask.array")
    image = noisy((3, 64, 60))
    subject = subject_of(layer_of(da.from_array(image, chunks=(1, 64, 60))), "NYX")
    lazy = call.denoised(subject, Settings(numbers={"sigma": 12.0}, quality="fast"), None, Event())[0]
    assert isinstance(lazy, da.Array)
    ref = nlmeans.denoise(image[1], sigma=12, quality="fast")
    np.testing.assert_allclose(lazy[1].compute().astype(int), ref, atol=1)
    _, looked = seen(subject, ((1, 2), (0, 64), (0, 60)), Settings(numbers={"sigma": 12.0}, quality="fast"))
    np.testing.assert_array_equal(looked.pixels[0], ref)


def test_what_is_stopped_is_cancelled():
    stop = Event()
    stop.set()
    with pytest.raises(nlmeans.Cancelled):
        call.denoised(subject_of(layer_of(noisy()), "YX"), Settings(), lambda *_: None, stop)


def test_the_curve_of_a_model_grows_where_its_noise_does():
    image = noisy()
    flat = fit(image, "YX", None, {"noise": Gaussian(5)}).deviation(np.array([10.0, 100.0]))
    np.testing.assert_allclose(flat, [[5, 5]])
    grown = fit(image, "YX", None, {"noise": PoissonGaussian(2)}).deviation(np.array([10.0, 100.0]))
    np.testing.assert_allclose(grown, [np.sqrt([20, 200])])
