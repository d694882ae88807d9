"""Filters of an interpreter of their own, held against stand-ins: what they are called with, what is said without."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.harness.methods import CannotRun
from benchmarks.harness.pictures import ClipCase, PictureCase
from benchmarks.peers import away
from benchmarks.peers.away import OTHERS, Away

CASE = PictureCase("small", "call", (), shape=(16, 16))
VOLUME = replace(CASE, source="phantom", shape=(8, 8, 8))
METHODS = peers.methods(Away)
OTHER = [name for name in METHODS if METHODS[name].variable == OTHERS]
STAND_INS = {
    "av/__init__": """
import numpy
class VideoFrame:
    def __init__(self, plane): self.plane, self.height, self.width = plane, *plane.shape
    @staticmethod
    def from_ndarray(plane, format): return VideoFrame(plane)
    @property
    def format(self): return self
    name = "gray"
    def to_ndarray(self): return self.plane
""",
    "av/filter": """
import numpy
from . import VideoFrame
class Graph:
    def add_buffer(self, **given): return self
    def add(self, name, words=""):
        if words:
            self.stage, self.options = name, dict(word.split("=") for word in words.split(":"))
        return self
    def link_to(self, other): pass
    def configure(self): pass
    def vpush(self, frame): self.frame = frame
    def vpull(self):
        value = sum(float(self.options[key]) for key in dict(nlmeans="spr", bm3d=["sigma"])[self.stage])
        return VideoFrame(numpy.full_like(self.frame.plane, 100 * self.threads + round(value)))
""",
    "gmic": """
import numpy
class Image:
    def __init__(self, pixels): self.pixels = pixels
    def to_numpy(self): return self.pixels
def run(command, images):
    name, words = command.split(" ")
    assert name == "denoise"
    return [Image(images[0].pixels * 0 + sum(map(float, words.split(","))))]
""",
    "SimpleITK": """
class PatchBasedDenoisingImageFilter:
    def __getattr__(self, name): return lambda value: self.__dict__.update({name.removeprefix("Set"): value})
    def Execute(self, image):
        return image * 0 + self.KernelBandwidthSigma + self.NumberOfThreads + self.SampleVariance / 1000
GetImageFromArray = GetArrayFromImage = lambda x: x
""",
    "ants": """
import numpy
class Image:
    def __init__(self, voxels): self.voxels = voxels
    def numpy(self): return self.voxels
from_numpy = Image
def denoise_image(image, p, r, noise_model):
    made = numpy.zeros_like(image.voxels)
    made[(slice(3, -3),) * 3] = 10 * p + r + 100 * (noise_model == "Gaussian")
    return Image(made)
""",
    "bmnd": """
BM4DProfile = lambda: 2
def bmnd(volume, profile, sigma): return volume * 0 + profile * sigma
""",
    "bm4d": """
class BM4DProfile: pass
def bm4d(volume, sigma, profile): return volume * 0 + sigma + profile.num_threads
""",
}


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Name this interpreter, which finds stand-ins for what it would call."""
    folder = tmp_path_factory.mktemp("stand-ins")
    for name, text in STAND_INS.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    away.interpreter.cache_clear()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(folder))
        environment.setenv(OTHERS, sys.executable)
        yield
    away.interpreter.cache_clear()


def answered(name, case=CASE, sigma=25.0, threads=1):
    method = METHODS[name]
    assert method.missing() is None
    given = case.subject().image(method.dtype).noisy
    answer = method.call(case, given, sigma, threads)()
    assert (answer.shape, answer.dtype) == (given.shape, given.dtype)
    assert np.ptp(answer) == 0
    return float(answer.flat[0])


@pytest.mark.parametrize(
    ("name", "case", "threads", "value"),
    [
        ("ffmpeg", CASE, 2, 200 + round(16.625 + 7 + 21)),
        ("ffmpeg", replace(CASE, patch_radius=2, search_radius=17), 1, 100 + round(11.875 + 5 + 35)),
        ("ffmpeg", replace(ClipCase("clip", "call", (), shape=(16, 16)), frames=2), 1, 100 + round(16.625 + 7 + 21)),
        ("ffmpeg-nlm", CASE, 1, 100 + round(16.625 + 7 + 21)),
        ("ffmpeg-bm3d", CASE, 2, 225),
        ("gmic-denoise", CASE, 2, 10 + 0.4 * 25 + 5 + 6 + 1 + 1),
        ("gmic-denoise", replace(CASE, source="astronaut"), 2, 10 + 0.4 * 25 + 5 + 6 + 1 + 1),
        ("simpleitk-patches", VOLUME, 2, 5 * 25 + 2 + 0.025),
        ("ants-nlm", VOLUME, 1, 112),  # and what was put around it is gone
        ("bmnd-bm4d", VOLUME, 1, 50),
        ("bm4d", VOLUME, 2, 25 + 2 * 255),
    ],
)
def test_a_filter_is_called_with_what_sigma_means_to_it(named, name, case, threads, value):
    assert answered(name, case, threads=threads) == pytest.approx(value)


def test_every_filter_that_wants_that_interpreter_is_tried_here():
    assert set(OTHER) == {
        "ffmpeg", "ffmpeg-nlm", "ffmpeg-bm3d", "gmic-denoise", "simpleitk-patches", "ants-nlm", "bmnd-bm4d",
        "bm4d",
    }  # fmt: skip


def test_ffmpeg_has_no_strength_for_much_noise(named):
    image = CASE.subject().noisy
    with pytest.raises(CannotRun, match=r"FFmpeg's strength ends at 30, and σ = 50 asks for 33\.25"):
        METHODS["ffmpeg-nlm"].call(CASE, image, 50.0, 1)


def test_what_a_filter_does_not_take_is_said(named):
    with pytest.raises(CannotRun, match="ffmpeg-nlm is measured on grey and clip alone"):
        METHODS["ffmpeg-nlm"].call(VOLUME, VOLUME.subject().noisy, 25.0, 1)


@pytest.mark.parametrize("name", OTHER)
def test_where_nothing_has_a_filter_the_line_that_installs_it_is_said(name, monkeypatch):
    monkeypatch.delenv(OTHERS, raising=False)
    monkeypatch.setattr(away, "find_spec", lambda module: None)
    method = METHODS[name]
    assert method.missing() == f"NLMEANS_PEERS names no interpreter with {method.package}"
    assert f" {method.package}==" in method.install
    monkeypatch.setattr(away, "find_spec", lambda module: "here")
    assert method.program() == sys.executable
