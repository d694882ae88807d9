"""Folders of pairs: which files belong together, what is cut out, and the halves by scenes."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.io import imsave

from benchmarks.harness.pairs import PairsCase, halves, holding, in_colour, middle, pairs, scene

GREY = np.random.default_rng(0).integers(0, 256, (40, 48), dtype=np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], -1)


@pytest.fixture
def put(tmp_path):
    def put(name, pixels=COLOUR):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        imsave(tmp_path / name, pixels, check_contrast=False)

    return put


def case(folder, name, **how):
    return PairsCase(name, "pictures", ("noisy",), source=name, folder=folder, sigma=None, known=False, **how)


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        ("a_real.JPG", "a_mean.JPG"),
        ("a_noisy.png", "a_gt.png"),
        ("a_noisy.png", "a_clean.png"),
        ("a_NOISY.PNG", "a_GT.png"),
        ("a_noisy.jpg", "a_gt.png"),
        ("a_001_noisy.png", "a_001_gt.png"),
        ("a_001_noisy.png", "a_avg50_gt.png"),
    ],
)
def test_names_that_make_a_pair(noisy, clean, put, tmp_path):
    for name in (noisy, clean, "b_mean.png", "notes_noisy.txt.png"):
        put(name)
    assert pairs(tmp_path) == [(tmp_path / noisy, tmp_path / clean)]


def test_a_picture_without_its_truth_is_named_when_it_is_read(put, tmp_path):
    put("set/a_real.png")
    (sample,) = case(tmp_path, "set").subject()
    with pytest.raises(ValueError, match=r"a_mean\.png cannot be read as a picture"):
        sample.load()


def test_folders_that_hold_pairs_and_whether_in_colour(put, tmp_path):
    for name, pixels in (("x_real", COLOUR), ("deep/er/y_noisy", np.stack([GREY] * 3, -1)), ("none/z", COLOUR)):
        put(f"{name}.png", pixels)
    put("flat/w_noisy.png", GREY)
    assert list(holding(tmp_path)) == [(tmp_path, True), (tmp_path / "deep", False), (tmp_path / "flat", False)]
    assert in_colour(tmp_path / "absent.png")


def test_of_a_pair_the_middle_is_taken(put, tmp_path):
    put("set/a_real.png")
    put("set/a_mean.png", 255 - COLOUR)
    noisy, clean = case(tmp_path, "set", side=16).subject()[0].load()
    np.testing.assert_array_equal(noisy, COLOUR[12:28, 16:32])
    np.testing.assert_array_equal(clean, 255.0 - noisy)
    np.testing.assert_array_equal(case(tmp_path, "set", side=44).subject()[0].load()[0], COLOUR[:, 2:46])
    assert middle(np.zeros((512, 512)), 256).base is not None
    ramp = np.arange(512)[:, None] + np.zeros(512)
    assert middle(ramp, 256)[0, 0] == 128


def test_grey_pictures_are_the_mean_of_their_channels(put, tmp_path):
    put("set/a_noisy.png", np.stack([GREY] * 3, -1))
    put("set/a_gt.png", GREY)
    noisy, clean = case(tmp_path, "set", coloured=False).subject()[0].load()
    np.testing.assert_array_equal(noisy, GREY)
    np.testing.assert_array_equal(clean, GREY)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Canon5D2_5_160_3200_toy_12_real.JPG", "toy"),
        ("NikonD800_4-5_160_1800_classroom_15_real.JPG", "classroom"),
        ("Sony_3-5_200_1600_classroom_10_mean.JPG", "classroom"),
        ("5dmark3_iso3200_1_real.png", "5dmark3"),
    ],
)
def test_scenes(name, what):
    assert scene(name) == what


def test_halves_part_scenes_not_photographs():
    names = [
        f"C_5_160_{iso}_{what}_{k}_real.JPG" for what in ("cup", "box", "tree") for iso in (800, 1600) for k in (1, 2)
    ]
    develop, report = halves(names)
    assert sorted(develop + report) == sorted(names)
    assert {scene(name) for name in develop} == {"box", "tree"}
    assert {scene(name) for name in report} == {"cup"}
    assert halves(reversed(names)) == (develop, report)


def test_the_halves_of_the_photographs_that_are_here(shared):
    develop, report = halves(files.noisy.name for files in pairs(shared / "PolyU"))
    assert (len(develop), len(report)) == (12, 13)
    assert not {scene(name) for name in develop} & {scene(name) for name in report}
