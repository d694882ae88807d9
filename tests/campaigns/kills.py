"""Kill runs at random operations on files, go on with them, and see whether anything is wrong or left.

``python -m tests.campaigns.kills --count 200`` from a checkout; it ends with exit code 1 if any run was wrong.

A process that has compiled what is needed forks children. One of them denoises a file block by block and is killed:
before its k-th operation on files (opening, noting, renaming, removing, mapping, …) for a random k, half of them among
the first and the last, or by SIGKILL at a random time; sometimes the run that goes on is killed too. Then the same call
is made, or before it one with another σ:

- the same call ends well, its output has the very pixels of an undisturbed one, and nothing lies beside it;
- the other is refused in one line and has changed nothing, or its output is the one that it asks for, alone.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Callable
from dataclasses import dataclass, field
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
}
"""Inputs and outputs by what they are."""
HEARD = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "mmap.__new__"}
"""Operations that Python tells of before they happen; some others are wrapped."""
DEAD, WRONG = 77, 78
FIRST, OTHER = 10, 30
"""The σ of the run that is killed, and of the other."""


def sources(place: Path) -> None:
    """Write an input of each kind."""
    import tifffile
    import zarr

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


def denoise(kind: str, sigma: int, overwrite: bool) -> None:
    """Make a call in the folder that this process is in."""
    from nlmeans import large

    source, target = NAMES[kind]
    large.denoise(source, target, sigma, quality="fast", search_radius=1, threads=1, overwrite=overwrite)


def pixels_of(target: str) -> list[np.ndarray] | None:
    """Return the pixels of an output, of all its levels; None if it is not there."""
    import tifffile
    import zarr

    if not os.path.lexists(target):
        return None
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
            if inside or event == "mmap.__new__" or (event in ("os.remove", "os.rmdir") and given[-1] != -1):
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
    wrap(manifest.Record, "clear")
    sys.addaudithook(heard)
    work()
    return seen


@dataclass
class Campaign:
    """Kills, and what came of them.

    Attributes
    ----------
    place : Path
        A folder of its own.
    told : Counter
        How often what happened.
    wrong : list of str
        What was wrong.
    """

    place: Path
    told: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = self.place / "inputs"
        self.inputs.mkdir()
        sources(self.inputs)
        self.undisturbed: dict[tuple[str, ...], list[np.ndarray]] = {}
        self.operations: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        for kind in NAMES:
            self._fresh("once", None)
            denoise(kind, FIRST, True)  # compiles
            self._fresh("once", None)
            start = time.monotonic()
            forked(lambda kind=kind: denoise(kind, FIRST, True))
            self.seconds[kind] = time.monotonic() - start
            self._fresh("once", None)
            forked(lambda kind=kind: Path("counted").write_text(str(counting(-1, lambda: denoise(kind, FIRST, True)))))
            self.operations[kind] = int(Path("counted").read_text())
            for sigmas in ((FIRST,), (OTHER,), (FIRST, FIRST), (FIRST, OTHER)):
                self._fresh("once", None)
                source, target = NAMES[kind]
                for sigma in sigmas if source == target else sigmas[-1:]:
                    forked(lambda kind=kind, sigma=sigma: denoise(kind, sigma, True))
                found = pixels_of(target)
                assert found is not None
                self.undisturbed[(kind, *map(str, sigmas))] = found

    def _fresh(self, name: str, old: str | None) -> None:
        """Go to a new folder with the inputs, and an output that is to be replaced."""
        folder = self.place / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.inputs, folder)
        os.chdir(folder)
        Path("precious").write_bytes(b"precious")
        if old is not None:
            shutil.copytree(self.inputs / "noisy.zarr", old) if old.endswith("zarr") else shutil.copy(
                self.inputs / ("noisy.npy" if old.endswith("npy") else "plain.tif"), old
            )

    def tag(self, kind: str) -> tuple[str, ...]:
        """Return what an output is: the σ with which it was made, "old", or nothing."""
        found = pixels_of(NAMES[kind][1])
        if found is None:
            return ()
        known = {key[1:]: ref for key, ref in self.undisturbed.items() if key[0] == kind}
        if NAMES[kind][0] != NAMES[kind][1]:
            known = {key: ref for key, ref in known.items() if len(key) == 1}
        same = [key for key, ref in known.items() if len(ref) == len(found) and all(map(np.array_equal, ref, found))]
        return same[0] if same else ("old",)

    def kill(self, number: int, rng: random.Random) -> None:
        """Kill a run, and go on with it."""
        kind = list(NAMES)[number % len(NAMES)]
        source, target = NAMES[kind]
        in_place = source == target
        overwrite = in_place or rng.random() < 0.5
        self._fresh(f"run{number}", target if overwrite and not in_place else None)
        others = set(os.listdir()) - {target}
        story = [f"{number}: {kind}, overwrite={overwrite}"]

        def is_wrong(what: str) -> None:
            self.wrong.append("; ".join([*story, what]))

        def killed() -> int:
            if rng.random() < 0.25:
                seconds = rng.uniform(0, 1.1 * self.seconds[kind])
                story.append(f"SIGKILL after {seconds:.3f} s")
                code, text = forked(lambda: denoise(kind, FIRST, overwrite), seconds)
                self.told["by SIGKILL"] += 1
            else:
                most = self.operations[kind]
                operation = rng.choice(
                    (rng.randint(1, most), rng.randint(1, most), rng.randint(1, 25), most - rng.randrange(25))
                )
                story.append(f"operation {operation} of {most}")
                code, text = forked(lambda: counting(operation, lambda: denoise(kind, FIRST, overwrite)))
                self.told["before an operation"] += 1
            story.append(f"code {code}")
            if code not in (0, 1, DEAD, -signal.SIGKILL) or (code == 1 and "exists already" not in text):
                is_wrong(f"the run that was to be killed: {text}")
            return code

        def call(sigma: int) -> int:
            before, manifest = self.tag(kind), os.path.lexists(f"{target}.part.manifest")
            code, text = forked(lambda: denoise(kind, sigma, overwrite))
            after, left = self.tag(kind), set(os.listdir()) - others - {target}
            left |= {str(item) for item in Path(target).rglob("*.partial")}
            story.append(
                f"sigma {sigma}: {before} {'with' if manifest else 'without'} manifest -> {code} {after} {text}"
            )
            if code == 1:
                there = before not in ((), ("old",)) and not overwrite and not manifest
                if sigma == FIRST and not (there and "exists already" in text):
                    is_wrong("the same call was refused")
                if "\n" in text or after != before:
                    is_wrong("a refusal is of one line and changes nothing")
                return code
            expected: tuple[str, ...] = (str(sigma),)
            if in_place and before != ("old",):
                done = manifest and before == expected
                expected = before if done else (*before, str(sigma))
            if code != 0 or after != expected:
                is_wrong(f"what was asked for is {expected}")
            if left:
                is_wrong(f"left: {sorted(left)}")
            if before not in ((), ("old",), after) and not overwrite:
                is_wrong("something was replaced")
            return code

        if killed() and rng.random() < 0.3:
            killed()
        if self.tag(kind) not in ((), ("old",)):
            self.told["killed after it had its name"] += 1
        if rng.random() < 0.5:
            refused = call(OTHER)
            self.told["another call was refused" if refused else "another call was right"] += 1
            if not refused:
                self._end(number, others, is_wrong)
                return
        refused = call(FIRST)
        self.told["there already" if refused else "the same call was right"] += 1
        self._end(number, others, is_wrong)

    def _end(self, number: int, others: set[str], is_wrong: Callable[[str], None]) -> None:
        if others - set(os.listdir()) or Path("precious").read_bytes() != b"precious":
            is_wrong("something else was touched")
        os.chdir(self.place)
        shutil.rmtree(self.place / f"run{number}")


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        print("the system has no fork: nothing was killed")
        return 0
    from nlmeans.large import blocks, zarrs

    blocks.MOST, zarrs.CHUNK = {2: 40 * 40, 3: 1}, {"Y": 32, "X": 32}
    start, before = time.monotonic(), os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        try:
            campaign = Campaign(Path(place).resolve())
            for number in range(options.count):
                campaign.kill(number, random.Random(options.seed * 1_000_003 + number))
        finally:
            os.chdir(before)
    for line in campaign.wrong:
        print("wrong:", line)
    print(f"{options.count} runs in {time.monotonic() - start:.0f} s; operations: {campaign.operations}")
    print(", ".join(f"{what}: {often}" for what, often in sorted(campaign.told.items())))
    print(f"{len(campaign.wrong)} wrong")
    return int(bool(campaign.wrong))


if __name__ == "__main__":
    raise SystemExit(main())
