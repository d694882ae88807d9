"""Runs that are killed: what they leave goes with the next, and the same command goes on."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats import locks

ROOT = Path(__file__).resolve().parents[3]
GREY = np.random.default_rng(0).normal(1000, 50, (60, 70)).astype(np.uint16)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_a_picture_that_a_killed_process_left_goes_with_the_next():
    code = (
        "import os, numpy as np\nfrom nlmeans import io\nos.replace = lambda *_: os._exit(9)\n"
        "io.write('clean.png', io.Picture(np.zeros((8, 8), np.uint8), 'YX'))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=os.getcwd()).returncode == 9
    (left,) = Path().glob(".clean.png.*.part")
    Path(".clean.png.0123abcd.part").write_bytes(b"precious")  # of another's pattern
    with formats.replacing(Path("clean.png"), overwrite=False) as mine:
        assert (mine == left.absolute()) == locks.AVAILABLE
        with formats.replacing(Path("clean.png"), overwrite=False) as other:  # what is being written is not swept up
            assert other != mine
            other.write_bytes(b"other")
        assert mine.exists()
        Path("clean.png").unlink()
    if locks.AVAILABLE:
        assert sorted(Path().glob(".*.part")) == [Path(".clean.png.0123abcd.part")]


KILLED = """
import os, sys
real, left = os.replace, [1]
def replace(*given):
    if str(given[1]).endswith(".png"):  # Numba's cache has files of its own
        if not left[0]:
            os._exit(9)
        left[0] -= 1
    real(*given)
os.replace = replace
sys.argv = ["nlmeans", "denoise", "pictures", *sys.argv[1:], "--quality", "fast"]
from nlmeans.cli import main
main()
"""


@pytest.fixture(params=["cleaned/", "pictures/"])
def half(request):
    """Return a folder half of whose pictures a command has made when it was killed."""
    Path("pictures").mkdir()
    for name in "ab":
        formats.write(f"pictures/{name}.png", formats.Picture(GREY, "YX"))
    flags = [request.param, "--sigma", "50", *["--overwrite"] * (request.param == "pictures/")]
    assert subprocess.run([sys.executable, "-c", KILLED, *flags], stdout=subprocess.DEVNULL).returncode == 9
    return request.param


def command(target, sigma, *flags):
    done = CliRunner().invoke(app, ["denoise", "pictures", target, "--sigma", str(sigma), "--quality", "fast", *flags])
    return done.exit_code, done.stdout, done.stderr


def test_a_folder_of_pictures_is_gone_on_with(half):
    code, said, wrong = command(half, 50, *["--overwrite"] * (half == "pictures/"))
    assert (code, wrong) == (0, "")
    assert said.count("done before") == 1
    assert sorted(os.listdir(half)) == ["a.png", "b.png"]
    for name in "ab":
        np.testing.assert_array_equal(
            formats.read(f"{half}{name}.png").pixels, nlmeans.denoise(GREY, 50, quality="fast")
        )
    code, _, wrong = command(half, 50)
    assert code == 1
    assert wrong.count("exists already") == 2


@pytest.mark.parametrize("half", ["cleaned/"], indirect=True)
@pytest.mark.parametrize(("sigma", "flags"), [(30, []), (50, ["--no-fill"]), (50, ["--dtype", "float32"])])
def test_a_folder_is_not_gone_on_with_by_another_command(half, sigma, flags):
    code, said, wrong = command(half, sigma, *flags)
    assert code == 1
    assert "a.png exists already" in wrong
    assert "done before" not in said
    if "--dtype" not in flags:  # which a PNG cannot hold
        assert sorted(os.listdir(half)) == ["a.png", "b.png"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_runs_that_are_killed_lose_nothing_and_leave_nothing():
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    few = "npy in place,packed tiff,zarr with levels,folder"
    code = [sys.executable, "-m", "tests.campaigns.kills", "--count", "12", "--kinds", few]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 runs" in done.stdout
