"""How a large image is cut, and the means that coarser levels are made of."""

import itertools

import numpy as np
import pytest

from nlmeans.formats.pyramid import means
from nlmeans.large import blocks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("large_side", "small"), [(9, 3), (10, 3), (7, 7), (5, 2), (3, 1)])
def test_means_of_boxes(large_side, small):
    pixels = RNG.integers(0, 99, (large_side, 4)).astype(np.int16)
    ends = np.arange(small + 1) * large_side // small
    ref = np.stack([pixels[a:b].mean(0) for a, b in itertools.pairwise(ends)])
    comp = means(pixels, [ends, np.arange(5)])
    np.testing.assert_array_equal(comp, np.rint(ref).astype(np.int16))


def room(**given):
    of = dict(
        sides=(1, 5000, 7000),
        chunks=(1, 1, 64, 64),
        halo=(0, 20, 20),
        channels=1,
        fixed=0.0,
        each=50.0,
        source=(1, 64, 64),
        itemsize=2,
        most=1 << 22,
    )
    return blocks.Room(**of | given)


@pytest.mark.parametrize("budget", [4e6, 3e7, 1e9])
@pytest.mark.parametrize("cpus", [1, 2, 16])
def test_blocks_fit_into_the_budget(budget, cpus):
    for here in (room(), room(sides=(300, 400, 500), chunks=(1, 8, 32, 32), halo=(5, 9, 9), most=1 << 24)):
        if budget < 1e7 and here.sides[0] > 1:
            with pytest.raises(ValueError, match="max_memory must hold blocks that read at most 4 times what they"):
                blocks.choose(here, budget, cpus)
            continue
        cut = blocks.choose(here, budget, cpus)
        assert cut.needed <= budget
        assert cut.workers * cut.threads <= max(cpus, cut.workers)
        found = cut.blocks(2, here.sides)
        assert sum(np.prod(block.tile.sides) for block in found) == 2 * np.prod(here.sides)
        for side, chunk, whole in zip(cut.sides, here.chunks[1:], here.sides, strict=True):
            assert side % chunk == 0 or side == whole
    with pytest.raises(ValueError, match="max_memory must hold a block, 1 MiB for 1 × 64 × 64 pixels"):
        blocks.choose(room(), 1e5, cpus)
