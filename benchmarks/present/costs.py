"""What a call costs besides its work, and on large pictures: tables of several suites' results, for the docs."""

from __future__ import annotations

from ..harness.published import Published, Table, seconds, table

MEANS, RIDGE, LEARNED = ("speed", "nlmeans-float32"), ("denoiser", "ridge"), ("denoiser", "learned")
ROWS: dict[tuple[str, str], tuple[str, str, str]] = {
    ("the first call ever, which compiles", "compiled_first_call"): ("first-call", "ridge-first-call", "first-call"),
    ("the first call of a process", "cached_first_call"): ("first-call", "ridge-first-call", "first-call"),
    ("1024²", "seconds"): ("", "ridge-1024", "grey-1024"),
    ("2048²", "seconds"): ("", "ridge-2048", "grey-2048"),
    ("4096²", "seconds"): ("memory-r10", "ridge-memory-4096", "memory-4096"),
    ("4096²: memory beyond the picture, with the result", "extra_memory"): (
        "memory-r10", "ridge-memory-4096", "memory-4096",
    ),
}  # fmt: skip
THREADS = 2
PROGRAMS = {"nlmeans-uint8": "`nlmeans denoise`", "opencv": "OpenCV", "scikit-image": "scikit-image"}


def costs(published: Published) -> list[str]:
    """Return first calls, large pictures and memory of the three methods."""
    by_suite = {suite: published.cases(suite) for suite in ("speed", "denoiser")}

    def cell(suite: str, method: str, case: str, measure: str) -> str:
        measures = by_suite[suite].get((case, THREADS), {}).get(method, {}).get("measures", {})
        if measure not in measures:
            return "–"
        number = float(measures[measure]["median"])
        return f"{number / 1e6:.0f} MB" if measures[measure]["unit"] == "bytes" else seconds(number)

    rows = [
        [words, *(cell(*method, case, measure) for method, case in zip((MEANS, RIDGE, LEARNED), cases, strict=True))]
        for (words, measure), cases in ROWS.items()
    ]
    return table(["two threads", "one pass of non-local means", '`method="ridge"`', '`method="learned"`'], rows)


def programs(published: Published) -> list[str]:
    """Return what whole programs take that read, denoise and write one picture."""
    cases = {threads: methods for (name, threads), methods in published.cases("speed").items() if name == "program-png"}
    rows = [
        [words, *(seconds(methods[name]["measures"]["seconds"]["median"]) for methods in cases.values())]
        for name, words in PROGRAMS.items()
    ]
    heads = (f"{threads} thread{'s' * (threads > 1)}" for threads in cases)
    return table(["a whole program: a PNG of 512² in, one out", *heads], rows)


TABLES: dict[str, Table] = {"costs": costs, "programs": programs}
