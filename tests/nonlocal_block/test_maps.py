"""What the classifier reads: heat maps, boxes, the numbers, the pictures and the command."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("jinja2")

from PIL import Image, ImageDraw  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from nonlocal_block import NonLocalBlock2d, NonLocalClassifier  # noqa: E402
from nonlocal_block.classifier import BLOCKS, MODES, save_classifier  # noqa: E402
from nonlocal_block.maps import __main__ as command  # noqa: E402
from nonlocal_block.maps import drawing, reading, shapes  # noqa: E402
from nonlocal_block.maps.page import page  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def lively(block="embedded_gaussian"):
    """Return a network whose every part counts, ready to evaluate."""
    torch.manual_seed(1)
    net = NonLocalClassifier(block)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith(("norm.weight", "norm.bias", "running_mean")):
                tensor.normal_()
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
    return net.eval()


def digits(count=12, seed=0):
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = rng.integers(0, 256, (count, 20, 20))
    return images, (np.arange(count) % 10).astype(np.uint8)


def a_reading(index=7, label=4, predicted=6, key=4, heat=None):
    attention = np.zeros((3, 3))
    attention.flat[key] = 0.5
    heat = np.ones((28, 28)) if heat is None else heat
    return reading.Reading(index, label, predicted, 0.62, 0.3, digits(1)[0][0], heat, heat, attention)


@pytest.mark.parametrize("block", BLOCKS)
def test_grad_cam_is_what_it_says(block):
    net = lively(block).double()
    x = torch.from_numpy(digits(3)[0])[:, None].double() / 255
    classes = torch.tensor([1, 5, 8])
    comp = reading.grad_cam(net, x, classes)
    with torch.no_grad():
        maps = net.conv_3[:-1](net.nl_2(net.conv_2(net.nl_1(net.conv_1(x)))))

        def logit(maps):
            return net.fc(net.conv_3[-1](maps).flatten(1)).gather(1, classes[:, None])[:, 0]

        step = 1e-6  # all pixels of a map at once: the sum of their slopes; a flat map's pixels share the maximum
        weights = torch.zeros(3, 128, dtype=torch.float64)
        for k in range(128):
            shifted = maps.clone()
            shifted[:, k] += step
            weights[:, k] = (logit(shifted) - logit(maps)) / step / 49
        heat = (weights[:, :, None, None] * maps).sum(1).relu()
        heat[:, 6:, :], heat[:, :, 6:] = 0, 0
        wild = maps.clone()
        wild[:, :, 6:, :], wild[:, :, :, 6:] = 99, 99
        assert torch.equal(logit(wild), logit(maps))  # the pooling drops them
        ref = F.interpolate(heat[:, None], (28, 28), mode="bilinear", align_corners=False)[:, 0]
    assert ref.max() > 0
    torch.testing.assert_close(comp, ref, rtol=1e-4, atol=1e-6 * float(ref.max()))


def test_grad_cam_leaves_the_network_as_it_was():
    net = lively().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.no_grad():
        reading.grad_cam(net, torch.rand(2, 1, 28, 28), torch.tensor([0, 1]))
        assert not torch.is_grad_enabled()
    assert net.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_frozen_parts_stay_frozen():
    net, (images, labels) = lively().train(), digits(2)
    net.conv_1[1].eval()
    before = {name: part.training for name, part in net.named_modules()}
    reading.grad_cam(net, torch.rand(1, 1, 28, 28), torch.tensor([0]))
    reading.read(net, images)
    for _ in reading.readings(net, images, labels, [0, 1]):
        assert net.training
    with pytest.raises(RuntimeError):  # of a class that is none
        reading.grad_cam(net, torch.rand(1, 1, 28, 28), torch.tensor([10]))
    assert {name: part.training for name, part in net.named_modules()} == before


def test_a_keys_box_is_its_input_pixels():
    rows = torch.arange(28.0)[None, None, :, None].expand(1, 1, 28, 28)
    for picture, first in ((rows, 0), (rows.mT, 1)):
        low = -F.max_pool2d(F.max_pool2d(F.max_pool2d(-picture, 2), 2), 2).flatten()
        high = F.max_pool2d(F.max_pool2d(F.max_pool2d(picture, 2), 2), 2).flatten()
        for key in range(9):
            box = reading.key_box(key)
            assert (box[first], box[first + 2]) == (low[key], high[key] + 1)


def test_attention_is_the_mean_over_queries():
    nl_map = torch.rand(2, 49, 9)
    comp = reading.key_attention(nl_map)
    assert comp.shape == (2, 3, 3)
    assert float(comp[1, 2, 0]) == pytest.approx(float(sum(nl_map[1, i, 6] for i in range(49)) / 49))


def test_looks_are_the_networks():
    net, (images, labels) = lively(), digits()
    read = reading.read(net, images)
    some = list(reading.readings(net, images, labels, [3, 0, 11]))
    assert [one.index for one in some] == [3, 0, 11]
    for one in some:
        x = torch.from_numpy(images[one.index])[None, None].float() / 255
        with torch.no_grad():
            logits, maps = net.forward_with_nl_map(x)
        shares = logits.softmax(1)[0]
        assert one.predicted == read[one.index] == int(logits.argmax())
        assert one.label == labels[one.index]
        assert (one.confidence, one.doubt) == pytest.approx(
            (float(shares[one.predicted]), float(shares[one.label])), abs=1e-5
        )
        assert one.key == int(maps[1][0].mean(0).argmax())
        ref = reading.grad_cam(net, x, torch.tensor([one.label]))[0]
        np.testing.assert_allclose(one.heat_true, ref, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("block", ["none", "conv"])
def test_controls_have_nothing_to_look_with(block):
    with pytest.raises(ValueError, match="only non-local blocks have maps"):
        list(reading.readings(lively(block), *digits(), [0]))


def test_overlap_against_a_loop():
    rng = np.random.default_rng(3)
    pictures, keys = rng.random((7, 28, 28)) ** 4, rng.integers(0, 9, 7)
    pictures[2] = 0

    def share(picture, key):
        top, left, bottom, right = reading.key_box(key)
        return picture[top:bottom, left:right].sum() / picture.sum()

    kept = [k for k in range(7) if k != 2]
    own = [share(pictures[k], keys[k]) for k in kept]
    anywhere = [np.mean([share(pictures[k], key) for key in range(9)]) for k in kept]
    others = [np.mean([share(pictures[k], keys[j]) for j in kept if j != k]) for k in kept]
    found = reading.overlap(pictures, keys)
    assert (found["n"], found["left_out"]) == (6, 1)
    assert found["overlap"] == pytest.approx(np.mean(own), abs=1e-4)
    assert found["any_box"] == pytest.approx(np.mean(anywhere), abs=1e-4)
    assert found["others_box"] == pytest.approx(np.mean(others), abs=1e-4)
    gap = np.subtract(own, anywhere)
    half = 2.570582 * gap.std(ddof=1) / np.sqrt(6)
    assert found["over_any"] == pytest.approx([gap.mean(), gap.mean() - half, gap.mean() + half], abs=1e-4)
    gap = np.subtract(own, others)
    half = 2.570582 * gap.std(ddof=1) / np.sqrt(6)
    assert found["over_others"] == pytest.approx([gap.mean(), gap.mean() - half, gap.mean() + half], abs=1e-4)


def test_verdicts():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 9, 60)
    inside, outside = 0.1 * rng.random((60, 28, 28)), 0.1 + rng.random((60, 28, 28))
    for k, key in enumerate(keys):
        top, left, bottom, right = reading.key_box(key)
        inside[k, top:bottom, left:right] += 1
        outside[k, top:bottom, left:right] = 0
    assert reading.overlap(inside, keys)["verdict"] == "the same place"
    assert reading.overlap(outside, keys)["verdict"] == "elsewhere"
    assert reading.overlap(rng.random((60, 28, 28)), keys)["verdict"] == "no difference"
    assert reading.overlap(inside[:1], keys[:1])["verdict"] == "too few digits"


def test_a_favoured_place_is_no_sight():
    rng = np.random.default_rng(1)
    keys = np.where(rng.random(60) < 0.9, 4, 1)
    middle = rng.random((60, 28, 28))
    middle[:, 8:16, 8:16] += 5  # of every digit, whatever its block attends to
    found = reading.overlap(middle, keys)
    assert (found["verdict"], found["verdict_others"]) == ("the same place", "no difference")
    for k, key in enumerate(keys):
        top, left, bottom, right = reading.key_box(key)
        middle[k, top:bottom, left:right] += 5
    assert reading.overlap(middle, keys)["verdict_others"] == "the same place"


def test_a_card_shows_the_box_and_the_heat():
    heat = np.zeros((28, 28))
    heat[20:, 20:] = 3
    digit = a_reading(key=5, heat=heat)
    names = [name for name, _ in drawing.tiles(digit)]
    assert names == ["the digit", "block 2", "heat for 4", "heat for 6"]
    assert [name for name, _ in drawing.tiles(a_reading(predicted=4))] == ["the digit", "block 2", "heat for 4"]
    s = drawing.SCALE
    for name, picture in drawing.tiles(digit)[1:]:
        assert picture.shape == (28 * s, 28 * s, 3)
        red = (picture == drawing.RED).all(-1)
        rows, columns = np.nonzero(red)
        top, left, bottom, right = (s * k for k in digit.box)
        assert (rows.min(), columns.min(), rows.max(), columns.max()) == (top, left, bottom - 1, right - 1), name
        assert red[top + 1, left:right].all()
        assert not red[top + 3 : bottom - 3, left + 3 : right - 3].any()
    hot = drawing.tiles(digit)[2][1]
    assert hot[24 * s, 24 * s].sum() > 2 * hot[s, s].sum()
    assert drawing.caption(digit) == "#7  a 4 (30 %), read as 6 (62 %)"
    assert drawing.card(digit).shape == (28 * s, 4 * 28 * s + 3 * drawing.GAP, 3)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_sheet_holds_every_card(count):
    some = [a_reading(index=k, key=k) for k in range(count)]
    sheet = drawing.contact_sheet(some, "A title " * 20)
    ink = drawing.tiles(a_reading())[0][1]
    places = []
    columns = (drawing.MARGIN, drawing.MARGIN + drawing.card(a_reading()).shape[1] + 2 * drawing.MARGIN)
    for y in range(sheet.shape[0] - len(ink)):
        for x in columns:
            if np.array_equal(sheet[y : y + len(ink), x : x + len(ink)], ink):
                places.append((y, x))
    assert len(places) == count
    assert (sheet[:, -2:] == 255).all()  # nothing is cut off


@pytest.mark.parametrize("count", [1, 12, 13, 27])
def test_the_sheet_is_a_page(count):
    height, width, _ = drawing.contact_sheet([a_reading()] * count, "A title").shape
    assert height < 2.5 * width
    assert width < 2500


class Reader(HTMLParser):
    """Collects a page's elements."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_is_whole_and_loads_nothing():
    some = [a_reading(index=k, label=k % 3, key=k) for k in range(5)]
    found = {"misread": reading.compare(some), "few": reading.compare(some[:1])}
    found["misread"]["ink"]["verdict_others"] = "a verdict of its own"
    text = page(some, "<b>Title & more</b>", ["One & two."], found)
    assert "&lt;b&gt;Title &amp; more" in text
    assert "http" not in text
    elements = Reader(text).found
    pictures = [a for tag, a in elements if tag == "img"]
    assert len(pictures) == 5 * 4
    assert all(a["src"].startswith("data:image/png;base64,") and a["alt"] for a in pictures)
    targets = {a["id"] for _, a in elements if "id" in a}
    links = [a["href"] for tag, a in elements if tag == "a"]
    assert links == ["#digit-0", "#digit-1", "#digit-2"]
    assert {link[1:] for link in links} <= targets
    assert not [tag for tag, _ in elements if tag in ("script", "link")]
    assert "too few digits" in text
    verdicts = [one[name] for one in found["misread"].values() for name in ("verdict", "verdict_others")]
    assert re.findall("<small>(.*)</small>", text) == verdicts


@pytest.mark.parametrize("mode", MODES)
def test_figures_from_real_tensors(mode):
    net = lively(mode)
    x = torch.rand(1, 64, 7, 7)
    found = shapes.inside(net.nl_2, x)
    assert {"x", "g", "y", "out", "z"} <= set(found.parts)
    assert ("theta" in found.parts) == (mode != "gaussian")
    assert (found.scores.shape, found.weights.shape, found.value.shape) == ((49, 9), (49, 9), (9, 32))
    assert torch.equal(found.parts["z"], net.nl_2(x))
    for picture in (shapes.draw_block(found), shapes.draw_matrices(found)):
        assert picture.dtype == np.uint8
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("mode", MODES)
def test_labels_are_the_tensors_and_fit_their_boxes(mode, monkeypatch):
    block = NonLocalBlock2d(10, 6, mode=mode, sub_sample=True)  # sizes that nothing else here has
    found = shapes.inside(block.eval(), torch.randn(1, 10, 8, 4))
    written = []
    write = ImageDraw.ImageDraw.text

    def record(pen, place, text, fill=None, font=None, **options):
        written.append(text)
        if options.get("anchor") == "mm" and drawn == "block":
            assert font.getlength(text) <= 176, text
        return write(pen, place, text, fill, font, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", record)
    drawn = "block"
    shapes.draw_block(found)
    inner = {"gaussian": 10, "concatenation": 1}.get(mode, 6)
    sizes = sorted(text for text in written if re.fullmatch(r"\d+( x \d+)+( keys| pixels)?", text))
    ref = ["10 x 8 x 4"] * (5 if mode == "gaussian" else 3) + ["6 x 8 x 4"] * (2 if mode == "gaussian" else 4)
    ref += [f"{inner} x 8 keys", "6 x 8 keys", "32 x 8", "32 x 8"] + ["1 x 32 pixels"] * (mode == "concatenation")
    assert sizes == sorted(ref)
    written.clear()
    drawn = "matrices"
    shapes.draw_matrices(found)
    sizes = [text for text in written if re.fullmatch(r"\d+ x \d+", text)]
    assert sizes == [f"32 x {inner}", f"{inner} x 8", "32 x 8", "32 x 8", "8 x 6", "32 x 6"]


def test_figures_cannot_lie(monkeypatch):
    net = lively()
    embed = net.nl_2._embed
    factors = iter([1.0, 1.1])  # the block's own call, then that of what is drawn
    monkeypatch.setattr(
        net.nl_2, "_embed", lambda x, f=factors: (lambda k: [k * tensor for tensor in embed(x)])(next(f))
    )
    with pytest.raises(RuntimeError, match="the matrix form must give the block's weights; it is off by"):
        shapes.inside(net.nl_2, torch.rand(1, 64, 7, 7))
    with pytest.raises(RuntimeError, match="it is off by nan"):
        shapes.inside(lively().nl_2, torch.full((1, 64, 7, 7), float("nan")))


@pytest.fixture
def data(tmp_path):
    images, labels = digits(40)
    for name in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
            (tmp_path / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
    save_classifier(tmp_path / "net.safetensors", lively(), {"seed": 1})
    return tmp_path


def run(data, *arguments, out="out", checkpoint="net.safetensors"):
    fixed = ["--checkpoint", data / checkpoint, "--data", data, "--out", data / out]
    return CliRunner().invoke(command.app, [*map(str, fixed), *map(str, arguments)])


def test_the_command(data):
    done = run(data)
    assert done.exit_code == 0, done.output
    found = json.loads((data / "out/figures.json").read_text(encoding="utf-8"))
    errors = found["errors"]
    assert 0 < len(errors) < 41
    assert found["checkpoint"] == {"seed": 1}
    assert (found["block"], found["split"], found["digits"]) == ("embedded_gaussian", "test", 40)
    assert found["accuracy"] == pytest.approx(1 - len(errors) / 40)
    assert found["overlap"]["misread"]["ink"]["n"] == len(errors)
    assert "Own less another's: " in done.stdout
    assert f"{len(errors)} misread digits: {40 - len(errors)} of 40 digits read right" in done.stdout
    text = (data / "out/index.html").read_text(encoding="utf-8")
    assert sorted(int(n) for n in re.findall(r'id="image-(\d+)"', text)) == errors
    with Image.open(data / "out/maps.png") as picture:
        assert picture.height > 100 * (len(errors) // 2)
    assert sorted(p.name for p in (data / "out").iterdir()) == ["figures.json", "index.html", "maps.png"]

    before = (data / "out/maps.png").read_bytes()
    done = run(data, "--data", data / "nowhere")  # refused before anything is read
    assert done.exit_code == 1
    assert "maps.png exists already; --overwrite" in done.stderr
    assert (data / "out/maps.png").read_bytes() == before
    done = run(data, "--digits", "5, 9", "--overwrite", "--quiet", "--split", "train", "--threads", 1)
    assert (done.exit_code, done.output) == (0, "")
    text = (data / "out/index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'id="image-(\d+)"', text)) == {"5", "9"}


def test_the_first_are_drawn_and_all_are_counted(data, monkeypatch):
    monkeypatch.setattr(command, "MOST", 3)
    done = run(data)
    found = json.loads((data / "out/figures.json").read_text(encoding="utf-8"))
    errors = found["errors"]
    assert f"The first 3 of {len(errors)} misread digits: " in done.stdout
    text = (data / "out/index.html").read_text(encoding="utf-8")
    assert sorted(int(n) for n in re.findall(r'id="image-(\d+)"', text)) == errors[:3]
    assert found["overlap"]["misread"]["ink"]["n"] == len(errors) > 3


def test_a_network_without_errors(data):
    net = lively()
    images, _ = digits(40)
    labels = reading.read(net, images).astype(np.uint8)
    header = np.array([0x0801, 40], ">u4").tobytes()
    (data / "t10k-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    done = run(data)
    assert done.exit_code == 0, done.output
    assert "No digit was misread" in done.stdout
    assert run(data, "--digits", "3", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "checkpoint", "words"),
    [
        (
            ("--digits", "40"),
            "net.safetensors",
            "--digits must be whole numbers from 0 to 39, the test set's; got '40'",
        ),
        (("--digits", "x"), "net.safetensors", "--digits must be whole numbers from 0 to 39"),
        (("--digits", "5,8,5"), "net.safetensors", "--digits must name each digit once; got '5,8,5'"),
        (("--shapes", "--digits", "5,8"), "net.safetensors", "--shapes draws one digit; got --digits 5,8"),
        (("--shapes",), "none.safetensors", "only non-local blocks have maps"),
        ((), "none.safetensors", "only non-local blocks have maps"),
        ((), "missing.safetensors", "there is no file"),
        ((), "t10k-labels-idx1-ubyte", "is not a whole safetensors file"),
    ],
)
def test_refusals(data, arguments, checkpoint, words):
    save_classifier(data / "none.safetensors", NonLocalClassifier("none"), {})
    done = run(data, *arguments, checkpoint=checkpoint)
    assert done.exit_code == 1
    assert done.stderr.startswith("nonlocal_block.maps: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert isinstance(done.exception, SystemExit)  # no traceback
    assert not (data / "out").exists()


@pytest.mark.parametrize("mode", MODES)
def test_shapes_of_the_command(data, mode):
    save_classifier(data / "net.safetensors", lively(mode), {})
    done = run(data, "--shapes", "--digits", 3)
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (data / "out").iterdir()) == ["block.png", "matrices.png"]
    assert run(data, "--shapes").exit_code == 1  # they are there
    other = run(data, "--shapes", "--digits", 4, out="other")
    assert other.exit_code == 0
    assert (data / "other/matrices.png").read_bytes() != (data / "out/matrices.png").read_bytes()
