"""Which call for which picture, and what not being told σ costs: tables of several suites' results, for the docs."""

from __future__ import annotations

from collections.abc import Iterator

from ..harness import schema
from ..harness.published import Published, Table, seconds, table
from ..harness.timing import mean
from ..harness.words import WORDS
from .report import HIDDEN

OWN = (
    "nlmeans-preview", "nlmeans-fast", "nlmeans-balanced", "nlmeans-best", "ridge-fast", "ridge", "ridge-best",
    "learned-fast", "learned", "learned-best",
)  # fmt: skip
DEFAULT = "nlmeans-balanced"
PICTURES = {
    "BSD68": "grey",
    "Kodak24": "colour",
    "phantom": "volume, 128³",
    "small-phantom": "volume, 32³",
    "PolyU": "photographs of cameras",
    "FMD": "fluorescence",
}
PIXELS = {"BSD68": 481 * 321, "Kodak24": 768 * 512}
MIDDLE = 25
UNTOLD = {"nlmeans-balanced": "the default", "learned": WORDS["learned"]}

Point = tuple[str, float, float]
"""A method's name, its seconds and its dB."""


def cases(published: Published) -> Iterator[tuple[str, list[Point]]]:
    """Yield what was denoised, and our methods: of pictures whose noise was known first."""
    for suite in ("quality", "real"):
        by_name = {case["name"]: case for result in published.latest(suite) for case in result["cases"]}
        for case in by_name.values():
            source, sigma = case["parameters"]["source"], case["parameters"]["sigma"]
            if source in PICTURES:
                words = PICTURES[source] + (f", σ = {sigma:g}" if case["parameters"]["known"] else "")
                yield words, points(case)


def points(case: schema.Record) -> list[Point]:
    """Return our methods of a case, the fastest first."""
    by_name = {method["name"]: method["measures"] for method in case["methods"] if method["status"] == "measured"}
    return sorted(
        ((name, by_name[name]["seconds"]["median"], mean(by_name[name]["psnr"])) for name in OWN if name in by_name),
        key=lambda point: point[1],
    )


def short(name: str) -> str:
    """Return a method and its quality in a word or two."""
    method, _, quality = name.removeprefix("nlmeans-").partition("-")
    return f"**{method}{f', {quality}' * bool(quality)}**"


def choice(published: Published) -> list[str]:
    """Return the quickest, the default, the best, and what is hard to tell from it, for each kind of picture."""

    def figures(point: Point) -> str:
        return f"{point[2]:.2f} dB, {seconds(point[1])}".replace(" ", "\u00a0")

    rows = []
    for words, ours in cases(published):
        best = max(ours, key=lambda point: point[2])
        near = next(point for point in ours if point[2] >= best[2] - HIDDEN)
        default = next(point for point in ours if point[0] == DEFAULT)
        chosen = [f"{short(point[0])} {figures(point)}" for point in (ours[0], near, best)]
        rows.append([words, chosen[0], figures(default), *chosen[1:]])
    heads = ["pictures", "the quickest", "the default", f"within {HIDDEN} dB of the best", "the best"]
    return table(heads, rows)


def every(published: Published) -> list[str]:
    """Return dB and seconds a megapixel of all our methods, grey and coloured."""
    by_source = {source: _known(published, source) for source in PIXELS}
    rows = []
    for name in OWN:
        cells = [
            cell
            for source, pixels in PIXELS.items()
            for cell in _dB_and_time(by_source[source].get(name), pixels)
        ]  # fmt: skip
        if any(cell != "–" for cell in cells):
            rows.append([WORDS[name], *cells])
    return table([f"σ = {MIDDLE}, one thread", "grey: dB", "a megapixel", "colour: dB", "a megapixel"], rows)


def untold(published: Published) -> list[str]:
    """Return what is lost, in dB and in seconds, where σ has to be estimated."""
    rows = []
    for source in PIXELS:
        for name, words in UNTOLD.items():
            told, estimated = (_known(published, source).get(key) for key in (name, f"{name}-estimated"))
            if told and estimated:
                lost = mean(told["psnr"]) - mean(estimated["psnr"])
                more = estimated["seconds"]["median"] - told["seconds"]["median"]
                rows.append([PICTURES[source], words, f"{lost:.2f} dB", seconds(more)])
    return table([f"σ = {MIDDLE}, one thread", "method", "lost", "takes longer by"], rows)


def _known(published: Published, source: str) -> dict[str, schema.Record]:
    """Return the measures of a set's methods at the middle σ, by name."""
    methods = published.cases("quality").get((f"{source}-{MIDDLE}", 1), {})
    return {name: method["measures"] for name, method in methods.items()}


def _dB_and_time(measures: schema.Record | None, pixels: int) -> tuple[str, str]:
    if measures is None:
        return "–", "–"
    return f"{mean(measures['psnr']):.2f}", seconds(1e6 * measures["seconds"]["median"] / pixels)


TABLES: dict[str, Table] = {"choice": choice, "methods": every, "untold": untold}
