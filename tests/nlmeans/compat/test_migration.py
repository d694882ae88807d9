"""docs/migration.md: every Python block runs, and what it says of other libraries' parameters is true of ours."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans import convert
from nlmeans.compat import opencv
from nlmeans.compat import skimage as compat

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/migration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SINCE = {"dipy": "1.12", "ants": "0.6"}
OWN = ("nlmeans", "numpy")
BESIDES = {
    "from skimage.restoration import estimate_sigma": "pywt"
}  # what a function needs that its import does not say
SIGMA = 12.0
RNG = np.random.default_rng(0)
Y, X = np.mgrid[:48, :56]
SCENE = 120 + 60 * np.sin(X / 6.0) + 40 * (Y > 24)


def bytes_of(clean):
    return np.clip(np.rint(clean + RNG.normal(0, SIGMA, clean.shape)), 0, 255).astype(np.uint8)


def names():
    """Return what the page says its blocks start from, and the imports that stand in its first block."""
    colours = np.stack([SCENE, SCENE[::-1], 255 - SCENE], axis=-1)
    return {
        "noisy": bytes_of(SCENE),
        "photo": bytes_of(colours),
        "volume": (SCENE[:20, :24] + RNG.normal(0, SIGMA, (12, 20, 24))).astype(np.float32),
        "frames": [bytes_of(SCENE) for _ in range(5)],
        "films": [bytes_of(colours) for _ in range(5)],
        "sigma": SIGMA,
        "nlmeans": nlmeans,
        "convert": convert,
        "np": np,
    }


def title(block):
    """Return the first line of a block that is no import."""
    lines = [line for line in block.splitlines() if line and not line.startswith(("import ", "from "))]
    return re.sub(r"\W+", "-", lines[0]).strip("-")


@pytest.mark.parametrize("block", [pytest.param(block, id=f"{k}-{title(block)}") for k, block in enumerate(BLOCKS)])
def test_python_blocks_run(block):
    needed = re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE)
    for module in (*needed, *(other for line, other in BESIDES.items() if line in block)):
        if module not in OWN:
            words = f"{module} is not installed, or older than the page"
            pytest.importorskip(module, SINCE.get(module), reason=words, exc_type=ImportError)
    made = names()
    given = {name: np.array(value) for name, value in made.items() if isinstance(value, np.ndarray | list)}
    exec(block, made)
    results = [made[name] for name in ("clean", "film", "estimated", "h") if name in made]
    assert results
    assert all(np.isfinite(np.asarray(each, float)).all() for each in results)
    for name, value in given.items():
        assert np.array_equal(made[name], value)  # no call writes to what it is given


def test_blocks_before_and_after_the_change_of_an_import_differ_in_it_alone():
    calls = [re.sub(r"^(import|from) .*\n", "", block, flags=re.MULTILINE) for block in BLOCKS]
    same = [k for k in range(1, len(calls)) if calls[k - 1].replace("cv2.", "opencv.") == calls[k]]
    assert len(same) == 3  # scikit-image's filter and its estimate, OpenCV's four


def test_the_parameters_that_tables_name_exist():
    ours = set(inspect.signature(nlmeans.denoise).parameters)
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and "→" not in line]
    named = {word for row in rows for word in re.findall(r"`(\w+)=", row.rsplit(" | ", 1)[1])}
    assert {"patch_radius", "search_radius", "channel_axis", "noise", "centre"} <= named
    assert named - {"d", "coils"} <= ours
    for function in re.findall(r"convert\.(\w+)", PAGE):
        assert hasattr(convert, function)
    for function in set(re.findall(r"fastNl\w+", PAGE)):
        assert hasattr(opencv, function)
    assert {"h", "sigma", "patch_size"} <= set(inspect.signature(compat.denoise_nl_means).parameters)


def test_every_program_that_converts_has_a_section():
    for name in ("scikit-image", "OpenCV", "DIPY", "ANTs", "FFmpeg", "KNLMeansCL", "BM3D's package"):
        assert f"\n## {name}\n" in PAGE


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_every_file_that_is_linked_exists(link):
    assert (ROOT / "docs" / link).is_file()


def test_commands_of_the_page_parse():
    from typer.main import get_command

    from nlmeans.cli import app

    lines = [line.split()[1:] for line in PAGE.splitlines() if line.startswith("nlmeans ")]
    assert len(lines) == 2
    for name, *words in lines:
        get_command(app).commands[name].make_context("the command", words)
