"""The README's tables and its chart, made of committed results: ``python -m benchmarks tables``.

What stands in a file between ``<!-- table: NAME -->`` and ``<!-- end -->`` is made of the results that lie beside this
program; nothing there is written by hand, and a test says where that is no longer so. ``--check`` writes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..harness import environment, schema
from .report import groups
from .show import mean

RESULTS = Path(__file__).parents[1] / "results"
PAGES = ("README.md", "docs/article.md", "docs/migration.md", "docs/large.md", "benchmarks/README.md")
MARK = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
SETS = ("Set12", "BSD68", "Kodak24")
SIGMAS = (15, 25, 50)
QUALITY = {
    "opencv-nlm": "OpenCV's NLM", "skimage-bilateral": "scikit-image: bilateral",
    "skimage-wavelet": "scikit-image: wavelet", "skimage-tv": "scikit-image: total variation",
    "skimage-nlm": "scikit-image: NLM",
    "nlmeans-fast": '`quality="fast"`', "nlmeans-balanced": '`quality="balanced"`, the default',
    "nlmeans-best": '`quality="best"`', "bm3d": "BM3D's package",
    "ridge-fast": '`method="ridge", quality="fast"`', "ridge": '`method="ridge"`',
    "ridge-best": '`method="ridge", quality="best"`', "learned": '`method="learned"`',
    "learned-best": '`method="learned", quality="best"`',
}  # fmt: skip
CONTESTS = {
    "grey-p7-w21": "grey 512², patch 7×7, window 21×21",
    "grey-p5-w35": "grey 512², patch 5×5, window 35×35",
    "colour-p7-w21": "colour 512², patch 7×7, window 21×21",
}
WAYS = {
    "convolutions": "3×3 convolutions",
    "convolutions-pooled": "the same, 2×2 pooling after each",
    "block": "one block",
}


def latest(suite: str) -> list[schema.Record]:
    """Return the results of a suite of this version: those of the machine that was measured last."""
    found = schema.found(RESULTS / environment.own_version(), f"*/{suite}*.json")
    found = sorted((result for result in found if result["suite"] == suite), key=lambda result: str(result["date"]))
    return [result for result in found if result["machine"]["cpu"] == found[-1]["machine"]["cpu"]]


def cases(suite: str) -> dict[tuple[str, int], dict[str, schema.Record]]:
    """Return the measured methods of a suite's cases, by the case's name and threads, then by their own names."""
    found: dict[tuple[str, int], dict[str, schema.Record]] = {}
    for result in latest(suite):
        for case in result["cases"]:
            measured = {method["name"]: method for method in case["methods"] if method["status"] == "measured"}
            found[case["name"], case["threads"]] = measured
    return found


def quality() -> list[str]:
    """Return the mean PSNR of every method on the standard sets."""
    known = {name: methods for (name, _), methods in cases("quality").items()}

    def cell(method: str, source: str) -> str:
        values = [known.get(f"{source}-{sigma}", {}).get(method) for sigma in SIGMAS]
        return " / ".join("–" if value is None else f"{mean(value['measures']['psnr']):.2f}" for value in values)

    rows = [[words, *(cell(method, source) for source in SETS)] for method, words in QUALITY.items()]
    return table(["", "Set12", "BSD68", "Kodak24, colour"], rows)


def speed() -> list[str]:
    """Return what the same work takes, beside OpenCV and scikit-image."""
    rows = []
    for (name, threads), methods in cases("speed").items():
        if name in CONTESTS:
            float_, bytes_ = methods["nlmeans-float32"], methods["nlmeans-uint8"]
            cells = [ms(float_), beside(float_, methods, "scikit-image"), ms(bytes_), beside(bytes_, methods, "opencv")]
            rows.append([CONTESTS[name], str(threads), *cells])
    heads = ["the same work", "threads", "float", "scikit-image (one thread)", "8 bits", "OpenCV"]
    return table(heads, rows)


def whole() -> list[str]:
    """Return what volumes and searching everywhere take, and what the further steps cost."""
    found = {name: methods for (name, threads), methods in cases("speed").items() if threads == 2}
    rows = []
    for name, text in (
        ("volume-p3-w11", "volume 128³, patch 3³, window 11³"),
        ("whole-image-224", "grey 224², every pixel with every other"),
    ):
        own, *peers = found[name]
        rows.append(
            [
                text,
                ms(found[name][own]),
                "; ".join(f"{peer} {beside(found[name][own], found[name], peer)}" for peer in peers),
            ]
        )
    steps = [
        f"{name.removeprefix('nlmeans-')} {method['measures']['multiple']['median']:.1f}×"
        for name, method in found["passes-p5-w21"].items()
        if "multiple" in method["measures"]
    ]
    first = found["passes-p5-w21"]["nlmeans-float32"]
    rows.append(["grey 512², patch 5×5, window 21×21: fast", ms(first), f"as long as that: {', '.join(steps)}"])
    return table(["two threads", "nlmeans", ""], rows)


def classifier_rows() -> list[dict[str, str]]:
    """Return the test accuracy of the classifier by its blocks, after one epoch and after five."""
    words = {
        "none": "no block", "conv": "1×1 convolutions, as many parameters", "gaussian": "gaussian",
        "embedded_gaussian": "embedded gaussian, the article's", "dot_product": "dot product",
        "concatenation": "concatenation",
    }  # fmt: skip
    rows = []
    for name, text in words.items():
        row = {"blocks": text}
        for one in study("classifier")["comparisons"]:
            test = one["accuracy"][name]["test"]
            heading = f"{one['epochs']} epoch{'s' * (one['epochs'] > 1)}, {one['seeds']} seeds"
            row[heading] = f"{100 * test['mean']:.2f} ± {100 * test['sd']:.2f}"
        rows.append(row)
    return rows


def ablation_rows() -> list[dict[str, str]]:
    """Return what the denoiser's non-local stage gains, seed by seed."""
    return [
        {"gain of": what, **{name: ", ".join(f"{gain:+.2f}" for gain in each) for name, each in gains.items()}}
        for what, gains in study("ablation")["gain"].items()
    ]


def study(name: str) -> dict[str, Any]:
    """Return the committed result of a study of this version."""
    path = RESULTS / environment.own_version() / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def classifier() -> list[str]:
    """Return the classifier's rows as a table."""
    return named(classifier_rows())


def ablation() -> list[str]:
    """Return the ablation's rows as a table."""
    return named(ablation_rows())


def denoiser() -> list[str]:
    """Return what denoising one picture takes, learned, classical and by others."""
    words = {
        "learned": "`nonlocal_block.denoise`", "dncnn": "DnCNN's architecture, 17 layers of 64",
        "bm3d": "BM3D's package",
        "nlmeans-balanced": "`nlmeans.denoise`", "nlmeans-best": '`nlmeans.denoise`, `quality="best"`',
    }  # fmt: skip
    found = {threads: methods for (name, threads), methods in cases("denoiser").items() if name == "grey-512"}
    rows = []
    for name, text in words.items():
        cells = [
            ms(methods[name]) if name == "learned" else beside(methods["learned"], methods, name)
            for methods in found.values()
        ]
        dB = f"{mean(found[max(found)][name]['measures']['psnr']):.2f} dB" if name != "dncnn" else "–"
        rows.append([text, *cells, dB])
    return table(["`camera`, 512², σ = 25", *(f"{count} thread{'s' * (count > 1)}" for count in found), "PSNR"], rows)


def ridge() -> list[str]:
    """Return what groups of patches take, and how many times that BM3D's package takes."""
    words = {
        "ridge-fast": '`method="ridge", quality="fast"`', "ridge": '`method="ridge"`',
        "ridge-best": '`method="ridge", quality="best"`', "learned": '`method="learned"`', "bm3d": "BM3D's package",
    }  # fmt: skip
    places = [(f"{kind}-512", threads) for threads in (1, 2) for kind in ("grey", "colour")]
    found = [cases("denoiser")[place] for place in places]
    rows = []
    for name, text in words.items():
        cells = []
        for methods in found:
            times = methods[name].get("ratios", {}).get("bm3d")
            cells.append(ms(methods[name]) + ("" if times is None else f": **{times['median']:.0f}×**"))
        rows.append([text, *cells])
    heads = [f"{kind}, {threads} thread{'s' * (threads > 1)}" for threads in (1, 2) for kind in ("grey", "colour")]
    return table(["512², σ = 25: time, and how many times that BM3D takes", *heads], rows)


def stages() -> list[str]:
    """Return where method "ridge" spends its time."""
    from ..studies.ridge_stages import shown

    return named(shown(study("ridge-stages")))


def migration() -> list[str]:
    """Return what calls of other libraries take, and what takes their place."""
    from ..studies.migration import shown

    return named(shown(study("migration")))


def large() -> list[str]:
    """Return runs from disk to disk beside those in memory."""
    from ..studies.large import shown

    return named(shown(study("large")))


def budgets() -> list[str]:
    """Return budgets of memory, and what was used of them."""
    from ..studies.large import shown_budgets

    return named(shown_budgets(study("large")))


def by_dask() -> list[str]:
    """Return runs by dask beside those in memory."""
    from ..studies.large import shown_dask

    return named(shown_dask(study("large")))


def block() -> list[str]:
    """Return what the block takes beside plain PyTorch."""
    found = {name: methods for (name, threads), methods in cases("learned").items() if threads == 2}
    rows = []
    for name, words in (("window-exp", "embedded gaussian"), ("window-distance", "distance")):
        timed, fresh = found[name], found[f"{name}-fresh"]
        for method, text in (("block-numba", "on the core"), ("torch-unfold", "in plain PyTorch with `unfold`")):
            memory = fresh[method]["measures"]["extra_memory"]["median"] / 1e6
            slower = timed["block-numba"]["ratios"]["torch-unfold"]["median"]
            larger = fresh["block-numba"]["ratios"]["torch-unfold (memory)"]["median"]
            losses = "" if method == "block-numba" else f"{slower:.0f}× slower, {larger:.0f}× larger"
            rows.append([f"{words} {text}", ms(timed[method]), f"{memory:.0f} MB", losses])
    return table(["", "forward and backward", "memory", ""], rows)


def scaling() -> list[str]:
    """Return the exponents of time and memory."""
    names = {
        "nlmeans-float32": "`nlmeans.denoise`",
        "learned": "learned",
        "opencv": "OpenCV",
        "scikit-image": "scikit-image",
    }
    fits = {(f["sweep"], f["measure"], f["method"]): f for result in latest("scaling") for f in result.get("fits", ())}
    rows = []
    for sweep, measure in dict.fromkeys((sweep, measure) for sweep, measure, _ in fits):
        if measure == "extra_memory" and sweep not in ("pixels", "candidates in the window"):
            continue
        found = [fits.get((sweep, measure, name)) for name in names]
        what = f"{'seconds' if measure == 'seconds' else 'memory'} by {sweep}"
        rows.append([what, *("–" if fit is None else f"{fit['exponent']:.2f}" for fit in found)])
    return table(["exponent of", *names.values()], rows)


def reach() -> list[str]:
    """Return how many layers see a whole picture, beside one block."""
    rows = []
    for (name, _), methods in cases("locality").items():
        if name.startswith("reach-"):
            side = name.removeprefix("reach-")
            for method, words in WAYS.items():
                measures = methods[method]["measures"]
                numbers = [f"{measures['layers']['median']:.0f}", f"{measures['parameters']['median'] / 1e3:,.0f} k"]
                work = measures["macs"]["median"] / 1e6
                rows.append([f"{side}²", words, *numbers, f"{work:,.0f} M", ms(methods[method])])
    return table(["picture", "", "layers", "parameters", "multiply-adds", "forward pass"], rows)


def radius() -> list[str]:
    """Return the dB by how far non-local means searches."""
    found = {name: methods for (name, _), methods in cases("locality").items() if name.startswith("radius-")}
    names = list(dict.fromkeys(method for methods in found.values() for method in methods))
    heads = [name.removeprefix("radius-") for name in names]
    rows = [
        [name.removeprefix("radius-"), *(f"{mean(methods[method]['measures']['psnr']):.2f}" for method in names)]
        for name, methods in found.items()
    ]
    return table(["search radius", *heads], rows)


TABLES: dict[str, Callable[[], list[str]]] = {
    "quality": quality, "speed": speed, "whole": whole, "denoiser": denoiser, "block": block, "classifier": classifier,
    "ablation": ablation, "scaling": scaling, "reach": reach, "radius": radius, "ridge": ridge, "stages": stages,
    "migration": migration, "large": large, "budgets": budgets, "dask": by_dask,
}  # fmt: skip


def ms(method: schema.Record) -> str:
    """Return a method's median time."""
    seconds = method["measures"]["seconds"]["median"]
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def beside(own: schema.Record, methods: dict[str, schema.Record], peer: str) -> str:
    """Return a peer's median time, and how many times ours that is, round by round."""
    if peer not in own["ratios"]:
        return "–"
    return f"{ms(methods[peer])}: **{times(own['ratios'][peer]['median'])}×**"


def times(ratio: float) -> str:
    """Return a ratio with as many digits as tell something."""
    return f"{ratio:.{2 if ratio < 0.95 else 1 if ratio < 9.95 else 0}f}"


def named(rows: Sequence[dict[str, str]]) -> list[str]:
    """Return rows whose cells have the names of columns as a table."""
    return table(list(rows[0]), [list(row.values()) for row in rows])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def filled(text: str) -> str:
    """Return a page with all its tables made anew; ValueError where it asks for one that there is not."""

    def made(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise ValueError(f"there is no table {found[2]!r}; there are {', '.join(TABLES)}")
        return found[1] + "\n".join(TABLES[found[2]]()) + "\n" + found[4]

    return MARK.sub(made, text)


def chart(folder: Path) -> list[Path]:
    """Draw dB against time for each kind of picture, and return the files."""
    from .charts import pareto

    written = []
    for title, points in groups([case for result in latest("quality") for case in result["cases"]]).items():
        path = folder / f"pareto-{title.split(',')[0].lower()}.svg"
        # By itself, outside a page, a chart has to bring its ink for light and for dark.
        ink = "<style>:root{color:#1c1e22}@media(prefers-color-scheme:dark){:root{color:#e8e9ec}}</style>"
        path.write_text(re.sub(r"(<svg[^>]*>)", rf"\1{ink}", pareto(title, points), count=1), encoding="utf-8")
        written.append(path)
    return written


def main(arguments: list[str] | None = None) -> int:
    """Make the tables of all pages anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say which pages are not what the results say; write none")
    options = parser.parse_args(arguments)
    old = []
    for name in PAGES:
        path = environment.ROOT / name
        text = path.read_text(encoding="utf-8")
        made = filled(text)
        if made != text:
            old.append(name)
            if not options.check:
                path.write_text(made, encoding="utf-8")
    if not options.check:
        old += [str(path.relative_to(environment.ROOT)) for path in chart(environment.ROOT / "docs")]
    for name in old:
        print(f"{name} {'is not what the results say' if options.check else 'written'}")
    return int(options.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
