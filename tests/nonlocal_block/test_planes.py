"""A plane's grey levels and its tiles: what is black and white, what is computed around a tile, how far is seen."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from networks import noisy  # noqa: E402

from nonlocal_block import _planes  # noqa: E402
from nonlocal_block._planes import Evening, Scale, extremes  # noqa: E402
from nonlocal_block.denoiser import NonLocalDenoiser  # noqa: E402


def reach(plane, sigma):
    """Return what is in the middle, and how far it is from black to white."""
    scale = Scale.of(*extremes(plane, Evening.of([sigma])), sigma)
    return scale.middle, scale.span


def test_the_reach_of_grey_levels():
    image = noisy((64, 64))
    middle, span = reach(image[None], 10.0)
    assert 75 < span < 290
    assert abs(middle - 140) < 30
    spotted = image.copy()
    spotted[5, 5], spotted[20:23, 30:34] = 1e6, -1e5  # fewer than half of a block's pixels
    assert reach(spotted[None], 10.0) == pytest.approx((middle, span), rel=0.05)
    assert reach(np.full((1, 3, 5), 7.0), 2.0) == (7.0, 2.0 * 255 / 75)
    assert reach(np.arange(8.0).reshape(1, 1, 8), 0.01) == (3.5, 1.25 * 6)
    assert reach(np.arange(1.0).reshape(1, 1, 1), 0.5) == (0.0, 0.5 * 255 / 75)
    ramp = np.repeat(np.arange(4.0), 8)[None, None] * np.ones((1, 16, 1))
    assert reach(ramp, 0.01) == (1.5, 1.25 * 3)
    for side in (17, 23, 9):  # up to the last row and column
        step = np.zeros((1, side, side))
        step[:, -2:, :] = 100
        wide = np.zeros((1, side, 40))
        wide[:, :, -5:] = 100
        assert reach(wide, 0.01)[1] == 125
        assert reach(step, 0.01)[1] == 125


def test_noise_of_unequal_strength_becomes_that_of_the_mean():
    evening = Evening.of((10.0, 20.0, 3.0))
    planes = np.random.default_rng(0).normal(0, 1, (3, 4, 5)) * np.array([10.0, 20.0, 3.0])[:, None, None]
    assert evening.sigma == 11
    np.testing.assert_allclose(evening.evened(planes)[2], planes[2] * 11 / 3)
    np.testing.assert_allclose(evening.restored(evening.evened(planes)), planes)
    assert np.array_equal(Evening.of((7.0, 7.0)).evened(planes[:2]), planes[:2])


@pytest.mark.parametrize("correlation", [-0.3, 0.3, 0.9])
def test_mixes_become_colours_with_white_noise(correlation):
    own = np.array([8.0, 10.0, 12.0])
    covariance = (np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)) * np.outer(own, own)
    power, vectors = np.linalg.eigh(covariance)
    evening = Evening.colours(vectors, np.sqrt(power))
    noise = evening.forward @ np.diag(power) @ evening.forward.T
    np.testing.assert_allclose(noise, evening.sigma**2 * np.eye(3), atol=1e-9)
    assert evening.sigma == pytest.approx(10)
    colours = evening.forward @ vectors.T / evening.sigma * own  # of the image's, in units of their noise: least change
    np.testing.assert_allclose(colours, colours.T, atol=1e-9)
    assert (np.linalg.eigvalsh(colours) > 0).all()
    np.testing.assert_allclose(evening.back @ evening.forward, np.eye(3), atol=1e-9)


def test_tiles_cover_everything_once():
    for height, width in ((1, 1), (40, 41), (100, 333), (8, 79)):
        count = np.zeros((height, width), int)
        for inner, outer, part in _planes.tiles(((0, height), (0, width)), (0, 0), 16, 40):
            count[inner] += 1
            for cut, around, where, side in zip(inner, outer, part, (height, width), strict=True):
                assert around.start == max(cut.start - 16, 0)
                assert around.stop >= min(cut.stop + 16, side)
                assert (cut.start % 8, around.start % 8) == (0, 0)
                assert (where.start, where.stop) == (cut.start - around.start, cut.stop - around.start)
                assert cut.stop - cut.start <= 40
        assert (count == 1).all()


def test_tiles_of_a_part_lie_on_the_images_grid():
    for top, left in ((3, 0), (8, 21), (30, 17)):
        count = np.zeros((120, 150), int)
        for inner, outer, part in _planes.tiles(((40, 95), (33, 141)), (top, left), 24, 40):
            count[inner] += 1
            assert [(around.start + first) % 8 for around, first in zip(outer, (top, left), strict=True)] == [0, 0]
            assert all(cut.start - around.start >= 16 for cut, around in zip(inner, outer, strict=True))
            assert [where.start for where in part] == [c.start - a.start for c, a in zip(inner, outer, strict=True)]
        assert (count[40:95, 33:141] == 1).all()
        assert count.sum() == 55 * 108


@pytest.mark.parametrize(
    "options", [{}, {"search_radius": 12, "blocks": (1, 0, 2), "last": 1}, {"blocks": (1, 2, 1), "last": 3}]
)
def test_the_margin_is_as_wide_as_the_network_sees(options):
    """It holds all that a pixel depends on, and a margin of 24 pixels less does not."""
    torch.manual_seed(0)
    net = NonLocalDenoiser(widths=(16, 16, 16), **options).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 4:
                parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5)
        net.stage.log_gain.fill_(-9.0)  # all weights alike, the farthest too
    x = torch.rand(1, 1, 16, 640, dtype=torch.float64)
    with torch.inference_mode():
        whole = net(x, 0.2)[..., 320:]
        scale = float(whole.abs().max())
        enough, less = (net(x[..., 320 - m :], 0.2)[..., m:] for m in (net.margin, net.margin - 24))
    assert float((enough - whole).abs().max()) < 1e-12 * scale
    assert float((less - whole).abs().max()) > 1e-12 * scale


@pytest.mark.parametrize("shape", [(1, 1, 24, 40), (2, 1, 13, 22), (1, 1, 3, 5)])
def test_the_average_over_positions_by_hand(shape):
    net = NonLocalDenoiser(widths=(8, 8, 8), blocks=(1, 0, 0), last=0).double().eval()
    torch.manual_seed(1)
    for parameter in net.parameters():
        if parameter.ndim == 4:
            torch.nn.init.normal_(parameter, 0, parameter[0].numel() ** -0.5)
    x, sigma = torch.rand(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64) / 5
    padded = [torch.nn.functional.pad(p, (0, 0, 0, 0)) for p in (x, sigma)]
    height, width = (-(-side // 8) * 8 for side in shape[2:])
    rows, columns = (mirror(side, length) for side, length in zip(shape[2:], (height, width), strict=True))
    padded = [p[:, :, rows][:, :, :, columns] for p in padded]
    total = 0
    with torch.inference_mode():
        for flip in ((), (3,)):
            for quarter in range(4):
                seen = [torch.rot90(p.flip(flip), quarter, (2, 3)) for p in padded]
                total = total + torch.rot90(net(*seen), -quarter, (2, 3)).flip(flip)
        comp = _planes.averaged(net, x, sigma, 8)
        assert torch.equal(_planes.averaged(net, x, sigma, 1), net(x, sigma))
    assert torch.allclose(comp, total[:, :, : shape[2], : shape[3]] / 8, rtol=0, atol=1e-12)


def mirror(side, length):
    """Return the indices of pixels mirrored at the end, without the last one twice."""
    there_and_back = [*range(side), *range(side - 2, 0, -1)] or [0]
    return [there_and_back[k % len(there_and_back)] for k in range(length)]
