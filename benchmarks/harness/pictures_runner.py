"""Runs cases of the kind "pictures": every method on each picture, its dB, its SSIM and its seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .cases import PEAK
from .checks import Finding
from .methods import CannotRun, Method
from .metrics import psnr, ssim
from .schema import Record
from .sets import Pair, QualityCase, Sample
from .timing import describe, pinned, summary, timed

AGAIN = 80.0
"""dB that an answer has against the first one, where it is the same but for rounding."""
BEST = 150.0
"""dB that stand for infinity, which JSON has not: of a picture without noise, say."""
CORNER = 64
SLOW = 2.0
"""Seconds beyond which one call is time enough."""
DIGITS = 5
"""What is kept of a figure: pictures by the hundred make long files."""

Keep = Callable[[str, str, np.ndarray], None]
"""Takes the name of a picture, of a method, and the answer."""


@dataclass
class Tally:
    """What a method reached on the pictures so far."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    alien: int = 0
    wild: int = 0

    def add(self, answer: Any, pair: Pair) -> None:
        """Check an answer before its time counts; ArithmeticError where it is none."""
        noisy, clean = pair
        if not isinstance(answer, np.ndarray) or answer.shape != noisy.shape:
            self.alien += 1
        else:
            self.wild += answer.size - int(np.count_nonzero(np.isfinite(answer)))
        if wrong := [str(finding) for finding in self.findings() if not finding.passed]:
            raise ArithmeticError("wrong answer: " + "; ".join(wrong))
        shown = np.clip(answer, 0, PEAK).astype(np.float64)
        self.psnr.append(min(BEST, psnr(shown, clean)))
        self.ssim.append(ssim(shown, clean))

    def findings(self) -> list[Finding]:
        """Return what is to be said of all answers."""
        return [
            Finding("answers that are no array of the picture's shape", self.alien, "<=", 0),
            Finding("values that are not finite", self.wild, "<=", 0),
        ]

    def measures(self, timed_too: bool) -> Record:
        """Return the summaries as they stand in result files: a value a picture; seconds a round besides."""
        figures = {"psnr": summary(rounded(self.psnr), "dB"), "ssim": summary(rounded(self.ssim), "SSIM")}
        if timed_too:
            figures["seconds"] = summary(rounded(self.seconds), "s")
        return figures


def same(answer: Any, first: np.ndarray) -> bool:
    """Say whether an answer is the first one again; sums may add up in another order."""
    return np.shape(answer) == first.shape and psnr(np.asarray(answer, float), first.astype(float)) >= AGAIN


def rounded(values: Sequence[float]) -> list[float]:
    """Return values with as many digits as mean something."""
    return [float(f"{value:.{DIGITS}g}") for value in values]


def run_pictures(
    case: QualityCase, able: Sequence[tuple[Method, Record]], threads: int, rounds: int, keep: Keep | None = None
) -> Record:
    """Measure methods on all pictures of a case, picture by picture, in an order that rotates.

    Parameters
    ----------
    case : QualityCase
        The pictures.
    able : sequence of (Method, dict)
        The methods that can run, and their records, which are filled in.
    threads : int
        Threads that each may use.
    rounds : int
        How often a picture is timed after a first call with it; 0 where there are so many pictures that the first
        call of each is time enough. Methods that take more than `SLOW` seconds are not called again.
    keep : callable, optional
        Is given every answer to the first picture.

    Returns
    -------
    dict
        What belongs to the case's record: the names of the pictures that were measured, and those that could not be
        read, with the reason.
    """
    unreadable: list[Record] = []
    names: list[str] = []
    tallies = {method.name: Tally() for method, _ in able}
    for _, record in able:
        record |= {"status": "measured", "reason": None}
    with pinned(threads):
        samples = case.subject()
        for k, sample in enumerate(samples):
            tell(k, len(samples))
            try:
                pair = loaded(sample)
            except (OSError, ValueError) as error:
                unreadable.append({"name": sample.name, "reason": str(error)})
                continue
            if not names:
                _warm(case, able, pair, threads)
                if keep:
                    keep(sample.name, "clean", pair[1])
            shown = partial(keep, sample.name) if keep and not names else None
            _picture(case, _rotated(able, len(names)), tallies, pair, threads, rounds, shown)
            names.append(sample.name)
    tell(len(samples), len(samples))
    _settle(able, tallies, bool(names))
    return {"pictures": names, "unreadable": unreadable}


def tell(done: int, total: int) -> None:
    """Say on a terminal how many pictures are done; the line is wiped out at the end."""
    if total > 1 and sys.stderr.isatty():
        end = "\r\033[K" if done == total else ""
        print(f"\r  {done} of {total} pictures{end}", end="", file=sys.stderr, flush=True)


def _rotated(able: Sequence[tuple[Method, Record]], turn: int) -> list[tuple[Method, Record]]:
    start = turn % max(len(able), 1)
    return [*able[start:], *able[:start]]


def _picture(
    case: QualityCase, able: Sequence[tuple[Method, Record]], tallies: dict[str, Tally], pair: Pair, threads: int,
    rounds: int, shown: Callable[[str, np.ndarray], None] | None,
) -> None:  # fmt: skip
    """Measure all methods on one picture: first their answers, then, round by round, their times."""
    noisy, sigma = case.given(pair[0])
    times: dict[str, list[float]] = {}
    first: dict[str, np.ndarray] = {}
    for turn in range(1 + rounds):
        for method, record in able:
            if record["status"] != "measured" or (turn and times[method.name][0] > SLOW):
                continue
            try:
                method.pin(threads)
                call = method.call(case, noisy.copy(), sigma, threads)
                answer, reading = timed(call)
                if turn == 0:
                    record["call"] = record["call"] or str(call)
                    tallies[method.name].add(answer, pair)
                    first[method.name] = answer
                    if shown:
                        shown(method.name, answer)
                elif not same(answer, first[method.name]):
                    raise ArithmeticError("a timed answer differs from the one that was checked")
                times.setdefault(method.name, []).append(reading.seconds)
            except CannotRun as error:
                record |= {"status": "skipped", "reason": str(error), "install": error.install}
            except Exception as error:
                record |= {"status": "failed", "reason": describe(error)}
    for name, seconds in times.items():
        tallies[name].seconds += seconds[1:] or seconds


def loaded(sample: Sample) -> Pair:
    """Return a noisy and a clean picture; ValueError where their sizes differ."""
    noisy, clean = sample.load()
    if noisy.shape != clean.shape:
        raise ValueError(
            f"{sample.name}: a noisy picture must have its clean one's size; got {noisy.shape} and {clean.shape}"
        )
    return noisy, clean


def _warm(case: QualityCase, able: Sequence[tuple[Method, Record]], pair: Pair, threads: int) -> None:
    """Make every method's first call, which may compile, on a corner; what goes wrong shows on the whole picture."""
    noisy, sigma = case.given(pair[0][tuple(slice(CORNER) for _ in range(pair[0].ndim - case.colour))].copy())
    for method, record in able:
        with suppress(Exception):
            method.pin(threads)
            record["first_call_s"] = timed(method.call(case, noisy, sigma, threads))[1].seconds


def _settle(able: Sequence[tuple[Method, Record]], tallies: dict[str, Tally], any_pictures: bool) -> None:
    """Put what methods reached into their records; one that failed on any picture has no figures."""
    for method, record in able:
        tally = tallies[method.name]
        if not any_pictures:
            record |= {"status": "failed", "reason": "no picture could be read"}
        elif record["status"] == "measured":
            record["checks"] = [finding.record() for finding in tally.findings()]
            record["measures"] = tally.measures(method.name != "noisy")
        if record["status"] != "measured":
            record.pop("first_call_s", None)


def folder_keeper(folder: Path) -> Keep:
    """Return what saves answers as ``folder/PICTURE/METHOD.png``, clipped to bytes."""
    from PIL import Image

    def keep(picture: str, method: str, answer: np.ndarray) -> None:
        place = folder / Path(picture).stem
        place.mkdir(parents=True, exist_ok=True)
        shown = np.clip(np.rint(answer), 0, PEAK).astype(np.uint8)
        Image.fromarray(shown[len(shown) // 2] if shown.ndim == 3 and shown.shape[-1] != 3 else shown).save(
            place / f"{method}.png"
        )

    return keep
