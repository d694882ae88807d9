"""Kill runs at random operations on files, go on with them, and see whether anything is wrong or left.

``python -m tests.campaigns.kills --count 200`` from a checkout; it ends with exit code 1 if any run was wrong.

A process that has compiled what is needed forks children. One of them denoises a file block by block and is killed:
before its k-th operation on files (opening, noting, renaming, removing, mapping, …) for a random k, half of them among
the first and the last, or by SIGKILL at a random time; sometimes the run that goes on is killed too. Then the same call
is made, or before it one with another σ:

- the same call ends well, its output has the very pixels of an undisturbed one, and nothing lies beside it;
- the other is refused in one line and has changed nothing, or its output is the one that it asks for, alone.

``--every`` kills before each operation of each kind instead, once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {
    "npy": ("noisy.npy", "clean.npy"),
    "npy in place": ("noisy.npy", "noisy.npy"),
    "tiff": ("plain.tif", "clean.tif"),
    "packed tiff": ("packed.tif", "clean.tif"),
    "zarr": ("noisy.zarr", "clean.zarr"),
    "zarr with levels": ("levels.zarr", "clean.zarr"),
    "folder": ("pictures", "cleaned"),
}
"""Inputs and outputs by what they are."""
HEARD = {
    "open",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.truncate",
    "os.chmod",
    "mmap.__new__",
    "fcntl.flock",
}
"""Operations that Python tells of before they happen; some others are wrapped."""
DEAD, WRONG = 77, 78
FIRST, OTHER = 10, 30
"""The σ of the run that is killed, and of the other."""


def sources(place: Path) -> None:
    """Write an input of each kind."""
    import tifffile
    import zarr

    from nlmeans import formats

    pixels = np.random.default_rng(0).normal(1000, 50, (96, 100)).astype("u2")
    np.save(place / "noisy.npy", pixels)
    tifffile.imwrite(place / "plain.tif", pixels)
    tifffile.imwrite(place / "packed.tif", pixels, compression="zlib", tile=(32, 32))
    zarr.create_array(place / "noisy.zarr", data=pixels, chunks=(32, 32))
    group = zarr.create_group(place / "levels.zarr")
    axes = [{"name": name, "type": "space"} for name in "yx"]
    levels = [{"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [2**k] * 2}]} for k in (0, 1)]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    for level in (0, 1):
        group.create_array(str(level), data=pixels[:: 2**level, :: 2**level], chunks=(32, 32))
    (place / "pictures").mkdir()
    for name in "ab":
        formats.write(place / "pictures" / f"{name}.png", formats.Picture((pixels[:40, :40] // 10).astype("u1"), "YX"))


def denoise(kind: str, sigma: int, overwrite: bool) -> None:
    """Make a call in the folder that this process is in."""
    from nlmeans import cli, large
    from nlmeans.large.blocks import Sizes

    source, target = NAMES[kind]
    if kind != "folder":
        options = dict(quality="fast", search_radius=1, threads=1, sizes=Sizes((40 * 40, 1)))
        large.denoise(source, target, sigma, overwrite=overwrite, **options)
        return
    flags = ["--quality", "fast", "--search-radius", "1", "--threads", "1", "--quiet", *["--overwrite"] * overwrite]
    with contextlib.redirect_stderr(StringIO()) as said:
        try:
            cli.app(["denoise", source, f"{target}/", "--sigma", str(sigma), *flags])
        except SystemExit as ending:
            if ending.code:
                raise OSError(said.getvalue().strip().replace("\n", "; ")) from None


def pixels_of(target: str) -> list[np.ndarray] | None:
    """Return the pixels of an output, of all its levels; None if it is not there."""
    import tifffile
    import zarr

    from nlmeans import formats

    if not os.path.lexists(target):
        return None
    if target == NAMES["folder"][1]:
        return [formats.read(path).pixels for path in sorted(Path(target).glob("*.png"))] or None
    if target.endswith(".npy"):
        return [np.load(target)]
    if target.endswith(".tif"):
        return [tifffile.imread(target)]
    node = zarr.open(target, mode="r")
    return [node[...]] if isinstance(node, zarr.Array) else [node[name][...] for name in ("0", "1")]


def forked(work: Callable[[], Any], seconds: float | None = None) -> tuple[int, str]:
    """Do something in a process of its own, which is killed after so many seconds.

    Returns
    -------
    int
        0; 1 after an error that the library means; `DEAD` or minus a signal where it was killed; else `WRONG`.
    str
        What the error says.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        with open(reading, encoding="utf-8") as said:
            text = said.read()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text
    code, text = WRONG, ""
    try:
        work()
        code = 0
    except (OSError, ValueError) as error:
        code, text = 1, str(error)
    except BaseException:
        text = traceback.format_exc()
    os.write(writing, text.encode()[:4000])
    os._exit(code)


def counting(most: int, work: Callable[[], Any]) -> int:
    """Do the work in this process, which ends before its so many-th operation on files; return how many there were."""
    from nlmeans.formats import locks
    from nlmeans.large import manifest

    here, seen, guard = os.getcwd(), 0, threading.Lock()

    def count() -> None:
        nonlocal seen
        with guard:
            seen += 1
            if seen == most:
                os._exit(DEAD)

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event in HEARD:
            inside = bool(given) and isinstance(given[0], str | os.PathLike) and str(given[0]).startswith(here)
            if (
                inside
                or event in ("mmap.__new__", "fcntl.flock")
                or (event in ("os.remove", "os.rmdir") and given[-1] != -1)
            ):
                count()

    def wrap(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*given: Any, **more: Any) -> Any:
            count()
            return real(*given, **more)

        setattr(owner, name, call)

    wrap(os, "fsync")
    if hasattr(os, "posix_fallocate"):
        wrap(os, "posix_fallocate")
    wrap(manifest.Record, "_append")
    wrap(manifest.Record, "begin")
    wrap(locks, "remove")
    sys.addaudithook(heard)
    work()
    return seen


Tag = tuple[str, ...]
OLD: Tag = ("old",)


class Undisturbed:
    """What comes out of runs that nobody disturbs, and what they take.

    Parameters
    ----------
    place : Path
        A folder of its own.
    kinds : sequence of str
        What is denoised.
    """

    def __init__(self, place: Path, kinds: Sequence[str]) -> None:
        self.place, self.inputs, self.kinds = place, place / "inputs", kinds
        self.inputs.mkdir()
        sources(self.inputs)
        self.pixels: dict[tuple[str, Tag], list[np.ndarray]] = {}
        self.operations: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        for kind in kinds:
            self.fresh(kind)
            denoise(kind, FIRST, True)  # compiles
            self.fresh(kind)
            start = time.monotonic()
            forked(lambda kind=kind: Path("counted").write_text(str(counting(-1, lambda: denoise(kind, FIRST, True)))))
            self.seconds[kind] = time.monotonic() - start
            self.operations[kind] = int(Path("counted").read_text())

    def right(self, kind: str, tag: Tag) -> list[np.ndarray]:
        """Return the pixels that calls with these σ make, one after the other."""
        if (kind, tag) not in self.pixels:
            here = os.getcwd()
            self.fresh(kind)
            for sigma in tag:
                forked(lambda sigma=sigma: denoise(kind, int(sigma), True))
            self.pixels[kind, tag] = pixels_of(NAMES[kind][1]) or []
            os.chdir(here)
        return self.pixels[kind, tag]

    def fresh(self, kind: str, *, old: bool = False, name: str = "once") -> None:
        """Go to a new folder with the input, something that is no business of a run, and what is to be replaced."""
        folder, (source, target) = self.place / name, NAMES[kind]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.chdir(folder)
        Path("precious").write_bytes(b"precious")
        for name in (source, target) if old else (source,):
            (shutil.copytree if (self.inputs / source).is_dir() else shutil.copy2)(self.inputs / source, name)

    def tag(self, kind: str) -> Tag:
        """Return what an output is: the σ with which it was made, `OLD` where it is none of these, or nothing."""
        pixels = pixels_of(NAMES[kind][1])
        if pixels is None:
            return ()
        sigmas, (source, target) = (str(FIRST), str(OTHER)), NAMES[kind]
        for tag in chain(product(sigmas), product(sigmas, sigmas) if source == target else ()):
            right = self.right(kind, tag)
            if len(right) == len(pixels) and all(map(np.array_equal, right, pixels)):
                return tag
        return OLD


@dataclass
class Kill:
    """A run that is killed, and gone on with.

    Attributes
    ----------
    kind : str
        What is denoised into what.
    overwrite : bool
        Whether there is an output already, which is to be replaced.
    undisturbed : Undisturbed
        What is right.
    story : list of str
        What happened.
    wrong : list of str
        What was wrong.
    """

    kind: str
    overwrite: bool
    undisturbed: Undisturbed
    story: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        source, self.target = NAMES[self.kind]
        self.in_place = source == self.target
        self.overwrite |= self.in_place
        self.undisturbed.fresh(self.kind, old=self.overwrite and not self.in_place, name="killed")
        self.others = set(os.listdir()) - {self.target}
        folder = self.kind == "folder"
        self.sidecar = f"{self.target}/.nlmeans.part.manifest" if folder else f"{self.target}.part.manifest"

    def tag(self) -> Tag:
        """Return what the output is."""
        return self.undisturbed.tag(self.kind)

    def at(self, operation: int) -> int:
        """Kill a run before its so many-th operation; return how it ended."""
        self.story.append(f"killed before {operation} of {self.undisturbed.operations[self.kind]}")
        return self._ended(forked(lambda: counting(operation, lambda: denoise(self.kind, FIRST, self.overwrite))))

    def after(self, seconds: float) -> int:
        """Kill a run after so many seconds; return how it ended."""
        self.story.append(f"SIGKILL after {seconds:.3f} s")
        return self._ended(forked(lambda: denoise(self.kind, FIRST, self.overwrite), seconds))

    def call(self, sigma: int) -> bool:
        """Make a call as users do, and judge it; return whether it was taken."""
        before, begun = self.tag(), os.path.lexists(self.sidecar)
        code, text = forked(lambda: denoise(self.kind, sigma, self.overwrite))
        after = self.tag()
        self.story.append(f"sigma {sigma}, {before}, {'begun' if begun else 'not begun'}: {code} {after} {text}")
        there = bool(before) and not self.overwrite and not begun and "exists already" in text
        if code == 1 and (there or (begun and sigma != FIRST)):
            if "\n" in text or after != before:
                self.wrong.append("a refusal has one line and changes nothing")
            return False
        expected: Tag = (str(sigma),)
        if self.in_place and before != OLD and not (begun and before == expected):
            expected = (*before, *expected)
        if code != 0 or after != expected:
            self.wrong.append(f"what is asked for is {expected}")
        if not self.overwrite and before and before != after and self.kind != "folder":
            self.wrong.append("an output was replaced")
        return True

    def look(self) -> None:
        """See what is left at the end."""
        left = set(os.listdir()) - self.others - {self.target}
        left |= {
            str(item) for item in Path(self.target).rglob("*") if item.name.endswith((".partial", ".part", "fest"))
        }
        if left:
            self.wrong.append(f"left: {sorted(left)}")
        if self.others - set(os.listdir()) or Path("precious").read_bytes() != b"precious":
            self.wrong.append("something else was touched")

    def _ended(self, ending: tuple[int, str]) -> int:
        code, text = ending
        self.story.append(f"ended with {code}")
        if code not in (0, 1, DEAD, -signal.SIGKILL) or (code == 1 and "exists already" not in text):
            self.wrong.append(f"a run that was to be killed: {text}")
        return code


def at_random(undisturbed: Undisturbed, number: int, rng: random.Random, counts: Counter[str]) -> Kill:
    """Kill a run somewhere, and what goes on with it now and then; make another call now and then, and the same."""
    one = Kill(undisturbed.kinds[number % len(undisturbed.kinds)], rng.random() < 0.5, undisturbed)
    most = undisturbed.operations[one.kind]
    for chance in (1.0, 0.3):
        if rng.random() > chance:
            break
        if rng.random() < 0.25:
            ended = one.after(rng.uniform(0, 1.1 * undisturbed.seconds[one.kind]))
        else:
            near = rng.randint(1, 25), most - rng.randrange(25)
            ended = one.at(rng.choice((rng.randint(1, most), rng.randint(1, most), *near)))
        counts[{DEAD: "before an operation", -signal.SIGKILL: "by SIGKILL"}.get(ended, "not killed any more")] += 1
        if ended in (0, 1):
            break
    taken = False
    if one.kind != "folder" and rng.random() < 0.5:
        taken = one.call(OTHER)
        counts["another call was right" if taken else "another call was refused"] += 1
    if not taken:
        counts["the same call was right" if one.call(FIRST) else "the output was there already"] += 1
    one.look()
    return one


def at_every(undisturbed: Undisturbed, counts: Counter[str]) -> Iterator[Kill]:
    """Kill a run before each operation, and make the same call."""
    for kind, most in undisturbed.operations.items():
        for operation in range(1, most + 1):
            one = Kill(kind, operation % 2 == 1, undisturbed)
            counts["killed" if one.at(operation) == DEAD else "not killed any more"] += 1
            counts["the same call was right" if one.call(FIRST) else "the output was there already"] += 1
            one.look()
            yield one


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(NAMES), help="what is denoised: by default %(default)s")
    parser.add_argument("--every", action="store_true", help="before each operation of each kind, once")
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        print("the system has no fork: nothing was killed")
        return 0
    from nlmeans.formats.own import zarr

    zarr.FORMAT.chunk = {"Y": 32, "X": 32}
    start, before, counts, runs, wrong = time.monotonic(), os.getcwd(), Counter[str](), 0, 0
    with tempfile.TemporaryDirectory() as place:
        try:
            right = Undisturbed(Path(place).resolve(), options.kinds.split(","))
            rngs = (random.Random(1_000_003 * options.seed + number) for number in range(options.count))
            random_ones = (at_random(right, number, rng, counts) for number, rng in enumerate(rngs))
            for one in at_every(right, counts) if options.every else random_ones:
                runs, wrong = runs + 1, wrong + bool(one.wrong)
                if one.wrong:
                    print("wrong:", one.kind, f"overwrite={one.overwrite}", *one.story, *one.wrong, sep="; ")
        finally:
            os.chdir(before)
    print(f"operations: {right.operations}")
    print(", ".join(f"{what}: {often}" for what, often in sorted(counts.items())))
    print(f"{runs} runs in {time.monotonic() - start:.0f} s, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
