"""Files as napari's layers and back, and the manifest that tells napari of them."""

from pathlib import Path

import numpy as np
import pytest

from nlmeans import io
from nlmeans.formats.listing import entries
from nlmeans.formats.table import ours
from nlmeans.napari import files

MANIFEST = Path(files.__file__).with_name("napari.yaml")
NAPARIS = {"PNG", "JPEG", "TIFF", "BMP", "GIF", "Zarr"}
"""Formats that napari reads and writes itself."""


def test_axes_pixel_size_and_unit_become_the_layers():
    volume = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    picture = io.Picture(volume, axes="ZYX", spacing=(2, 0.5, 0.5), unit="µm")
    (pixels, given, kind), *others = files._layers(picture, "scan")
    assert not others
    assert kind == "image"
    np.testing.assert_array_equal(pixels, volume)
    assert given["scale"] == (2, 0.5, 0.5)
    assert given["units"] == ("micrometer",) * 3
    assert given["axis_labels"] == ("z", "y", "x")


def test_channels_become_layers_and_colours_one():
    picture = io.Picture(np.zeros((2, 5, 6), np.uint16), axes="CYX", channels=("DAPI", "GFP"))
    assert [given["name"] for _, given, _ in files._layers(picture, "scan")] == ["scan DAPI", "scan GFP"]
    colours = io.Picture(np.zeros((5, 6, 3), np.uint8), axes="YXC", alpha=np.ones((5, 6, 1), np.uint8))
    ((pixels, given, _),) = files._layers(colours, "photo")
    assert pixels.shape == (5, 6, 4)
    assert given["rgb"]


@pytest.mark.parametrize("name", ["a.npy", "a.pfm", "a.webp", "a.ppm"])
def test_a_layer_is_written_and_read_again(tmp_path, name):
    rgb = name in ("a.webp", "a.ppm")
    pixels = np.arange(30 * 40 * (3 if rgb else 1)).reshape((30, 40, 3) if rgb else (30, 40)) % 200
    pixels = pixels.astype(np.uint8 if rgb else np.float32)
    path = str(tmp_path / name)
    attributes = {"rgb": rgb, "scale": (1, 1), "units": ("pixel", "pixel"), "axis_labels": ("axis -2", "axis -1")}
    assert files.write(path, pixels, attributes) == [path]
    ((again, given, _),) = files.reader(path)(path)
    np.testing.assert_array_equal(again, pixels)
    assert given["rgb"] is rgb


def test_what_the_file_said_is_written_back(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "brain.nii.gz"
    affine = np.diag([0.7, 0.7, 2, 1])
    affine[:3, 3] = 5, 6, 7
    rng = np.random.default_rng(0)
    nibabel.save(nibabel.Nifti1Image(rng.normal(100, 5, (6, 7, 8)).astype(np.float32), affine), path)
    ((pixels, given, _),) = files.read(str(path))
    clean = tmp_path / "clean.nii.gz"
    files.write(str(clean), pixels + 1, given)
    again = nibabel.load(clean)
    np.testing.assert_allclose(again.affine, affine)
    np.testing.assert_allclose(again.get_fdata(), nibabel.load(path).get_fdata() + 1, rtol=1e-6)


def test_the_manifest_lists_our_formats():
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    found = [entry for entry in entries(ours()) if entry.name not in NAPARIS]
    (reader,) = manifest.contributions.readers
    (writer,) = manifest.contributions.writers
    read = {f"*{ending}" for entry in found if entry.read for ending in entry.endings} - {"*.npy"}
    assert set(reader.filename_patterns) == read
    assert set(writer.filename_extensions) == {ending for entry in found if entry.write for ending in entry.endings}
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert (Path(files.__file__).parent / f"{module.rpartition('.')[2]}.py").exists(), name


def test_napari_finds_the_plugin(viewer, tmp_path):
    """Through napari's own plugin manager: installed, listed, opened, read and written."""
    npe2 = pytest.importorskip("npe2")
    manager = npe2.PluginManager.instance()
    if "nlmeans" not in manager:
        manager.register(npe2.PluginManifest.from_file(MANIFEST))
    path = tmp_path / "scan.pfm"
    io.write(path, io.Picture(np.arange(48 * 60, dtype=np.float32).reshape(48, 60)))
    (layer,) = viewer.open(path, plugin="nlmeans")
    assert layer.axis_labels == ("y", "x")
    saved = layer.save(str(tmp_path / "again.pfm"), plugin="nlmeans")
    assert [Path(one).name for one in saved] == ["again.pfm"]
    np.testing.assert_array_equal(io.read(saved[0]).pixels, layer.data)
    _, widget = viewer.window.add_plugin_dock_widget("nlmeans", "Denoise")
    assert widget.layer.layer is layer
