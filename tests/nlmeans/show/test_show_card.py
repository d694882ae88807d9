"""Cards: what notebooks show of reports, plans and noise: escaped, without scripts, in the page's own ink."""

import base64
import io
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
from PIL import Image

import nlmeans
from nlmeans.extend import NoiseModel, Note, Options
from nlmeans.noise import Camera, Gaussian, PoissonGaussian, Rician, noise_profile
from nlmeans.show.card import card, chart, thumbnail

VOID = {"img", "rect", "polyline"}


class Tags(HTMLParser):
    """Tags that are opened are closed, in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@dataclass(frozen=True)
class Hostile(NoiseModel):
    share: object = "<script>alert('&')</script>"


def objects():
    rng = np.random.default_rng(0)
    noisy = rng.normal(100, 10, (40, 50)).astype(np.float32)
    ramp = np.linspace(5, 100, 96) * np.ones((96, 1))
    counts = rng.poisson(ramp).astype(np.float32)
    maps = np.linspace(1, 5, 48).reshape(6, 8)
    options = {"sigma": 10, "quality": "fast"}
    yield from (nlmeans.plan(noisy, 10, method=method) for method in ("nlm", "ridge"))
    yield nlmeans.plan(np.stack([noisy] * 3), axes="ZYX", **options)
    yield nlmeans.denoise(noisy, full_output="maps", **options)[1]
    yield nlmeans.denoise(np.stack([noisy] * 3), full_output="maps", axes="CYX", **options)[1]
    yield from (Gaussian(), Gaussian((1, 2)), Gaussian(maps), Rician(), Rician(0), Rician((3, 4), 4), Camera(3, 2, 1))
    yield from (PoissonGaussian(), PoissonGaussian(2, 10, (1, 2)), PoissonGaussian(maps, 3, excess=2), Hostile())
    yield Options.check(counts, noise=PoissonGaussian()).fitted_noise(counts[None, None], 0, None)
    yield noise_profile(counts)


TAGS = {
    "div", "table", "tbody", "tr", "th", "td", "figure", "figcaption", "img", "svg", "rect", "polyline", "text",
}  # fmt: skip


def test_a_card_is_html_that_runs_and_loads_nothing():
    for shown in objects():
        tags = Tags(shown._repr_html_())
        assert {tag for tag, _ in tags.seen} <= TAGS
        for tag, attributes in tags.seen:
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "img" or attributes["src"].startswith("data:image/png;base64,")
            assert "#191919" not in attributes.values()  # ink of paper, which would be lost on dark
        assert type(shown).__name__ in tags.words or "Fitted noise" in tags.words


def test_what_is_printed_stands_in_the_card():
    noisy = np.random.default_rng(0).normal(100, 10, (40, 50))
    plan = nlmeans.plan(noisy, 10)
    words = Tags(plan._repr_html_()).words
    for name, value in plan.rows():
        assert words[words.index(name) + 1] == value
    assert "<script>alert('&')</script>" in Tags(Hostile()._repr_html_()).words


def test_text_is_escaped():
    html = card("<b>", [("a & b", "<i>")], about='"<u>"')
    assert not re.search("<[biu]>", html)
    assert {"<b>", "a & b", "<i>", '"<u>"'} <= set(Tags(html).words)
    assert "&lt;i&gt;" in card("plan", [("note", Note("odd", "<i>"))])
    assert Tags(thumbnail(np.zeros((3, 3)), 'a"><b>')).seen[1][1]["alt"] == 'a"><b>'


def pixels(html):
    source = next(attributes["src"] for tag, attributes in Tags(html).seen if tag == "img")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def test_a_thumbnail_is_small_and_goes_from_black_to_white():
    plane = np.linspace(-3, 7, 1000 * 300).reshape(1000, 300)
    comp = pixels(thumbnail(plane, "map"))
    assert comp.shape == (143, 43)
    assert (comp[0, 0], comp[-1, -1]) == (0, 255)
    assert "map: -3 (black) to 6.9" in thumbnail(plane, "map")
    assert pixels(thumbnail(np.array([[np.nan, 1.0, np.inf, -np.inf]]), "holes")).tolist() == [[0, 0, 255, 0]]
    assert pixels(thumbnail(np.full((2, 2), np.nan), "nothing")).tolist() == [[0, 0], [0, 0]]


def test_curves_say_what_the_model_means():
    ((brightness, deviation),) = PoissonGaussian(2, 10, 3).curves()
    np.testing.assert_allclose(np.square(deviation), 2 * (brightness - 10) + 9)
    ((brightness, deviation),) = PoissonGaussian(2, 10, 3, excess=2).curves()
    np.testing.assert_allclose(np.square(deviation), 4 * (brightness - 10) + 9)
    rng = np.random.default_rng(0)
    for coils in (1, 4):
        ((signal, deviation),) = Rician(5, coils).curves()
        for k in (0, 10, 39):
            parts = rng.normal(0, 5, (2 * coils, 200_000))
            parts[0] += signal[k]
            np.testing.assert_allclose(np.sqrt(np.square(parts).sum(0)).std(), deviation[k], rtol=0.01)
    assert Gaussian(5).curves() == []


def test_a_chart_of_nothing_is_drawn():
    Tags(chart([(np.zeros(2), np.zeros(2))], "a", "b"))
