"""VapourSynth's filters, held against a stand-in for it: how they are called, and what is said where it is not."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.harness.pictures import ClipCase, PictureCase
from benchmarks.peers import away, clips
from benchmarks.peers.away import Away, interpreter

CASE = PictureCase("small", "call", (), shape=(16, 16))
STAND_IN = """
from types import SimpleNamespace
import numpy
GRAY8, GRAYS = "GRAY8", "GRAYS"
class Frame:
    def __init__(self, plane): self.plane = plane
    def copy(self): return Frame(self.plane.copy())
    def __getitem__(self, index): return self.plane
    def __enter__(self): return self
    def __exit__(self, *error): pass
class Clip:
    def __init__(self, frame, length=1): self.frame, self.length = frame, length
    def get_frame(self, n): return self.frame
    def frames(self, close): return iter([self.frame] * self.length)
    @property
    def nlm_ispc(self): return SimpleNamespace(
        NLMeans=lambda **o: Clip(Frame(self.frame.plane * 0 + o["a"] + o["s"]), self.length))
    @property
    def bm3dcpu(self):
        def both(ref=None, **o): return Clip(Frame(self.frame.plane * 0 + o["sigma"] + 100 * (ref is not None)))
        return SimpleNamespace(BM3D=both)
def blank(width, height, format, length, keep):
    return Clip(Frame(numpy.zeros((height, width), "uint8" if format == GRAY8 else "float32")), length)
std = SimpleNamespace(BlankClip=blank, ModifyFrame=lambda clip, clips, function: Clip(function(0, None), clip.length))
core = SimpleNamespace(num_threads=0, std=std, plugins=lambda: [SimpleNamespace(namespace="nlm_ispc")])
"""


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Name this interpreter, which finds a stand-in for VapourSynth."""
    (tmp_path / "vapoursynth.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(clips.VARIABLE, sys.executable)
    interpreter.cache_clear()
    yield
    interpreter.cache_clear()


def method(name):
    return peers.methods(Away)[name]


def test_filters_are_called_there_with_the_radii_of_the_case(named):
    for name in ("nlm-ispc", "nlm-ispc-uint8"):
        image = np.full((16, 16), 51, method(name).dtype)
        assert method(name).missing() is None
        answer = method(name).call(CASE, image, 25.0, 2)()
        assert answer.dtype == image.dtype
        assert np.all(answer == (13 if "uint8" in name else 13 * 255))


def test_sigma_of_bm3dcpu_counts_three_quarters(named):
    call = method("bm3dcpu-step8").call(CASE, np.zeros((16, 16), np.float32), 3.0, 1)
    np.testing.assert_allclose(call(), 255 * (100 + 4))
    assert str(call) == "bm3dcpu(image, sigma=3.0, block_step=8, bm_range=9)"


def test_a_clip_is_filtered_as_a_whole_on_as_many_threads_as_there_are(named):
    case = replace(ClipCase("clip", "call", (), shape=(16, 16)), frames=3)
    assert (method("nlm-ispc").threads(case, 2), method("nlm-ispc").threads(CASE, 2)) == (2, 1)
    answer = method("nlm-ispc").call(case, case.subject().noisy, 25.0, 2)()
    assert answer.shape == (3, 16, 16)
    assert np.all(answer == 13 * 255)


def test_a_plugin_that_does_not_load_is_named(named):
    assert method("bm3dcpu-step8").missing() == "VapourSynth loads no plugin bm3dcpu"


def test_where_no_interpreter_is_named_the_line_that_installs_it_is_said(monkeypatch):
    monkeypatch.delenv(clips.VARIABLE, raising=False)
    monkeypatch.setattr(away, "find_spec", lambda name: None)
    assert method("nlm-ispc").missing() == "NLMEANS_VAPOURSYNTH names no interpreter with vapoursynth-nlm-ispc"
    assert "vapoursynth==79" in method("nlm-ispc").install
    monkeypatch.setenv(clips.VARIABLE, "/no/such/python")
    assert "does not answer" in method("nlm-ispc").missing()
