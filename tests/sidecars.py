"""Runs by blocks that are stopped, and what is compared after them."""

from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans import formats, large
from nlmeans.large.blocks import Sizes
from nlmeans.large.output import Output

GREY = np.random.default_rng(0).normal(1000, 50, (100, 110)).astype(np.uint16)
OTHER = np.random.default_rng(1).normal(5000, 50, (100, 110)).astype(np.uint16)
OPTIONS = dict(quality="fast", search_radius=1, threads=1)
SIZES = Sizes((50 * 64, 64 * 64))


def denoise(source="noisy.npy", target="clean.npy", sigma=50, **more):
    return large.denoise(source, target, sigma, **OPTIONS | {"sizes": SIZES} | more)


def right(pixels=GREY, sigma=50):
    return nlmeans.denoise(pixels, sigma, **OPTIONS)


def check(target, pixels=GREY, sigma=50):
    """Compare an output with that of an undisturbed call; whole numbers may be rounded the other way."""
    import zarr

    comp = zarr.open(target)["0"][...] if target.endswith("zarr") else formats.read(target).pixels
    np.testing.assert_allclose(comp.astype(int), right(pixels, sigma), atol=1)


def stopped(count=2, **more):
    def progress(done, total):
        if done == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise(progress=progress, **more)


def killed(monkeypatch, step, **more):
    """Run until a step of `Output`, and leave all as a kill would."""

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Output, step, kill)
        with pytest.raises(KeyboardInterrupt):
            denoise(**more)


def everything():
    """Return all files with what is in them, and folders."""
    return {str(item): item.read_bytes() if item.is_file() else None for item in Path().rglob("*")}


def refused(error, match, **more):
    """Make a call that is refused in one line, and touches nothing."""
    before = everything()
    with pytest.raises(error, match=match) as caught:
        denoise(**more)
    assert "\n" not in str(caught.value)
    assert everything() == before
