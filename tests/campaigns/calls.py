"""Random calls of the public functions: what may be raised, what may come out, and what may not be touched.

``python -m tests.campaigns.calls --count 5000`` draws so many calls, each from a seed of its own, prints those that
break a rule, and ends with their number as its exit status; ``--only SEED`` makes one of them again. The rules:
TypeError, ValueError or an error of the library's own, and no other; no warning of NumPy's; from finite pixels finite
ones; the image's shape and dtype; nothing written into what was given.
"""

from __future__ import annotations

import argparse
import inspect
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nlmeans
from nlmeans import convert, datasets, noise
from nlmeans.compat import opencv, skimage
from nlmeans.noise import vst

ALLOWED = (TypeError, ValueError, nlmeans.Cancelled)
LONG = 60
"""Seconds of the processor after which a call is ended and counts as a breach."""
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")
ODD_DTYPES = ("?", "i8", "u8", "c8", "c16", "O", "U3", "M8[s]", "f4,f4", ">f4", ">u2", "g")
ODD = (
    *(None, True, False, 0, 1, -1, 2, 1.5, -0.5, 1e-300, 1e300, -1e300, 5e-324, float("nan"), float("inf"), 10**400),
    *("", "x", "auto", b"x", (), [], {}, [1], (1, 2), [1, 2, 3], [None], [[1, 2]], "YX", object, lambda *_: 0, 1 + 2j),
    *(np.float32(2), np.int64(1), np.bool_(True), np.array(1.0), np.array([1, 2]), np.zeros((2, 2)), np.ones(0)),
)
"""What an option may be given by mistake."""


class TooLong(BaseException):
    """A call took longer than it may."""


@dataclass
class Call:
    """One call, and what it is judged by."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    image: np.ndarray | None = None
    keeps: bool = False
    also: tuple[type[Exception], ...] = ()

    def __str__(self) -> str:
        parts = [_short(value) for value in self.args] + [f"{k}={_short(v)}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 4:
        numbers = value.dtype.kind in "biuf"
        ends = f", {value.min()} to {value.max()}" if numbers else ""
        return f"<{value.dtype} {value.shape}{ends}>"
    try:
        text = repr(value)
    except ValueError:
        text = "<a number of many digits>"
    return text if len(text) < 90 else text[:87] + "..."


class Draw:
    """Random arguments."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.rng = np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        """Return one of several."""
        return self.pick.choice(choices)

    def chance(self, share: float) -> bool:
        """Return whether something happens that has this probability."""
        return self.pick.random() < share

    def shape(self, least: int = 2, most: int = 3) -> tuple[int, ...]:
        """Return sides, mostly small and odd."""
        if self.chance(0.04):
            return self.one((), (0,), (5,), (0, 5), (4, 0, 3), (1, 1), (1, 1, 1), (1,) * 6, (2,) * 5)
        count = self.pick.randint(least, most)
        top = {2: 40, 3: 12}.get(count, 5)
        return tuple(self.one(1, 2, 3, 5, 7, 8, 9, 13, self.pick.randint(1, top)) for _ in range(count))

    def pixels(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an image of any kind."""
        kind = self.one(*DTYPES) if self.chance(0.93) else self.one(*ODD_DTYPES)
        dtype = np.dtype(kind)
        real = self._content(shape)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dtype.kind in "iu":
                info = np.iinfo(dtype)
                found = np.clip(np.nan_to_num(real), info.min, info.max).astype(np.float64)
                found = np.clip(found, info.min, float(info.max) if dtype.itemsize < 8 else 1e18).astype(dtype)
            elif dtype.kind in "OUM" or dtype.names:
                found = np.zeros(shape, dtype)
            else:
                found = real.astype(dtype)
        found = np.asarray(found)
        if self.chance(0.1) and found.ndim:
            found = found[::-1] if self.chance(0.5) else np.asfortranarray(found)
        if self.chance(0.05):
            found.flags.writeable = False
        return found

    def _content(self, shape: tuple[int, ...]) -> np.ndarray:
        rng, kind = self.rng, self.pick.randrange(16)
        normal = rng.normal(100, self.one(1, 10, 40), shape)
        if kind == 0:
            return np.full(shape, self.one(0.0, 1.0, 255.0, -7.0, 1e30, 3e-39))
        if kind == 1:
            return rng.random(shape)
        if kind == 2:
            return rng.poisson(self.one(0.05, 0.5, 5, 300), shape).astype(float)
        if kind == 3:
            return (rng.random(shape) < self.one(0.02, 0.5)).astype(float)
        if kind == 4:
            return normal * self.one(1e-42, 1e-30, 1e-12, 1e12, 1e30, 1e36, 1e150, 1e290)
        if kind == 5:
            return np.where(rng.random(shape) < 0.05, self.one(1e15, -3.4e38, 9.97e36, 65535, 0), normal)
        if kind == 6:
            return np.where(rng.random(shape) < self.one(0.02, 0.5, 1), self.one(np.nan, np.inf, -np.inf), normal)
        if kind == 7:
            return np.where(rng.random(shape) < 0.5, 1.0, -1.0) * self.one(1.0, 127, 32767, 1e38, 1.7e308)
        if kind == 8 and shape:
            return np.repeat(normal[..., :1], shape[-1], axis=-1)  # grey as colour, or constant rows
        if kind == 9:
            return np.cumsum(normal, axis=-1) if shape else normal
        if kind == 10:
            return normal + self.one(1e6, 1e9, -1e6)
        if kind == 11:
            return np.rint(normal / 20) * 20
        return normal

    def option(self, *right: Any, wrong: float = 0.04) -> Any:
        """Return a value that may be meant, or now and then one that may not."""
        return self.one(*ODD) if self.chance(wrong) else self.one(*right)

    def some(self, options: dict[str, Callable[[], Any]], share: float = 0.25) -> dict[str, Any]:
        """Return some of the options."""
        return {name: draw() for name, draw in options.items() if self.chance(share)}


def axes_of(draw: Draw, ndim: int) -> dict[str, Any]:
    """Return names for the axes of an image, mostly ones that fit."""
    fitting = {
        2: ["YX"],
        3: ["ZYX", "TYX", "NYX", "YXC", "CYX", "XYZ", "yxn"],
        4: ["NZYX", "ZYXC", "NTYX", "TYXC", "NYXC", "XYZN"],
    }
    names = draw.one(*fitting.get(ndim, ["NTCYX", "NZYXC"]))
    if ndim > 2 or draw.chance(0.2):
        if draw.chance(0.25):
            return {"channel_axis": draw.option(-1, 0, ndim - 1)}
        return {"axes": draw.option(names, wrong=0.04)}
    return {}


def sigma_of(draw: Draw, image: np.ndarray) -> Any:
    """Return a σ, or a map."""
    sides = image.shape
    if draw.chance(0.6):
        return draw.option(10, 1.0, 0.5, 25.0)
    return draw.option(
        *(10, 10.0, 1.0, 0, 0.5, 1e-20, 1e-30, 200, [1, 2, 3], np.array([5.0, 6]), np.float32(3), None),
        np.full(sides, 10.0), np.full(sides[1:], 5), np.abs(draw.rng.normal(0, 10, sides)), np.zeros(sides),
        np.ones((1,) * len(sides)),
    )  # fmt: skip


def noise_of(draw: Draw) -> Any:
    """Return a model, or what is none."""
    make = draw.one(
        lambda: "auto",
        lambda: noise.Gaussian(draw.option(None, 10, [1, 2, 3])),
        lambda: noise.PoissonGaussian(draw.option(None, 1, 2.5, 1e-6), draw.option(0.0, 10), draw.option(0.0, 3)),
        lambda: noise.PoissonGaussian(),
        lambda: noise.Rician(draw.option(None, 10, 1e-30)),
        lambda: draw.option("poisson", 3),
    )
    try:
        return make()
    except ALLOWED:
        return "auto"


def filtering(draw: Draw, image: np.ndarray) -> dict[str, Any]:
    """Return options that `denoise`, `plan` and `weight_map` share."""
    sides = image.shape
    options = draw.some(
        {
            "quality": lambda: draw.option("preview", "fast", "balanced", "best"),
            "mask": lambda: draw.option(
                np.ones(sides, bool), draw.rng.random(sides) < 0.7, draw.rng.random(sides[1:]) < 0.5
            ),
            "guide": lambda: draw.option(np.asarray(image), np.zeros(sides, "f4"), draw.rng.normal(100, 9, sides)),
            "guide_sigma": lambda: draw.option(0, 5.0),
            "strength": lambda: draw.option(0.5, 0.8, 3, 1e-5, 1e5, "sure", "j-invariant"),
            "patch_radius": lambda: draw.option(0, 1, 2, (1, 1), [0, 1, 1], 30),
            "search_radius": lambda: draw.option(0, 1, 2, 3, (2, 1), (1, 2, 2), "image", 10**6),
            "spacing": lambda: draw.option((1, 1), (3, 1, 1), [1e-3, 1], (1e12, 1, 1)),
            "bias": lambda: draw.option(True, False),
            "centre": lambda: draw.option("max", "one", "zero"),
            "aggregation": lambda: draw.option("pixel", "patch"),
            "passes": lambda: draw.option(1, 2),
            "wiener": lambda: draw.option(True, False),
        },
        0.15,
    )
    if options.get("search_radius") is None:
        options["search_radius"] = draw.one(1, 2, 3)
    if "guide" not in options and draw.chance(0.9):
        options.pop("guide_sigma", None)
    if draw.chance(0.15):
        options["noise"] = noise_of(draw)
    else:
        options["sigma"] = sigma_of(draw, image)
    options |= axes_of(draw, image.ndim)
    if "spacing" in options and draw.chance(0.8):
        options["spacing"] = (draw.one(3, 1e-3, 1e9), *(1,) * (space_of(options, image.ndim) - 1))
    return options


def space_of(options: dict[str, Any], ndim: int) -> int:
    """Return how many axes are space."""
    names = options.get("axes")
    if isinstance(names, str):
        return len(set(names.upper()) - set("NC"))
    return max(ndim - ("channel_axis" in options), 1)


def an_image(draw: Draw, least: int = 2, most: int = 4) -> np.ndarray:
    """Return any image."""
    return draw.pixels(draw.shape(least, most if draw.chance(0.3) else min(most, 3)))


def denoise(draw: Draw) -> Call:
    """Call `nlmeans.denoise`."""
    image = an_image(draw)
    options = filtering(draw, image)
    if draw.chance(0.25):
        options["method"] = draw.option("nlm", "ridge", "ridge", "ridge")
        if isinstance(options["method"], str) and options["method"] == "ridge" and draw.chance(0.8):
            options = {
                k: v for k, v in options.items() if k in ("method", "quality", "sigma", "noise", "axes", "channel_axis")
            }
    options |= draw.some(
        {
            "fill": lambda: draw.option(True, False),
            "threads": lambda: draw.option(1, 2),
            "progress": lambda: draw.option(False, lambda *_: None),
            "cancel": lambda: draw.option(threading.Event()),
            "out": lambda: draw.option(np.empty_like(image), image),
            "dtype": lambda: draw.option("f4", np.float64, image.dtype),
            "full_output": lambda: draw.option(True, False, "maps"),
        },
        0.12,
    )
    return Call("denoise", nlmeans.denoise, (image,), {"threads": 1} | options, image, keeps=True)


def container(draw: Draw) -> Call:
    """Call `nlmeans.denoise` with a masked array, or a list."""
    image = an_image(draw)
    wrapped = draw.one(
        lambda: np.ma.masked_where(draw.rng.random(image.shape) < 0.2, image),
        lambda: image.tolist(),
        lambda: [image, image],
        lambda: memoryview(np.ascontiguousarray(image)),
        lambda: draw.one("a.png", b"abc", None, 3, object(), {}, {1}, iter([1]), [[1, 2], [3]], [image, image[:1]]),
    )
    try:
        given = wrapped()
    except (ValueError, TypeError, IndexError, NotImplementedError):
        given = image
    return Call("denoise", nlmeans.denoise, (given, 10), {"search_radius": 1, "threads": 1} | axes_of(draw, image.ndim))


def plan(draw: Draw) -> Call:
    """Call `nlmeans.plan`."""
    image = an_image(draw)
    return Call("plan", nlmeans.plan, (image,), filtering(draw, image), image)


def weight_map(draw: Draw) -> Call:
    """Call `nlmeans.weight_map`."""
    image = an_image(draw, most=3)
    options = filtering(draw, image)
    place = draw.option(*[(at,) * space_of(options, image.ndim) for at in (0, 0, -1)], (99, 0), [0.5, 0])
    return Call("weight_map", nlmeans.weight_map, (image, place), options, image)


def estimate(draw: Draw) -> Call:
    """Call what estimates noise."""
    image = an_image(draw)
    name = draw.one("estimate_sigma", "estimate_noise")
    options = axes_of(draw, image.ndim) | draw.some({"mask": lambda: draw.option(draw.rng.random(image.shape) < 0.7)})
    return Call(name, getattr(nlmeans, name), (image,), options, image)


def model(draw: Draw) -> Call:
    """Make a model of noise."""
    kind = draw.one(noise.Gaussian, noise.PoissonGaussian, noise.Rician)
    most = 3 if kind is noise.PoissonGaussian else 1
    numbers = [draw.option(1, 2.5, [1, 2], None, np.ones((3, 3)), wrong=0.5) for _ in range(draw.one(0, 1, most))]
    return Call(kind.__name__, kind, tuple(numbers))


def stabiliser(draw: Draw) -> Call:
    """Transform planes, and back."""
    image = draw.pixels((1, *draw.shape(2, 2)))
    numbers = [draw.option(1, 2.5, [1], wrong=0.1) for _ in range(3)]

    def both(image: Any, *numbers: Any) -> Any:
        found = vst.rician(numbers[0]) if draw.chance(0.5) else vst.anscombe(*numbers)
        return found.inverse(found.forward(image))

    return Call("vst", both, (image, *numbers), {}, image)


def converted(draw: Draw) -> Call:
    """Convert a strength."""
    name = draw.one(*convert.__all__)
    options = draw.some(
        {
            "sigma": lambda: draw.option(25, 0.1), "patch_size": lambda: draw.option(7, 8),
            "ndim": lambda: draw.option(2, 3), "p": lambda: draw.option(7),
            "d": lambda: draw.option(0, 1), "wref": lambda: draw.option(0, 1.0),
            "templateWindowSize": lambda: draw.option(7, 8), "patch": lambda: draw.option(5),
            "search": lambda: draw.option(21),
        },
        0.4,
    )  # fmt: skip
    options = {"sigma": 20, "patch": 7, "search": 21} | options
    if draw.chance(0.95):
        own = inspect.signature(getattr(convert, name)).parameters
        options = {key: value for key, value in options.items() if key in own}
    return Call(name, getattr(convert, name), (draw.option(0.7, 10, wrong=0.4),), options)


def drop_in(draw: Draw) -> Call:
    """Call what stands in for scikit-image's and OpenCV's functions."""
    if draw.chance(0.5):
        image = an_image(draw)
        options = draw.some(
            {
                "patch_size": lambda: draw.option(3, 5, 4), "patch_distance": lambda: draw.option(1, 2, 0),
                "h": lambda: draw.option(0.1, 5, 1e-300, 1e300), "fast_mode": lambda: draw.option(True, False),
                "sigma": lambda: draw.option(0.1, 5), "preserve_range": lambda: draw.option(True, False),
                "channel_axis": lambda: draw.option(-1, 0),
            },
            0.4,
        )  # fmt: skip
        small = {"patch_distance": 1, "patch_size": 3}
        if draw.chance(0.3):
            few = {name: value for name, value in options.items() if name == "channel_axis"}
            return Call("skimage.estimate_sigma", skimage.estimate_sigma, (image,), few, image)
        name, taken = "skimage.denoise_nl_means", (NotImplementedError,)  # as scikit-image
        return Call(name, skimage.denoise_nl_means, (image,), small | options, image, also=taken)
    colours = () if draw.chance(0.4) else (draw.one(1, 3, 3, 3, 4, 5),)
    image = draw.pixels((*draw.shape(2, 2), *colours))
    name = draw.one(*opencv.__all__)
    options = {"templateWindowSize": 3, "searchWindowSize": 5} | draw.some(
        {
            "h": lambda: draw.option(3, 10.0, [3, 3, 3], -3, 1e-300, 1e300),
            "templateWindowSize": lambda: draw.option(3, 4),
            "searchWindowSize": lambda: draw.option(5, 1), "dst": lambda: draw.option(np.empty_like(image)),
        },
        0.3,
    )  # fmt: skip
    args = ([image] * 3, draw.option(1, 0), draw.option(3, 1)) if name.endswith("Multi") else (image,)
    return Call(f"opencv.{name}", getattr(opencv, name), args, options, image, keeps=True)


def data_set(draw: Draw) -> Call:
    """Ask for a set of images that is not there."""
    options = {"folder": draw.option("/nowhere", "."), "download": False}
    return Call("mnist", datasets.mnist, (draw.option("train", "test", None),), options, also=(OSError,))


def lazy(draw: Draw) -> Call:
    """Call `nlmeans.denoise` with a dask array, and compute the result."""
    import dask.array as da

    image = an_image(draw)
    options = {k: v for k, v in filtering(draw, image).items() if k not in ("strength",)}

    def computed(image: np.ndarray, **options: Any) -> Any:
        return nlmeans.denoise(da.from_array(image, chunks=draw.one(4, 9, -1)), **options).compute(scheduler="sync")

    return Call("dask", computed, (image,), options, image, keeps=True)


def learned(draw: Draw) -> Call:
    """Call `nonlocal_block.denoise`."""
    import nonlocal_block

    image = an_image(draw, most=3)
    options = {"sigma": sigma_of(draw, image)} | axes_of(draw, image.ndim)
    return Call("nonlocal_block.denoise", nonlocal_block.denoise, (image,), {"threads": 1} | options, image, keeps=True)


KINDS: list[tuple[Callable[[Draw], Call], int]] = [
    (denoise, 40), (container, 8), (plan, 8), (weight_map, 6), (estimate, 10), (model, 4), (stabiliser, 4),
    (converted, 6), (drop_in, 10), (data_set, 1), (lazy, 3), (learned, 1),
]  # fmt: skip


def call_of(seed: int, kinds: list[tuple[Callable[[Draw], Call], int]] = KINDS) -> Call:
    """Return the call of a seed."""
    draw = Draw(seed)
    makers, weights = zip(*kinds, strict=True)
    return draw.pick.choices(makers, weights)[0](draw)


def breach(call: Call) -> str | None:
    """Make a call; return which rule it breaks, or None."""
    before = None if call.image is None else call.image.tobytes()
    try:
        with warnings.catch_warnings(record=True) as seen, _in_time(LONG):
            warnings.simplefilter("always")
            found = call.function(*call.args, **call.kwargs)
    except (*ALLOWED, *call.also) as error:
        if not str(error) or "\n" in str(error):
            return f"an error that is not one line: {error}"
        found = None
    except TooLong:
        return f"more than {LONG} s"
    except Exception:
        return traceback.format_exc(limit=-3).strip()
    own = call.kwargs.get("out") is call.image or call.kwargs.get("dst") is call.image
    if before is not None and not own and call.image.tobytes() != before:
        return "the image was written to"
    if bad := [w for w in seen if issubclass(w.category, RuntimeWarning | np.exceptions.ComplexWarning)]:
        return f"warning: {bad[0].message} ({bad[0].filename}:{bad[0].lineno})"
    return None if found is None or call.image is None else _wrong(call, found)


def _wrong(call: Call, found: Any) -> str | None:
    image = call.image
    pixels = found[0] if isinstance(found, tuple) else found
    if call.keeps:
        if pixels.shape != image.shape:
            return f"shape {pixels.shape} for {image.shape}"
        wanted = call.kwargs.get("dtype") or image.dtype
        if pixels.dtype != np.dtype(wanted):
            return f"dtype {pixels.dtype} for {wanted}"
    numbers = np.asarray(pixels) if isinstance(pixels, np.ndarray | float | np.floating) else None
    if numbers is None or numbers.dtype.kind != "f" or np.isfinite(numbers).all():
        return None
    given = image.dtype.kind in "iub" or (image.dtype.kind == "f" and np.isfinite(image).all())
    return "not finite from finite pixels" if given else None


@contextmanager
def _in_time(seconds: int) -> Iterator[None]:
    """Raise when the processor's time is over, where the system has such an alarm: a busy machine is no breach."""
    if not hasattr(signal, "SIGPROF") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(seeds: range, kinds: list[tuple[Callable[[Draw], Call], int]] = KINDS) -> tuple[list[str], Counter[str]]:
    """Make the calls of seeds; return the breaches, and how often each function was called."""
    breaches, counts = [], Counter[str]()
    for seed in seeds:
        call = call_of(seed, kinds)
        counts[call.name] += 1
        start = time.perf_counter()
        found = breach(call)
        spent = time.perf_counter() - start
        if found is not None:
            breaches.append(f"--only {seed} ({spent:.1f} s): {call}\n    " + found.replace("\n", "\n    "))
    return breaches, counts


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign; return how many calls broke a rule."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000, help="how many calls")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", type=int, help="one seed alone")
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.count) if given.only is None else range(given.only, given.only + 1)
    start = time.perf_counter()
    breaches, counts = run(seeds)
    for text in breaches:
        print(text)
    print(*(f"{count:5d} {name}" for name, count in sorted(counts.items())), sep="\n")
    print(f"{len(breaches)} of {len(seeds)} calls broke a rule, {time.perf_counter() - start:.0f} s")
    return len(breaches)


if __name__ == "__main__":
    sys.exit(min(main(), 100))
