"""FITS: what astropy and cfitsio wrote is read in real units, and comes back with nothing but its image changed."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise, refused, through
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats, io, large
from nlmeans.cli import app
from nlmeans.formats.own.fits import FORMAT
from nlmeans.formats.picture import PictureError
from nlmeans.large import files

fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed: pip install 'nlmeans[fits]'")

SHAPE = (24, 30)
FEW = ("--quality", "fast", "--search-radius", "3")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def grey(dtype="float32", shape=SHAPE):
    return (noise("float32", *shape) * 9 + 100).astype(dtype)


def with_cards(hdu):
    """Add what a header of a sky survey says: a WCS, units, history, comments, long and odd cards."""
    header = hdu.header
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRPIX1"], header["CDELT1"] = (266.4, "degrees"), 15.5, -0.00138
    header["BUNIT"] = ("MJy/sr", "of the pixels")
    header["HIERARCH ESO DET CHIP1 ID"] = "SRBC-67"
    header["LONGSTRN"] = "x" * 200
    header["HISTORY"] = "flat field divided"
    header["COMMENT"] = "seeing was poor"
    header["HISTORY"] = "and sky taken away"
    return hdu


def make(name, *hdus, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), *hdus] if not isinstance(hdus[0], fits.PrimaryHDU) else [*hdus]).writeto(
            name, overwrite=True, **options
        )
    return Path(name)


def cards(path, number, leave=()):
    with fits.open(path) as hdus:
        return [card.image for card in hdus[number].header.cards if card.keyword not in leave]


def same_but(old, new, number):
    """Assert that units and cards are the same, but for the numbers of one image."""
    with fits.open(old, checksum=True) as before, fits.open(new, checksum=True) as after:
        assert [hdu.name for hdu in before] == [hdu.name for hdu in after]
        for k, (one, other) in enumerate(zip(before, after, strict=True)):
            assert cards(old, k, ("CHECKSUM", "DATASUM")) == cards(new, k, ("CHECKSUM", "DATASUM"))
            if k != number and one.data is not None:
                np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize(
    ("dtype", "working"),
    [
        ("uint8", "uint8"), ("int8", "int8"), ("int16", "int16"), ("uint16", "uint16"), ("int32", "int32"),
        ("uint32", "uint32"), ("float32", "float32"), ("float64", "float64"),
    ],
)  # fmt: skip
def test_pixels_change_and_nothing_else(dtype, working):
    array = noise(dtype, *SHAPE)
    source = make("a.fits", with_cards(fits.PrimaryHDU(array)))
    before, after = through(source, "b.fits")
    assert (before.axes, before.pixels.dtype) == ("YX", working)
    np.testing.assert_array_equal(before.pixels, array)
    np.testing.assert_array_equal(fits.getdata("b.fits"), changed(before).pixels)
    same_but(source, "b.fits", 0)
    io.write("c.fits", before)
    assert Path("c.fits").read_bytes() == source.read_bytes()
    assert after.nodata is None or np.isnan(after.nodata)


@pytest.mark.parametrize(("slope", "zero"), [(0.25, -3.5), (-2.5, 0.0), (1.0, 1000.5), (0.0457777, 1500.0)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_scaled_numbers_are_real_and_come_back(dtype, slope, zero):
    stored = noise(dtype, *SHAPE)
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BSCALE"], hdu.header["BZERO"] = slope, zero
    source = make("a.fits", hdu)
    raw = bytearray(source.read_bytes())  # astropy takes the cards away: they are put in once more
    assert b"BSCALE" in raw or patch_in(source, ("BSCALE", slope), ("BZERO", zero))
    picture = io.read(source)
    assert picture.pixels.dtype.kind == "f"
    np.testing.assert_allclose(picture.pixels, stored * slope + zero, rtol=1e-6, atol=1e-6 * abs(zero))
    io.write("b.fits", picture)
    assert Path("b.fits").read_bytes() == source.read_bytes()
    shifted = picture.with_pixels(picture.pixels + np.float32(3 * slope))
    io.write("c.fits", shifted)
    with fits.open("c.fits", do_not_scale_image_data=True) as hdus:
        info = np.iinfo(stored.dtype)
        np.testing.assert_array_equal(hdus[0].data, np.clip(stored.astype(int) + 3, info.min, info.max))


def patch_in(path, *given):
    """Put cards into the header of the first unit, in the place of blank ones."""
    data = bytearray(path.read_bytes())
    end = data.index(b"END" + b" " * 77)
    for k, (name, value) in enumerate(given):
        data[end + 80 * k : end + 80 * (k + 1)] = fits.Card(name, value).image.encode()
    data[end + 80 * len(given) : end + 80 * len(given) + 3] = b"END"
    path.write_bytes(data)
    return True


def test_blank_and_nan_are_missing_and_stay():
    stored = grey("int16")
    stored[3:6, 4:9] = -99
    source = make("a.fits", fits.PrimaryHDU(stored))
    patch_in(source, ("BLANK", -99))
    assert io.read(source).nodata == -99
    scaled = make("s.fits", fits.PrimaryHDU(stored))
    patch_in(scaled, ("BLANK", -99), ("BSCALE", 0.5), ("BZERO", 7.0))
    picture = io.read(scaled)
    assert np.isnan(picture.nodata)
    assert np.isnan(picture.pixels[3:6, 4:9]).all()
    assert np.isfinite(picture.pixels).sum() == 24 * 30 - 15
    floats = grey()
    floats[3:6, 4:9] = np.nan
    make("f.fits", fits.PrimaryHDU(floats))
    for name in ("a", "s", "f"):
        for way in ("whole", "blocks"):
            more = ("--max-memory", "8G") if way == "blocks" else ()
            done = CliRunner().invoke(
                app, ["denoise", f"{name}.fits", "out.fits", "--sigma", "9", "--overwrite", *FEW, *more]
            )
            assert done.exit_code == 0, done.stderr
            with (
                fits.open("out.fits", do_not_scale_image_data=True) as new,
                fits.open(f"{name}.fits", do_not_scale_image_data=True) as old,
            ):
                np.testing.assert_array_equal(new[0].data[3:6, 4:9], old[0].data[3:6, 4:9])
                assert (new[0].data != old[0].data).sum() > 400
            same_but(f"{name}.fits", "out.fits", 0)


def test_unsigned_blank():
    stored = grey("uint16")
    stored[0, 0] = 7
    source = make("a.fits", fits.PrimaryHDU(stored))
    patch_in(source, ("BLANK", 7 - 2**15))
    picture = io.read(source)
    assert (picture.nodata, picture.pixels.dtype) == (7, np.uint16)
    io.write("b.fits", io.Picture(stored, "YX", nodata=7))
    assert io.read("b.fits").nodata == 7


def test_numbers_that_nothing_stands_for_are_refused():
    source = make("a.fits", fits.PrimaryHDU(grey("int16")))
    patch_in(source, ("BSCALE", 0.5), ("BZERO", 0.0))
    picture = io.read(source)
    pixels = picture.pixels.copy()
    pixels[0, 0] = np.nan
    with pytest.raises(PictureError, match="NaN cannot be stored as a whole number where none is declared"):
        io.write("b.fits", picture.with_pixels(pixels))
    assert not Path("b.fits").exists()


def extensions(dtype="float32", masks=("DQ", "DQ")):
    images = []
    for version, mask in enumerate(masks, 1):
        flags = np.zeros(SHAPE, np.int16)
        flags[version : version + 3, 5:9] = 4096
        images += [
            with_cards(fits.ImageHDU(grey(dtype) + version, name="SCI", ver=version)),
            fits.ImageHDU(np.full(SHAPE, 9, np.float32), name="ERR", ver=version),
            fits.ImageHDU(flags, name=mask, ver=version),
        ]
    table = fits.BinTableHDU.from_columns([fits.Column("x", "J", array=np.arange(5))], name="POINTS")
    return [*images, table]


def test_extensions_by_number_and_name(caplog):
    caplog.set_level("INFO")
    source = make("a.fits", *extensions())
    assert io.read(source).pixels[20, 20] == grey()[20, 20] + 1
    assert "the image in HDU 1 SCI is taken; --hdu takes another: 2 ERR, 3 DQ, 4 SCI,2" in caplog.text
    for asked, number in ((4, 4), ("4", 4), ("SCI,2", 4), ("sci,1", 1), ("ERR", 2), ("ERR,2", 5)):
        np.testing.assert_array_equal(
            io.read(source, series=asked).pixels[20:], fits.getdata(source, number)[20:], err_msg=str(asked)
        )
    for asked, match in (
        (0, "the HDU must be an image of two or more axes: 0 is no data"),
        ("points", "points is BINTABLE"),
        (9, r"must be a number from 0 to 7, or a name \(PRIMARY, SCI, ERR, DQ"),
        ("SCI,3", "got SCI,3"),
    ):
        for read in (io.read, large.sampled):
            with pytest.raises(PictureError, match=match):
                read(source, series=asked)
    picture = io.read(source, series="SCI,2")
    io.write("b.fits", changed(picture))
    same_but(source, "b.fits", 4)
    np.testing.assert_array_equal(io.read("b.fits", series=1).pixels, io.read(source, series=1).pixels)
    done = CliRunner().invoke(app, ["denoise", "a.fits", "c.fits", "--hdu", "SCI,2", "--sigma", "9", *FEW])
    assert done.exit_code == 0, done.stderr
    same_but(source, "c.fits", 4)
    assert (fits.getdata("c.fits", 4) != fits.getdata(source, 4)).sum() > 400


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint16"])
@pytest.mark.parametrize("mask", ["DQ", "MASK"])
def test_masks_beside_the_image(dtype, mask):
    source = make("a.fits", *extensions(dtype, (mask, mask)))
    lost = fits.getdata(source, 6) != 0
    picture = io.read(source, series="SCI,2")
    assert picture.pixels.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(picture.pixels), lost)
    np.testing.assert_array_equal(picture.pixels[~lost], fits.getdata(source, 4)[~lost])
    io.write("same.fits", picture)
    assert Path("same.fits").read_bytes() == source.read_bytes()
    ref = nlmeans.denoise(picture.pixels, 9, quality="fast", search_radius=3, nodata=np.nan)
    for name, more in (("b.fits", ()), ("c.fits", ("--max-memory", "8G"))):
        done = CliRunner().invoke(app, ["denoise", "a.fits", name, "--series", "SCI,2", "--sigma", "9", *FEW, *more])
        assert done.exit_code == 0, done.stderr
        same_but(source, name, 4)
        new, old = fits.getdata(name, 4), fits.getdata(source, 4)
        np.testing.assert_array_equal(new[lost], old[lost])
        np.testing.assert_allclose(new[~lost], ref[~lost], rtol=1e-4, atol=0.51 if dtype != "float32" else 0)
    filled = picture.with_pixels(np.nan_to_num(picture.pixels, nan=50))
    io.write("filled.fits", filled)  # what was filled on purpose is written
    assert (fits.getdata("filled.fits", 4)[lost] == 50).all()


def test_of_jwst_flags_one_bit_alone_is_bad():
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "JWST"
    flags = np.zeros(SHAPE, np.uint32)
    flags[1, 1], flags[2, 2] = 4, 5  # a jump that was repaired, and one that was not
    source = make("a.fits", primary, fits.ImageHDU(grey(), name="SCI"), fits.ImageHDU(flags, name="DQ"))
    picture = io.read(source)
    assert np.argwhere(np.isnan(picture.pixels)).tolist() == [[2, 2]]


@pytest.mark.parametrize("way", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
def test_compressed_images_lose_nothing(dtype, way):
    array = grey(dtype)
    source = make("a.fits", with_cards(fits.CompImageHDU(array, compression_type=way, name="SCI", tile_shape=(8, 30))))
    picture = io.read(source)
    read = fits.getdata(source, 1)
    np.testing.assert_array_equal(picture.pixels, read)
    io.write("b.fits", changed(picture))
    np.testing.assert_array_equal(fits.getdata("b.fits", 1), changed(picture).pixels)
    assert cards(source, 1) == cards("b.fits", 1)
    io.write("c.fits.fz", picture)
    np.testing.assert_array_equal(fits.getdata("c.fits.fz", 1), read)
    with fits.open("b.fits", disable_image_compression=True) as hdus:
        assert hdus[1].header["ZCMPTYPE"] == (way if np.dtype(dtype).kind != "f" or "GZIP" in way else "GZIP_2")
        assert hdus[1].header["ZTILE2"] == 8
    with pytest.raises(PictureError, match="compressed images cannot be read in blocks"):
        large.sampled(source)


def test_compressed_floats_are_rounded_where_that_is_asked(caplog):
    source = make("a.fits", fits.CompImageHDU(grey(shape=(64, 64)), quantize_level=16))
    picture = io.read(source)
    assert "its floats were rounded when they were compressed" in caplog.text
    FORMAT.write(Path("b.fits"), picture, Path("b.fits"), lossy=16)
    lossy, kept = fits.getdata("b.fits", 1), picture.pixels
    assert 0 < abs(lossy - kept).max() < 9 / 16
    with fits.open("b.fits", disable_image_compression=True) as hdus:
        assert hdus[1].header["ZCMPTYPE"] == "RICE_1"


def test_compressed_images_that_are_scaled():
    stored = grey("int16")
    source = make("a.fits", fits.CompImageHDU(stored))
    with fits.open(source, disable_image_compression=True) as hdus:
        hdus[1].header["BSCALE"], hdus[1].header["BZERO"] = 0.5, 7.0
        hdus.writeto("scaled.fits")
    picture = io.read("scaled.fits")
    np.testing.assert_array_equal(picture.pixels, stored * 0.5 + 7)
    io.write("b.fits", changed(picture))
    np.testing.assert_array_equal(fits.getdata("b.fits", 1), changed(picture).pixels)
    done = CliRunner().invoke(app, ["denoise", "scaled.fits", "c.fits", "--sigma", "9", "--dtype", "float32", *FEW])
    assert done.exit_code == 0, done.stderr
    assert fits.getdata("c.fits", 1).dtype.kind == "f"


def summed(data):
    """Return the sum of 32-bit words, in which what is carried is added at the other end."""
    total = int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def test_checksums_and_limits_are_made_anew():
    hdu = with_cards(fits.PrimaryHDU(grey()))
    hdu.header["DATAMIN"], hdu.header["DATAMAX"] = float(grey().min()), float(grey().max())
    source = make("a.fits", hdu, *extensions(), checksum=True)
    picture = io.read(source)
    io.write("same.fits", picture)
    for name, more in (("b.fits", ()), ("c.fits", ("--max-memory", "8G"))):
        done = CliRunner().invoke(app, ["denoise", "a.fits", name, "--sigma", "9", *FEW, *more])
        assert done.exit_code == 0, done.stderr
        with fits.open(name) as hdus:
            for place in (hdu.fileinfo() for hdu in hdus):
                data = Path(name).read_bytes()[place["hdrLoc"] : place["datLoc"] + place["datSpan"]]
                assert summed(data) == 2**32 - 1  # as the standard has it for a unit with a right CHECKSUM
                said = fits.Header.fromstring(data[: place["datLoc"] - place["hdrLoc"]])["DATASUM"]
                assert int(said) == summed(data[place["datLoc"] - place["hdrLoc"] :])
            assert hdus[0].header["DATAMAX"] == pytest.approx(hdus[0].data.max(), rel=1e-6)
            assert hdus[0].header["DATAMIN"] == pytest.approx(hdus[0].data.min(), rel=1e-6) != grey().min()


def test_axes(caplog):
    caplog.set_level("INFO")

    def read(shape, *names, **options):
        hdu = fits.PrimaryHDU(grey(shape=shape))
        for k, name in names:
            hdu.header[f"CTYPE{k}"] = name
        return io.read(make("a.fits", hdu), **options)

    assert read((4, 24, 30)).axes == "ZYX"
    assert "its axis 3, which has no name, is taken as Z: --axes names each axis otherwise, such as NYX" in caplog.text
    assert read((3, 24, 30)).axes == "CYX"
    assert read((4, 24, 30), (3, "WAVE-LOG")).axes == "ZYX"
    assert "its axis 3, WAVE-LOG, is taken as Z" in caplog.text
    assert read((4, 24, 30), (3, "TIME")).axes == "TYX"
    assert read((2, 4, 24, 30), (3, "FREQ"), (4, "STOKES")).axes == "NZYX"
    caplog.clear()
    degenerate = read((1, 1, 24, 30), (3, "FREQ"), (4, "STOKES"))
    assert (degenerate.axes, degenerate.pixels.shape) == ("YX", (24, 30))
    io.write("b.fits", degenerate)
    assert fits.getdata("b.fits").shape == (1, 1, 24, 30)
    large.denoise("a.fits", "c.fits", 9, quality="fast")
    assert fits.getdata("c.fits").shape == (1, 1, 24, 30)
    assert read((4, 24, 30), axes="NYX").axes == "NYX"
    assert read((1, 24, 30), axes="ZYX").pixels.shape == (1, 24, 30)
    assert read((4, 24, 30), channel_axis=0).dimensions == "CYX"
    assert caplog.text.count("axis") == 0


def test_a_mosaic_of_colours_is_said(caplog):
    hdu = fits.PrimaryHDU(grey("uint16"))
    hdu.header["BAYERPAT"] = "RGGB"
    io.read(make("a.fits", hdu))
    assert "a mosaic of colours (RGGB)" in caplog.text


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (24, 30)), ("YXC", (24, 30, 3)), ("ZYX", (4, 24, 30)), ("NYX", (4, 24, 30)), ("TYX", (4, 24, 30))],
)
def test_pictures_from_elsewhere(axes, shape, dtype):
    pixels = noise(dtype, *shape)
    space = sum(axis in "XYZ" for axis in axes)
    picture = io.Picture(pixels, axes, spacing=(0.5,) * space, unit="µm")
    io.write("a.fits", picture)
    with warnings.catch_warnings(), fits.open("a.fits") as hdus:
        warnings.simplefilter("error")
        hdus.verify("exception")
        order = sorted(range(len(axes)), key=lambda k: "NTCZYX".find(axes[k]))
        np.testing.assert_array_equal(hdus[0].data, pixels.transpose(order))
    back = io.read("a.fits")
    assert back.axes == "".join(axes[k] for k in order)
    assert (back.spacing, back.unit, back.pixels.dtype) == ((0.5,) * space, "µm", dtype)
    np.save("a.npy", pixels)
    large.denoise("a.npy", "b.fits", 0, axes=axes, search_radius=1, quality="fast")
    np.testing.assert_array_equal(fits.getdata("b.fits"), pixels.transpose(order))


def test_no_data_of_other_formats_becomes_nan():
    pixels = grey()
    pixels[0, 0] = -1
    io.write("a.fits", io.Picture(pixels, "YX", nodata=-1))
    assert np.isnan(fits.getdata("a.fits")[0, 0])


@pytest.mark.parametrize(
    ("picture", "match"),
    [
        (io.Picture(np.zeros((5, 6), np.float16)), "holds uint8, .* pixels: these are float16"),
        (io.Picture(np.zeros((5, 6), np.uint8), alpha=np.zeros((5, 6, 1), np.uint8)), "without opacity"),
    ],
)
def test_what_it_cannot_hold_is_refused(picture, match):
    for act in (io.check, io.write):
        with pytest.raises(PictureError, match=match):
            act("a.fits", picture)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_by_regions_as_whole(dtype):
    source = make("a.fits", *extensions(dtype))
    assert files.open_source(source).info.axes == "YX"
    io.read(source)
    large.denoise(source, "b.fits", 9, quality="fast", search_radius=3)
    done = CliRunner().invoke(app, ["denoise", "a.fits", "c.fits", "--sigma", "9", *FEW])
    assert done.exit_code == 0, done.stderr
    whole = fits.getdata("c.fits", 1)
    np.testing.assert_allclose(fits.getdata("b.fits", 1), whole, rtol=1e-5, atol=float(whole.dtype.kind != "f"))
    same_but(source, "b.fits", 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float64"])
def test_another_type_of_numbers(dtype):
    source = make("a.fits", with_cards(fits.PrimaryHDU(grey(dtype))))
    for name, more in (("d.fits", ()), ("e.fits", ("--max-memory", "8G"))):
        done = CliRunner().invoke(app, ["denoise", "a.fits", name, "--sigma", "9", "--dtype", "float32", *FEW, *more])
        assert done.exit_code == 0, done.stderr
        assert fits.getdata(name).dtype == np.dtype(">f4")
        leave = ("BITPIX", "BSCALE", "BZERO")
        assert cards(source, 0, leave) == cards(name, 0, leave)
    np.testing.assert_allclose(fits.getdata("d.fits"), fits.getdata("e.fits"), rtol=1e-4)


def test_packed_files():
    source = make("a.fits", *extensions())
    Path("a.fits.gz").write_bytes(gzip.compress(source.read_bytes()))
    Path("download").write_bytes(gzip.compress(source.read_bytes()))
    picture = io.read("a.fits.gz")
    np.testing.assert_array_equal(picture.pixels, io.read(source).pixels)
    np.testing.assert_array_equal(io.read("download").pixels, picture.pixels)
    io.write("b.fits.gz", picture)
    assert gzip.decompress(Path("b.fits.gz").read_bytes()) == source.read_bytes()
    with pytest.raises(PictureError, match="a packed FITS cannot be read in blocks"):
        large.sampled("a.fits.gz")
    with pytest.raises(PictureError, match=r"cannot be written in blocks: .* ends in \.gz"):
        large.denoise(source, "c.fits.gz")
    Path("cut.fits.gz").write_bytes(Path("a.fits.gz").read_bytes()[:-2000])
    with pytest.raises(PictureError, match="damaged or cut short"):
        io.read("cut.fits.gz")


@pytest.mark.parametrize("share", np.linspace(0, 0.98, 10))
@pytest.mark.parametrize("packed", [False, True])
def test_cut_short(share, packed):
    hdu = fits.CompImageHDU(noise("int16", 60, 70)) if packed else fits.ImageHDU(noise("float32", 60, 70))
    whole = make("a.fits", with_cards(hdu)).read_bytes()
    whole = whole[: len(whole) - 2880] if packed else whole.rstrip(b"\0")
    Path("b.fits").write_bytes(whole[: int(share * len(whole))])
    for read in (formats.read, large.sampled):
        refused("b.fits", "cut short|damaged|must have content|must hold an image|like none", read)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"SIMPLE  =", b"SIMPEL  =", "like none of them"),
        (b"NAXIS1  =                   30", b"NAXIS1  =         999999999999", "cut short|damaged"),
        (b"NAXIS2  =                   24", b"NAXIS2  =                    0", "must hold an image|damaged"),
        (b"BITPIX  =                  -32", b"BITPIX  =                   77", "damaged|BITPIX must be one of"),
        (b"NAXIS   =                    2", b"NAXIS   =                    0", "must hold an image|damaged"),
        (b"NAXIS   =                    2", b"NAXIS   =                    1", "must hold an image|damaged"),
    ],
)
def test_headers_that_cannot_be_true(old, new, match):
    data = make("b.fits", fits.PrimaryHDU(grey())).read_bytes()
    assert old in data
    Path("a.fits").write_bytes(data.replace(old, new))
    for read in (formats.read, large.sampled):
        refused("a.fits", match, read)


def test_scales_that_make_no_sense():
    for slope in (0.0, "x"):
        source = make("a.fits", fits.PrimaryHDU(grey("int16")))
        patch_in(source, ("BSCALE", slope))
        refused(source, "BSCALE")


def test_a_compressed_header_that_claims_much():
    data = make("a.fits", fits.CompImageHDU(noise("int16", 60, 70))).read_bytes()
    for number in (b"70", b"60"):
        name = b"ZNAXIS1 =" if number == b"70" else b"ZNAXIS2 ="
        old = name + number.rjust(21)
        assert old in data
        data = data.replace(old, name + b"250000".rjust(21))
    Path("b.fits").write_bytes(data)
    refused("b.fits", "decompression bomb")


def test_an_unknown_compression():
    data = make("a.fits", fits.CompImageHDU(noise("int16", 60, 70))).read_bytes()
    Path("b.fits").write_bytes(data.replace(b"'RICE_1  '", b"'NICE_1  '"))
    refused("b.fits", "damaged or cut short: .*NICE_1")


def test_what_cfitsio_wrote():
    fitsio = pytest.importorskip("fitsio", reason="fitsio is not installed")
    array, counts = grey(), grey("uint16")
    with fitsio.FITS("a.fits", "rw") as file:
        file.write(array, header=[{"name": "EXPTIME", "value": 30.5, "comment": "s"}], extname="SCI")
        file.write(counts, compress="rice", extname="RAW")
        file.write(array, compress="gzip", qlevel=0, extname="KEPT")
    for name, ref in (("SCI", array), ("RAW", counts), ("KEPT", array)):
        picture = io.read("a.fits", series=name)
        np.testing.assert_array_equal(picture.pixels, ref)
        io.write("b.fits", changed(picture), overwrite=True)
        with fitsio.FITS("a.fits") as old, fitsio.FITS("b.fits") as new:
            np.testing.assert_array_equal(new[name].read(), changed(picture).pixels)
            assert old[name].read_header()["EXTNAME"] == new[name].read_header()["EXTNAME"]
            for other in {"SCI", "RAW", "KEPT"} - {name}:
                np.testing.assert_array_equal(new[other].read(), old[other].read())


@pytest.mark.parametrize("name", ["HorseHead.fits", "gc_2mass_k.fits", "irac_ch1_flight.fits"])
def test_files_of_observatories(shared, name):
    source = shared / "Formats/FITS" / name
    if not source.is_file():
        pytest.skip(f"no {source}")
    picture = io.read(source)
    np.testing.assert_allclose(picture.pixels, fits.getdata(source), rtol=1e-6)
    io.write(name, picture)
    with fits.open(source, do_not_scale_image_data=True) as old, fits.open(name, do_not_scale_image_data=True) as new:
        np.testing.assert_array_equal(old[0].data, new[0].data)
        assert [hdu.name for hdu in old] == [hdu.name for hdu in new]
    limits = ("DATAMIN", "DATAMAX")
    assert cards(source, 0, limits) == cards(name, 0, limits)


@pytest.mark.parametrize("more", [(), ("--max-memory", "8G")])
def test_the_residual_of_one_of_several(more):
    source = make("a.fits", *extensions())
    arguments = ("a.fits", "b.fits", "--hdu", "SCI,2", "--residual", "r.npy", "--sigma", "9", *FEW, *more)
    done = CliRunner().invoke(app, ["denoise", *arguments])
    assert done.exit_code == 0, done.stderr
    known = fits.getdata(source, 6) == 0
    taken = fits.getdata(source, 4) - fits.getdata("b.fits", 4)
    np.testing.assert_allclose(np.load("r.npy")[known], taken[known], rtol=1e-4, atol=1e-4)
