"""nlmeans compare: a page of what each method makes of a picture, whole or not at all."""

import base64
import io as buffers
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pictures
import pytest
from PIL import Image
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats
from nlmeans.cli import app
from nlmeans.methods import registry
from nlmeans.show.metrics import measure

pytest.importorskip("jinja2")

CLEAN = np.clip(pictures.smooth(48, 60).astype(int) + 20, 0, 255).astype(np.uint8)
LEARNED = find_spec("torch") is not None and find_spec("safetensors") is not None


def noisy(clean, sigma=10, seed=0):
    values = clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)
    if clean.dtype.kind == "f":
        return values.astype(clean.dtype)
    info = np.iinfo(clean.dtype)
    return np.clip(np.rint(values), info.min, info.max).astype(clean.dtype)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formats.write("clean.png", formats.Picture(CLEAN, "YX"))
    formats.write("in.png", formats.Picture(noisy(CLEAN), "YX"))
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Put a filter that is quick in the place of the real one; it adds 1, 2 and so on to the whole picture."""
    made = []

    def denoise(image, **options):
        made.append({"shape": image.shape, **options})
        whole = sum(call["shape"] == image.shape for call in made)
        return image + np.asarray(whole, image.dtype), SimpleNamespace(threads=2, notes=("mind noise='auto'",))

    monkeypatch.setattr(nlmeans, "denoise", denoise)
    monkeypatch.setattr("nlmeans.cli.comparing.method_names", lambda: ("nlm", "ridge", "learned"))
    return made


def nl(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def text_of(name="page.html"):
    return Path(name).read_text(encoding="utf-8")


def shown(text):
    """Return the pictures of a page by their names."""
    found = re.findall(r'alt="[^"]*: ([\w ]+)" src="data:image/\w+;base64,([^"]+)"', text)
    return {name: np.asarray(Image.open(buffers.BytesIO(base64.b64decode(data)))) for name, data in found}


def same(picture, expected):
    """Whether a picture read from a page, grey or not, is what is expected."""
    picture = picture[..., 0] if picture.ndim > expected.ndim else picture
    np.testing.assert_array_equal(picture, expected)


def told(done):
    return [line for line in done.stderr.splitlines() if "compiling" not in line]


def test_a_grey_picture_with_its_reference(folder):
    done = nl("in.png", "--reference", "clean.png", "--out", "page.html")
    assert done.exit_code == 0, done.output
    text = text_of()
    found = shown(text)
    ways = ["Preview", "Fast", "Balanced", "Best", "Ridge", *(["Learned"] if LEARNED else [])]
    assert list(found) == ["Noisy", *ways, "Reference"]
    same(found["Noisy"], formats.read("in.png").pixels)
    same(found["Reference"], CLEAN)
    same(found["Best"], nlmeans.denoise(formats.read("in.png").pixels, axes="YX", quality="best"))
    before = measure(formats.read("in.png").pixels, CLEAN, "YX")
    assert f"{before.psnr:.2f}\N{NO-BREAK SPACE}dB · SSIM\N{NO-BREAK SPACE}{before.ssim:.3f}" in text
    assert f'data-value="{before.psnr}">{before.psnr:.2f}</td>' in text
    assert "estimated from the picture" in text
    assert "and include the estimate of the noise" in text
    assert done.stdout.startswith(f"page.html: noisy {before.psnr:.2f} dB, preview ")
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.skipif(not LEARNED, reason="the learned method is not installed")
def test_the_learned_way_is_the_learned_method(folder):
    assert nl("in.png", "--sigma", "10", "--out", "page.html").exit_code == 0
    expected = nlmeans.denoise(formats.read("in.png").pixels, 10, axes="YX", method="learned")
    np.testing.assert_allclose(shown(text_of())["Learned"][..., 0], expected, atol=1)


def test_without_a_reference_nothing_is_judged(folder, calls):
    done = nl("in.png", "--out", "page.HTM", "--sigma", "7.5")
    assert done.exit_code == 0, done.output
    text = text_of("page.HTM")
    assert "Reference" not in shown(text)
    assert not re.search(r"<th[^>]*>(dB|SSIM)<", text)
    assert "sigma 7.5 (as given)" in text
    assert "estimate" not in text
    assert "no figure says which of them is closest" in text
    assert re.fullmatch(r"page.HTM: preview \d+ ms, fast \d+ ms, balanced .*, learned \d+ ms\n", done.stdout)


def test_each_way_is_run_on_a_corner_and_on_the_whole(folder, calls):
    formats.write("large.png", formats.Picture(noisy(np.full((70, 90, 3), 90, np.uint8)), "YXC"))
    assert nl("large.png", "--out", "page.html", "--threads", "2").exit_code == 0
    assert [call["shape"] for call in calls] == [(48, 48, 3), (70, 90, 3)] * 6
    assert [(call.get("method"), call["quality"]) for call in calls[1::2]] == [
        ("nlm", "preview"), ("nlm", "fast"), ("nlm", "balanced"), ("nlm", "best"), ("ridge", "balanced"),
        ("learned", "balanced"),
    ]  # fmt: skip
    assert all(call["threads"] == 2 for call in calls)
    assert [call["sigma"] for call in calls[1::2]] == [None] * 6
    assert len(calls[0]["sigma"]) == 3
    same(shown(text_of())["Fast"], formats.read("large.png").pixels + 2)


def test_notes_are_in_the_page_and_on_standard_error(folder, calls):
    done = nl("in.png", "--out", "page.html")
    assert told(done) == ["note: page.html: mind --noise auto"]
    assert '<p class="prose">mind --noise auto</p>' in text_of()
    assert nl("in.png", "--out", "quiet.html", "--quiet").output == ""


def test_without_torch_the_extra_is_named_in_the_page_and_on_standard_error(folder, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "nonlocal_block"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    registry._named.cache_clear()
    done = nl("in.png", "--sigma", "10", "--out", "page.html")
    assert done.exit_code == 0, done.output
    (line,) = (line for line in told(done) if "learned" in line)
    assert line.startswith("note: page.html: Learned is left out: ")
    assert line.endswith("pip install 'nlmeans[learned]'")
    text = text_of()
    assert "pip install &#39;nlmeans[learned]&#39;" in text
    assert list(shown(text)) == ["Noisy", "Preview", "Fast", "Balanced", "Best", "Ridge"]


def test_the_methods_are_those_that_are_installed(folder, calls, monkeypatch):
    monkeypatch.setattr("nlmeans.cli.comparing.method_names", lambda: ("nlm", "ridge", "other"))
    monkeypatch.setattr("nlmeans.cli.options.method_of", lambda _: SimpleNamespace(options=frozenset()))
    assert nl("in.png", "--out", "page.html").exit_code == 0
    assert list(shown(text_of())) == ["Noisy", "Preview", "Fast", "Balanced", "Best", "Ridge", "Other"]
    assert "What the methods nlm, ridge and other make of in.png." in text_of()
    monkeypatch.setattr("nlmeans.cli.comparing.method_names", lambda: ("nlm",))
    assert nl("in.png", "--out", "one.html").exit_code == 0
    assert "What the method nlm makes of in.png." in text_of("one.html")


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_types_are_shown_in_one_range_and_judged_as_they_are(folder, calls, dtype):
    clean = (CLEAN.astype(dtype) * 200 / (1 if dtype == np.uint16 else 1e4)).astype(dtype)
    dirty = noisy(clean, clean.max() / 10)
    for name, pixels in (("clean.npy", clean), ("in.npy", dirty)):
        np.save(name, pixels)
    done = nl("in.npy", "--axes", "YX", "--reference", "clean.npy", "--out", "page.html")
    assert done.exit_code == 0, done.output
    text, low, high = text_of(), *np.percentile(clean, (0.1, 99.9))
    assert f"Pixels are {np.dtype(dtype)}, shown in 8 bits: black is {low:.6g}, white {high:.6g}" in text
    found = shown(text)
    scaled = np.clip((dirty.astype(float) - low) * 255 / (high - low), 0, 255)
    np.testing.assert_allclose(found["Noisy"][..., 0], scaled, atol=1)
    peak = 65535 if dtype == np.uint16 else np.ptp(clean)
    psnr = 10 * np.log10(peak**2 / np.square(dirty.astype(float) - clean).mean())
    assert f"{psnr:.2f}</td>" in text


def test_a_volume_is_shown_by_its_middle_slice(folder, calls):
    clean = np.stack([CLEAN + k for k in range(7)]).astype(np.uint8)
    for name, pixels in (("clean.npy", clean), ("in.npy", noisy(clean))):
        np.save(name, pixels)
    done = nl("in.npy", "--axes", "ZYX", "--reference", "clean.npy", "--out", "page.html")
    assert done.exit_code == 0, done.output
    found = shown(text_of())
    same(found["Reference"], clean[3])
    same(found["Preview"], np.load("in.npy")[3] + 1)
    assert "the slice in the middle (Z 3 of 7, counted from 0)" in text_of()
    assert "7 × 48 × 60 pixels" in text_of()
    assert calls[0]["shape"] == (6, 48, 48)


def test_alpha_is_dropped_and_a_photograph_stands_upright(folder, calls):
    colour = np.random.default_rng(0).integers(0, 200, (30, 40, 3), np.uint8)
    formats.write("in.png", formats.Picture(colour, "YXC", alpha=np.full((30, 40, 1), 9, np.uint8)), overwrite=True)
    assert nl("in.png", "--out", "page.html").exit_code == 0
    same(shown(text_of())["Noisy"], colour)
    formats.write("turned.png", formats.Picture(colour, "YXC", exif=pictures.block(orientation=6)))
    assert nl("turned.png", "--out", "turned.html").exit_code == 0
    same(shown(text_of("turned.html"))["Noisy"], np.rot90(colour, -1))


def test_other_channels_than_three_are_shown_by_their_mean(folder, calls):
    np.save("in.npy", np.stack([CLEAN, CLEAN // 2], axis=-1))
    assert nl("in.npy", "--channel-axis", "-1", "--out", "page.html").exit_code == 0
    assert "the mean of the 2 channels" in text_of()
    same(shown(text_of())["Noisy"], np.rint((CLEAN.astype(float) + CLEAN // 2) / 2).astype(np.uint8))


def test_a_map_of_sigma_arrives_whole_and_at_the_corner(folder, calls):
    np.save("map.npy", np.full((48, 60), 3.0))
    assert nl("in.png", "--sigma", "map.npy", "--out", "page.html").exit_code == 0
    assert [call["sigma"].shape for call in calls[:2]] == [(48, 48), (48, 60)]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["in.png", "--out", "page.png"], 2, "must end in .html or .htm; got page.png"),
        (["in.png"], 2, "Missing option '--out'"),
        (["in.png", "--out", "page.html", "--sigma", "-1"], 2, "must be at least 0; got -1"),
        (["in.png", "--out", "there.html"], 1, "nlmeans: there.html: exists already; --overwrite"),
        (["in.png", "--out", "no/page.html"], 1, "does not exist"),
        (["in.html", "--out", "in.html", "--overwrite"], 1, "the page must be a file of its own: it is read from"),
        (["no.png", "--out", "page.html"], 1, "nlmeans: no.png: No such file or directory"),
        (["there.html", "--out", "page.html"], 1, "nlmeans: there.html: "),
        (["in.png", "--out", "page.html", "--reference", "no.png"], 1, "nlmeans: no.png: No such file or directory"),
        (
            ["in.png", "--out", "page.html", "--reference", "small.png"],
            1,
            "--reference must have the picture's shape and type, (48, 60) and uint8; got (40, 60) and uint8",
        ),
        (
            ["in.png", "--out", "page.html", "--reference", "deep.npy", "--axes", "YX"],
            1,
            "(48, 60) and uint8; got (48, 60) and uint16",
        ),
        (
            ["float.npy", "--out", "page.html", "--reference", "nan.npy", "--axes", "YX"],
            1,
            "--reference must be finite; got 1 pixels that are not",
        ),
        (["thin.npy", "--out", "page.html"], 1, "channel-axis"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_the_work(folder, calls, arguments, code, message):
    Path("there.html").write_text("mine")
    Path("in.html").write_bytes(Path("in.png").read_bytes())
    formats.write("small.png", formats.Picture(CLEAN[:40], "YX"))
    np.save("deep.npy", CLEAN.astype(np.uint16))
    np.save("float.npy", CLEAN.astype(float))
    np.save("nan.npy", _with_nan())
    np.save("thin.npy", np.zeros((20, 30, 3)))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = nl(*arguments)
    assert done.exit_code == code
    assert message in re.sub(r"[\s│]+", " ", done.stderr.replace(os.sep, "/"))
    assert calls == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def _with_nan():
    pixels = CLEAN.astype(float)
    pixels[5, 5] = np.nan
    return pixels


def test_overwrite_replaces_and_a_failure_leaves_the_old_page(folder, calls, monkeypatch):
    Path("page.html").write_text("mine")
    assert nl("in.png", "--out", "page.html", "--overwrite").exit_code == 0
    written = text_of()
    assert written.startswith("<!doctype html>")

    def fails(*_, **__):
        raise ValueError("no")

    monkeypatch.setattr("nlmeans.show.page.page", fails)
    done = nl("in.png", "--out", "page.html", "--overwrite")
    assert done.exit_code == 1
    assert "nlmeans: in.png: no" in done.stderr
    assert text_of() == written
    assert sorted(path.name for path in folder.iterdir()) == ["clean.png", "in.png", "page.html"]


def test_without_jinja2_the_extra_is_named_before_the_work(folder, calls, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = nl("in.png", "--out", "page.html")
    assert (done.exit_code, calls) == (1, [])
    expected = "nlmeans: page.html: the page needs Jinja2, which is not installed: pip install 'nlmeans[page]'"
    assert told(done) == [expected]
    assert not Path("page.html").exists()


def test_scores_of_stacks_are_means_over_slices_and_small_pictures_have_no_ssim():
    stack = np.stack([CLEAN, CLEAN // 2])
    dirty = noisy(stack)
    one = [measure(dirty[k], stack[k], "YX").ssim for k in range(2)]
    assert measure(dirty, stack, "NYX").ssim == pytest.approx(np.mean(one))
    small = measure(dirty[0, :8], stack[0, :8], "YX")
    assert np.isnan(small.ssim)
    assert np.isfinite(small.psnr)
    assert measure(CLEAN, CLEAN, "YX").psnr == np.inf


def test_equal_and_small_pictures_have_pages_too(folder, calls):
    formats.write("small.png", formats.Picture(CLEAN[:8, :9], "YX"))
    done = nl("small.png", "--sigma", "5", "--reference", "small.png", "--out", "page.html")
    assert done.exit_code == 0, done.output
    assert "noisy inf dB" in done.stdout
    assert "SSIM\N{NO-BREAK SPACE}" not in text_of()
