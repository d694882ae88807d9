"""The strength by hidden pixels: near the best without a model, and the table's where it cannot tell."""

import numpy as np
import pytest
from skimage import data

import nlmeans
from nlmeans.methods.blind import _without
from nlmeans.noise import Gaussian, PoissonGaussian

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:96, :100]
CLEAN = 100 + 40 * np.sin(X / 9.0) + 30 * (Y > 60)


def error(noisy, clean, **options):
    return float(np.mean((nlmeans.denoise(noisy, quality="fast", **options) - clean) ** 2))


def test_a_hidden_pixel_says_nothing_of_itself():
    noisy = RNG.normal(0, 1, (2, 3, 9, 10)).astype(np.float32)
    noisy[0, 0, 4, 4] = np.nan
    hidden = np.zeros((3, 9, 10), bool)
    hidden[:, ::4, 1::4] = True
    noise = Gaussian((0.0, 0)).fitted(noisy)
    rng = np.random.default_rng(0)
    seen = _without(noisy, hidden, noise, rng)
    np.testing.assert_array_equal(seen[:, ~hidden], noisy[:, ~hidden])
    np.testing.assert_array_equal(_without(np.where(hidden, np.float32(99), noisy), hidden, noise, rng), seen)
    inner = noisy[1, 2, 3:6, 4:7]
    assert seen[1, 2, 4, 5] == pytest.approx(
        (np.sum(inner[[0, 1, 1, 2], [1, 0, 2, 1]]) + inner[::2, ::2].sum() / 2) / 6
    )
    assert np.isfinite(seen[:, hidden]).all()


def test_the_chosen_strength_is_near_the_best():
    noisy = CLEAN + np.random.default_rng(1).normal(0, 20, CLEAN.shape)
    best = min(error(noisy, CLEAN, sigma=20, strength=h) for h in np.geomspace(0.4, 2.4, 9))
    assert error(noisy, CLEAN, strength="j-invariant") < 1.1 * best
    assert error(noisy, CLEAN, sigma=40, strength="j-invariant") < error(noisy, CLEAN, sigma=40)


def test_noise_that_is_not_gaussian():
    clean = data.camera()[100:196, 120:216] / 8.0
    counts = np.random.default_rng(0).poisson(clean).astype(np.float32)
    given = dict(noise=PoissonGaussian(1.0))
    assert error(counts, clean, strength="j-invariant", **given) < 1.1 * error(counts, clean, **given)


def test_where_it_cannot_tell_the_strength_is_the_tables():
    texture = RNG.normal(100, 40, (96, 96))
    plan = nlmeans.plan(texture, 10, quality="fast", strength="j-invariant")
    assert plan.strength == nlmeans.plan(texture, 10, quality="fast").strength
    assert [note.code for note in plan.notes if note.code.startswith("j-inv")] == ["j-invariant-unpredictable"]
    flat = nlmeans.plan(texture, 40, quality="fast", strength="j-invariant")
    assert flat.strength > nlmeans.plan(texture, 40, quality="fast").strength
    assert not [note for note in flat.notes if note.code.startswith("j-inv")]
    white = np.random.default_rng(2).normal(0, 20, (97, 101))
    shared = CLEAN + (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    plan = nlmeans.plan(shared, quality="fast", strength="j-invariant")
    assert plan.strength == nlmeans.plan(shared, quality="fast").strength
    assert [note.code for note in plan.notes if note.code.startswith("j-inv")] == ["j-invariant-shared"]
    np.testing.assert_array_equal(nlmeans.denoise(CLEAN, 0, strength="j-invariant"), CLEAN)
