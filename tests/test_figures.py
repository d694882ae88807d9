"""The figures of "How it works" are drawn by the library: each that lies there, and no other."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "docs"


def test_figures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    spec = spec_from_file_location("figures", FOLDER / "figures.py")
    figures = module_from_spec(spec)
    spec.loader.exec_module(figures)
    figures.main(tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in figures.FOLDER.iterdir()}
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert len(set(image.convert("L").tobytes())) > 100
    for path in tmp_path.glob("*.svg"):
        assert "<svg" in path.read_text(encoding="utf-8")
