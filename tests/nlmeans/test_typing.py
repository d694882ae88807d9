"""What a user writes against the public names: it runs, and a type checker understands it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "typed_example.py"
REFUSED = """
import numpy as np
import nlmeans
from nlmeans.noise import Gaussian, PoissonGaussian

image = np.zeros((9, 9), np.uint8)
nlmeans.denoise("picture.png")  # type: ignore[arg-type]
nlmeans.denoise(image, qualty="best")  # type: ignore[call-overload]
nlmeans.denoise(image, quality="fine")  # type: ignore[call-overload]
nlmeans.denoise(image, patch_radius=1.5)  # type: ignore[call-overload]
nlmeans.denoise(image, noise=Gaussian)  # type: ignore[call-overload]
nlmeans.plan(image, threads=2)  # type: ignore[call-overload]
nlmeans.large.denoise("a.zarr", "b.zarr", patch_size=3)  # type: ignore[call-arg]
PoissonGaussian(gain="high")  # type: ignore[arg-type]
one: float = nlmeans.estimate_sigma(image, channel_axis=0)  # type: ignore[assignment]
alone: np.ndarray = nlmeans.denoise(image, full_output=True)  # type: ignore[assignment]
"""
"""Calls that a checker must refuse: strictly, an ignored line without an error is one."""


def test_the_example_of_a_user_runs(tmp_path):
    example = pytest.importorskip("tests.typed_example", exc_type=ImportError)
    noisy = np.random.default_rng(0).normal(100, 10, (24, 24)).astype("float32")
    total, each, plan = example.numbers(noisy)
    assert total > 1
    assert each.shape == (3,)
    assert plan.startswith("method")
    clean, report = example.images(noisy, tmp_path, Event())
    assert clean.std() < 5
    assert report.seconds > 0
    averages, map_, attention = example.cores(noisy[None, None, :8, :8])
    assert averages.output.shape == (1, 1, 8, 8)
    assert map_.shape == (1, 64, 64)
    assert attention.shape == (1, 1, 8, 8)


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed: .ci/run checks the example too")
def test_a_type_checker_understands_the_example_and_refuses_what_is_wrong(tmp_path):
    wrong = tmp_path / "refused.py"
    wrong.write_text(REFUSED, encoding="utf-8")
    options = ["--strict", "--follow-imports=silent", "--cache-dir=.mypy_cache/strict"]
    command = [sys.executable, "-m", "mypy", *options, str(EXAMPLE), str(wrong)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
