"""A format of another package, of which an entry point tells, is read and written wherever ours are."""

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats, io, large
from nlmeans.cli import app
from nlmeans.extend import Format, Picture
from nlmeans.formats import table

GREY = np.random.default_rng(0).normal(100, 10, (40, 50)).astype(np.float32)
CODE = """
import numpy as np
from nlmeans.extend import ArrayInfo, Format, Picture, Source, Target

class Plain(Format):
    name, endings, magic = "PLAIN", (".plain",), (b"PLAIN",)

    def read(self, request):
        return Picture(Pixels(request.path).read(...), "YX")

    def write(self, part, picture, path):
        self.create(part, picture.pixels, None).write(..., picture.pixels)

    def open(self, request):
        return Pixels(request.path)

    def create(self, part, info, source):
        part.write_bytes(b"PLAIN %5d %4d" % info.shape + bytes(4 * np.prod(info.shape)))
        return Pixels(part)

    def reopen(self, part, info, source):
        return Pixels(part)

class Pixels(Source, Target):
    def __init__(self, path):
        shape = tuple(map(int, path.read_bytes()[5:16].split()))
        self.path, self.info = path, ArrayInfo(shape, np.dtype("f4"), "YX", None, (1, 1))

    def read(self, slices):
        return np.array(np.memmap(self.path, "f4", "r", 16, self.info.shape)[slices])

    def write(self, slices, pixels):
        np.memmap(self.path, "f4", "r+", 16, self.info.shape)[slices] = pixels
"""


def plain(pixels):
    return b"PLAIN %5d %4d" % pixels.shape + pixels.tobytes()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install another package with a module of this code and this entry point."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)

    def installed(code, point):
        (site / "their-1.dist-info").mkdir(parents=True)
        (site / "their-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: their\nVersion: 1\n")
        (site / "their-1.dist-info/entry_points.txt").write_text(f"[nlmeans.formats]\nplain = {point}\n")
        (site / "their.py").write_text(code)
        table.others.cache_clear()

    yield installed
    sys.modules.pop("their", None)
    table.others.cache_clear()


@pytest.mark.parametrize("code", [CODE, CODE + "\nPlain = Plain()\n"], ids=["class", "object"])
def test_as_pictures(install, tmp_path, code):
    install(code, "their:Plain")
    (tmp_path / "a.plain").write_bytes(plain(GREY))
    picture = io.read("a.plain")
    np.testing.assert_array_equal(picture.pixels, GREY)
    io.write("b.plain", picture)
    assert (tmp_path / "b.plain").read_bytes() == plain(GREY)
    io.write("c.tif", picture)
    np.testing.assert_array_equal(io.read("c.tif").pixels, GREY)
    (tmp_path / "no.name").write_bytes(plain(GREY))  # known by its content
    np.testing.assert_array_equal(io.read("no.name").pixels, GREY)


def test_by_the_command_line(install, tmp_path):
    install(CODE, "their:Plain")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.plain").write_bytes(plain(GREY))
    np.save("in/b.npy", GREY)
    ref = nlmeans.denoise(GREY, 10)
    for source, target in (("in/a.plain", "a.plain"), ("in/b.npy", "b.plain"), ("in", "out/")):
        done = CliRunner().invoke(app, ["denoise", source, target, "--sigma", "10"])
        assert done.exit_code == 0, done.stderr
    for path in ("a.plain", "b.plain", "out/a.plain", "out/b.npy"):
        np.testing.assert_array_equal(io.read(path).pixels, ref)
    done = CliRunner().invoke(app, ["denoise", "in/a.plain", "c.plain", "--sigma", "10", "--max-memory", "8G"])
    assert done.exit_code == 0, done.stderr
    np.testing.assert_allclose(io.read("c.plain").pixels, ref, rtol=1e-4)


@pytest.mark.parametrize("target", ["clean.plain", "clean.npy", "clean.tif"])
def test_by_regions(install, tmp_path, target):
    install(CODE, "their:Plain")
    (tmp_path / "noisy.plain").write_bytes(plain(GREY))
    with pytest.raises(InterruptedError):
        large.denoise("noisy.plain", target, 10, progress=lambda done, total: (_ for _ in ()).throw(InterruptedError))
    large.denoise("noisy.plain", target, 10)  # on with what was created
    np.testing.assert_allclose(io.read(target).pixels, nlmeans.denoise(GREY, 10), rtol=1e-4)
    np.save("noisy.npy", GREY)
    large.denoise("noisy.npy", "other.plain", 10)
    np.testing.assert_array_equal(io.read("other.plain").pixels, io.read(target).pixels)


def test_what_it_cannot_do_is_said(install, tmp_path):
    install(
        CODE.replace("def open", "def _open").replace("def write(self, part", "def _write(self, part"), "their:Plain"
    )
    (tmp_path / "a.plain").write_bytes(plain(GREY))
    np.testing.assert_array_equal(io.read("a.plain").pixels, GREY)
    with pytest.raises(io.PictureError, match=r"that can be read in blocks, .*: \S*a\.plain is PLAIN"):
        large.denoise("a.plain", "a.npy")
    with pytest.raises(io.PictureError, match=r"the name ends in \.plain"):
        io.write("b.plain", io.Picture(GREY, "YX"))


def test_it_cannot_take_our_files(install, tmp_path):
    install(CODE.replace('(".plain",), (b"PLAIN",)', '(".npy", ".plain"), (b"",)'), "their:Plain")
    np.save("a.npy", GREY)
    np.testing.assert_array_equal(io.read("a.npy").pixels, GREY)
    io.write("b.npy", io.Picture(GREY, "YX"))
    np.testing.assert_array_equal(np.load("b.npy"), GREY)


def test_one_that_is_broken_is_named_and_no_others_concern(install, tmp_path, caplog):
    install("raise RuntimeError('their fault')", "their:Plain")
    np.save("a.npy", GREY)
    np.testing.assert_array_equal(io.read("a.npy").pixels, GREY)
    assert not caplog.text  # nobody asked
    (tmp_path / "a.plain").write_bytes(plain(GREY))
    with pytest.raises(io.PictureError, match="begins with b'PLAIN   ', like none of them"):
        io.read("a.plain")
    assert "the format plain of another package cannot be used: their fault" in caplog.text


def test_ours_are_known_without_asking_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(table, "others", None)
    (tmp_path / "store.zarr").mkdir()
    for name in ("a.png", "a.jpg", "a.tif", "a.npy"):
        formats.write(name, formats.Picture(GREY.astype(np.uint8), "YX"))
        assert table.to_read(tmp_path / name) is table.by_name(tmp_path / name)
    assert table.by_store(tmp_path / "store.zarr") is table.by_name(tmp_path / "store.zarr")
    assert CliRunner().invoke(app, ["estimate", "a.png", "a.tif"]).exit_code == 0


def test_one_file_is_all_that_our_formats_take():
    from pathlib import Path

    from nlmeans.formats import own

    there = {path.stem for path in Path(own.__path__[0]).iterdir() if not path.stem.startswith("_")}
    assert {type(fmt).__module__.removeprefix(f"{own.__name__}.") for fmt in table.ours()} == there
    names = [fmt.name for fmt in table.ours()]
    assert len(set(names)) == len(names)
    assert all(fmt.can("read", "write", "open", "create") for fmt in table.ours())


def test_a_package_for_a_camera_is_asked_before_libraw(tmp_path, monkeypatch):
    class Camera(Format):
        name, endings = "a camera's", (".nef",)

        def read(self, request):
            return Picture(GREY, "YX")

    monkeypatch.setitem(sys.modules, "rawpy", None)
    for name in ("a.nef", "a.cr2"):
        (tmp_path / name).write_bytes(b"MM\0*" + bytes(8))
    with pytest.raises(io.PictureError, match="camera RAW files need rawpy"):
        io.read(tmp_path / "a.nef")
    monkeypatch.setattr(table, "others", lambda: (Camera(),))
    np.testing.assert_array_equal(io.read(tmp_path / "a.nef").pixels, GREY)
    with pytest.raises(io.PictureError, match="camera RAW files need rawpy"):
        io.read(tmp_path / "a.cr2")


def test_what_is_no_format_is_left_out_with_a_warning(tmp_path, monkeypatch, caplog):
    class Fails(Format):
        def __init__(self):
            raise RuntimeError("no licence")

    class Capitals(Format):
        name, endings = "CAPITALS", (".CAP",)

    class Nameless(Format):
        pass

    class Point:
        def __init__(self, kind):
            self.kind, self.name = kind, getattr(kind, "__name__", str(kind))

        def __lt__(self, other):
            return self.name < other.name

        def load(self):
            return self.kind

    points = [Point(kind) for kind in (Fails, Capitals, Nameless, 3)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    table.others.cache_clear()
    try:
        assert table.others() == ()
        assert [record.args[0] for record in caplog.records] == ["3", "Capitals", "Fails", "Nameless"]
    finally:
        table.others.cache_clear()


def test_what_is_not_installed_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "zarr", None)
    np.save("noisy.npy", GREY)
    (tmp_path / "noisy.zarr").mkdir()
    for source, target in (("noisy.npy", "clean.zarr"), ("noisy.zarr", "clean.npy")):
        with pytest.raises(io.PictureError, match=r"Zarr files need zarr: .* pip install 'nlmeans\[scale\]'$"):
            large.denoise(source, target, 10)
    assert not list(tmp_path.glob("clean*"))
