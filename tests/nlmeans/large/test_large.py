"""Files larger than memory: what comes out is the whole image's result, and all that files say is kept."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile

import nlmeans
from nlmeans import formats, large
from nlmeans.formats import PictureError
from nlmeans.formats.own import zarr as zarr_format
from nlmeans.large import files
from nlmeans.large.blocks import Sizes
from nlmeans.methods import sample
from nlmeans.pixels import crops

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")

RNG = np.random.default_rng(0)
GREY = (
    np.add.outer(np.sin(np.arange(150) / 9) * 50, np.arange(170) // 30 % 2 * 80) + 100 + RNG.normal(0, 10, (150, 170))
)
GREY = GREY.clip(0, 255).round().astype(np.uint16)
COLOUR = np.stack([GREY, GREY[::-1], GREY // 2], axis=-1).astype(np.uint8)
VOLUME = (RNG.normal(0, 10, (12, 50, 60)) + 60 * (np.arange(60) > 30)).astype(np.float32)
denoise = partial(large.denoise, sizes=Sizes((60 * 60, 6 * 30 * 30)))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Work in an empty folder, in small blocks."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_is(ref, comp):
    assert (comp.shape, comp.dtype) == (ref.shape, ref.dtype)
    apart = np.abs(comp.astype(np.float64) - ref)
    assert apart.max() <= (1 if ref.dtype.kind in "iu" else 2e-3)
    assert apart.mean() < 2e-3


def ome(path, levels, axes, scale, version="0.4"):
    """Write an OME-Zarr image, as others do."""
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    factors = [[a / b for a, b in zip(levels[0][0].shape, pixels.shape, strict=True)] for pixels, _ in levels]
    datasets = [
        {
            "path": f"s{k}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [s * f for s, f in zip(scale, factors[k], strict=True)]}
            ],
        }
        for k in range(len(levels))
    ]
    described = {
        "axes": [{"name": axis, "type": "space", "unit": "micrometer"} for axis in axes],
        "datasets": datasets,
        "name": "an image",
    }
    if version == "0.4":
        group.attrs.update({"multiscales": [described | {"version": "0.4"}], "omero": {"channels": []}})
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [described]}
    for k, (pixels, options) in enumerate(levels):
        array = group.create_array(f"s{k}", shape=pixels.shape, dtype=pixels.dtype, **options)
        array[...] = pixels
    return group


@pytest.mark.parametrize("target", ["clean.npy", "clean.tif", "clean.zarr"])
def test_from_npy_to_any(target):
    np.save("noisy.npy", GREY)
    report = denoise("noisy.npy", target)
    ref, told = nlmeans.denoise(GREY, full_output=True)
    found = zarr.open(target)["0"][...] if target.endswith("zarr") else formats.read(target).pixels
    assert_is(ref, found)
    assert report.plan.sigma == told.plan.sigma
    assert sorted(item.name for item in Path().iterdir()) == sorted([target, "noisy.npy"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(tile=(32, 48)),
        dict(tile=(64, 64), compression="zlib", predictor=True),
        dict(rowsperstrip=7, compression="zlib"),
        dict(imagej=True, resolution=(2, 3), metadata={"unit": "um"}),
        dict(bigtiff=True, byteorder=">", description="a description"),
    ],
)
def test_tiff_is_read_and_written_by_regions(options):
    tifffile.imwrite("noisy.tif", GREY, **{"photometric": "minisblack"} | options)
    denoise("noisy.tif", "clean.tif", sigma=10)
    assert_is(nlmeans.denoise(GREY, 10, spacing=formats.read("noisy.tif").spacing), tifffile.imread("clean.tif"))
    with tifffile.TiffFile("noisy.tif") as before, tifffile.TiffFile("clean.tif") as after:
        assert after.series[0].axes == before.series[0].axes == "YX"
        assert after.pages[0].tile == before.pages[0].tile or "compression" in options
        assert (after.pages[0].compression == 1) == (before.pages[0].compression == 1)
        assert after.pages[0].resolution == before.pages[0].resolution
        assert after.is_imagej == before.is_imagej
        assert after.pages[0].description == before.pages[0].description or not options.get("bigtiff")
    picture = formats.read("noisy.tif")
    formats.write("small.tif", picture.with_pixels(nlmeans.denoise(GREY, 10)))
    assert formats.read("small.tif").axes == formats.read("clean.tif").axes


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("options", [{}, dict(tile=(32, 32), compression="zlib")])
def test_tiff_in_colour(planar, options):
    pixels = COLOUR if planar == "contig" else COLOUR.transpose(2, 0, 1)
    tifffile.imwrite("noisy.tif", pixels, photometric="rgb", planarconfig=planar, **options)
    denoise("noisy.tif", "clean.tif", sigma=10, quality="fast")
    axes = "YXC" if planar == "contig" else "CYX"
    assert_is(nlmeans.denoise(pixels, 10, axes=axes, quality="fast"), tifffile.imread("clean.tif"))
    assert formats.read("clean.tif").axes == formats.read("noisy.tif").axes


@pytest.mark.parametrize("options", [{}, dict(compression="zlib"), dict(tile=(16, 32))])
def test_tiff_of_many_pages(options):
    tifffile.imwrite("noisy.tif", VOLUME, metadata={"axes": "ZYX"}, photometric="minisblack", **options)
    denoise("noisy.tif", "clean.tif", sigma=10)
    assert_is(nlmeans.denoise(VOLUME, 10, axes="ZYX"), tifffile.imread("clean.tif"))
    tifffile.imwrite("unnamed.tif", VOLUME, photometric="minisblack", metadata=None)
    with pytest.raises(PictureError, match="--axes ZYX for a volume, TYX for a video"):
        denoise("unnamed.tif", "other.tif")
    denoise("unnamed.tif", "other.tif", sigma=10, axes="TYX", quality="fast")
    assert_is(nlmeans.denoise(VOLUME, 10, axes="TYX", quality="fast"), tifffile.imread("other.tif"))


@pytest.mark.parametrize(
    "array",
    [
        dict(chunks=(40, 50), zarr_format=2),
        dict(chunks=(16, 16), shards=(48, 32), dimension_names=["y", "x"], attributes={"kept": 1}),
        dict(chunks=(150, 170)),
        dict(chunks=(7, 9), fill_value=100),
    ],
)
def test_zarr_arrays(array):
    source = zarr.create_array("noisy.zarr", shape=GREY.shape, dtype=GREY.dtype, **array)
    source[...] = GREY
    denoise("noisy.zarr", "clean.zarr", sigma=10)
    found = zarr.open("clean.zarr")
    assert_is(nlmeans.denoise(GREY, 10), found[...])
    assert found.metadata.to_dict() == source.metadata.to_dict()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_keeps_its_metadata_and_makes_its_levels_anew(version):
    coarse = np.zeros((6, 25, 30), np.float32)
    levels = [
        (VOLUME, dict(chunks=(4, 16, 16))),
        (coarse, dict(chunks=(4, 16, 16))),
        (coarse[:, :13, :15], {"chunks": (2, 9, 9)}),
    ]
    before = ome("noisy.zarr", levels, "zyx", [2.0, 0.5, 0.5], version)
    report = denoise("noisy.zarr", "clean.zarr", sigma=10)
    after = zarr.open("clean.zarr")
    assert dict(after.attrs) == dict(before.attrs)
    assert after.metadata.zarr_format == before.metadata.zarr_format
    for k in range(3):
        assert after[f"s{k}"].metadata == before[f"s{k}"].metadata
    ref = nlmeans.denoise(VOLUME, 10, axes="ZYX", spacing=(2, 0.5, 0.5))
    assert report.plan.search_radius == nlmeans.plan(VOLUME, 10, axes="ZYX", spacing=(2, 0.5, 0.5)).search_radius
    assert report.plan.search_radius != nlmeans.plan(VOLUME, 10, axes="ZYX").search_radius
    assert_is(ref, after["s0"][...])
    fine = after["s0"][...]
    np.testing.assert_allclose(after["s1"][...], fine.reshape(6, 2, 25, 2, 30, 2).mean((1, 3, 5)), rtol=1e-5, atol=1e-4)
    middle = after["s1"][...]
    assert after["s2"][0, 0, 0] == pytest.approx(middle[0, 0:1, 0:2].mean(), rel=1e-5)
    assert after["s2"][...].mean() == pytest.approx(middle.mean(), rel=0.01)


def test_gathered_metadata_stay_gathered(caplog):
    group = ome("noisy.zarr", [(GREY, dict(chunks=(64, 64)))], "yx", [1, 1])
    group.create_group("labels")
    zarr.consolidate_metadata("noisy.zarr")
    denoise("noisy.zarr", "clean.zarr", sigma=10, quality="fast")
    assert zarr.open("clean.zarr").metadata.consolidated_metadata is not None
    assert "labels in it are not copied" in caplog.text


def test_a_big_tiff_stays_one(caplog):
    tifffile.imwrite("noisy.tif", GREY, photometric="minisblack", bigtiff=True, tile=(64, 64), compression="zlib")
    denoise("noisy.tif", "clean.tif", sigma=10, quality="fast")
    with tifffile.TiffFile("clean.tif") as after:
        assert after.is_bigtiff
        assert after.pages[0].tile == (64, 64)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_level_is_made_of_pieces(monkeypatch):
    coarse = np.zeros((6, 25, 30), np.float32)
    levels = [(VOLUME, dict(chunks=(4, 16, 16))), (coarse, dict(chunks=(6, 25, 30)))]
    ome("noisy.zarr", levels, "zyx", [1, 1, 1])
    denoise("noisy.zarr", "whole.zarr", sigma=10, quality="fast")
    monkeypatch.setattr(zarr_format.FORMAT, "piece", 500)
    denoise("noisy.zarr", "pieces.zarr", sigma=10, quality="fast")
    np.testing.assert_array_equal(zarr.open("pieces.zarr")["s1"][...], zarr.open("whole.zarr")["s1"][...])


def test_a_store_of_five_axes_and_what_it_says_of_them():
    ome("noisy.zarr", [(GREY[None, None, None], dict(chunks=(1, 1, 1, 64, 64)))], "tczyx", [1, 1, 1, 0.1, 0.1])
    denoise("noisy.zarr", "clean.zarr", sigma=10)
    assert_is(nlmeans.denoise(GREY, 10), zarr.open("clean.zarr")["s0"][0, 0, 0])
    ome(
        "two.zarr",
        [(np.stack([GREY] * 4).reshape(2, 1, 2, 150, 170), dict(chunks=(1, 1, 1, 64, 64)))],
        "tczyx",
        [1] * 5,
    )
    denoise("two.zarr", "two of them.zarr", sigma=10, quality="fast")
    denoise("two.zarr/s0", "three.zarr", sigma=10, axes="NCZYX", quality="fast")
    ref = nlmeans.denoise(np.stack([GREY] * 4).reshape(2, 2, 150, 170), 10, axes="NZYX", quality="fast")
    assert_is(ref, zarr.open("three.zarr")[:, 0])
    assert_is(ref, zarr.open("two of them.zarr/s0")[:, 0])


def test_images_that_share_chunks():
    stack = np.stack([GREY, GREY[::-1], GREY // 2])
    source = zarr.create_array("noisy.zarr", shape=stack.shape, dtype=stack.dtype, chunks=(2, 64, 64))
    source[...] = stack
    denoise("noisy.zarr", "clean.zarr", axes="NYX", quality="fast")
    assert_is(nlmeans.denoise(stack, axes="NYX", quality="fast"), zarr.open("clean.zarr")[...])


@pytest.mark.parametrize("kind", ["paths", "arrays"])
def test_what_belongs_to_the_pixels(kind):
    mask, guide = RNG.random(GREY.shape) < 0.9, np.roll(GREY, 1)
    levels = np.linspace(5, 20, GREY.size).reshape(GREY.shape)
    np.save("noisy.npy", GREY)
    np.save("mask.npy", mask.astype(np.uint8) * 255)
    np.save("guide.npy", guide)
    np.save("sigma.npy", levels)
    paths = kind == "paths"
    given = dict(mask="mask.npy" if paths else mask, guide="guide.npy" if paths else guide)
    report = denoise("noisy.npy", "a.npy", sigma=10, **given)
    ref, told = nlmeans.denoise(GREY, 10, mask=mask, guide=guide, full_output=True)
    assert_is(ref, np.load("a.npy"))
    assert (report.missing, report.unfilled) == (told.missing, told.unfilled)
    denoise("noisy.npy", "b.npy", sigma="sigma.npy" if paths else levels, method="ridge", quality="fast")
    assert_is(nlmeans.denoise(GREY, levels, method="ridge", quality="fast"), np.load("b.npy"))
    with pytest.raises(ValueError, match="mask must have the image's shape"):
        denoise("noisy.npy", "c.npy", mask=mask[1:])


def test_a_sample_is_enough_to_plan():
    np.save("noisy.npy", GREY)
    assert large.sampled("noisy.npy").plan == nlmeans.plan(GREY)
    assert large.sampled("noisy.npy", method="ridge", sigma=10).plan == nlmeans.plan(GREY, 10, method="ridge")


def test_a_map_that_is_wrong_outside_the_sample_is_an_error(monkeypatch):
    monkeypatch.setattr(sample, "crops", lambda sides, channels: [sample.Tile((0, 1), (0, 40), (0, 60))])
    sizes = Sizes((60 * 60, 6 * 30 * 30), (((1, 10, 10), (1, 20, 20)),))
    levels = np.full(GREY.shape, 10.0)
    np.save("noisy.npy", GREY)
    for value, message in ((np.nan, "finite everywhere"), (-1, "at least 0 everywhere; got -1")):
        levels[140, 160] = value
        with pytest.raises(large.Unfinished, match=message):
            denoise("noisy.npy", "clean.npy", levels, sizes=sizes)
        Path("clean.npy.part").unlink()
    levels[...] = 10
    levels[:50, :70] = 0
    with pytest.raises(ValueError, match="above 0 somewhere in the sample"):
        denoise("noisy.npy", "clean.npy", levels)


def test_many_channels_are_sampled_by_fewer_pixels():
    few, many = crops.crops((64, 1500, 1500), 3), crops.crops((64, 1500, 1500), 64)
    assert sum(np.prod(tile.sides) for tile in few) > 15 * sum(np.prod(tile.sides) for tile in many)


def test_progress_counts_blocks_and_an_event_stops_them():
    import threading

    np.save("noisy.npy", GREY)
    seen, event = [], threading.Event()
    denoise("noisy.npy", "clean.npy", sigma=10, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen) > 5

    def stop(done, total):
        event.set()

    with pytest.raises(nlmeans.Cancelled):
        denoise("noisy.npy", "other.npy", sigma=10, progress=stop, cancel=event)
    assert not Path("other.npy").exists()
    assert Path("other.npy.part").exists()


@pytest.mark.parametrize(
    ("source", "target", "given", "error", "message"),
    [
        ("noisy.npy", "clean.png", {}, PictureError, r"the name ends in \.png"),
        ("noisy.png", "clean.npy", {}, PictureError, r"can be read in blocks, .*noisy\.png is PNG"),
        ("nothing.npy", "clean.npy", {}, FileNotFoundError, "nothing.npy"),
        ("nothing.zarr", "clean.npy", {}, FileNotFoundError, r"there is no .*nothing\.zarr"),
        ("foreign.zarr", "clean.npy", {}, PictureError, "no Zarr array or group that can be read"),
        ("plain.zarr", "clean.npy", {}, PictureError, "a group must be an OME-Zarr image: .* which holds a, b"),
        ("odd.zarr", "clean.npy", {}, PictureError, "they name a level that is not there"),
        ("complex.zarr", "clean.zarr", {}, TypeError, "dtype must be one of .* got complex64"),
        ("noisy.npy", "there.npy", {}, FileExistsError, "there.npy exists already"),
        ("noisy.npy", "there.zarr", {}, FileExistsError, "there.zarr exists already"),
        ("noisy.npy", "folder.zarr", dict(overwrite=True), PictureError, "only a Zarr store can be replaced"),
        ("there.zarr", "there.zarr", dict(overwrite=True), PictureError, "another store than the input"),
        ("noisy.npy", "nowhere/clean.zarr", {}, FileNotFoundError, r"the folder .*nowhere does not exist"),
        ("noisy.npy", "clean.npy", dict(search_radius="image"), ValueError, "denoised in pieces; got 'image'"),
        ("noisy.npy", "clean.npy", dict(method="bm3d"), ValueError, "method must be one of .*; got 'bm3d'"),
        (
            "noisy.npy",
            "clean.npy",
            dict(sigma=3, noise="auto"),
            ValueError,
            "sigma is short for noise: give one of them, not both",
        ),
        ("noisy.npy", "clean.npy", dict(axes="ZYX"), ValueError, "each of the image's 2 dimensions"),
        ("noisy.npy", "clean.npy", dict(max_memory=1000), ValueError, "max_memory must be more than the"),
        ("noisy.npy", "clean.npy", dict(max_memory=0), ValueError, "must be above 0; got 0"),
        ("noisy.npy", "clean.npy", dict(unknown=3), TypeError, "there is no option unknown"),
        ("line.npy", "clean.npy", {}, ValueError, "at least 2 dimensions; got 1"),
        ("empty.npy", "clean.npy", {}, ValueError, "must have pixels; got shape"),
        ("noisy.npy", "clean.npy", dict(mask=[[1, 0]]), ValueError, "mask must have the image's shape"),
        ("there.zarr", "there.zarr/inner.zarr", {}, PictureError, "are in each other"),
        ("plain.zarr/a", "plain.zarr", dict(overwrite=True), PictureError, "are in each other"),
        ("noisy.npy", "there.zarr", dict(overwrite=True, guide="there.zarr"), PictureError, "are in each other"),
        ("there.zarr", "there.zarr/clean.npy", {}, PictureError, "must not lie in a store that is read"),
        ("noisy.npy", "clean.npy", dict(sigma="wrong.npy"), ValueError, "finite everywhere"),
        ("noisy.npy", "clean.npy", dict(max_memory="2"), TypeError, "max_memory must be a number"),
        ("cut.npy", "clean.npy", {}, PictureError, "cut short"),
        ("cut.tif", "clean.npy", {}, PictureError, "cut short"),
        ("alpha.tif", "clean.tif", {}, PictureError, "alpha cannot be kept by regions"),
    ],
)
def test_bad_input_writes_nothing(source, target, given, error, message):
    np.save("noisy.npy", GREY)
    np.save("there.npy", GREY)
    np.save("line.npy", GREY[0])
    np.save("empty.npy", GREY[:0])
    np.save("wrong.npy", np.where(GREY.max() == GREY, np.nan, 10.0))
    formats.write("noisy.png", formats.Picture(GREY.astype(np.uint8), "YX"))
    Path("cut.npy").write_bytes(Path("noisy.npy").read_bytes()[:9000])
    tifffile.imwrite("cut.tif", GREY, compression="zlib", rowsperstrip=10)
    Path("cut.tif").write_bytes(Path("cut.tif").read_bytes()[:9000])
    tifffile.imwrite("alpha.tif", np.dstack([COLOUR, COLOUR[..., :1]]), photometric="rgb", extrasamples=["unassalpha"])
    for name in ("foreign.zarr", "folder.zarr"):
        Path(name).mkdir()
        Path(name, "something.txt").write_text("else")
    zarr.create_array("there.zarr", shape=(9, 9), dtype="uint8")[...] = 1
    zarr.create_array("complex.zarr", shape=(9, 9), dtype="complex64")
    group = zarr.create_group("plain.zarr")
    group.create_array("a", shape=(9, 9), dtype="uint8")
    group.create_array("b", shape=(9, 9), dtype="uint8")
    zarr.create_group("odd.zarr").attrs["multiscales"] = [{"datasets": [{"path": "7"}]}]
    before = sorted(item.name for item in Path().iterdir())
    with pytest.raises(error, match=message):
        denoise(source, target, **given)
    assert sorted(item.name for item in Path().iterdir()) == before


def test_chunks_that_are_not_there_are_told_of(caplog):
    source = zarr.create_array("noisy.zarr", shape=GREY.shape, dtype=GREY.dtype, chunks=(50, 60), fill_value=7)
    source[:100] = GREY[:100]
    denoise("noisy.zarr", "clean.zarr", sigma=10, quality="fast")
    assert "3 of 9 chunks are not in the store, and are read as 7" in caplog.text
    clean = zarr.open("clean.zarr")[...]
    apart = np.abs(nlmeans.denoise(source[...], 10, nodata=7, quality="fast").astype(int) - clean)
    assert apart.max() <= 1
    assert apart.mean() < 0.01  # parts without holes are averaged in 16 bits
    assert (clean[100:] == 7).all()


def test_a_file_is_large_that_would_take_half_of_the_memory(monkeypatch):
    np.save("noisy.npy", GREY)
    assert not files.is_large(Path("noisy.npy"))
    monkeypatch.setattr(files, "physical_memory", lambda: 70 * GREY.size)
    assert files.is_large(Path("noisy.npy"))
    formats.write("noisy.png", formats.Picture(GREY.astype(np.uint8), "YX"))
    assert not files.is_large(Path("noisy.png"))
