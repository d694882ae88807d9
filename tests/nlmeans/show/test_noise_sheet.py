"""Drawings of noise: what is drawn lies where its numbers are, and any profile can be drawn."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from nlmeans.noise import PoissonGaussian, noise_profile
from nlmeans.show import noise_sheet
from nlmeans.show.canvas import Canvas, Line, Scale, between, dashed

SVG = "{http://www.w3.org/2000/svg}"
RNG = np.random.default_rng(0)
IMAGES = {
    "white": (RNG.normal(100, 10, (96, 96)), None),
    "colour": (RNG.normal(100, 10, (96, 96, 3)), -1),
    "bands": (RNG.normal(100, 10, (20, 64, 64)), 0),
    "tiny": (RNG.normal(100, 10, (8, 8)), None),
    "constant": (np.full((64, 64, 3), 7.0), -1),
    "one pixel": (np.ones((1, 1)), None),
    "edges": (np.kron(np.eye(12), np.full((16, 16), 255.0)), None),
    "faint": (RNG.normal(0, 1e-60, (96, 96)), None),
}


@pytest.mark.parametrize("name", IMAGES)
def test_any_profile_can_be_drawn(name):
    image, channel_axis = IMAGES[name]
    sheet = noise_sheet(noise_profile(image, channel_axis=channel_axis), PoissonGaussian(1.5, sigma=2).variance)
    pixels = sheet.pixels()
    assert pixels.dtype == np.uint8
    assert pixels.shape == (round(1.5 * sheet.height), round(1.5 * sheet.width), 3)
    root = ET.fromstring(sheet.svg())
    _, _, width, height = map(float, root.get("viewBox").split())
    for line in root.iter(f"{SVG}polyline"):
        for x, y in (pair.split(",") for pair in line.get("points").split()):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height
    words = [node.text for node in root.iter(f"{SVG}text")]
    assert ("no noise" in words) == (name in ("constant", "one pixel", "edges"))
    assert ("too few flat patches to tell" in words) == (name == "tiny")


def test_a_model_is_drawn_where_it_lies():
    counts = np.random.default_rng(0).poisson(np.linspace(20, 100, 256) * np.ones((256, 1)))
    sheet = noise_sheet(noise_profile(counts.astype(float)), PoissonGaussian(1).variance)
    lines = [shape for shape in sheet.shapes if isinstance(shape, Line)]
    model = np.array(next(line.points for line in lines if line.width == 0.7))
    measured = np.array(next(line.points for line in lines if line.width == 1.6))
    high = 330 - model[:, 1]
    np.testing.assert_allclose(np.diff(np.square(high), 2), 0, atol=1e-6 * high.max() ** 2)  # variance is a line
    ratio = (330 - measured[:, 1]) / np.interp(measured[:, 0], model[:, 0], high)
    np.testing.assert_allclose(ratio, 1, atol=0.12)
    assert ratio.mean() == pytest.approx(1, abs=0.03)


def test_numbers_lie_on_axes():
    scale = Scale(0, 12, 300, 60)
    assert [scale.at(value) for value in (0, 6, 12)] == [300, 180, 60]
    assert scale.ticks(5) == [0, 5, 10]
    assert Scale(-0.3, 0.5, 0, 1).ticks(5) == pytest.approx([-0.2, 0, 0.2, 0.4])
    octaves = Scale(1, 100, 0, 200, logarithmic=True)
    assert [octaves.at(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])
    assert octaves.ticks(5) == [1, 2, 5, 10, 20, 50, 100]
    assert Scale(1e-3, 1e9, 0, 1, logarithmic=True).ticks(5) == pytest.approx([1e-3, 0.1, 10, 1e3, 1e5, 1e7, 1e9])


def test_curves_end_at_the_frame():
    parts = list(between([(0, 50), (10, -50), (20, 50), (30, 150), (40, 250)], 0, 100))
    assert parts == [[(0, 50), (5, 0)], [(15, 0), (20, 50), (25, 100)]]
    assert list(between([(0, -20), (10, 180)], 0, 100)) == [[(1, 0), (6, 100)]]
    assert list(between([(0, -10), (10, -20)], 0, 100)) == []


def test_dashes_are_as_long_as_they_are_said():
    parts = list(dashed([(0, 0), (6, 0), (6, 10)], (5, 3)))
    assert parts == [[(0, 0), (5, 0)], [(6, 2), (6, 7)]]
    assert list(dashed([(0, 0), (1, 1)], ())) == [[(0, 0), (1, 1)]]


def test_words_are_escaped():
    canvas = Canvas(100, 50)
    canvas.text(10, 10, "<a> & b")
    canvas.box(0, 20, 50, 40, (255, 0, 0))
    assert "&lt;a&gt; &amp; b" in canvas.svg()
    assert canvas.pixels()[45, 30].tolist() == [255, 0, 0]
    assert re.search(r'fill="#ff0000"', canvas.svg())
