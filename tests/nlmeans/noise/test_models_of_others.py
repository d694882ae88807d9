"""A noise model of another package: what it says of itself is all that any way through the library needs."""

import ast
import json
import pickle
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans import large
from nlmeans._notes import Note, noted
from nlmeans.large.run import _lasting, _revived
from nlmeans.noise import Gaussian, estimate_planes
from nlmeans.noise.model import NoiseModel
from nlmeans.noise.models import MODELS
from nlmeans.noise.text import parse, text
from nlmeans.noise.vst import Stabiliser

ROOT = Path(__file__).resolve().parents[3]
FLOOR = 1e-6


@dataclass(frozen=True)
class Speckle(NoiseModel):
    """Noise that multiplies, as in radar images: x = y · exp(share · N(0, 1) − share²/2)."""

    name = "speckle"
    share: float | tuple[float, ...] | None = None

    def stabiliser(self):
        def curves(share):
            return lambda x: np.log(np.maximum(x, FLOOR)) / share, lambda t: np.exp(share * t + share**2 / 2)

        return Stabiliser("speckle", *zip(*map(curves, np.atleast_1d(self.share)), strict=True))

    def estimate(self, evidence):
        return Speckle(estimate_planes(np.log(np.maximum(evidence.planes, FLOOR)), evidence.known).sigma)


@dataclass(frozen=True)
class GroupedSpeckle(Speckle):
    """The same, where groups of patches take the image as it is."""

    grouped = True

    def variance(self, signal):
        return np.expm1(self.share**2) * np.square(signal)


@dataclass(frozen=True)
class Nothing(NoiseModel):
    """A model that cannot do a thing."""

    number: float | None = None


Y, X = np.mgrid[:96, :120]
CLEAN = 60 + 40 * np.sin(X / 11) * np.cos(Y / 9) + 80 * ((X // 30 + Y // 24) % 2)
SHARE = 0.2


def speckled(clean=CLEAN, share=SHARE, seed=0):
    noise = share * np.random.default_rng(seed).normal(size=clean.shape)
    return (clean * np.exp(noise - share**2 / 2)).astype(np.float32)


def error(result, clean=CLEAN):
    """Return the relative error: what counts where noise multiplies."""
    return float(np.sqrt(np.mean((result / clean - 1) ** 2)))


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("model", [Speckle(SHARE), Speckle(), GroupedSpeckle(SHARE)])
def test_a_model_of_another_package_is_as_good_as_ours(method, model):
    noisy = speckled()
    result, report = nlmeans.denoise(noisy, noise=model, method=method, quality="fast", full_output=True)
    assert error(result) < 0.4 * error(noisy)
    assert error(result) < 0.9 * error(nlmeans.denoise(noisy, method=method, quality="fast"))
    assert result.mean() == pytest.approx(CLEAN.mean(), rel=0.005)
    assert report.plan.estimated is not model.complete
    assert report.plan.noise.startswith(f"{type(model).__name__}, share 0.")
    assert float(report.plan.noise.split()[-1]) == pytest.approx(SHARE, rel=0.1)
    assert report.notes == ()


def test_groups_take_the_image_as_it_is_where_the_model_says_so():
    noisy = speckled()
    bent, plain = (
        nlmeans.denoise(noisy, noise=kind(SHARE), method="ridge", quality="fast") for kind in (Speckle, GroupedSpeckle)
    )
    assert np.abs(plain - bent).max() > 0


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_dask_arrays_and_files_come_out_as_the_whole(method, tmp_path):
    da = pytest.importorskip("dask.array")
    options = {"noise": Speckle(SHARE), "method": method, "quality": "fast"}
    noisy = speckled()
    ref = nlmeans.denoise(noisy, **options)
    comp = nlmeans.denoise(da.from_array(noisy, chunks=(40, 60)), **options).compute(scheduler="synchronous")
    np.testing.assert_allclose(comp, ref, rtol=1e-4)
    np.save(tmp_path / "noisy.npy", noisy)
    report = large.denoise(tmp_path / "noisy.npy", tmp_path / "clean.npy", **options)
    np.testing.assert_allclose(np.load(tmp_path / "clean.npy"), ref, rtol=1e-4)
    assert report.plan.noise == "Speckle, share 0.2"


def test_numbers_may_be_one_a_channel_or_one_an_image():
    pair = np.stack([speckled(), speckled(share=0.4, seed=1)])
    apart = [nlmeans.denoise(one, noise=Speckle(share)) for one, share in zip(pair, (0.2, 0.4), strict=True)]
    np.testing.assert_array_equal(nlmeans.denoise(pair, noise=Speckle((0.2, 0.4)), axes="NYX"), np.stack(apart))
    coloured, report = nlmeans.denoise(pair, noise=Speckle((0.2, 0.4)), axes="CYX", full_output=True)
    assert error(coloured, CLEAN) < 0.4 * error(pair, CLEAN)
    assert report.plan.noise == "Speckle, share 0.2 0.4"
    with pytest.raises(ValueError, match="share must be one number, or one for each of 2 channels; got 3"):
        nlmeans.denoise(pair, noise=Speckle((0.2, 0.4, 0.1)), axes="CYX")


def test_what_a_model_cannot_do_is_refused():
    with pytest.raises(ValueError, match=r"'sure' needs Gaussian noise; got Speckle, share 0\.2"):
        nlmeans.denoise(speckled(), noise=Speckle(SHARE), strength="sure")
    with pytest.raises(ValueError, match="Nothing noise cannot be estimated from an image: give its numbers"):
        nlmeans.denoise(speckled(), noise=Nothing())
    with pytest.raises(NotImplementedError, match="Nothing must have a stabiliser"):
        nlmeans.denoise(speckled(), noise=Nothing(1.0))
    with pytest.raises(TypeError, match="another NoiseModel, or 'auto'; got"):
        nlmeans.denoise(speckled(), noise=Speckle)


def test_models_are_written_as_they_are_read():
    for line in (
        "gaussian:sigma=5",
        "gaussian:sigma=5,6,7",
        "poisson:gain=2.5,offset=0,sigma=3",
        "rician:sigma=4,coils=8",
        "camera:full=5,half=4,quarter=3",
    ):
        assert text(parse(line)) == line
    assert text(Speckle(0.2)) == "speckle:share=0.2"
    assert parse("poisson") == MODELS["poisson"]()
    assert parse("auto") == "auto"
    for line, words in (
        ("speckle", "must be auto, gaussian, poisson, rician, camera, or"),
        ("gaussian:5", "must give each of its numbers once, as sigma=2.5; got 'gaussian:5'"),
        ("gaussian:sigma=5,sigma=6", "once"),
        ("gaussian:gain=5", "gaussian has sigma, psd, covariance, sample; got 'gain'"),
        ("gaussian:sigma=five", "must be a model with numbers for sigma; got 'five'"),
        ("gaussian:sigma=inf", "must be finite; got 'inf'"),
        ("gaussian:sigma=-1", "at least 0"),
    ):
        with pytest.raises(ValueError, match=words):
            parse(line)


def test_a_note_is_its_text_and_keeps_its_code():
    note = Note("grows", "the noise grows")
    assert note == "the noise grows"
    assert f"{note}" == "the noise grows"
    for copy in (pickle.loads(pickle.dumps(note)), deepcopy(note)):
        assert (copy, copy.code) == (note, "grows")
    assert noted(("plain", note), "grows")
    assert not noted(("plain", "grows", note), "plain")


def test_a_plan_keeps_its_notes_through_json():
    plan = nlmeans.plan(speckled())
    assert noted(plan.notes, "grows")
    again = _revived(type(plan), json.loads(json.dumps(_lasting(plan))))
    assert again.notes == plan.notes
    assert noted(again.notes, "grows")


def test_nobody_asks_which_model_it_is():
    names = {kind.__name__ for kind in MODELS.values()} | {"Auto"}
    assert names > {Gaussian.__name__}
    for path in sorted(file for package in ("nlmeans", "nonlocal_block") for file in (ROOT / package).rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        asked = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "isinstance"]
        kinds = {node.id for kind in asked for node in ast.walk(kind) if isinstance(node, ast.Name)}
        kinds |= {node.attr for kind in asked for node in ast.walk(kind) if isinstance(node, ast.Attribute)}
        assert path.name == "models.py" or not kinds & names, path


def test_a_stabiliser_that_loses_pixels_is_refused():
    @dataclass(frozen=True)
    class Log(NoiseModel):
        name = "log"
        floor: float = 90.0

        def stabiliser(self):
            return Stabiliser("log", (lambda x: np.log(x - self.floor),), (lambda y: np.exp(y) + self.floor,))

    image = np.random.default_rng(0).normal(100, 10, (40, 40))
    for given in (image, np.where(image > 120, np.nan, image)):
        with pytest.raises(ValueError, match="the stabiliser of Log, floor 90 must give a number for each pixel"):
            nlmeans.denoise(given, noise=Log())
