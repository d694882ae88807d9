"""The drawing of weights: boxes where they belong, colours in order, and no picture that it cannot draw."""

import numpy as np
import pytest

from nlmeans.show import explain
from nlmeans.show.explain import DETAILED, EDGE, MATCH, PATCH, UNLIKE, Mark, View, draw


def cone(shape, at, radius):
    """Weights of a window: most at its centre, none at its rim."""
    rows, columns = np.indices(shape)
    weights = np.maximum(radius - np.maximum(abs(rows - at[0]), abs(columns - at[1])), 0.0)
    return weights / weights.sum()


def outlined(sheet, box, colour):
    """Whether a box of this colour, two pixels wide, stands around columns and rows of a panel at ``EDGE``."""
    left, top, right, bottom = (k + EDGE for k in box)
    rows, columns = slice(top - 3, bottom + 4), slice(left - 3, right + 4)
    return all(
        (line == colour).all()
        for k in (0, 1)
        for line in (
            sheet[top - 3 + k, columns],
            sheet[bottom + 3 - k, columns],
            sheet[rows, left - 3 + k],
            sheet[rows, right + 3 - k],
        )
    )


def test_boxes_are_where_they_should_be():
    image = np.zeros((40, 40))
    weights = np.zeros((40, 40))
    weights[20, 20], weights[10, 31], weights[33, 8], weights[0, 0] = 0.4, 0.3, 0.2, 0.1
    sheet = draw(image, weights, (20, 20), 2, matches=2)
    assert sheet.dtype == np.uint8
    scale = explain.ALONE // 40
    assert sheet.shape[1] == 720 + 4 * EDGE
    sheet = sheet[EDGE:, EDGE:]
    for (y, x), colour in (((20, 20), PATCH), ((10, 31), MATCH), ((33, 8), MATCH)):
        box = (scale * (x - 2), scale * (y - 2), scale * (x + 3) - 1, scale * (y + 3) - 1)
        assert outlined(sheet, box, colour)
    heated = sheet[EDGE + scale * 10 + 4, EDGE + scale * 31 + 4]
    assert heated.tolist() != sheet[EDGE + scale * 10 + 4, EDGE + scale * 30 + 4].tolist()


def test_a_small_window_is_drawn_apart():
    weights = cone((300, 200), (150, 100), 9)
    low, high = explain.window(weights, (150, 100), explain.context((1, 1)))
    assert (low, high) == ((141, 91), (160, 110))
    whole, detail = explain.views(weights.shape, low, high, (1, 1))
    assert whole == View((0, 0), (300, 200), 2)
    assert (detail.low, detail.high) == ((139, 89), (162, 112))
    sheet = draw(np.zeros((300, 200)), weights, (150, 100), 1)
    assert sheet.shape[1] == whole.sides()[1] + 2 * detail.sides()[1] + 8 * EDGE
    second = sheet[EDGE:, EDGE + whole.sides()[1] + 2 * EDGE :]
    assert outlined(second, detail.box((149, 99), (152, 102)), PATCH)
    assert explain.views((300, 200), (0, 0), (300, 200), (1, 1))[1] is None


def test_patches_chosen():
    rng = np.random.default_rng(0)
    weights = cone((50, 60), (20, 30), 12) * rng.uniform(0.5, 1, (50, 60))
    picture = explain.shown(rng.normal(0, 1, (50, 60)))
    marks = explain.choose(picture, weights, (20, 30), (1, 2), 3)
    assert [mark.colour for mark in marks] == [PATCH, MATCH, MATCH, MATCH, UNLIKE]
    places = [mark.place for mark in marks]
    assert all(mark.weight == weights[mark.place] for mark in marks)
    assert all(abs(a[0] - b[0]) > 2 or abs(a[1] - b[1]) > 4 for k, a in enumerate(places) for b in places[:k])
    far = np.maximum(abs(np.arange(50) - 20)[:, None] / 2, abs(np.arange(60) - 30) / 4) > 1
    far &= np.maximum(abs(np.arange(50) - 20)[:, None] - 2, abs(np.arange(60) - 30) - 4) > 0
    assert marks[1].weight == weights[far].max()
    assert marks[4].weight <= 1e-3 * weights.max() or marks[4].weight == min(mark.weight for mark in marks)
    low, high = explain.window(weights, (20, 30))
    assert all(a <= p < b for p, a, b in zip(marks[4].place, low, high, strict=True))


def test_of_equal_weights_the_most_alike_is_boxed():
    image = np.random.default_rng(0).normal(0, 1, (30, 30))
    image[20:23, 20:23] = image[9:12, 9:12]
    weights = np.full((30, 30), 1 / 900)
    best = explain.choose(explain.shown(image), weights, (10, 10), (1, 1), 1)[1]
    assert best == Mark((21, 21), 1 / 900, MATCH)


@pytest.mark.parametrize("colours", [(), (3,)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (40, 7), (33, 65), (5, 1500), (120, 120)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_every_picture_is_drawn(dtype, shape, colours):
    rng = np.random.default_rng(0)
    image = (rng.normal(0.5, 0.1, shape + colours) * (50000 if dtype == "uint16" else 200)).astype(dtype)
    height, width = shape
    for at in {(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 2)}:
        for radius in (0, 3):
            sheet = draw(image, cone(shape, at, 8)[None], (0, *at), (0, radius, radius))
            assert sheet.shape[2] == 3
            assert sheet.shape[1] >= DETAILED


def test_unusual_values():
    weights = cone((20, 20), (3, 3), 5)
    image = np.full((20, 20), 7.0)
    flat = draw(image, weights, (3, 3), 1)
    image[0, :3] = np.nan, np.inf, -np.inf
    assert draw(image, weights, (3, 3), 1).shape == flat.shape
    draw(np.full((20, 20), np.nan), weights, (3, 3), 1)
    alone = np.zeros((20, 20))
    alone[3, 3] = 1
    draw(image, alone, (3, 3), 1)
    draw(image, weights, (3, 3), 30, matches=0)


def test_brightness_rises_with_the_weight():
    colour, cover = explain.glow(np.linspace(0, 1, 50))
    assert (np.diff(colour @ explain.LUMA) > 0).all()
    assert cover[0] == 0
    assert (np.diff(cover[:, 0]) > 0).all()
    picture = explain.shown(np.arange(50.0).reshape(5, 10))
    np.testing.assert_array_equal(explain.heat(picture, np.zeros((5, 10))), picture)


@pytest.mark.parametrize(
    ("weight", "text"),
    [(0, "0"), (0.031, "0.031"), (0.5, "0.500"), (0.0021, "0.0021"), (8.24e-6, "8.2e-6"), (1, "1.000")],
)
def test_figures(weight, text):
    assert explain.figure(weight) == text


def test_refusals():
    weights = cone((20, 30), (3, 3), 5)
    for image in (np.zeros((20, 30, 4)), np.zeros(20), np.zeros((20, 30), complex)):
        with pytest.raises(ValueError, match="image must be"):
            draw(image, weights, (3, 3), 1)
    with pytest.raises(ValueError, match="weights must be"):
        draw(np.zeros((30, 20)), weights, (3, 3), 1)
    with pytest.raises(ValueError, match="within 20×30"):
        draw(np.zeros((20, 30)), weights, (20, 3), 1)
