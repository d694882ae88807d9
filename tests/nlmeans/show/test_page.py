"""Pages hold each picture once, need nothing else, and show text as text."""

import base64
import io
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from nlmeans.show.page import Scene, Shot, data_uri, environment, page

pytest.importorskip("jinja2")


def pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape or (12, 17), np.uint8)


def scene(**changed):
    parts = {
        "title": "A boat",
        "noisy": Shot("Noisy", pixels(0), "20 dB"),
        "results": (Shot("Fast", pixels(1), "25 dB"), Shot("Best", pixels(2), "30 dB")),
        "truth": Shot("Truth", pixels(3)),
    }
    return Scene(**parts | changed)


ROWS = [
    {"method": "b", "dB": 30.0, "seconds": 0.5, "by": "us"},
    {"method": "a", "dB": 4.5, "seconds": None, "by": "them"},
]


def opened(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("shape", [(12, 17), (12, 17, 3)])
def test_every_picture_is_in_the_page_once_and_without_loss(shape):
    shots = [Shot(f"shot {k}", pixels(k, *shape)) for k in range(4)]
    text = page([Scene("title", shots[0], tuple(shots[1:3]), shots[3])], "title")
    found = re.findall(r'src="(data:[^"]+)"', text)
    assert len(found) == 4
    for uri, shot in zip(found, shots, strict=True):
        assert text.count(uri.partition(",")[2]) == 1
        shown = opened(uri)
        np.testing.assert_array_equal(shown[..., 0] if shown.ndim > len(shape) else shown, shot.pixels)
    assert 'width="17" height="12"' in text


def test_a_side_too_long_for_one_format_is_held_by_another():
    long = pixels(0, 1, 20_000)
    assert data_uri(long).startswith("data:image/png;")
    np.testing.assert_array_equal(opened(data_uri(long)), long)


def test_text_is_shown_as_text():
    bad = "</script><script>alert('&')</script>"
    shot = Shot(bad, pixels(9), bad)
    text = page([scene(title=bad, noisy=shot, note=bad)], bad, [bad], [{bad: bad, "dB": 1.0}])
    assert bad not in text
    assert text.count("&lt;/script&gt;&lt;script&gt;alert") >= 8


def test_the_page_names_no_address():
    text = page([scene()], "title", ["sentence"], ROWS)
    assert not re.findall(r"https?:|url\(|@import|\bfetch\b|XMLHttpRequest|<link(?![^>]*href=\"data:)", text)
    assert "default-src 'none'" in text


def test_pictures_have_words_in_their_place():
    text = page([scene()], "title")
    figures = re.sub(r"<template>.*</template>", "", text, flags=re.DOTALL)
    assert re.findall(r'alt="([^"]*)"', figures) == [f"A boat: {name}" for name in ("Noisy", "Fast", "Best", "Truth")]
    assert re.findall(r'data-role="(\w+)"', figures) == ["noisy", "result", "result", "truth"]


def test_the_table_writes_numbers_to_be_read_and_to_be_sorted():
    text = page([scene()], "title", rows=ROWS)
    assert '<td class="number" data-value="4.5">4.50</td>' in text
    assert '<td class="number" data-value="0.5">0.500</td>' in text
    assert '<td class="number" data-value="">–</td>' in text
    assert "<td>them</td>" in text
    assert '<th scope="row">b</th>' in text
    assert "<caption>" in text
    assert "<table" not in page([scene()], "title")


def test_rows_must_share_their_columns():
    with pytest.raises(ValueError, match=r"rows of a table must have the columns \['a'\]; one has \['b'\]"):
        page([scene()], "title", rows=[{"a": 1}, {"b": 1}])


@pytest.mark.parametrize(
    "wrong", [pixels(0, 3), pixels(0, 3, 4, 2), pixels(0, 3, 4, 4), pixels(0).astype(float), pixels(0)[:0]]
)
def test_shots_must_be_8_bit_pictures(wrong):
    with pytest.raises(ValueError, match=r"must be uint8 of shape .* 'Noisy' has u?\w+ of shape \("):
        Shot("Noisy", wrong)


def test_shots_of_a_scene_must_have_one_shape():
    with pytest.raises(
        ValueError, match=r"must have one shape; in 'A boat', 'Noisy' has \(12, 17\) and 'x' \(12, 16\)"
    ):
        scene(results=(Shot("x", pixels(0)[:, :16]),))
    with pytest.raises(ValueError, match=r"must have one shape.* \(12, 17, 3\)"):
        scene(truth=Shot("x", pixels(0, 12, 17, 3)))


def test_a_scene_needs_results_with_names_of_their_own():
    with pytest.raises(ValueError, match="must have at least one result; 'A boat' has none"):
        scene(results=())
    with pytest.raises(ValueError, match="must have names of their own; 'A boat' has 'Noisy' twice"):
        scene(results=(Shot("Noisy", pixels(0)),))


def test_another_package_extends_the_base(tmp_path, monkeypatch):
    (tmp_path / "borrower" / "templates").mkdir(parents=True)
    (tmp_path / "borrower" / "__init__.py").write_text("")
    (tmp_path / "borrower" / "templates" / "report.html").write_text(
        '{% extends "base.html" %}{% block title %}Report{% endblock %}'
        '{% block main %}{{ gallery(scenes, level=3) }}{{ table(rows, "Figures") }}'
        '<img src="{{ data_uri(pixels) }}" alt="">{% endblock %}{% block footer %}The end{% endblock %}'
    )
    monkeypatch.syspath_prepend(tmp_path)
    template = environment("borrower").get_template("report.html")
    text = template.render(scenes=[scene(), scene()], rows=ROWS, pixels=pixels(7))
    assert "<title>Report</title>" in text
    assert "<h1>Report</h1>" in text
    assert text.count("<h3>A boat</h3>") == 2
    assert "<caption>Figures</caption>" in text
    assert text.count("<template>") == 1
    assert "The end" in text


def test_names_left_out_of_a_template_are_errors():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="title"):
        environment().get_template("base.html").render()


def test_without_jinja2_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"the page needs Jinja2, .* pip install 'nlmeans\[page\]'"):
        environment()


def test_the_import_is_light():
    code = (
        "import sys, nlmeans.show.page; print(*sorted({'jinja2', 'PIL', 'markupsafe', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
