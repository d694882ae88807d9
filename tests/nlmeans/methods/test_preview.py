"""Quality "preview": one pass over pixels in a small window, the same by every way, for any noise."""

import math

import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner

import nlmeans
from nlmeans import large, tiled
from nlmeans.cli import app
from nlmeans.extend import Method, method_of
from nlmeans.large.blocks import Sizes
from nlmeans.noise import Camera, PoissonGaussian, Rician

RNG = np.random.default_rng(0)
CLEAN = data.camera()[100:220, 180:310].astype(np.float64)
GREY = np.clip(CLEAN + RNG.normal(0, 20, CLEAN.shape), 0, 255).round().astype(np.uint8)
COLOUR = data.astronaut()[20:116, 170:270].astype(np.float64)
VOLUME = np.stack([CLEAN[k : k + 60, :70] for k in range(6)])
HOLED = np.where(RNG.random(CLEAN.shape) < 0.1, np.nan, GREY)
COUNTS = RNG.poisson(CLEAN / 4).astype(np.uint16)

CASES = {
    "grey": (GREY, dict(sigma=20), (3, 3), (2, 2)),
    "estimated": (GREY, dict(), (3, 3), (2, 2)),
    "colour": (COLOUR, dict(sigma=20, axes="YXC"), (3, 3), (2, 2)),
    "volume": (VOLUME, dict(sigma=20, axes="ZYX"), (0, 3, 3), (1, 2, 2)),
    "video": (VOLUME, dict(sigma=20, axes="TYX"), (0, 3, 3), (1, 2, 2)),
    "images": (VOLUME, dict(sigma=20, axes="NYX"), (3, 3), (2, 2)),
    "coarse slices": (VOLUME, dict(sigma=20, axes="ZYX", spacing=(4, 1, 1)), (0, 3, 3), (1, 2, 2)),
    "a slice": (VOLUME[:1], dict(sigma=20, axes="ZYX"), (0, 3, 3), (0, 2, 2)),
    "holes": (HOLED, dict(sigma=20), (3, 3), (2, 2)),
    "map": (GREY, dict(sigma=np.linspace(10, 30, GREY.size).reshape(GREY.shape)), (3, 3), (2, 2)),
    "counts": (COUNTS, dict(noise=PoissonGaussian(gain=1)), (3, 3), (2, 2)),
    "magnitudes": (np.abs(GREY.astype(float)), dict(noise=Rician(20)), (3, 3), (2, 2)),
    "processed": (COLOUR, dict(noise=Camera(), axes="YXC"), (3, 3), (2, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_is_one_pass_over_pixels_in_a_small_window(name):
    image, options, patch, search = CASES[name]
    plan = nlmeans.plan(image, quality="preview", **options)
    (step,) = plan.passes
    assert (step.patch_radius, step.search_radius, step.aggregation) == (patch, search, "pixel")
    assert (step.strength, step.wiener, step.kept, step.guided) == (0.8, 0, 0, False)
    fast = nlmeans.plan(image, quality="fast", **options)
    displacements, of_fast = (math.prod(2 * r + 1 for r in each.search_radius) // 2 for each in (plan, fast))
    assert displacements * 4 < of_fast
    assert plan.seconds * 4 < fast.seconds


@pytest.mark.parametrize("name", CASES)
def test_array_and_chunks_are_equal(name):
    dask = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    image, options, *_ = CASES[name]
    ref = nlmeans.denoise(image, quality="preview", **options)
    chunks = tuple(3 if n < 8 else n // 2 + 1 for n in image.shape)
    lazy = tiled.denoise(dask.from_array(image, chunks=chunks), block=40 * 40, quality="preview", **options)
    comp = lazy.compute()
    assert (comp.shape, comp.dtype) == (ref.shape, ref.dtype)
    assert np.abs(comp.astype(float) - ref).max() <= (1 if ref.dtype.kind == "u" else 2e-3)


def test_array_blocks_and_command_line_are_equal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ref = nlmeans.denoise(GREY, 20, quality="preview")
    assert np.abs(ref - nlmeans.denoise(GREY, 20, quality="fast").astype(float)).max() > 1
    np.save("noisy.npy", GREY)
    sizes = Sizes((40 * 40, 40 * 40))
    large.denoise("noisy.npy", "blocks.npy", 20, quality="preview", sizes=sizes)
    assert np.abs(np.load("blocks.npy").astype(int) - ref).max() <= 1
    done = CliRunner().invoke(app, ["denoise", "noisy.npy", "command.npy", "--sigma", "20", "--quality", "preview"])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.load("command.npy"), ref)


@pytest.mark.parametrize("sigma", [5, 10, 15, 25, 35, 50])
@pytest.mark.parametrize("kind", ["grey", "colour", "volume"])
def test_removes_noise(kind, sigma):
    clean, axes = {"grey": (CLEAN, "YX"), "colour": (COLOUR, "YXC"), "volume": (VOLUME, "ZYX")}[kind]
    noisy = (clean + np.random.default_rng(1).normal(0, sigma, clean.shape)).astype(np.float32)
    errors = [np.mean((nlmeans.denoise(noisy, sigma, axes=axes, quality=q) - clean) ** 2) for q in ("preview", "fast")]
    gains = 10 * np.log10(np.mean((noisy - clean) ** 2) / errors)
    assert gains[0] > (0.5 if sigma == 5 else 3)
    assert gains[0] > gains[1] - 1.5


def test_other_methods_have_no_preview():
    for method in ("ridge", "learned"):
        if method == "learned":
            pytest.importorskip("torch", reason="torch is not installed: pip install 'nlmeans[learned]'")
        with pytest.raises(ValueError, match=f"quality of method '{method}' must be 'fast', 'balanced' or 'best'; got"):
            nlmeans.denoise(GREY, 20, method=method, quality="preview")
    assert "preview" not in Method.qualities
    assert "preview" in method_of("nlm").qualities


def test_further_steps_keep_to_the_small_window():
    guided = nlmeans.plan(GREY, 20, quality="preview", guide=CLEAN).passes
    twice = nlmeans.plan(GREY, 20, quality="preview", passes=2, wiener=True).passes
    assert [step.search_radius for step in (*guided, *twice)] == [(2, 2)] * 3
    assert [step.wiener > 0 for step in (*guided, *twice)] == [False, True, True]
    wide = nlmeans.plan(GREY, 20, quality="preview", search_radius=4, patch_radius=1, strength=0.5)
    assert (wide.search_radius, wide.patch_radius, wide.strength) == ((4, 4), (1, 1), 0.5)
