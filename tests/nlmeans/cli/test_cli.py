"""The command line: files in, files out, every failure is named, and the exit code tells."""

import gc
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats
from nlmeans.cli import app, console, main
from nlmeans.noise import PoissonGaussian
from nlmeans.noise.text import text as noise_text

ROOT = Path(nlmeans.__file__).parents[1]
GREY = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
COLOUR = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


class Report(SimpleNamespace):
    def __str__(self):
        return "a table of what was done"


def report(noise="Gaussian, sigma 1.5 2", notes=()):
    plan = SimpleNamespace(noise=noise, sigma=(1.5, 2.0), plain=noise.startswith("Gaussian"))
    return Report(plan=plan, notes=notes, seconds=0.5)


@pytest.fixture
def calls(monkeypatch):
    """Put a filter that is quick and easily recognised in the place of the real one."""
    made = []

    def denoise(image, **options):
        made.append({"pixels": (image.shape, image.dtype), **options})
        logging.getLogger("nlmeans").warning("compiling something")
        if options["progress"]:
            options["progress"](1, 2)
        if np.issubdtype(image.dtype, np.floating) and not np.isfinite(image).all():
            raise ValueError("every pixel must be finite; got 1 NaN")
        return image[::-1].copy(), report()

    monkeypatch.setattr(nlmeans, "denoise", denoise)
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formats.write("grey.png", formats.Picture(GREY, "YX"))
    formats.write("colour.png", formats.Picture(COLOUR, "YXC"))
    return tmp_path


def nl(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def names(path="."):
    return sorted(item.name for item in Path(path).iterdir())


def test_one_file(folder, calls):
    done = nl("denoise", "colour.png", "out.png")
    assert (done.exit_code, done.stderr) == (0, "nlmeans: compiling something\n")
    assert done.stdout == "out.png: sigma 1.5 2, 0.50 s\n"
    np.testing.assert_array_equal(formats.read("out.png").pixels, COLOUR[::-1])
    assert calls[0]["pixels"] == (COLOUR.shape, np.uint8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["colour.png"], "Missing argument"),
        (["colour.png", "out.xyz"], "the name ends in .xyz"),
        (["colour.png", "out.jpg", "--jpeg-quality", "101"], "--jpeg-quality"),
        (["colour.png", "out.png", "--jpeg-quality", "50"], "is for JPEG files: none is written"),
        (["colour.png", "out.jpg", "--lossy", "50"], "WebP files: none is written"),
        (["colour.png", "out.webp", "--lossy", "0"], "--lossy"),
        (["colour.png", "grey.png", "out.png"], "several pictures go to a folder; got out.png"),
        (["colour.png", "./colour.png", "out"], "two pictures would both be written to out/colour.png"),
        (["empty", "out"], "a folder must hold pictures"),
    ],
)
def test_usage_errors(folder, calls, arguments, message):
    (folder / "empty").mkdir()
    before = names()
    done = nl("denoise", *arguments)
    assert done.exit_code == 2
    assert message in re.sub(r"\s+", " ", done.stderr.replace(os.sep, "/"))
    assert calls == []
    assert names() == before


def test_folder_to_folder(folder, calls):
    (folder / "in" / "deeper").mkdir(parents=True)
    for name in ("b.png", "a.PNG", ".hidden.png", "deeper/c.png"):
        (folder / "in" / name).write_bytes((folder / "grey.png").read_bytes())
    (folder / "in" / "notes.txt").write_text("no picture")
    done = nl("denoise", "in", "out/new")
    assert done.exit_code == 0, done.stderr
    assert names("out/new") == ["a.PNG", "b.png"]
    assert "leaving out 1 of other kinds: notes.txt" in done.stderr


def test_into_a_folder_that_exists_or_has_a_slash(folder, calls):
    (folder / "there").mkdir()
    assert nl("denoise", "grey.png", "there").exit_code == 0
    assert nl("denoise", "grey.png", "new/").exit_code == 0
    assert names("there") == names("new") == ["grey.png"]


def test_a_bad_file_does_not_stop_the_others(folder, calls):
    Path("cut.png").write_bytes(Path("grey.png").read_bytes()[:-20])
    Path("photo.nef").write_bytes(b"MM\0*")
    Path("photo.tif").write_bytes(b"%PDF-1.7 and more")
    np.save("nan.npy", np.full((5, 5), np.nan))
    done = nl("denoise", "cut.png", "missing.png", "photo.tif", "nan.npy", "grey.png", "out")
    assert done.exit_code == 1
    failures = [line for line in done.stderr.splitlines() if "compiling" not in line]
    assert len(failures) == 4
    for line, (name, reason) in zip(
        failures,
        [
            ("cut.png", "the file is cut short"),
            ("missing.png", "No such file or directory"),
            ("photo.tif", "a file must be of a format that can be read"),
            ("nan.npy", "every pixel must be finite; got 1 NaN"),
        ],
        strict=True,
    ):
        assert line.startswith(f"nlmeans: {name}: {reason}")
    assert names("out") == ["grey.png"]


def test_an_unforeseen_fault_spoils_one_file_only(folder, calls, monkeypatch):
    right = nlmeans.denoise

    def faulty(image, *arguments, **options):
        if image.ndim == 3:
            raise RuntimeError("a bug")
        return right(image, *arguments, **options)

    monkeypatch.setattr(nlmeans, "denoise", faulty)
    done = nl("denoise", "colour.png", "grey.png", "out")
    assert done.exit_code == 1
    assert "colour.png: unexpected RuntimeError: a bug; please report it" in done.stderr
    assert names("out") == ["grey.png"]


def test_an_existing_file_is_refused_before_the_work(folder, calls):
    Path("out.png").write_bytes(b"precious")
    done = nl("denoise", "grey.png", "out.png")
    assert (done.exit_code, calls) == (1, [])
    assert "out.png exists already; --overwrite" in done.stderr
    assert Path("out.png").read_bytes() == b"precious"
    assert nl("denoise", "grey.png", "out.png", "--overwrite").exit_code == 0
    assert nl("denoise", "grey.png", "grey.png").exit_code == 1
    assert nl("denoise", "grey.png", "grey.png", "--overwrite").exit_code == 0
    np.testing.assert_array_equal(formats.read("grey.png").pixels, GREY[::-1])


def test_what_a_format_cannot_hold_is_refused_before_the_work(folder, calls):
    np.save("floats.npy", np.zeros((5, 5), np.float32))
    done = nl("denoise", "floats.npy", "out.png")
    assert (done.exit_code, calls) == (1, [])
    assert "a PNG holds uint8 or uint16 pixels: these are float32" in done.stderr


def test_axes_are_asked_for(folder, calls):
    tifffile.imwrite("pages.tif", np.zeros((5, 20, 30), np.uint8), metadata=None, photometric="minisblack")
    done = nl("denoise", "pages.tif", "out.tif")
    assert (done.exit_code, calls) == (1, [])
    assert "add --axes ZYX for a volume" in done.stderr
    assert nl("denoise", "pages.tif", "out.tif", "--axes", "NYX").exit_code == 0
    assert calls[0]["axes"] == "NYX"


def test_errors_of_the_library_are_translated(folder):
    np.save("unclear.npy", np.zeros((9, 9, 3), np.float32))
    done = nl("denoise", "unclear.npy", "out.npy")
    assert done.exit_code == 1
    assert "say --channel-axis -1 (or --axes YXC) for the one, --axes ZYX for the other" in done.stderr


def test_loss_where_it_is_asked_for(folder, calls):
    for name, flags in (("whole.webp", []), ("ninety.webp", ["--lossy", "90"]), ("ten.webp", ["--lossy", "10"])):
        assert nl("denoise", "colour.png", name, *flags).exit_code == 0
    assert Path("ten.webp").stat().st_size < Path("ninety.webp").stat().st_size
    np.testing.assert_array_equal(formats.read("whole.webp").pixels, COLOUR[::-1])


def test_jpeg_quality_and_max_pixels(folder, calls):
    assert nl("denoise", "colour.png", "low.jpg", "--jpeg-quality", "10").exit_code == 0
    assert nl("denoise", "colour.png", "high.jpg").exit_code == 0
    assert Path("low.jpg").stat().st_size < Path("high.jpg").stat().st_size
    done = nl("denoise", "colour.png", "out.png", "--max-pixels", "599")
    assert done.exit_code == 1
    assert "decompression bomb" in done.stderr


def test_quiet_and_verbose(folder, calls):
    done = nl("denoise", "grey.png", "a.png", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    done = nl("denoise", "grey.png", "b.png", "--verbose")
    assert "a table of what was done" in done.stdout
    assert nl("denoise", "none.png", "c.png", "--quiet").stderr == "nlmeans: none.png: No such file or directory\n"
    # a pattern that no shell has replaced by names is what is wrong, not the folder beside it
    assert nl("denoise", "*.xyz", "results").stderr == "nlmeans: *.xyz: No such file or directory\n"
    logger = logging.getLogger("nlmeans")
    assert not [handler for handler in logger.handlers if isinstance(handler, console._Notices)]
    assert logger.level == logging.NOTSET


def test_notes_are_shown(folder, calls, monkeypatch):
    notes = ("the noise is spatially correlated", "the noise grows: try noise='auto'")
    monkeypatch.setattr(nlmeans, "denoise", lambda image, **_: (image, report(notes=notes)))
    done = nl("denoise", "grey.png", "a.png")
    assert done.stderr == (
        "note: a.png: the noise is spatially correlated\nnote: a.png: the noise grows: try --noise auto\n"
    )
    assert nl("denoise", "grey.png", "b.png", "--quiet").stderr == ""
    assert nl("denoise", "grey.png", "c.png", "--verbose").stderr == ""  # its table holds them


@pytest.mark.parametrize(
    ("noise", "text"),
    [("Gaussian, sigma 1.5 2", "sigma 1.5 2"), ("Rician, sigma 13.85", "noise Rician, sigma 13.85")],
)
def test_the_noise_is_shown(folder, monkeypatch, noise, text):
    monkeypatch.setattr(nlmeans, "denoise", lambda image, **_: (image, report(noise)))
    assert nl("denoise", "grey.png", "a.png").stdout == f"a.png: {text}, 0.50 s\n"


def test_another_method_may_report_less(folder, monkeypatch):
    for name, other, text in (("a.png", None, "done"), ("b.png", SimpleNamespace(seconds=2), "2.00 s")):
        monkeypatch.setattr(nlmeans, "denoise", lambda image, other=other, **_: (image, other))
        assert nl("denoise", "grey.png", name).stdout == f"{name}: {text}\n"


def test_the_expected_time_is_shown(folder, calls, monkeypatch):
    def denoise(image, **_):
        logging.getLogger("nlmeans").info("about 40 s of work on 2 threads")
        return image, report()

    monkeypatch.setattr(nlmeans, "denoise", denoise)
    assert nl("denoise", "grey.png", "a.png").stderr == "nlmeans: about 40 s of work on 2 threads\n"
    assert nl("denoise", "grey.png", "b.png", "--quiet").stderr == ""


def test_interrupt(folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(nlmeans, "denoise", interrupted)
    done = nl("denoise", "grey.png", "colour.png", "out")
    assert done.exit_code == 130
    assert "interrupted" in done.stderr
    assert names("out") == []


def test_estimate(folder):
    done = nl("estimate", "grey.png", "colour.png", "none.png")
    assert done.exit_code == 1
    grey, colour = (nlmeans.io.read(name) for name in ("grey.png", "colour.png"))
    sigma = nlmeans.estimate_sigma(colour.pixels, channel_axis=-1)
    expected = " ".join(f"{value:.6g}" for value in sigma)
    assert done.stdout == f"grey.png\t{nlmeans.estimate_sigma(grey.pixels):.6g}\ncolour.png\t{expected}\n"
    assert "none.png" in done.stderr


def test_estimate_of_counts_is_what_noise_takes(folder):
    rng = np.random.default_rng(0)
    np.save("counts.npy", 2.0 * rng.poisson(np.linspace(5, 100, 128) * np.ones((128, 1))))
    done = nl("estimate", "counts.npy", "--model", "poisson")
    assert done.exit_code == 0, done.stderr
    name, text = done.stdout.rstrip().split("\t")
    assert name == "counts.npy"
    assert 1.9 < float(re.fullmatch(r"poisson:gain=([\d.]+),offset=[\d.]+,sigma=[\d.]+", text)[1]) < 2.1
    assert nl("plan", "counts.npy", "--noise", text).exit_code == 0
    colour = PoissonGaussian((1.5, 2.0), (0.0, 1.0), (3.0, 4.0))
    assert noise_text(colour) == "poisson:gain=1.5,2,offset=0,1,sigma=3,4"


def test_plan(folder, monkeypatch):
    given = {}

    def plan(image, **options):
        given.update(options)
        return "the plan"

    monkeypatch.setattr(nlmeans, "plan", plan)
    done = nl("plan", "colour.png", "--sigma", "5", "--no-bias", "--centre", "one", "--search-radius", "2")
    assert (done.exit_code, done.stdout) == (0, "colour.png\nthe plan\n\n")
    assert given.items() >= {"sigma": 5, "axes": "YXC", "bias": False, "centre": "one", "search_radius": 2}.items()


def test_version_and_help():
    assert nl("--version").stdout == f"nlmeans {nlmeans.__version__}\n"
    for command in ("denoise", "estimate", "plan", "explain", "compare", "demo"):
        assert nl(command, "-h").exit_code == 0
    assert nl("nonsense").exit_code == 2


def test_bar_waits(monkeypatch):
    for patience, drawn in ((0, True), (1000, False)):
        monkeypatch.setattr(console, "PATIENCE", patience)
        bar = console._Bar("picture [bold].png")
        bar(1, 4)
        assert (bar._bar is not None) == drawn
        if drawn:
            assert (bar._bar.tasks[0].completed, bar._bar.tasks[0].total) == (1, 4)
            assert bar._bar.tasks[0].description == r"picture \[bold].png"
        bar.close()


# --- as a process ---

SLOW = """
import sys, time, nlmeans
from nlmeans import io
from nlmeans.cli import main
def denoise(image, *_, progress=None, **__):
    for k in range(600):
        if k == 5: print("at work", flush=True)
        time.sleep(0.02)
        if progress: progress(k, 600)
    return image, None
nlmeans.denoise = denoise
sys.argv[0] = "nlmeans"
main()
"""


def process(*arguments, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_module_is_the_program(folder):
    running = process("-m", "nlmeans", "estimate", "missing.png")
    _, errors = running.communicate()
    assert running.returncode == 1
    assert errors == "nlmeans: missing.png: No such file or directory\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(folder, number, code):
    before = names()
    running = process("-c", SLOW, "denoise", "grey.png", "out.png")
    assert running.stdout.readline() == "at work\n"
    running.send_signal(number)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == code
    assert "Traceback" not in errors
    assert names() == before


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")
def test_bar_on_a_terminal_only(folder):
    ours, theirs = os.openpty()
    try:
        running = subprocess.Popen(
            [sys.executable, "-c", SLOW.replace("range(600)", "range(40)"), "denoise", "grey.png", "out.png", "-v"],
            env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"},
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        running.wait(timeout=20)
        assert "grey.png" in os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)


def test_light_start():
    """What one picture does not need is not imported: the start counts in its time."""
    heavy = "{'rich', 'PIL', 'tifffile', 'skimage', 'scipy', 'numba', 'jinja2'}"
    program = f"import sys, nlmeans.cli; print(*sorted({heavy} & set(sys.modules)))"
    running = process("-c", program)
    output, errors = running.communicate()
    assert output.split() == [], errors


def test_main_needs_no_collector_at_the_end(monkeypatch, capsys):
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["nlmeans", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert frozen == [True]
    assert capsys.readouterr().out == f"nlmeans {nlmeans.__version__}\n"
