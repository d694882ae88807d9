"""The flags: every one arrives, files among them, and bad values are refused before the work."""

import inspect
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats
from nlmeans._axes import Layout
from nlmeans.cli import app, explaining, options
from nlmeans.noise import Gaussian, PoissonGaussian, Rician
from nlmeans.plan.options import OPTIONS, WORK
from nlmeans.show.explain import draw

RNG = np.random.default_rng(0)
GREY = RNG.normal(100, 10, (40, 50)).round().astype(np.uint8)
COLOUR = RNG.normal(100, 10, (40, 50, 3)).round().astype(np.uint8)
VOLUME = RNG.normal(100, 10, (5, 30, 40)).astype(np.float32)
PLAIN = {
    "sigma": None,
    "method": None,
    "quality": None,
    "noise": None,
    "mask": None,
    "fill": None,
    "guide": None,
    "guide_sigma": None,
    "strength": None,
    "patch_radius": None,
    "search_radius": None,
    "spacing": None,
    "bias": None,
    "centre": None,
    "aggregation": None,
    "passes": None,
    "wiener": None,
    "motion": None,
    "nodata": None,
    "padding": None,
    "outliers": None,
    "stripes": None,
    "threads": None,
    "dtype": None,
}
WITH_WORK = {"method", "fill", "threads", "dtype"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formats.write("grey.png", formats.Picture(GREY, "YX"))
    formats.write("colour.png", formats.Picture(COLOUR, "YXC"))
    np.save("volume.npy", VOLUME)
    np.save("plane.npy", np.linspace(1, 9, GREY.size, dtype=np.float32).reshape(GREY.shape))
    mask = np.full(GREY.shape, 255, np.uint8)
    mask[5:9, 10:30] = 0
    formats.write("mask.png", formats.Picture(mask, "YX"))
    return tmp_path


@pytest.fixture
def given(monkeypatch):
    """Return the options with which the library was called last."""
    seen = {}

    def denoise(image, *, progress, full_output, **options):
        seen.update(options)
        raise ValueError("seen")

    def other(image, *_, **options):
        seen.update(options)
        raise ValueError("seen")

    monkeypatch.setattr(nlmeans, "denoise", denoise)
    monkeypatch.setattr(nlmeans, "plan", other)
    return seen


def nl(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told(done):
    """Return what was said on standard error but for what is compiled where that is new."""
    return [line for line in done.stderr.splitlines() if "compiling" not in line]


COMMANDS = {
    "denoise": ("denoise", "colour.png", "out.png"),
    "plan": ("plan", "colour.png"),
    "explain": ("explain", "colour.png", "out.png", "--at", "1,2"),
}


def test_signature_record_and_flags_agree():
    """An option is known by the signature of `denoise`, by the record or as one about the work, and by its flag."""
    parameters = inspect.signature(nlmeans.denoise).parameters
    assert not set(OPTIONS) & set(WORK)
    assert {*OPTIONS, *WORK} == set(parameters) - {"image", "full_output"}
    assert {parameters[name].default for name in (*OPTIONS, *WORK)} == {None}
    flags = {name for name, option in (OPTIONS | WORK).items() if option.help}
    assert flags == set(parameters) - {"image", "full_output", "progress", "cancel", "out"}
    assert set(PLAIN) | {"axes", "channel_axis"} == flags
    for command in COMMANDS:
        shown = nl(command, "--help").stdout
        expected = flags if command == "denoise" else flags - WITH_WORK
        assert {name for name in expected if f"--{name.replace('_', '-')} " not in shown} == set(), command


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if not option.name])
def test_every_option_has_a_check_and_none_stands_for_the_default(name):
    option = OPTIONS[name]
    assert option.checked(None, name, Layout("YX")) == option.default
    with pytest.raises((TypeError, ValueError), match=name):
        option.checked(object(), name, Layout("YX"))


@pytest.mark.parametrize("command", COMMANDS)
def test_without_flags(folder, given, command):
    done = nl(*COMMANDS[command])
    assert done.stderr == "nlmeans: colour.png: seen\n"
    taken = {"denoise": WITH_WORK, "plan": {"method"}, "explain": set()}[command]
    wanted = {name: value for name, value in PLAIN.items() if name in taken or name not in WITH_WORK}
    assert given == wanted | {"axes": "YXC", "channel_axis": None}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--sigma", "12.5"], {"sigma": 12.5}),
        (["--sigma", "9,8.5,0"], {"sigma": [9, 8.5, 0]}),
        (["--quality", "fast"], {"quality": "fast"}),
        (["--noise", "auto"], {"noise": "auto"}),
        (["--noise", "gaussian"], {"noise": Gaussian()}),
        (["--noise", "gaussian:sigma=5"], {"noise": Gaussian(5)}),
        (["--noise", "gaussian:sigma=5,6,7"], {"noise": Gaussian((5, 6, 7))}),
        (["--noise", "poisson"], {"noise": PoissonGaussian()}),
        (["--noise", "poisson:gain=2.5,offset=10,sigma=3"], {"noise": PoissonGaussian(2.5, 10, 3)}),
        (["--noise", "poisson:gain=1,2,3,sigma=4,5,6"], {"noise": PoissonGaussian((1, 2, 3), 0, (4, 5, 6))}),
        (["--noise", "rician"], {"noise": Rician()}),
        (["--noise", "rician:sigma=4"], {"noise": Rician(4)}),
        (["--axes", "yxc"], {"axes": "yxc", "channel_axis": None}),
        (["--channel-axis", "-1"], {"axes": None, "channel_axis": -1}),
        (["--strength", "0.7"], {"strength": 0.7}),
        (["--strength", "sure"], {"strength": "sure"}),
        (["--strength", "j-invariant"], {"strength": "j-invariant"}),
        (["--patch-radius", "0"], {"patch_radius": 0}),
        (["--patch-radius", "1,2"], {"patch_radius": [1, 2]}),
        (["--search-radius", "21"], {"search_radius": 21}),
        (["--search-radius", "3,4"], {"search_radius": [3, 4]}),
        (["--search-radius", "image"], {"search_radius": "image"}),
        (["--spacing", "2,1.5"], {"spacing": [2, 1.5]}),
        (["--bias"], {"bias": True}),
        (["--no-bias"], {"bias": False}),
        (["--centre", "zero"], {"centre": "zero"}),
        (["--aggregation", "patch"], {"aggregation": "patch"}),
        (["--passes", "2"], {"passes": 2}),
        (["--wiener"], {"wiener": True}),
        (["--no-wiener"], {"wiener": False}),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_arrives(folder, given, command, flags, expected):
    done = nl(*COMMANDS[command], *flags)
    assert done.stderr == "nlmeans: colour.png: seen\n"
    assert given.items() >= expected.items()


@pytest.mark.parametrize("command", ["denoise", "plan"])
def test_the_method(folder, given, command):
    nl(*COMMANDS[command], "--method", "ridge")
    assert given["method"] == "ridge"


@pytest.mark.parametrize(
    ("flags", "expected"), [(["--threads", "3"], {"threads": 3}), (["--no-fill"], {"fill": False})]
)
def test_flags_about_the_work(folder, given, flags, expected):
    nl(*COMMANDS["denoise"], *flags)
    assert given.items() >= expected.items()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sigma", "loud"], "'--sigma': must be a number, one a channel such as 9.5,8,11, or a file that exists"),
        (["--sigma", "-1"], "must be at least 0; got -1"),
        (["--sigma", "1,nan"], "must be finite; got nan"),
        (["--sigma", "3", "--noise", "auto"], "--sigma: is short for --noise: give one of them, not both"),
        (["--noise", "pink"], "must be auto, gaussian, poisson, rician, camera, or one with numbers such as"),
        (["--noise", "rician:gain=2"], "rician has sigma, coils; got 'gain'"),
        (["--noise", "gaussian:"], "must give each of its numbers once, as sigma=2.5; got 'gaussian:'"),
        (["--noise", "gaussian:5"], "must give each of its numbers once, as sigma=2.5"),
        (["--noise", "gaussian:sigma=5,sigma=5"], "must give each of its numbers once"),
        (["--noise", "gaussian:sigma=x"], "must be a model with numbers for sigma; got 'x'"),
        (["--noise", "gaussian:sigma=-3"], "sigma must be at least 0; got -3"),
        (["--noise", "poisson:gain=1,sigma=inf"], "must be finite"),
        (["--quality", "good"], "--quality"),
        (["--axes", "QX"], "must be made of N (separate images)"),
        (["--axes", "NTZYX"], "can hold two of N, T and Z"),
        (["--axes", "YXC", "--channel-axis", "2"], "is short for --axes: give one of them"),
        (["--mask", "none.png"], "'--mask': must be a file that exists; got 'none.png'"),
        (["--guide", "none.png"], "'--guide': must be a file that exists; got 'none.png'"),
        (["--mask", "text.png"], "--mask: text.png: a file must be of a format that can be read"),
        (["--sigma", "text.png"], "--sigma: text.png: "),
        (["--guide-sigma", "2"], "--guide-sigma: comes with a --guide"),
        (["--guide-sigma", "-2"], "--guide-sigma"),
        (["--strength", "0"], "is h/σ and must be 1e-06 to 1e+06; got 0"),
        (["--strength", "1,2"], "must be a number; got [1.0, 2.0]"),
        (["--strength", "some"], "must be a number, sure or j-invariant; got 'some'"),
        (["--patch-radius", "1.5"], "must be a whole number, or one an axis, such as 3 or 1,3,3; got '1.5'"),
        (["--patch-radius", "image"], "must be a whole number"),
        (["--search-radius", "3,-1"], "is a radius (the width is 2·radius + 1) and must be at least 0; got [3, -1]"),
        (["--search-radius", "all"], "or image; got 'all'"),
        (["--spacing", "1,0"], "must be above 0, one number for each axis of space; got [1.0, 0.0]"),
        (["--centre", "left"], "--centre"),
        (["--aggregation", "line"], "--aggregation"),
        (["--passes", "3"], "--passes"),
        (["--method", "magic"], "'--method': must be one of nlm; got 'magic'"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_bad_values(folder, given, monkeypatch, flags, message):
    monkeypatch.setattr("nlmeans.methods.registry.method_names", lambda: ("nlm",))
    Path("text.png").write_text("no picture")
    done = nl(*COMMANDS["denoise"], *flags)
    assert done.exit_code == 2
    assert message in re.sub(r"\s+", " ", done.stderr)
    assert given == {}
    assert not Path("out.png").exists()


def test_files_arrive(folder, given):
    plane = np.load("plane.npy")
    nl(*COMMANDS["denoise"], "--sigma", "plane.npy", "--mask", "mask.png", "--guide", "grey.png", "--guide-sigma", "2")
    np.testing.assert_array_equal(given["sigma"], plane)
    assert given["mask"].dtype == bool
    assert given["mask"].sum() == GREY.size - 80
    np.testing.assert_array_equal(given["guide"], GREY)
    assert given["guide_sigma"] == 2
    Path("12").write_bytes(Path("grey.png").read_bytes())
    nl(*COMMANDS["denoise"], "--guide", "colour.png", "--sigma", "12")
    assert given["sigma"] == 12
    np.testing.assert_array_equal(given["guide"], COLOUR)


def test_masks_of_other_kinds(folder, given):
    """A mask may be in colour, hold NaN, and have its axes in another order where its file names them."""
    coloured = np.zeros_like(COLOUR)
    coloured[3, 4, 1] = 9
    formats.write("coloured.png", formats.Picture(coloured, "YXC"))
    nl(*COMMANDS["denoise"], "--mask", "coloured.png")
    assert np.argwhere(given["mask"]).tolist() == [[3, 4]]
    np.save("nan.npy", np.where(GREY > 100, np.nan, 1))
    nl(*COMMANDS["denoise"], "--mask", "nan.npy")
    np.testing.assert_array_equal(given["mask"], GREY <= 100)
    formats.write("volume.tif", formats.Picture(VOLUME, "ZYX"))
    formats.write("mask.tif", formats.Picture((VOLUME > 100).astype(np.uint8), "ZYX"))
    turned = options._fitted("mask", Path("m"), formats.read("mask.tif"), formats.Picture(VOLUME.T, "XYZ"))
    np.testing.assert_array_equal(turned, VOLUME.T > 100)


def test_files_that_do_not_fit(folder, given):
    done = nl("denoise", "grey.png", "colour.png", "out", "--mask", "volume.npy")
    assert done.exit_code == 1
    for name in ("grey.png", "colour.png"):
        message = f"{name}: --mask must have the picture's shape, (40, 50) without channels; volume.npy has (5, 30, 40)"
        assert message in done.stderr
    assert "--guide must have the picture's shape" in nl("plan", "grey.png", "--guide", "colour.png").stderr
    done = nl("plan", "colour.png", "--guide", "colour.png", "--max-pixels", "100")
    assert done.exit_code == 2
    assert "decompression bomb" in done.stderr
    assert given == {}


def test_the_map_mask_and_guide_are_used(folder):
    done = nl("denoise", "grey.png", "out.png", "--sigma", "plane.npy", "--mask", "mask.png", "--no-fill", "-q")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    result, mask = formats.read("out.png").pixels, formats.read("mask.png").pixels
    np.testing.assert_array_equal(result[mask == 0], GREY[mask == 0])
    ref = nlmeans.denoise(GREY, np.load("plane.npy"), mask=mask > 0, fill=False)
    np.testing.assert_array_equal(result, ref)


@pytest.mark.parametrize(
    ("axes", "shape", "sides", "expected"),
    [
        ("XYZ", (4, 5, 6), (0.5, 0.75, 3), (3, 0.75, 0.5)),
        ("XYZN", (4, 5, 6, 2), (1, 1, 3), (3, 1, 1)),
        ("XY", (4, 5), (1, 2), (2, 1)),
        ("ZYX", (4, 5, 6), (3, 1, 1), (3, 1, 1)),
        ("XYZ", (4, 5, 6), (2, 2, 2), None),
        ("XYZ", (4, 5, 6), (np.float32(0.9), 0.9, 0.9), None),
        ("XYT", (4, 5, 6), (1, 2), None),
        ("XYZ", (4, 5, 6), None, None),
        ("XYZ", (4, 5), (1, 2, 3), None),
    ],
)
def test_spacing_of_a_file(axes, shape, sides, expected):
    assert options._spacing_of(formats.Picture(np.zeros(shape), axes, spacing=sides)) == expected


def test_spacing_from_nifti(folder, given):
    pytest.importorskip("nibabel")
    formats.write("volume.nii.gz", formats.Picture(VOLUME, "ZYX", spacing=(4.0, 1.0, 0.5)))
    nl("plan", "volume.nii.gz")
    assert (given["axes"], given["spacing"]) == ("XYZ", (4.0, 1.0, 0.5))
    nl("plan", "volume.nii.gz", "--spacing", "1,1,1")
    assert given["spacing"] == [1, 1, 1]


def test_another_method_need_not_know_of_spacing(folder, given, monkeypatch):
    pytest.importorskip("nibabel")
    monkeypatch.setattr("nlmeans.methods.registry.method_names", lambda: ("nlm", "other"))
    monkeypatch.setattr(options, "method_of", lambda _: SimpleNamespace(options=frozenset()))
    formats.write("volume.nii", formats.Picture(VOLUME, "ZYX", spacing=(4.0, 1.0, 0.5)))
    nl("denoise", "volume.nii", "out.nii", "--method", "other")
    assert (given["method"], given["spacing"]) == ("other", None)
    nl("denoise", "volume.nii", "out.nii", "--method", "other", "--spacing", "2,1,1")
    assert given["spacing"] == [2, 1, 1]


# --- explain ---


def test_explain_a_picture(folder):
    done = nl("explain", "colour.png", "out.png", "--at", "20,-25", "--sigma", "10")
    assert (done.exit_code, told(done)) == (0, [])
    found = re.fullmatch(r"out.png: pixel 20,-25 averages (\d+) pixels, effectively ([\d.]+)\n", done.stdout)
    weights = nlmeans.weight_map(COLOUR, (20, 25), 10, axes="YXC")
    assert int(found[1]) == np.count_nonzero(weights)
    assert float(found[2]) == pytest.approx(1 / np.square(weights).sum(), rel=0.01)
    ref = draw(COLOUR, weights, (20, 25), nlmeans.plan(COLOUR, 10, axes="YXC").passes[-1].patch_radius)
    np.testing.assert_array_equal(formats.read("out.png").pixels, ref)


def test_explain_with_flags(folder):
    asked = ["--quality", "best", "--strength", "sure", "--mask", "mask.png", "--search-radius", "4"]
    done = nl("explain", "grey.png", "out.png", "--at", "20,30", *asked, "-v")
    assert done.exit_code == 0, done.stderr
    assert re.search("search window +9 × 9", done.stdout)
    assert "predicted MSE" in done.stdout
    assert nl("explain", "grey.png", "out.png", "--at", "20,30", "--quiet", "--overwrite").output == ""


@pytest.mark.parametrize(("name", "axes"), [("volume.npy", "ZYX"), ("video.npy", "TYX"), ("stack.npy", "NZYX")])
def test_explain_volumes(folder, name, axes):
    """The slice through the pixel is drawn; of separate images the one that is meant."""
    np.save("video.npy", VOLUME)
    np.save("stack.npy", np.stack([VOLUME, VOLUME[::-1]]))
    at = "-1,2,10,20" if "N" in axes else "2,10,-20"
    done = nl("explain", name, "out.png", "--at", at, "--sigma", "10", "--axes", axes)
    assert done.exit_code == 0, done.stderr
    image, axes = (VOLUME[::-1], "ZYX") if "N" in axes else (VOLUME, axes)
    weights = nlmeans.weight_map(image, (2, 10, 20), 10, axes=axes)
    assert f"{weights[2].sum():.0%} of the weight is in the slice drawn" in done.stdout
    radius = nlmeans.plan(image, 10, axes=axes).patch_radius
    ref = draw(image[2], weights[2], (10, 20), radius)
    np.testing.assert_array_equal(formats.read("out.png").pixels, ref)


def test_explain_a_nifti_by_its_slices(folder):
    pytest.importorskip("nibabel")
    formats.write("volume.nii", formats.Picture(VOLUME, "ZYX"))
    for name in ("volume.nii", "volume.npy"):
        done = nl("explain", name, f"{name}.png", "--at", "2,10,20", "--sigma", "10")
        assert done.exit_code == 0, done.stderr
    np.testing.assert_array_equal(formats.read("volume.nii.png").pixels, formats.read("volume.npy.png").pixels)


def test_explain_other_channels_than_three(folder):
    np.save("two.npy", COLOUR[..., :2])
    assert nl("explain", "two.npy", "out.png", "--at", "5,5", "--channel-axis", "-1").exit_code == 0


def test_explain_shows_notes(folder, monkeypatch):
    plan = nlmeans.plan
    monkeypatch.setattr(nlmeans, "plan", lambda *given, **more: replace(plan(*given, **more), notes=("mind this",)))
    assert told(nl("explain", "grey.png", "out.png", "--at", "5,5")) == ["note: out.png: mind this"]
    assert nl("explain", "grey.png", "two.png", "--at", "5,5", "-q").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["out.png", "--at", "5,x"], 2, "must be a pixel's row and column, such as 120,80"),
        (["out.png"], 2, "Missing option '--at'"),
        (["out.mp4", "--at", "5,5"], 2, "the name ends in .mp4"),
        (["out.nii", "--at", "5,5"], 2, "a drawing has colours, which a NIfTI cannot hold"),
        (["out.png", "--at", "5"], 1, "grey.png: --at must be a pixel along Y, X of 40 × 50; got 5"),
        (["out.png", "--at", "1,2,3"], 1, "--at must be a pixel along Y, X of 40 × 50; got 1,2,3"),
        (["out.png", "--at", "40,0"], 1, "--at must be a pixel along Y, X of 40 × 50; got 40,0"),
        (["out.png", "--at", "0,-51"], 1, "--at must be a pixel along Y, X of 40 × 50; got 0,-51"),
        (["colour.png", "--at", "5,5"], 1, "nlmeans: colour.png: exists already; --overwrite"),
        (["none/out.png", "--at", "5,5"], 1, "does not exist"),
    ],
)
def test_explain_refuses(folder, arguments, code, message):
    done = nl("explain", "grey.png", *arguments)
    assert done.exit_code == code
    assert message in re.sub(r"\s+", " ", done.stderr)
    assert not Path("out.png").exists()
    np.testing.assert_array_equal(formats.read("colour.png").pixels, COLOUR)


def test_explain_leaves_nothing_behind(folder, monkeypatch):
    def fails(*_):
        raise ValueError("no drawing")

    monkeypatch.setattr(explaining, "draw", fails)
    before = sorted(folder.iterdir())
    assert nl("explain", "grey.png", "out.png", "--at", "5,5").exit_code == 1
    assert sorted(folder.iterdir()) == before
