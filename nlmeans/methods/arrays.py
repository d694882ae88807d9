"""Arrays in memory, whole: separate images are decided for and denoised one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _checks
from .._progress import bar, part, shares_of, stoppable
from ..pairwise.tiles import available_cpus
from ..plan.options import WORK, Options
from ..plan.plan import Plan
from ..plan.report import Maps, Report
from . import registry, scales
from .method import Method
from .part import Pixels, Result, denoised
from .sample import Sample

logger = logging.getLogger("nlmeans")

PATIENCE = 10.0
"""Seconds of expected work from which a notice is logged."""


def denoise(image: Any, method: Method, given: Mapping[str, Any], *, maps: bool = False) -> tuple[np.ndarray, Report]:
    """Denoise an array by the arguments of `nlmeans.denoise`; return what it is and what was done."""
    start = time.perf_counter()
    array = _checks.image(image)
    registry.check(method, given)
    options = Options.check(array, **{name: value for name, value in given.items() if name not in WORK})
    keep, dtype = _checks.flag(given["fill"], "fill") is False, _checks.result_type(given["dtype"], array.dtype)
    _checks.fits(dtype, array)
    threads = method.threads(_checks.threads(given["threads"]) or available_cpus())
    target = _checks.output(given["out"], array, dtype)
    progress, cancel = _checks.progress(given["progress"]), _checks.cancel(given["cancel"])

    sources = options.layout.planes(array)
    results: list[Result] = []
    alive = stoppable(None, cancel)
    with bar(progress) as shown:
        notify = stoppable(shown, cancel)
        for k, source in enumerate(sources):
            running, tuning = part(notify, k, len(sources)), None
            if isinstance(options.strength, str):  # it is chosen first
                tuning, running = shares_of(running, (1, 2))
            sample = Sample.of(source, options, k)
            recipe = scales.decide(method, sample, options, tuning)
            if alive is not None:
                alive(k, len(sources))
            if recipe.plan.seconds / threads > PATIENCE:
                logger.info("about %.0f s of work on %d threads", recipe.plan.seconds / threads, threads)
            pixels = Pixels(source, maps=options.maps_of(k), guide=None if options.guide is None else options.guide[k])
            prepared = sample.pixels, None if recipe.coarser is not None else sample.planes, sample.noise
            results.append(
                denoised(pixels, recipe, prepared, keep=keep, maps=maps, threads=threads, progress=running, dtype=dtype)
            )
            del sample, prepared
    if len(results) == 1:
        stack = results[0].pixels[None]
    else:
        stack = np.stack([one.pixels for one in results]).astype(dtype, copy=False)  # of its byte order
    result = options.layout.array(stack)
    if target is None:
        result = np.ascontiguousarray(result)
    else:
        target[...] = result
        result = target
    report = method.report(
        tuple(one.plan for one in results), time.perf_counter() - start, threads,
        sum(one.missing for one in results), sum(one.unfilled for one in results), sum(one.kept for one in results),
        Maps.joined([one.maps for one in results], options.layout),
    )  # fmt: skip
    return result, report


def plan(image: Any, method: Method, given: Mapping[str, Any]) -> Plan:
    """Return the plan of an array, of the first of separate images, by the arguments of `nlmeans.plan`."""
    array = _checks.image(image)
    registry.check(method, given)
    options = Options.check(array, **given)
    result: Plan = scales.decide(method, Sample.of(options.layout.planes(array)[0], options, 0), options).plan
    return result
