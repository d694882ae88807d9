"""Magnitudes: what is black becomes black, by blocks as in one piece, with a σ that is given as with an estimate."""

import numpy as np
import pytest

import nlmeans
from nlmeans.methods.part import Pixels, denoised
from nlmeans.methods.registry import method_of
from nlmeans.methods.sample import Sample
from nlmeans.noise import Rician
from nlmeans.pairwise import Tile
from nlmeans.plan.options import Options

Y, X = np.mgrid[:90, :100]
CLEAN = np.where(np.hypot(Y - 45, X - 50) < 30, 120.0 + 40 * np.sin(X / 6) * np.cos(Y / 7), 0.0)
RNG = np.random.default_rng(0)
NOISY = np.hypot(CLEAN + RNG.normal(0, 12, CLEAN.shape), RNG.normal(0, 12, CLEAN.shape)).astype(np.float32)


def error(result):
    return float(np.sqrt(np.mean(np.square(result.astype(np.float64) - CLEAN))))


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_a_sigma_that_is_given_is_as_good_as_an_estimate(method):
    known, blind = (nlmeans.denoise(NOISY, noise=noise, method=method) for noise in (Rician(12), Rician()))
    assert error(known) < 1.02 * error(blind)


def test_black_next_to_an_edge_is_black(monkeypatch):
    rim = (CLEAN == 0) & (np.hypot(Y - 45, X - 50) < 36)
    settled = nlmeans.denoise(NOISY, noise=Rician(12))
    monkeypatch.setattr("nlmeans.noise.vst.Stabiliser.settled", lambda self, planes: planes)
    assert np.square(settled[rim]).mean() < 0.8 * np.square(nlmeans.denoise(NOISY, noise=Rician(12))[rim]).mean()


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("holes", [False, True])
def test_a_piece_is_as_the_whole(method, holes):
    noisy = NOISY.copy()
    if holes:
        noisy[40:43, 78:80] = np.nan
    options = Options.check(noisy, noise=Rician(12), quality="fast")
    recipe = method_of(method).decide(Sample.of(noisy[None, None], options, 0), options)
    tile, sides = Tile((0, 1), (35, 52), (70, 90)), (1, *noisy.shape)
    around = tile.grown(recipe.reach(holes), sides)
    part = around.of(noisy[None, None])
    known = np.isfinite(part) if holes else None
    piece = Pixels(part, known, core=tile.moved(around.origin), origin=around.origin, sides=sides)
    ref = nlmeans.denoise(noisy, noise=Rician(12), quality="fast", method=method)
    result = denoised(piece, recipe)
    assert result.missing == (6 if holes else 0)
    assert np.abs(result.pixels - tile.of(ref[None, None])).max() < 0.05
