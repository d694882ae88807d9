"""The learned method by regions: dask arrays and blocks of files give what the whole image gives."""

import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")
da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")

import networks  # noqa: E402
from networks import noisy  # noqa: E402

import nlmeans  # noqa: E402
from nlmeans import large, tiled  # noqa: E402
from nlmeans.noise import PoissonGaussian, Rician  # noqa: E402
from nonlocal_block.method import Learned  # noqa: E402
from nonlocal_block.mixer import Mixer  # noqa: E402

SHAPE = (150, 190)
GREY = noisy(SHAPE)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]])
MAP = np.linspace(4, 20, SHAPE[1]) * np.ones((SHAPE[0], 1))
HOLES = np.random.default_rng(1).random(SHAPE) > 0.05
CASES = {
    "grey": (GREY, dict(sigma=10.0)),
    "blind": (GREY, {}),
    "best": (GREY, dict(sigma=10.0, quality="best")),
    "fast": (GREY, dict(sigma=10.0, quality="fast")),
    "whole numbers": (GREY.clip(0, 255).astype(np.uint8), dict(sigma=10.0)),
    "colours": (COLOUR, dict(sigma=10.0, channel_axis=0)),
    "colours, fast": (COLOUR, dict(sigma=10.0, channel_axis=0, quality="fast")),
    "colours, best": (COLOUR, dict(sigma=10.0, channel_axis=0, quality="best")),
    "grey as colours": (np.stack([GREY] * 3), dict(sigma=10.0, channel_axis=0)),
    "a constant channel": (np.stack([GREY, np.full_like(GREY, 7)]), dict(sigma=10.0, channel_axis=0)),
    "a map": (GREY, dict(sigma=MAP)),
    "masked": (GREY, dict(sigma=10.0, mask=HOLES)),
    "masked, kept": (GREY, dict(sigma=10.0, mask=HOLES, fill=False)),
    "a volume": (np.stack([GREY, GREY[::-1], GREY + 50]), dict(sigma=10.0, axes="ZYX")),
    "images": (np.stack([GREY, 3 * GREY]), dict(sigma=[10.0, 30.0], axes="NYX")),
    "counts": (GREY.clip(0), dict(noise=PoissonGaussian(0.8, 0, 2))),
    "magnitudes": (np.abs(GREY), dict(noise=Rician(8.0))),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    networks.install(monkeypatch)


@pytest.mark.parametrize("name", CASES)
def test_chunks_equal_the_whole(name):
    image, given = CASES[name]
    whole = nlmeans.denoise(image, method="learned", threads=1, **given)
    chunks = (*(1,) * (image.ndim - 2), 47, 61)
    wide = {key: da.from_array(value, chunks=50) if key == "mask" else value for key, value in given.items()}
    lazily = tiled.denoise(da.from_array(image, chunks=chunks), method="learned", block=70 * 70, **wide)
    comp = lazily.compute(scheduler="threads")
    assert comp.dtype == whole.dtype
    slack = 1 if image.dtype.kind == "u" else 0.01
    assert np.abs(comp.astype(float) - whole).max() <= slack
    assert np.abs(whole.astype(float) - image).max() > 1
    if name == "grey as colours":
        assert np.ptp(comp, axis=0).max() == 0


def test_blocks_of_a_file_and_the_command_line(tmp_path, monkeypatch):
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'").save(
        str(tmp_path / "noisy.zarr"), GREY
    )
    whole, report = nlmeans.denoise(GREY, 10, method="learned", full_output=True)
    done = large.denoise(tmp_path / "noisy.zarr", tmp_path / "clean.npy", 10, method="learned")
    np.testing.assert_allclose(np.load(tmp_path / "clean.npy"), whole, atol=0.01)
    assert done.weights == report.weights
    assert done.plan == report.plan
    large.denoise(tmp_path / "noisy.zarr", tmp_path / "fast.npy", 10, method="learned", quality="fast")
    fast = nlmeans.denoise(GREY, 10, method="learned", quality="fast")
    np.testing.assert_allclose(np.load(tmp_path / "fast.npy"), fast, atol=0.01)
    command = [sys.executable, "-m", "nlmeans", "denoise", "noisy.zarr", "out.zarr"]
    flags = ["--method", "learned", "--sigma", "10"]
    run = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "sigma 10" in run.stdout
    networks.uninstall(monkeypatch)
    shipped = nlmeans.denoise(GREY, 10, method="learned")  # the command has no small network
    written = pytest.importorskip("zarr").open(str(tmp_path / "out.zarr"), mode="r")[...]
    np.testing.assert_allclose(written, shipped, atol=0.01)


def test_the_plan_says_how_far_it_sees():
    plan = nlmeans.plan(GREY, 10, method="learned")
    margin = networks.lively(1).margin + Mixer.margin
    beside = nlmeans.plan(GREY, 10, method="ridge", quality="fast").halo[0] + Mixer.margin
    assert plan.halo == (max(margin, beside),) * 2
    small = nlmeans.plan(GREY, 10, method="learned", quality="fast")
    assert small.halo == (networks.lively(1, fast=True).margin,) * 2
    assert "ridge" not in str(small)
    assert "mixed with ridge (fast)" in " ".join(str(plan).split())
    assert plan.reach(True) > plan.reach(False)
    for words in ("learned, denoiser-grey 01234567", "expected", "device"):
        assert words in str(plan)
    assert nlmeans.plan(da.from_array(GREY, chunks=50), 10, method="learned") == plan
    assert nlmeans.denoise(GREY, 10, method="learned", full_output=True)[1].plan == plan


def test_out_and_cancel_as_the_others():
    out = np.empty_like(GREY)
    assert nlmeans.denoise(GREY, 10, method="learned", out=out) is out
    np.testing.assert_array_equal(out, nlmeans.denoise(GREY, 10, method="learned"))
    event = threading.Event()
    event.set()
    with pytest.raises(nlmeans.Cancelled):
        nlmeans.denoise(GREY, 10, method=Learned(), cancel=event)


def test_a_large_image_is_shown_alike_whole_and_in_chunks(monkeypatch):
    from nlmeans.pixels import crops

    monkeypatch.setattr(crops, "PIXELS", 1 << 9)
    image = np.tile(GREY, (2, 2)) * np.linspace(0.3, 1.7, 2 * SHAPE[1], dtype=np.float32)
    whole = nlmeans.denoise(image, 10, method="learned")
    comp = tiled.denoise(da.from_array(image, chunks=90), 10, method="learned", block=9000).compute(scheduler="threads")
    assert np.abs(comp - whole).max() <= 0.01
