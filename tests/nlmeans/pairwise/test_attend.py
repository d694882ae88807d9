"""Query, key and value apart: every row of the table against `naive`, and the adjoint against finite differences."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerances import assert_averages_equal

from nlmeans.pairwise import ROWS, PairwiseSpec, attend, attend_adjoint, naive, pairwise_average


@st.composite
def jobs(draw, dtypes=(np.float32, np.float64)):
    row = draw(st.sampled_from(list(ROWS)))
    gaussian, dtype = row[1] == "gaussian", draw(st.sampled_from(dtypes))
    sides = (draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 20)))
    window = draw(st.booleans())
    search = tuple(draw(st.integers(0, 4)) for _ in range(3)) if window else None
    patch = tuple(min(draw(st.integers(0, 1)), side - 1) for side in sides)
    centre = draw(st.sampled_from(["max", "one", "zero"] if gaussian else ["one", "zero"]))
    keys = sides
    if not window and draw(st.booleans()):
        keys = tuple(-(-side // 2) for side in sides)
        patch = (0, 0, 0)
    scale = draw(st.sampled_from([0.1, 0.7])) * (1 if gaussian else draw(st.sampled_from([1, -1])))
    spec = PairwiseSpec(patch, search, scale, draw(st.sampled_from([0.0, 0.8])) * gaussian, centre, *row)
    embedding, channels = 1 if row[0] == "sum" else draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    query = rng.normal(0, 1, (embedding, *sides)).astype(dtype)
    key = rng.normal(0, 1, (embedding, *keys)).astype(dtype)
    value = rng.normal(0, 1, (channels, *keys)).astype(dtype)
    return query, key, value, spec


@given(jobs(), st.integers(1, 3))
def test_forward_equals_naive(job, threads):
    *inputs, spec = job
    ref = naive.pairwise_average(*inputs, spec)
    comp = attend(*inputs, spec, threads=threads).output
    assert comp.dtype == inputs[0].dtype
    assert_averages_equal(ref, comp, comp.dtype)


@given(jobs(dtypes=(np.float64,)), st.integers(0, 1000))
def test_adjoint_equals_differences(job, seed):
    *inputs, spec = job
    rng = np.random.default_rng(seed)
    averages = attend(*inputs, spec)
    gradient = rng.normal(0, 1, averages.output.shape)
    adjoint = attend_adjoint(*inputs, spec, averages, gradient)

    def loss(*arrays, spec=spec):
        return float((attend(*arrays, spec).output * gradient).sum())

    step = 1e-6
    for k, array in enumerate(inputs):
        direction = rng.normal(0, 1, array.shape)
        ahead = [a + step * direction if k == j else a for j, a in enumerate(inputs)]
        behind = [a - step * direction if k == j else a for j, a in enumerate(inputs)]
        ref = (loss(*ahead) - loss(*behind)) / (2 * step)
        assert (adjoint[k] * direction).sum() == pytest.approx(ref, rel=1e-4, abs=1e-6)
    for name, comp in (("scale", adjoint[3]), ("bias", adjoint[4])):
        if name == "bias" and not spec.bias:
            continue
        ahead, behind = (dataclasses.replace(spec, **{name: getattr(spec, name) + d}) for d in (step, -step))
        ref = (loss(*inputs, spec=ahead) - loss(*inputs, spec=behind)) / (2 * step)
        assert comp == pytest.approx(ref, rel=1e-4, abs=1e-6)


def test_raw_patches_are_non_local_means():
    """Both ways through the core meet: symmetric half window with sliding sums, and unfolded patches one by one."""
    image = np.random.default_rng(0).normal(0, 1, (2, 1, 40, 37)).astype(np.float32)
    for centre in ("max", "one", "zero"):
        spec = PairwiseSpec((0, 1, 2), (0, 4, 5), 0.1, 20.0, centre)
        ref = pairwise_average(image, image, spec)
        assert_averages_equal(ref.astype(np.float64), attend(image, image, image, spec).output, np.float32)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("search", [None, (0, 3, 4)])
def test_threads_give_the_same_bits(row, search):
    rng = np.random.default_rng(1)
    embedding = 1 if row[0] == "sum" else 3
    inputs = [rng.normal(0, 1, (c, 1, 61, 70)).astype(np.float32) for c in (embedding, embedding, 2)]
    spec = PairwiseSpec((0, 0, 0), search, 0.5, 0.0, "one", *row)
    results = []
    for threads in (1, 2, 4):
        averages = attend(*inputs, spec, threads=threads)
        adjoint = attend_adjoint(*inputs, spec, averages, inputs[2], threads=threads)
        results.append([averages.output, *adjoint])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_large_scores_do_not_overflow():
    rng = np.random.default_rng(2)
    query, key, value = (rng.normal(0, 30, (4, 1, 6, 20)).astype(np.float32) for _ in range(3))
    for search in (None, (0, 2, 3)):
        spec = PairwiseSpec((0, 0, 0), search, 1.0, 0.0, "one", "dot", "exp", "sum")
        ref = naive.pairwise_average(query, key, value, spec)
        comp = attend(query, key, value, spec).output
        assert np.median(np.abs(ref - comp)) < 1e-4
        assert np.isfinite(comp).all()


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_nan_passes_through_to_those_that_meet_it_and_no_further(row, which):
    rng = np.random.default_rng(3)
    embedding = 1 if row[0] == "sum" else 2
    inputs = [rng.normal(0, 1, (c, 1, 9, 30)).astype(np.float32) for c in (embedding, embedding, 2)]
    inputs[which][:, 0, 4, 10] = np.nan
    spec = PairwiseSpec((0, 0, 0), (0, 1, 2), 0.5, 0.0, "one", *row)
    output = attend(*inputs, spec).output
    assert np.isnan(output[:, 0, 4, 10] if which == 0 else output[:, 0, 5, 11]).all()
    assert np.isfinite(output[:, 0, :2]).all()
    assert np.isfinite(output[..., 20:]).all()


def test_only_the_rows_of_the_table_are_specs():
    names = itertools.product(
        ("distance", "dot", "sum"), ("gaussian", "exp", "linear", "relu"), ("sum", "count")
    )  # fmt: skip
    for row in names:
        if row in ROWS:
            continue
        with pytest.raises(ValueError, match="must be one of"):
            PairwiseSpec((0, 0, 0), None, 1.0, 0.0, "one", *row)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(patch_radius=(0, -1, 0)), "patch_radius must be 3 whole numbers"),
        (dict(patch_radius=(0, 1)), "patch_radius must be 3 whole numbers"),
        (dict(search_radius=(0, 1.5, 1)), "search_radius must be 3 whole numbers"),
        (dict(scale=0.0), "scale must be finite"),
        (dict(scale=float("nan")), "scale must be finite"),
        (dict(bias=-1.0), "bias must be at least 0"),
        (dict(centre="middle"), "centre must be one of"),
        (dict(score="dot", weight="exp", centre="one", bias=1.0), "bias must be at least 0"),
        (dict(score="dot", weight="exp", centre="max"), "centre must be one of"),
    ],
)
def test_bad_specs_state_rule_and_value(change, words):
    with pytest.raises(ValueError, match=words):
        PairwiseSpec(**{"patch_radius": (0, 0, 0), "search_radius": (0, 1, 1), "scale": 1.0, **change})
