"""The command line with files that are denoised block by block."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nlmeans
from nlmeans.cli import app
from nlmeans.cli.flags import size

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")

GREY = np.random.default_rng(0).normal(100, 10, (100, 110)).round().astype(np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("noisy.npy", GREY)
    zarr.create_array("noisy.zarr", shape=GREY.shape, dtype=GREY.dtype, chunks=(40, 40))[...] = GREY


def nl(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_close(comp, ref):
    assert np.abs(comp.astype(int) - ref).max() <= 1


def test_zarr_to_zarr():
    done = nl("denoise", "noisy.zarr", "clean.zarr", "--sigma", 10)
    assert done.exit_code == 0, done.stderr
    assert re.fullmatch(r"clean.zarr: sigma 10, [\d.]+ s\n", done.stdout)
    assert_close(zarr.open("clean.zarr")[...], nlmeans.denoise(GREY, 10))


def test_flags_are_those_of_pictures(tmp_path):
    mask = np.ones(GREY.shape, np.uint8)
    mask[:5] = 0
    np.save("mask.npy", mask)
    flags = ["--mask", "mask.npy", "--quality", "fast", "--axes", "YX", "--search-radius", "3", "--no-fill", "-v"]
    done = nl("denoise", "noisy.npy", "clean.npy", "--max-memory", "8G", *flags)
    assert done.exit_code == 0, done.stderr
    assert "7 × 7 (YX; radius 3)" in done.stdout
    ref = nlmeans.denoise(GREY, mask=mask > 0, quality="fast", search_radius=3, fill=False)
    assert_close(np.load("clean.npy"), ref)


def test_a_mask_in_zarr():
    mask = np.ones(GREY.shape, np.uint8)
    mask[:5] = 0
    zarr.create_array("mask.zarr", shape=mask.shape, dtype=mask.dtype)[...] = mask
    done = nl("denoise", "noisy.npy", "clean.npy", "--mask", "mask.zarr", "--quality", "fast")
    assert done.exit_code == 0, done.stderr
    assert_close(np.load("clean.npy"), nlmeans.denoise(GREY, mask=mask > 0, quality="fast"))


def test_a_folder_may_hold_stores():
    done = nl("denoise", ".", "out/", "--sigma", 10, "--quality", "fast")
    assert done.exit_code == 0, done.stderr
    assert sorted(os.listdir("out")) == ["noisy.npy", "noisy.zarr"]


def test_the_trained_network_takes_stores():
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    done = nl("denoise", "noisy.zarr", "clean.zarr", "--sigma", 10, "--method", "learned")
    assert done.exit_code == 0, done.stderr
    np.testing.assert_allclose(
        zarr.open_array("clean.zarr")[...], nlmeans.denoise(GREY, 10, method="learned"), atol=0.01
    )


@pytest.mark.parametrize("source", ["noisy.zarr", "noisy.npy"])
def test_plan_and_estimate(source):
    assert f"{nlmeans.estimate_sigma(GREY):.4g} (estimated)" in nl("plan", source).stdout
    assert nl("estimate", source).stdout == f"{source}\t{nlmeans.estimate_sigma(GREY):.6g}\n"
    assert nl("estimate", source, "--model", "poisson").stdout.startswith(f"{source}\tpoisson:gain=")
    assert nl("plan", source, "--method", "ridge").stdout.startswith(f"{source}\nmethod ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["noisy.zarr", "clean.png"], "the name ends in .png"),
        (["noisy.zarr", "noisy.zarr", "--overwrite"], "another store than the input"),
        (["nothing.zarr", "clean.zarr"], "there is no"),
        (["noisy.npy", "clean.npy", "--max-memory", "1M"], "max_memory must be more than the"),
        (["noisy.npy", "clean.npy", "--scheduler", "nonsense"], "nonsense"),
        (["noisy.zarr", "clean.zarr", "--method", "ridge", "--bias"], "method 'ridge' has no option bias"),
    ],
)
def test_failures_are_named(arguments, message):
    done = nl("denoise", *arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not [name for name in os.listdir() if "clean" in name]


@pytest.mark.parametrize(
    ("text", "wanted"), [("500M", 500 * 2**20), ("1.5G", 1.5 * 2**30), ("2gib", 2**31), ("4096", 4096), ("1 T", 2**40)]
)
def test_sizes(text, wanted):
    assert size(text) == wanted


def test_sizes_that_are_none():
    done = nl("denoise", "noisy.npy", "clean.npy", "--max-memory", "much")
    assert done.exit_code == 2
    assert "must be a number of bytes, such as 500M or 2G; got 'much'" in " ".join(
        done.stderr.replace("│", " ").split()
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(kind):
    source = zarr.create_array("large.zarr", shape=(500, 500), dtype="float32", chunks=(100, 100), overwrite=True)
    source[...] = np.random.default_rng(1).normal(100, 10, source.shape)
    code = (
        "from functools import partial\nfrom nlmeans.large import run\nfrom nlmeans.large.blocks import Sizes\n"
        "run.denoise = partial(run.denoise, sizes=Sizes((100 * 100, 1)))\n"
        "import sys\nsys.argv = ['nlmeans', 'denoise', 'large.zarr', 'clean.zarr']\n"
        "from nlmeans.cli import main\nmain()"
    )
    manifest = Path("clean.zarr.part.manifest")
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        while not (manifest.exists() and manifest.read_text().count("\n") > 5):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(kind)
        told = process.stderr.read()
    assert process.returncode in (130, 128 + kind)
    assert "large.zarr: the same command goes on from where it stopped" in told
    assert not Path("clean.zarr").exists()
    done = nl("denoise", "large.zarr", "clean.zarr")
    assert done.exit_code == 0, done.stderr
    assert "going on: " in done.stderr
    assert Path("clean.zarr").exists()
