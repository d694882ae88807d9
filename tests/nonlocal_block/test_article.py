"""docs/article.md: what it names exists, its verdicts are verdicts, its numbers those of the result files.

And the tests of claims of the article that no other file guards.
"""

import ast
import contextlib
import io
import json
import re
import shlex
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

import nlmeans
from nlmeans.cli import app

ROOT = Path(__file__).resolve().parents[2]
# Tables of measured values are made of result files, and held against them by another test.
MADE = re.compile(r"<!-- table: .*?<!-- end -->", re.DOTALL)
ARTICLE = MADE.sub("", (ROOT / "docs/article.md").read_text(encoding="utf-8"))
SECTIONS = dict(re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## |\Z)", ARTICLE, re.MULTILINE | re.DOTALL))
RESULTS = ROOT / "benchmarks/results/0.1.0"
VERDICTS = ("holds", "fails", "untested")
NOTHING = "—"
COLUMNS = ["claim", "command", "test", "measured", "verdict"]
FIGURES_OF_THE_ARTICLE = (
    "0.05", "0.00001", "224×224", "50,176", "1024 to 512", "T×H×W", "1→32→64→128", "128·3·3→256", "Dropout(0.5)",
    "(3, 1, 28, 28)", "(3, 10)", "100 epochs", "99.39 %", "99.91 %", "96 %", "98.36 %",
)  # fmt: skip


def rows(text):
    """Return the cells of each table row, but for those of heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row != COLUMNS and set(row) != {"---"}]


ROWS = {
    (section, row[0]): dict(zip(COLUMNS, row, strict=True)) for section in SECTIONS for row in rows(SECTIONS[section])
}
COMMANDS = list(
    dict.fromkeys(
        code
        for code in re.findall(r"`([^`]+)`", ARTICLE)
        if re.match(r"(python -m (benchmarks|nonlocal_block\.\w+)|nlmeans) ", code)
    )
)
TESTS = list(dict.fromkeys(re.findall(r"tests/[\w/]+\.py::\w+", ARTICLE)))


def test_every_point_has_a_table_and_every_row_a_verdict():
    assert list(SECTIONS) == [str(k) for k in range(1, 9)]
    assert len(ROWS) == len(rows(ARTICLE))  # none outside, none twice
    for section, text in SECTIONS.items():
        assert [cell.strip() for cell in re.search(r"^\|(.*)\|$", text, re.MULTILINE)[1].split("|")] == COLUMNS
        assert any(key[0] == section for key in ROWS)
    for (section, claim), row in ROWS.items():
        assert all(row.values()), (section, claim)
        assert row["verdict"] in VERDICTS, (section, claim)
        assert row["command"] == NOTHING or row["command"].strip("`") in COMMANDS, (section, claim)
        assert row["test"] == NOTHING or all(name.strip("`") in TESTS for name in row["test"].split(", ")), claim
        if row["verdict"] != "untested":
            assert NOTHING not in (row["command"], row["test"], row["measured"]), (section, claim)


def test_every_figure_and_number_of_the_article_is_in_a_claim():
    claims = "\n".join(claim for _, claim in ROWS)
    for number in range(1, 7):
        assert re.search(rf"\b[Ff]igure {number}\b", claims), number
    for figure in FIGURES_OF_THE_ARTICLE:
        assert figure in claims, figure


@cache
def functions(path):
    return {node.name for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body if hasattr(node, "name")}


@pytest.mark.parametrize("name", TESTS)
def test_every_test_that_is_named_exists(name):
    path, function = name.split("::")
    assert function.startswith("test_")
    assert function in functions(path)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", ARTICLE))))
def test_every_file_that_is_linked_exists(link):
    assert (ROOT / "docs" / link).is_file()


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_is_named_exists(line):
    python, *words = shlex.split(line)
    if python == "nlmeans":
        parsed(get_command(app), words)
    elif words[1] == "benchmarks":
        benchmark(words[2:])
    else:
        pytest.importorskip("torch", reason="the extra `learned` is not installed")
        parsed(get_command(import_module(f"{words[1]}.__main__").app), words[2:])


def parsed(command, words):
    """Parse a command line, and run nothing."""
    if hasattr(command, "commands"):
        name, *words = words
        assert name in command.commands
        command = command.commands[name]
    command.make_context("the command", words)


def benchmark(words):
    """Parse a benchmark's command line, and see that what it selects is there."""
    from benchmarks.__main__ import COMMANDS, parser

    if words[0] not in COMMANDS:
        options = parser().parse_args(words)
        for pattern in getattr(options, "only", ()):
            names = [
                case.name for suite in options.suites for case in suite.build(getattr(options, "data", None), None)
            ]
            assert any(fnmatchcase(name, pattern) for name in names), pattern
        return
    pytest.importorskip("torch", reason="the extra `learned` is not installed")
    help_text = io.StringIO()
    with contextlib.redirect_stdout(help_text), pytest.raises(SystemExit):
        import_module(COMMANDS[words[0]][0]).main(["--help"])
    flags = {word for word in words if word.startswith("--")}
    assert "--only" not in flags, "what a study's --only selects is not looked up here"
    assert flags <= set(re.findall(r"--[a-z][\w-]*", help_text.getvalue()))


def percent(figures):
    return f"{100 * figures['mean']:.2f} ± {100 * figures['sd']:.2f} %"


def points(figures):
    return f"{100 * figures['mean']:.2f} ± {100 * figures['known_to']:.2f}"


def test_accuracies_are_those_of_the_result_files():
    found = json.loads((RESULTS / "classifier.json").read_text(encoding="utf-8"))
    one, five = found["comparisons"]
    ours, last = one["accuracy"]["embedded_gaussian"], found["logs"]["embedded_gaussian-0"][99]
    assert last["epoch"] == 100
    expected = {
        "About 100 epochs: test": f"{100 * last['test_accuracy']:.2f} %",
        "About 100 epochs: training": f"{100 * last['running_accuracy']:.2f} %",
        "One epoch: test": percent(ours["test"]),
        "One epoch: training": percent(ours["running"]),
        "That one epoch": percent(one["accuracy"]["none"]["test"]),
    }
    for start, value in expected.items():
        assert value in measured("7", start), start
    assert f"{100 * last['train_accuracy']:.2f} %" in measured("7", "About 100 epochs: training")
    assert percent(ours["train"]) in measured("7", "One epoch: training")
    assert percent(one["accuracy"]["conv"]["test"]) in measured("7", "That one epoch")
    gains = one["gain"]
    matters = measured("4", "That similarity is measured at all matters, on MNIST")
    for name in ("embedded_gaussian over none", "dot_product over none", "embedded_gaussian over conv"):
        assert points(gains[name]["test"]) in matters
    assert points(gains["embedded_gaussian over none"]["test"]) in measured("7", "That one epoch")
    for part, start in ((one, "Which f is used"), (five, "The same after five")):
        kind = part["function_matters_little"]["test"]
        for name in ("range_between_functions", "sd_over_seeds", "gain_over_none"):
            assert f"{100 * kind[name]:.2f}".removeprefix("-") in measured("4", start), name
    five_gain = points(five["gain"]["embedded_gaussian over none"]["test"])
    assert five_gain in matters
    assert five_gain in measured("1", "It improves image")


def test_overlaps_are_those_of_the_result_files():
    elsewhere, own_view = measured("8", "The CNN looked"), measured("8", "The block shows")
    for folder in ("classifier-article", "classifier"):
        found = json.loads((RESULTS / folder / "figures.json").read_text(encoding="utf-8"))
        heat = found["overlap"]["misread"]["heat_of_the_class_read"]
        assert (heat["verdict"], heat["verdict_others"]) == ("the same place", "no difference")
        assert f"{100 * heat['overlap']:.1f}" in elsewhere
        assert f"{100 * heat['any_box']:.1f} %" in elsewhere
        assert f"{100 * heat['others_box']:.1f}" in own_view


def measured(section, start):
    """Return what was measured of the one claim that begins so."""
    (cell,) = (row["measured"] for (point, claim), row in ROWS.items() if point == section and claim.startswith(start))
    return cell


# Figure 2, and the sentences around it


def test_alike_boxes_weigh_and_others_next_to_nothing():
    stripes = 60.0 + 120.0 * (np.arange(48) % 12 < 6) * np.ones((48, 1))
    noisy = stripes + np.random.default_rng(0).normal(0, 15, stripes.shape)
    weights = nlmeans.weight_map(noisy, (20, 27), sigma=15, patch_radius=2, search_radius="image", quality="fast")
    alike = np.delete(weights[:, 3::12], 20, axis=0)  # where p lies in its stripe, further up, down and across
    assert np.median(alike) > 500 * np.median(weights[:, 9::12])
    assert alike.min() > weights[:, 9::12].max()


def test_every_one_of_50176_pixels_is_weighed():
    flat = 100 + np.random.default_rng(0).normal(0, 10, (224, 224))
    weights = nlmeans.weight_map(flat, (5, 200), sigma=10, patch_radius=3, search_radius="image", quality="fast")
    assert np.count_nonzero(weights) == 50_176
    assert weights.sum() == pytest.approx(1)
    assert weights.max() < 0.05


def test_the_search_radius_is_the_only_difference():
    from benchmarks.suites.locality import NEIGHBOURS, RADII, SUITE

    cases = [case for case in SUITE.cases if case.name.startswith("radius-")]
    assert [case.name for case in cases] == ["radius-camera", "radius-brick"]
    for case in cases:
        assert set(case.methods) == {*RADII, *NEIGHBOURS}
    assert set(NEIGHBOURS) == {"gaussian-blur", "median-filter"}
    options = [dict(method.options) for method in RADII.values()]
    assert [f"radius-{one.pop('search_radius')}" for one in options] == list(RADII)
    assert "radius-image" in RADII
    assert all(one == options[0] for one in options)


# The network, and the matrix form


def classifier():
    """Return the article's network with random blocks, ready to evaluate, and torch."""
    torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
    from nonlocal_block import NonLocalClassifier

    torch.manual_seed(0)
    network = NonLocalClassifier()
    for block in (network.nl_1, network.nl_2):
        torch.nn.init.normal_(block.norm.weight)
    return torch, network.eval()


def test_the_layers_are_the_articles():
    torch, network = classifier()
    from nonlocal_block import NonLocalBlock2d

    nn = torch.nn
    assert [name for name, _ in network.named_children()] == ["conv_1", "nl_1", "conv_2", "nl_2", "conv_3", "fc"]
    for stage, before, after in ((network.conv_1, 1, 32), (network.conv_2, 32, 64), (network.conv_3, 64, 128)):
        assert [type(part) for part in stage] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]
        conv, _, _, pool = stage
        assert (conv.in_channels, conv.out_channels) == (before, after)
        assert (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
        assert (pool.kernel_size, pool.stride) == (2, 2)
    for block, channels in ((network.nl_1, 32), (network.nl_2, 64)):
        assert isinstance(block, NonLocalBlock2d)
        assert block.theta.weight.shape == (channels // 2, channels, 1, 1)
    assert [type(part) for part in network.fc] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    sizes = [(part.in_features, part.out_features) for part in (network.fc[0], network.fc[3])]
    assert (sizes, network.fc[2].p) == ([(128 * 3 * 3, 256), (256, 10)], 0.5)


def test_the_lost_lines_give_the_logits():
    torch, network = classifier()
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        logits, maps = network.forward_with_nl_map(x)
        nl_feature_1, nl_map_1 = network.nl_1(network.conv_1(x), return_nl_map=True)
        nl_feature_2, nl_map_2 = network.nl_2(network.conv_2(nl_feature_1), return_nl_map=True)
        output = network.conv_3(nl_feature_2)
        output = network.fc(output.flatten(1))
    assert torch.equal(output, logits)
    assert all(torch.equal(one, other) for one, other in zip(maps, [nl_map_1, nl_map_2], strict=True))


def test_products_additions_and_a_softmax_are_all_there_is():
    torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
    from nonlocal_block import NonLocalBlock2d

    torch.manual_seed(0)
    block = NonLocalBlock2d(6, norm=None, zero_init=False)
    x = torch.randn(2, 6, 4, 5)
    pixels = x.flatten(2).mT  # HW × C, as in figure 5

    def embedded(layer, rows):
        return rows @ layer.weight.flatten(1).T + layer.bias

    with torch.no_grad():
        theta, phi, g = (embedded(layer, pixels) for layer in (block.theta, block.phi, block.g))
        z = embedded(block.out, torch.softmax(theta @ phi.mT, dim=2) @ g) + pixels
        torch.testing.assert_close(block(x).flatten(2).mT, z, rtol=1e-5, atol=1e-5)
        bare = embedded(block.out, (theta @ phi.mT) @ g) + pixels
        assert not torch.allclose(bare, z, atol=1e-2)  # the softmax cannot be left out
