"""What was taken away of a file that is denoised block by block."""

from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans import formats, large
from nlmeans.large import residual as module
from nlmeans.large.blocks import Sizes
from nlmeans.large.files import open_source

RNG = np.random.default_rng(0)
SIZES = Sizes(most=(1 << 12, 1 << 12))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "MOST", 3000)


def pixels(path):
    if not path.endswith(".zarr"):
        return formats.read(path).pixels if path.endswith("tif") else np.load(path)
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    node = zarr.open(path)
    return node["0"][...] if hasattr(node, "keys") else node[...]


@pytest.mark.parametrize("rest", ["rest.npy", "rest.tif", "rest.zarr"])
@pytest.mark.parametrize("target", ["out.npy", "out.tif", "out.zarr"])
@pytest.mark.parametrize(("axes", "shape"), [("ZYX", (5, 60, 50)), ("YXC", (70, 60, 4))])
def test_it_is_the_difference_in_the_axes_of_the_source(axes, shape, target, rest):
    image = RNG.normal(1000, 30, shape).round().astype(np.uint16)
    np.save("in.npy", image)
    large.denoise("in.npy", target, 30, axes=axes, residual=rest, sizes=SIZES, quality="fast")
    result, found = pixels(target), pixels(rest)
    turned = [axes.index(axis) for axis in ("CYX" if axes == "YXC" else "ZYX")]
    if result.shape != shape:
        result = result.transpose(np.argsort(turned))
    if found.shape != shape:
        found = found.transpose(np.argsort(turned))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, image.astype(np.int32) - result)
    assert found.std() > 20
    names = {path.name for path in Path().iterdir()}
    assert names == {"in.npy", target, rest}


def test_a_file_of_the_same_format_keeps_what_it_says_but_for_no_data(tmp_path):
    image = RNG.normal(1000, 30, (60, 50)).round().astype(np.uint16)
    image[:20] = 0
    formats.write("in.tif", formats.Picture(image, "YX", spacing=(0.5, 0.25), unit="µm", nodata=0))
    large.denoise("in.tif", "out.tif", 30, residual="rest.tif", sizes=SIZES)
    rest = formats.read("rest.tif")
    assert (rest.spacing, rest.unit, rest.nodata) == ((0.5, 0.25), "µm", None)
    assert (rest.pixels[:20] == 0).all()
    np.testing.assert_array_equal(rest.pixels, image.astype(int) - formats.read("out.tif").pixels)
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    large.denoise("in.tif", "in.zarr", 0)
    large.denoise("in.zarr", "out.zarr", 30, residual="rest.zarr", sizes=SIZES)
    np.testing.assert_array_equal(pixels("rest.zarr"), image.astype(int) - pixels("out.zarr"))
    assert open_source("out.zarr").info.nodata == 0
    assert open_source("rest.zarr").info.nodata is None


def test_in_place_and_after_a_stop():
    image = RNG.normal(1000, 30, (60, 50)).astype(np.float32)
    np.save("in.npy", image)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        large.denoise("in.npy", "in.npy", 30, residual="rest.npy", sizes=SIZES, overwrite=True, progress=stop)
    assert not Path("rest.npy").exists()
    large.denoise("in.npy", "in.npy", 30, residual="rest.npy", sizes=SIZES, overwrite=True)
    np.testing.assert_allclose(np.load("in.npy") + np.load("rest.npy"), image, rtol=1e-6)
    assert {path.name for path in Path().iterdir()} == {"in.npy", "rest.npy"}


def test_a_place_of_its_own():
    np.save("in.npy", RNG.normal(1000, 30, (60, 50)))
    for wrong in ("in.npy", "out.npy"):
        with pytest.raises(nlmeans.io.PictureError, match="the residual must be a file of its own"):
            large.denoise("in.npy", "out.npy", 30, residual=wrong, overwrite=True)
    with pytest.raises(nlmeans.io.PictureError, match=r"the name ends in \.png"):
        large.denoise("in.npy", "out.npy", 30, residual="rest.png")
    assert not Path("out.npy").exists()
