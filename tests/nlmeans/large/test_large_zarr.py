"""New OME-Zarr images: axes in the order of version 0.5, levels that keep the mean; and what else is in a store."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nlmeans import formats, large
from nlmeans.cli import app
from nlmeans.large.blocks import Sizes

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")

from nlmeans.formats.own.zarr import FORMAT  # noqa: E402

ORDER = ["time", "channel", "space"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FORMAT, "side", 40)
    monkeypatch.setattr(FORMAT, "chunk", {"X": 32, "Y": 32, "Z": 8})


def nl(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def ome(path="out.zarr"):
    return json.loads(Path(path, "zarr.json").read_text())["attributes"]["ome"]


def noise(shape, dtype="uint16"):
    return np.random.default_rng(0).normal(1000, 50, shape).astype(dtype)


@pytest.mark.parametrize(
    ("axes", "shape", "spacing", "levels"),
    [
        ("YX", (150, 90), None, [(150, 90), (75, 45), (37, 22)]),
        ("YXC", (90, 70, 3), (0.5, 0.25), [(3, 90, 70), (3, 90, 35), (3, 45, 17), (3, 22, 8)]),
        ("CZYX", (2, 9, 80, 90), (2, 1, 1), [(2, 9, 80, 90), (2, 9, 40, 45), (2, 4, 20, 22)]),
        ("ZCTYX", (4, 2, 3, 30, 40), (5, 1, 1), [(3, 2, 4, 30, 40)]),
        ("TYX", (3, 50, 40), None, [(3, 50, 40), (3, 25, 20)]),
    ],
)
def test_a_new_image_is_as_version_0_5_has_it(axes, shape, spacing, levels):
    image = noise(shape)
    said = {"spacing": spacing, "unit": "µm" if spacing else None}
    if axes == "ZCTYX" or spacing is None:
        np.save("in.npy", image)
        large.denoise("in.npy", "out.zarr", 0, axes=axes)
    else:
        formats.write("in.tif", formats.Picture(image, axes, channels=tuple("abc"[: shape[axes.find("C")]]), **said))
        large.denoise("in.tif", "out.zarr", 0)
    group, about = zarr.open("out.zarr"), ome()
    (described,) = about["multiscales"]
    kinds = [axis["type"] for axis in described["axes"]]
    names = [axis["name"] for axis in described["axes"]]
    assert about["version"] == "0.5"
    assert kinds == sorted(kinds, key=ORDER.index)
    assert [name for name in names if name in "zyx"] == [name for name in "zyx" if name in names]
    order = [axes.index(name.upper()) for name in names]
    np.testing.assert_array_equal(group["0"][...], image.transpose(order))
    assert [group[each["path"]].shape for each in described["datasets"]] == levels
    sides = dict(zip([a for a in axes if a in "ZYX"], spacing or (), strict=False)) if axes != "ZCTYX" else {}
    for each, level in zip(described["datasets"], levels, strict=True):
        array, steps = group[each["path"]], each["coordinateTransformations"]
        assert list(array.metadata.dimension_names) == names
        assert [step["type"] for step in steps] == ["scale", "translation"][: len(steps)]
        ratio = np.divide(levels[0], level)
        size = np.array([sides.get(name.upper(), 1.0) for name in names])
        np.testing.assert_allclose(steps[0]["scale"], size * ratio)
        if len(steps) == 2:
            np.testing.assert_allclose(steps[1]["translation"], size * (ratio - 1) / 2)
        assert array[...].mean() == pytest.approx(image.mean(), abs=0.6)  # a level rounded down loses half a step
    if "omero" in about:
        for channel in about["omero"]["channels"]:
            assert set(channel) >= {"label", "color", "window"}
            window = channel["window"]
            assert 0 == window["min"] < window["start"] < window["end"] < window["max"] == 65535
    large.denoise("out.zarr", "back.tif", 0)
    back = formats.read("back.tif")
    expected = image.transpose([axes.index(axis) for axis in back.axes])
    np.testing.assert_array_equal(back.pixels, expected)
    if sides:
        assert back.spacing == spacing


def test_levels_are_of_what_was_denoised_and_missing_pixels_have_no_say():
    image = noise((100, 80), "float32")
    image[:40] = -1
    formats.write("in.tif", formats.Picture(image, "YX", nodata=-1))
    large.denoise("in.tif", "out.zarr", 50)
    group = zarr.open("out.zarr")
    fine, coarse = group["0"][...], group["1"][...]
    assert (coarse[:20] == -1).all()
    np.testing.assert_allclose(coarse[20:], fine[40:].reshape(30, 2, 40, 2).mean((1, 3)), rtol=1e-5)
    assert fine[40:].std() < 30


def test_a_run_that_was_stopped_goes_on_with_axes_that_were_turned(monkeypatch):
    image = noise((100, 90, 3))
    np.save("in.npy", image)
    done = []

    def stop(count, total):
        done.append(count)
        if count == 1:
            raise KeyboardInterrupt

    sizes = Sizes(most=(1 << 10, 1 << 10))
    with pytest.raises(KeyboardInterrupt):
        large.denoise("in.npy", "out.zarr", 0, axes="YXC", progress=stop, sizes=sizes, threads=1)
    assert Path("out.zarr.part").exists()
    large.denoise("in.npy", "out.zarr", 0, axes="YXC", sizes=sizes, threads=1)
    np.testing.assert_array_equal(zarr.open("out.zarr")["0"][...], image.transpose(2, 0, 1))


# --- several images ---


def several(group, names, shapes):
    images = []
    for name, shape in zip(names, shapes, strict=True):
        group.create_array(f"{name}/0", data=noise(shape))
        sets = [{"path": f"{name}/0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}]
        images.append({"name": name, "axes": [{"name": "y"}, {"name": "x"}], "datasets": sets})
    group.attrs["ome"] = {"version": "0.5", "multiscales": images}


def test_one_of_several_images_of_a_group(caplog):
    several(zarr.create_group("in.zarr"), ["left", "right"], [(40, 50), (60, 70)])
    for series, name in ((0, "left"), (1, "right"), ("right", "right"), (None, "left")):
        large.denoise("in.zarr", "out.zarr", 50, series=series, overwrite=True)
        (image,) = ome()["multiscales"]
        assert image["name"] == name
        assert zarr.open("out.zarr")[f"{name}/0"][...].std() < 30
        assert [array for array, _ in zarr.open("out.zarr").groups()] == [name]
        assert ("the first of 2 images is taken" in caplog.text) == (series is None)
    with pytest.raises(formats.PictureError, match=r"0 to 1, or a name \(left, right\); got 2"):
        large.denoise("in.zarr", "none.zarr", 50, series=2)
    with pytest.raises(formats.PictureError, match="must be 0, the only one; got 1"):
        large.denoise("in.zarr/left/0", "none.zarr", 50, series=1)


def test_series_as_bio_formats_writes_them():
    group = zarr.create_group("in.zarr")
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for k in range(11):
        several(group.create_group(str(k)), ["a"], [(40, 50 + k)])
    with pytest.raises(formats.PictureError, match=r"must hold one image: .*in\.zarr holds 11; choose one.*--series"):
        large.denoise("in.zarr", "out.zarr", 50)
    large.denoise("in.zarr", "out.zarr", 50, series=10)
    assert zarr.open("out.zarr")["a/0"].shape == (40, 60)
    assert json.loads(nl("info", "in.zarr", "--series", 2, "--json").stdout)[0]["shape"] == [40, 52]


# --- what else is in a store ---


@pytest.fixture
def store():
    group = zarr.create_group("in.zarr")
    axes = [{"name": name, "type": "space"} for name in "yx"]
    sets = [{"path": "a/0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": sets}]}
    group.create_array("a/0", data=noise((60, 70)))
    labels = group.create_group("labels")
    labels.attrs["ome"] = {"labels": ["cells"]}
    labels.create_array("cells", data=np.eye(60, 70, dtype=np.uint8))
    Path("in.zarr/OME").mkdir()
    Path("in.zarr/OME/METADATA.ome.xml").write_text("<OME/>")
    Path("in.zarr/notes.txt").write_text("by hand")
    return group


def test_what_else_is_in_a_store_is_left_out_with_a_line(store):
    done = nl("denoise", "in.zarr", "out.zarr", "--sigma", 50)
    assert "OME, labels, notes.txt in it are not copied (--others copy or link brings them)" in done.stderr
    assert sorted(os.listdir("out.zarr")) == ["a", "zarr.json"]
    assert "copied" not in nl("info", "in.zarr").stderr


@pytest.mark.parametrize("how", ["copy", "link"])
def test_what_else_is_in_a_store_comes_along(store, how):
    done = nl("denoise", "in.zarr", "out.zarr", "--sigma", 50, "--others", how)
    assert "not copied" not in done.stderr
    assert sorted(os.listdir("out.zarr")) == ["OME", "a", "labels", "notes.txt", "zarr.json"]
    assert {Path("out.zarr", name).is_symlink() for name in ("OME", "labels", "notes.txt")} == {how == "link"}
    out = zarr.open("out.zarr")
    np.testing.assert_array_equal(out["labels/cells"][...], np.eye(60, 70))
    assert out["labels"].attrs["ome"] == {"labels": ["cells"]}
    assert out["a/0"][...].std() < 30
    assert Path("out.zarr/OME/METADATA.ome.xml").read_text() == "<OME/>"
    nl("denoise", "in.zarr", "out.zarr", "--sigma", 50, "--overwrite")
    assert sorted(os.listdir("in.zarr")) == ["OME", "a", "labels", "notes.txt", "zarr.json"]  # a link is not followed
    assert sorted(os.listdir("in.zarr/labels")) == ["cells", "zarr.json"]


def test_what_else_there_is_comes_from_stores_alone(store, tmp_path):
    np.save("in.npy", noise((40, 50)))
    with pytest.raises(formats.PictureError, match=r"one Zarr store to another; got .*in\.npy and new\.zarr"):
        large.denoise("in.npy", "new.zarr", 50, others="copy")
    with pytest.raises(formats.PictureError, match=r"got .*in\.zarr and new\.npy"):
        large.denoise("in.zarr", "new.npy", 50, others="link")
    assert not Path("new.zarr").exists()
    with pytest.raises(ValueError, match=r"others must be .* got 'move'"):
        large.denoise("in.zarr", "new.zarr", 50, others="move")
    formats.write("a.png", formats.Picture(noise((40, 50), "uint8"), "YX"))
    assert "is for Zarr stores" in nl("denoise", "a.png", "b.png", "--others", "copy", code=2).stderr
