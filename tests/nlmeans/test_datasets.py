"""Named image sets: idx files in every state, the cache, and downloads from a server of our own."""

import dataclasses
import gzip
import hashlib
import http.server
import subprocess
import sys
import threading

import numpy as np
import pytest

from nlmeans import datasets

NAMES = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx(array, magic=None, sizes=None):
    """Return an array as the bytes of an idx file."""
    header = np.array([magic or 0x0800 + array.ndim, *(sizes or array.shape)], ">u4")
    return header.tobytes() + array.tobytes()


@pytest.fixture
def digits():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 28, 28), np.uint8), rng.integers(0, 10, 12, np.uint8)


@pytest.fixture
def files(digits):
    """Return the test split's two files, by name, packed."""
    return {f"{name}.gz": gzip.compress(idx(array), mtime=0) for name, array in zip(NAMES, digits, strict=True)}


@pytest.fixture
def source(files, monkeypatch):
    """Make these files the published ones."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    source = dataclasses.replace(datasets.MNIST, url="http://127.0.0.1:9/", hashes=hashes)
    monkeypatch.setattr(datasets, "MNIST", source)
    return source


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("packed", [True, False])
def test_read_from_a_folder(tmp_path, digits, files, packed):
    put(tmp_path, files if packed else {name[:-3]: gzip.decompress(content) for name, content in files.items()})
    images, labels = datasets.mnist("test", tmp_path)
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, digits[0])
    assert np.array_equal(labels, digits[1])
    images[0] = 0  # it is the caller's


def test_real_mnist(shared):
    for split, count in (("train", 60_000), ("test", 10_000)):
        images, labels = datasets.mnist(split, shared / "mnist")
        assert images.shape == (count, 28, 28)
        assert labels.shape == (count,)
        assert images.max() == 255
        assert (np.bincount(labels) > count // 12).all()
    for name, digest in datasets.MNIST.hashes.items():
        assert hashlib.sha256((shared / "mnist" / name).read_bytes()).hexdigest() == digest


IMAGES, LABELS = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (idx(IMAGES, magic=2049), idx(LABELS), "images-idx3-ubyte.* its magic number must be 2051; got 2049"),
        (idx(IMAGES), idx(LABELS, magic=0x0D01), "labels-idx1-ubyte.* its magic number must be 2049; got 3329"),
        (b"", idx(LABELS), "images-idx3-ubyte.* its header has 16 bytes; got 0"),
        (idx(IMAGES)[:9], idx(LABELS), "images-idx3-ubyte.* its header has 16 bytes; got 9"),
        (idx(IMAGES)[:-1], idx(LABELS), "images-idx3-ubyte.* 3 items need 2352 bytes after the header; got only 2351"),
        (idx(IMAGES) + b"!", idx(LABELS), "images-idx3-ubyte.* 3 items need 2352 bytes after the header; got more"),
        (idx(IMAGES, sizes=(2**32 - 1, 28, 28)), idx(LABELS), "4294967295 items need .* got only 2352"),
        (
            idx(IMAGES, sizes=(3, 56, 14)),
            idx(LABELS),
            r"must hold items of shape \(28, 28\); got 3 of shape \(56, 14\)",
        ),
        (idx(IMAGES[:0]), idx(LABELS[:0]), "must hold items of shape .* got 0 of"),
        (idx(IMAGES), idx(LABELS[:2]), "a label for every image; got 3 images in .* and 2 labels in .*"),
        (idx(IMAGES), idx(LABELS + 10), "labels-idx1-ubyte.* labels must be 0 to 9; got 10"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_spoilt_files_are_named(tmp_path, images, labels, words, packed):
    content = dict(zip(NAMES, (images, labels), strict=True))
    put(tmp_path, {f"{name}.gz": gzip.compress(c) for name, c in content.items()} if packed else content)
    with pytest.raises(ValueError, match=words):
        datasets.mnist("test", tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [lambda c: c[:-5], lambda c: c[: len(c) // 2], lambda c: b"no gzip" + c, lambda c: c[:40] + b"~~~~" + c[44:]],
)
def test_spoilt_gzip_is_named(tmp_path, files, spoil):
    name = f"{NAMES[0]}.gz"
    put(tmp_path, files | {name: spoil(files[name])})
    with pytest.raises(ValueError, match=f"{name} is corrupt: it cannot be unpacked"):
        datasets.mnist("test", tmp_path)


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    put(tmp_path / "here", {})
    with pytest.raises(FileNotFoundError) as error:
        datasets.mnist("train", tmp_path / "here")
    for word in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", str(tmp_path / "here")):
        assert word in str(error.value)
    assert "\n" not in str(error.value)

    monkeypatch.setenv("NLMEANS_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "cache" / "mnist"
    with pytest.raises(FileNotFoundError, match=r"is not in the cache: put t10k-images-idx3-ubyte.gz, .* into"):
        datasets.mnist("test", download=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FileNotFoundError, match=r"needs pooch: put t10k-.*; or: pip install pooch") as error:
        datasets.mnist("test")
    assert str(place) in str(error.value)
    assert not place.exists()
    with pytest.raises(ValueError, match="split must be 'train' or 'test'; got 'validation'"):
        datasets.mnist("validation", tmp_path)


def test_cached_files_are_compared_with_their_hashes(tmp_path, monkeypatch, digits, files, source):
    monkeypatch.setenv("NLMEANS_CACHE", str(tmp_path))
    put(tmp_path / "mnist", files)
    assert np.array_equal(datasets.mnist("test", download=False).images, digits[0])
    other = gzip.compress(idx(digits[0][::-1]))  # whole, but another file
    put(tmp_path / "mnist", {f"{NAMES[0]}.gz": other})
    with pytest.raises(
        ValueError, match=f"{NAMES[0]}.gz is corrupt: its SHA-256 must be {source.hashes[NAMES[0] + '.gz']}"
    ):
        datasets.mnist("test")


@pytest.fixture
def server(files):
    """Serve the files, counting requests; those in ``spoilt`` come otherwise."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            server.asked.append(name)
            content = server.spoilt.get(name, files.get(name))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.spoilt = [], {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_download(tmp_path, monkeypatch, digits, source, server):
    pytest.importorskip("pooch", reason="pooch is not installed")
    monkeypatch.setenv("NLMEANS_CACHE", str(tmp_path))
    url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(datasets, "MNIST", dataclasses.replace(source, url=url))

    name = f"{NAMES[1]}.gz"
    server.spoilt[name] = b"something else"
    with pytest.raises(ValueError, match=f"{name} is not the file that was published"):
        datasets.mnist("test")
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == [f"{NAMES[0]}.gz"]

    server.spoilt.clear()
    assert np.array_equal(datasets.mnist("test").labels, digits[1])
    before = len(server.asked)
    assert np.array_equal(datasets.mnist("test").images, digits[0])
    assert len(server.asked) == before  # from the cache


def test_offline(tmp_path, monkeypatch, source):
    pytest.importorskip("pooch", reason="pooch is not installed")
    monkeypatch.setenv("NLMEANS_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"cannot be downloaded from http://127.0.0.1:9/: put t10k-images") as e:
        datasets.mnist("test")
    assert str(tmp_path / "mnist") in str(e.value)


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "x/nlmeans"),
        ("win32", "LOCALAPPDATA", "x/nlmeans"),
        ("darwin", "NLMEANS_CACHE", "x"),
    ],
)
def test_cache_folder(monkeypatch, platform, variable, expected):
    for name in ("NLMEANS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert datasets.cache_folder().name == "nlmeans"
    monkeypatch.setenv(variable, "x")
    assert datasets.cache_folder().as_posix() == expected


def test_import_needs_numpy_only():
    code = (
        "import sys, nlmeans.datasets; print(*[m for m in ('pooch', 'requests', 'scipy', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
