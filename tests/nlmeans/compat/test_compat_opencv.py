"""OpenCV's functions by ours: the same strengths, sizes, forms and errors."""

import inspect
import subprocess
import sys

import cv2
import numpy as np
import pytest
from skimage import data

from nlmeans.compat import opencv as compat
from nlmeans.pairwise.naive import pairwise_average
from nlmeans.pairwise.spec import PairwiseSpec

CAMERA = data.camera()[100:260, 120:300]
FACE = np.ascontiguousarray(data.astronaut()[40:200, 140:320, ::-1])
FOUR = np.dstack([FACE, CAMERA])


def noisy(clean, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


GREY, COLOUR = noisy(CAMERA, 15), noisy(FACE, 15)
SMALL, BITS = GREY[:24, :30], noisy(FOUR, 15)[:24, :30]
FRAMES = [noisy(CAMERA, 15, seed) for seed in range(5)]
FACES = [noisy(FACE, 15, seed) for seed in range(5)]


def apart(ref, comp):
    return float(np.abs(ref.astype(float) - comp).mean())


def psnr(image, clean):
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - clean) ** 2))


def alike(ref, comp, clean, levels, decibels=0.1):
    assert comp.shape == ref.shape
    assert comp.dtype == ref.dtype
    assert apart(ref, comp) < levels
    assert abs(psnr(comp, clean) - psnr(ref, clean)) < decibels


def both(name, *args, **named):
    return getattr(cv2, name)(*args, **named), getattr(compat, name)(*args, **named)


@pytest.mark.parametrize(
    ("sigma", "h", "patch", "search"),
    [
        (5, 5, 7, 21),
        (15, 9, 7, 21),
        (15, 15, 7, 21),
        (15, 22, 7, 21),
        (15, 15, 6, 20),
        (15, 15, 3, 11),
        (25, 20, 9, 35),
    ],
)
def test_within_a_quarter_of_a_grey_level(sigma, h, patch, search):
    ref, comp = both("fastNlMeansDenoising", noisy(CAMERA, sigma), None, h, patch, search)
    alike(ref, comp, CAMERA, 0.25)
    assert apart(*(image[20:-20, 20:-20] for image in (ref, comp))) < 0.03  # no mirrored pixels within reach


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_channels_and_a_strength_for_each(channels):
    clean = np.ascontiguousarray(FOUR[..., :channels])
    image, strengths = noisy(clean, 15), [9, 15, 20, 9][:channels]
    alike(*both("fastNlMeansDenoising", image, None, 15), clean, 0.2)
    ref, comp = both("fastNlMeansDenoising", image, strengths)
    alike(ref, comp, clean, 0.2)
    assert (comp == compat.fastNlMeansDenoising(image, h=np.float32(strengths))).all()
    assert (compat.fastNlMeansDenoising(image, (15,)) == compat.fastNlMeansDenoising(image, h=15)).all()


def test_both_forms_take_their_arguments_in_their_own_order():
    out = np.empty_like(SMALL)
    want = compat.fastNlMeansDenoising(SMALL, h=20, templateWindowSize=3, searchWindowSize=9)
    for given, named in (
        ((None, 20, 3, 9), {}),
        (([20], None, 3, 9), {}),
        (([20], out, 3, 9, 4), {}),
        (([20],), dict(dst=out, templateWindowSize=3, searchWindowSize=9, normType=4)),
        ((), dict(dst=None, h=[20], templateWindowSize=3, searchWindowSize=9)),
    ):
        assert apart(cv2.fastNlMeansDenoising(SMALL, *given, **named), want) < 1
        np.testing.assert_array_equal(compat.fastNlMeansDenoising(SMALL, *given, **named), want)
    np.testing.assert_array_equal(out, want)
    with pytest.raises(TypeError, match="multiple values"):
        compat.fastNlMeansDenoising(SMALL, [20], h=3)


@pytest.mark.parametrize("name", compat.__all__)
def test_the_names_of_arguments_are_those_of_opencv(name):
    form = getattr(cv2, name).__doc__.splitlines()[0]
    names = form[form.index("(") + 1 : form.index(")")].replace("[", "").replace("]", "").replace(" ", "").split(",")
    assert [n for n in inspect.signature(getattr(compat, name)).parameters if n != "normType"] == names


@pytest.mark.parametrize(("sigma", "h", "colour"), [(5, 5, 5), (15, 10, 10), (15, 10, 20), (15, 10, 0), (15, 0, 10)])
def test_colours_within_the_rounding_of_opencv_s_lab(sigma, h, colour):
    ref, comp = both("fastNlMeansDenoisingColored", noisy(FACE, sigma), None, h, colour)
    alike(ref, comp, FACE, 0.9, 0.2)  # Lab in 8 bits alone, there and back, is 0.6 levels off


def test_lab_is_that_of_opencv():
    bgr = FACE.astype(np.float32)
    to_xyz = compat.TO_XYZ / compat.TO_XYZ.sum(axis=1, keepdims=True)
    comp = compat._root(bgr / 255 @ to_xyz.T) @ compat.TO_LAB.T - [16, 0, 0]
    np.testing.assert_allclose(comp, cv2.cvtColor(bgr / 255, cv2.COLOR_LBGR2Lab), atol=0.05)
    np.testing.assert_array_equal(compat.fastNlMeansDenoisingColored(FACE, None, 0, 0), FACE)


def test_the_fourth_channel_is_kept():
    four = noisy(FOUR, 15)
    ref, comp = both("fastNlMeansDenoisingColored", four, None, 10, 10)
    assert (ref[..., 3] == 255).all()
    np.testing.assert_array_equal(comp[..., 3], four[..., 3])
    np.testing.assert_array_equal(comp[..., :3], compat.fastNlMeansDenoisingColored(four[..., :3], None, 10, 10))


@pytest.mark.parametrize("width", [1, 3, 5])
def test_sequences(width):
    alike(*both("fastNlMeansDenoisingMulti", FRAMES, 2, width, None, 15), CAMERA, 0.2)
    alike(*both("fastNlMeansDenoisingMulti", FACES, 2, width, None, 15), FACE, 0.2)
    alike(*both("fastNlMeansDenoisingMulti", FACES, 2, width, [10, 15, 20]), FACE, 0.2)
    alike(*both("fastNlMeansDenoisingColoredMulti", FACES, 2, width, None, 10, 10), FACE, 0.9, 0.2)


def test_sequences_that_move_and_end():
    still = data.camera()
    clean = [still[100 + 4 * k : 220 + 4 * k, 100:240] for k in range(4)]
    frames = [noisy(frame, 15, seed) for seed, frame in enumerate(clean)]
    for at in (1, 2):
        alike(*both("fastNlMeansDenoisingMulti", frames, at, 3, None, 15, 5, 15), clean[at], 0.2)
    one = compat.fastNlMeansDenoisingMulti(np.stack(frames), 3, 1, h=15)
    np.testing.assert_array_equal(one, compat.fastNlMeansDenoising(frames[3], h=15))


def weighed(frames, middle, h, patch, search):
    """What OpenCV documents, one pair of pixels after another, in float64; only real pixels are averaged."""
    frames = np.asarray(frames, float)
    padded = np.pad(frames, [(0, 0), (patch, patch), (patch, patch), (0, 0)], "reflect")
    count, height, width, channels = frames.shape
    side, output = 2 * patch + 1, np.zeros(frames.shape[1:])
    for y, x in np.ndindex(height, width):
        total, here = 0.0, padded[middle, y : y + side, x : x + side]
        for t, v, u in np.ndindex(count, height, width):
            if abs(v - y) <= search and abs(u - x) <= search:
                distance = ((padded[t, v : v + side, u : u + side] - here) ** 2).sum() / side**2
                weight = np.exp(-distance / (h**2 * channels))
                if weight >= 0.001:
                    total, output[y, x] = total + weight, output[y, x] + weight * frames[t, v, u]
        output[y, x] /= total
    return output


def test_the_formula_itself():
    frames = [np.random.default_rng(seed).normal(0, 10, (9, 11, 2)) for seed in range(3)]
    for width in (1, 3):
        ref = weighed(frames[1 - width // 2 : 2 + width // 2], width // 2, 12, 1, 2)
        comp = compat.fastNlMeansDenoisingMulti(frames, 1, width, h=12, templateWindowSize=3, searchWindowSize=5)
        np.testing.assert_allclose(comp, ref, atol=1e-6)
    planes = np.moveaxis(frames[0], -1, 0)[:, None]
    comp = compat.fastNlMeansDenoising(frames[0], [12, 20], templateWindowSize=3, searchWindowSize=5)
    for channel, h in enumerate((12, 20)):
        spec = PairwiseSpec((0, 1, 1), (0, 2, 2), 1 / (h**2 * 18), centre="one", vanish=0.001)
        np.testing.assert_allclose(
            comp[..., channel], pairwise_average(planes, planes, planes, spec)[channel, 0], atol=1e-6
        )


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("uint16", 257), ("int16", 128), ("float16", 1 / 255), ("float32", 1 / 255), ("float64", 1 / 255)],
)
def test_other_types_agree_with_8_bits(dtype, factor):
    places = 0.51 * factor + {"float16": 1e-3}.get(dtype, 1e-4 * factor) + (0.5 if factor > 1 else 0)
    scaled = (COLOUR[:60, :70] * float(factor)).astype(dtype)
    want = compat.fastNlMeansDenoising(COLOUR[:60, :70], h=15)
    result = compat.fastNlMeansDenoising(scaled, h=15 * factor)
    assert result.dtype == dtype
    np.testing.assert_allclose(result.astype(float), want * float(factor), atol=places)
    if dtype not in ("int16", "float16"):
        want = compat.fastNlMeansDenoisingColored(COLOUR[:60, :70], h=10, hColor=10)
        result = compat.fastNlMeansDenoisingColored(scaled, h=10 * factor, hColor=10 * factor)
        inside = (want > 0) & (want < 255)  # floats are not clipped
        np.testing.assert_allclose(result.astype(float)[inside], (want * float(factor))[inside], atol=1.1 * places)


def test_an_axis_of_one_channel_stays_and_so_does_the_order_of_bytes():
    for image in (SMALL[..., None], SMALL[:1], SMALL[:, :1], SMALL[:1, :1], SMALL[::2, ::-1], SMALL.astype(">u2")):
        result = compat.fastNlMeansDenoising(image, h=20)
        assert result.shape == image.shape
        assert result.dtype == image.dtype
    np.testing.assert_array_equal(
        compat.fastNlMeansDenoising(SMALL[..., None], h=20)[..., 0], compat.fastNlMeansDenoising(SMALL, h=20)
    )


@pytest.mark.parametrize("name", compat.__all__)
def test_the_result_may_go_to_the_picture_itself(name):
    if name.endswith("Multi"):
        frames = [image.copy() for image in FACES[:3]]
        picture, arguments = frames[1], (frames, 1, 3)
    else:
        picture = FACES[0].copy()
        arguments = (picture,)
    want = getattr(compat, name)(*arguments, h=10)
    assert getattr(compat, name)(*arguments, picture, 10) is picture
    np.testing.assert_array_equal(picture, want)


def test_without_strength_nothing_changes():
    ref, comp = both("fastNlMeansDenoising", GREY, h=0)
    np.testing.assert_array_equal(comp, GREY)
    np.testing.assert_array_equal(ref, GREY)
    some = compat.fastNlMeansDenoising(COLOUR, [0, 15, 15])
    np.testing.assert_array_equal(some[..., 0], COLOUR[..., 0])
    assert apart(some[..., 1], COLOUR[..., 1]) > 5


@pytest.mark.parametrize("name", ["fastNlMeansDenoising", "fastNlMeansDenoisingColored"])
def test_missing_pixels_are_filled_and_spread_no_further(name):
    image = (COLOUR[:80, :90] / 255).astype(np.float32)
    holed = image.copy()
    holed[40, 50, 1], holed[20, 20] = np.nan, np.inf
    whole, result = (getattr(compat, name)(picture, h=0.05) for picture in (image, holed))
    assert np.isfinite(result).all()
    y, x = np.mgrid[:80, :90]
    far = (np.hypot(y - 40, x - 50) > 22) & (np.hypot(y - 20, x - 20) > 22)
    np.testing.assert_allclose(result[far], whole[far], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(src=np.zeros((3, 3, 3, 3), np.uint8)), "2 dimensions, or 3 with 1 to 4 channels last; got shape"),
        (dict(src=np.zeros((9, 9, 5), np.uint8)), "1 to 4 channels last; got shape"),
        (dict(src=np.zeros((0, 9), np.uint8)), "must have pixels"),
        (dict(src=SMALL > 100), "dtype must be one of"),
        (dict(src=None), "an array of numbers"),
        (dict(src=BITS, h=[3, 3]), "one for each of the channels, here 4; got .3, 3."),
        (dict(h="3"), "h must be a number; got '3'"),
        (dict(templateWindowSize=7.0), "templateWindowSize must be a whole number; got 7.0"),
        (dict(searchWindowSize="21"), "searchWindowSize must be a whole number; got '21'"),
        (dict(h=[3], normType=1), "normType must be 4"),
    ],
)
def test_what_opencv_refuses_is_refused(given, message):
    given = {"src": SMALL, **given}
    with pytest.raises(cv2.error):
        cv2.fastNlMeansDenoising(**given)
    with pytest.raises((TypeError, ValueError), match=message):
        compat.fastNlMeansDenoising(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(src=SMALL[0]), "at least 2 dimensions"),
        (dict(h=np.nan), "h must be finite; got nan"),
        (dict(templateWindowSize=0), "templateWindowSize is a width and must be at least 1; got 0"),
        (dict(searchWindowSize=-1), "searchWindowSize is a width and must be at least 1; got -1"),
        (dict(h=[3], normType=cv2.NORM_L1), "normType must be 4"),
        (dict(dst=30), "dst must be an array to write to; got 30: if that is the strength, write h=30"),
        (dict(dst=np.zeros((3, 3), np.uint8)), r"dst must have .* \(24, 30\) and dtype uint8; got shape \(3, 3\)"),
        (dict(dst=np.zeros(SMALL.shape)), "dtype uint8; got .* dtype float64"),
    ],
)
def test_what_opencv_takes_for_something_else_is_refused(given, message):
    given = {"src": SMALL, **given}
    cv2.fastNlMeansDenoising(**given)
    with pytest.raises((TypeError, ValueError), match=message):
        compat.fastNlMeansDenoising(**given)


def test_where_the_result_goes_is_an_array_that_can_be_written():
    with pytest.raises(TypeError, match="write h=30"):
        compat.fastNlMeansDenoising(SMALL, 30)
    with pytest.raises(TypeError, match="write h=10"):
        compat.fastNlMeansDenoisingColored(COLOUR, 10, 10)
    with pytest.raises(TypeError, match="got <class 'list'>"):
        compat.fastNlMeansDenoisingColored(COLOUR, [10])
    shut = SMALL.copy()
    shut.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        compat.fastNlMeansDenoising(SMALL, shut)


@pytest.mark.parametrize(
    "given",
    [dict(src=GREY), dict(src=COLOUR[..., :2].copy()), dict(h=[3, 3]), dict(hColor="3"), dict(src=GREY[..., None])],
)
def test_pictures_that_have_no_colours_are_refused(given):
    given = {"src": COLOUR, **given}
    with pytest.raises(cv2.error):
        cv2.fastNlMeansDenoisingColored(**given)
    with pytest.raises((TypeError, ValueError), match=r"3 or 4 channels|must be a number"):
        compat.fastNlMeansDenoisingColored(**given)
    if "src" in given and given["src"] is not COLOUR:
        with pytest.raises(ValueError, match="3 or 4 channels"):
            compat.fastNlMeansDenoisingColoredMulti([given["src"]] * 3, 1, 3)


@pytest.mark.parametrize(
    ("frames", "given", "message"),
    [
        (FRAMES, (0, 3), "frames 0 to 4; got frames -1 to 1"),
        (FRAMES, (4, 3), "frames 0 to 4; got frames 3 to 5"),
        (FRAMES, (-1, 1), "got frames -1 to -1"),
        (FRAMES, (2, 7), "got frames -1 to 5"),
        (FRAMES, (2, 2), "temporalWindowSize is a width and must be odd, and at least 1; got 2"),
        (FRAMES, (2, 0), "temporalWindowSize"),
        (FRAMES, (2, 3, None, 3, 6), "templateWindowSize is a width and must be odd"),
        (FRAMES, (2, 3, None, 3, 7, 20), "searchWindowSize is a width and must be odd"),
        (FRAMES, (2.0, 3), "imgToDenoiseIndex must be a whole number; got 2.0"),
        (FRAMES, (2, 3, [3, 3]), "here 1; got .3, 3."),
        ([], (0, 1), "got none"),
        ([*FRAMES[:3], SMALL], (1, 3), "one shape and dtype; got uint8"),
        ([FRAMES[0].astype(np.uint16), *FRAMES[1:]], (1, 3), "one shape and dtype; got uint16"),
        (3, (1, 3), "must be a sequence of frames; got <class 'int'>"),
    ],
)
def test_sequences_that_cannot_be_meant(frames, given, message):
    with pytest.raises(cv2.error):
        cv2.fastNlMeansDenoisingMulti(frames, *given)
    with pytest.raises((TypeError, ValueError), match=message):
        compat.fastNlMeansDenoisingMulti(frames, *given)


def test_opencv_is_not_needed():
    code = (
        "import sys; sys.modules['cv2'] = None; sys.modules['skimage'] = None\n"
        "import numpy as np\nfrom nlmeans.compat.opencv import fastNlMeansDenoisingColored\n"
        "print(fastNlMeansDenoisingColored(np.ones((9, 9, 3), np.uint8)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(9, 9, 3)\n"
