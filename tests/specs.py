"""Pairs of a specification and pixels that it can be run on, by the hundred."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from nlmeans.pairwise import PairwiseSpec

DTYPES = st.sampled_from([np.float32, np.float64])


def nlm_spec(channels, patch, search, sigma=1.0, strength=0.5, centre="max", bias=True):
    """Return the spec of non-local means for noise of standard deviation ``sigma``."""
    terms = PairwiseSpec(patch, search, 1.0).patch_size * channels
    return PairwiseSpec(patch, search, 1 / (strength**2 * sigma**2 * terms), 2.0 * terms * sigma**2 * bias, centre)


@st.composite
def jobs(draw):
    dtype = draw(DTYPES)
    flat = draw(st.booleans())
    sides = (1 if flat else draw(st.integers(1, 5)), draw(st.integers(1, 23)), draw(st.integers(1, 40)))
    patch = (0 if flat else draw(st.integers(0, 1)), draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    search = (0 if flat else draw(st.integers(0, 3)), draw(st.integers(0, 6)), draw(st.integers(0, 9)))
    channels, features = draw(st.integers(1, 3)), draw(st.sampled_from([0, 1, 2]))
    spec = nlm_spec(
        features or channels,
        patch,
        search,
        strength=draw(st.sampled_from([0.3, 0.8, 3.0])),
        centre=draw(st.sampled_from(["max", "one", "zero"])),
        bias=draw(st.booleans()),
    )
    soft = draw(st.sampled_from([0.0, 0.0, 2.0**-12, 2.0**-5]))
    spec = replace(spec, vanish=soft, soft=True) if soft else spec
    spec = replace(spec, lowest=draw(st.sampled_from([0.0, 2.0**-12, 2.0**-4])))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    values = rng.normal(0, 1, (channels, *sides)).astype(dtype)
    own = rng.normal(0, 1, (features, *sides)).astype(dtype) if features else values
    return own, values, spec
