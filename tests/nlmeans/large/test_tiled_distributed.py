"""Dask arrays on several local workers."""

import numpy as np
import pytest

import nlmeans
from nlmeans import tiled
from nlmeans.noise import PoissonGaussian

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_several_workers(cluster, method):
    from distributed import Client

    counts = np.random.default_rng(0).poisson(np.add.outer(np.arange(120), np.arange(150)) / 9 + 2).astype(np.uint16)
    options = dict(noise=PoissonGaussian(gain=1.0), method=method, quality="fast")
    with Client(cluster):
        array = da.from_array(counts, chunks=37)
        result = tiled.denoise(array, block=50 * 50, **options).compute()
    assert np.abs(result.astype(int) - nlmeans.denoise(counts, **options)).max() <= 1
