"""Damaged files by the thousand: ``python -m tests.campaigns.mutants --count 5000``.

Small valid files of every format are damaged: bytes, numbers and lengths, metadata, what is left out or cut short. Each
is read, its noise is estimated, it is planned and denoised, whole and by blocks. What comes of it must be a result, or
one line that says what is wrong: no other exception, no warning, not over a GiB of memory, not over 5 seconds.
"""

import argparse
import contextlib
import gzip
import json
import logging
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

import nlmeans
from nlmeans import formats, large

try:
    from .seeds import seeds
except ImportError:  # from the tests, whose folder is no package
    from campaigns.seeds import seeds

SECONDS, MEMORY = 5, 1 << 30
FORESEEN = (ValueError, TypeError, OSError, ImportError)
LONGEST = 500
"""Characters of a message that is one line."""
EXTREME = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**62, 2**63)
NUMBERS = ("0", "-1", "1", "7", "65536", "999999999", "1" * 20, "1e400", "nan", "-0.5", "", "x")
ODD = (
    None, True, 0, -1, 1, 3, 2**31, 10**12, 10**30, 0.5, -1e300, float("nan"), "", "x", "..", "/etc", "0/../0", [],
    [[]], [1, 2], [-1, 64, 64], [10**6] * 3, {}, {"path": "0"}, {"name": 5}, "x" * 100_000,
)  # fmt: skip


class TooLong(BaseException):
    """The time is up; no ``except Exception`` may swallow it."""


def damaged(name, seed, rng):
    """Return a mutant of a file, or of a store's files."""
    if isinstance(seed, dict):
        return damaged_store(dict(seed), rng)
    if name.endswith(".gz") and rng.random() < 0.7:
        return gzip.compress(damaged_bytes(gzip.decompress(seed), rng), mtime=0)
    if name.endswith(".png") and rng.random() < 0.7:
        return damaged_png(seed, rng)
    if (".tif" in name or ".dng" in name) and rng.random() < 0.5:
        return damaged_tiff(seed, rng)
    return damaged_bytes(seed, rng)


def damaged_bytes(data, rng):
    """Change bytes, numbers or lengths anywhere, more often at the beginning."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(max(min(len(data), rng.choice((64, 400, len(data) or 1))), 1))
        kind = rng.randrange(8)
        if kind == 0:
            data[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))])
        elif kind == 1 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            size, order = rng.choice("HIQ"), rng.choice("<>")
            number = struct.pack(order + size, rng.choice(EXTREME) % (1 << 8 * struct.calcsize(size)))
            data[at : at + len(number)] = number
        elif kind == 3:
            del data[at : at + rng.choice((1, 2, 4, 100))]
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))
        elif kind == 5:
            data[at:at] = data[at : at + rng.choice((4, 12, 200))]
        elif kind == 6:
            del data[rng.randrange(max(len(data), 1)) :]
        else:
            data = bytearray(damaged_text(bytes(data), rng))
    return bytes(data)


def damaged_text(data, rng):
    """Replace one of the numbers that stand in a text."""
    places = list(re.finditer(rb"\d+(\.\d+)?", data))
    if not places:
        return data
    start, end = rng.choice(places).span()
    return data[:start] + rng.choice(NUMBERS).encode() + data[end:]


def damaged_png(data, rng):
    """Damage a chunk and give it the right check sum, or leave one out, or say it twice."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    k = rng.randrange(len(chunks))
    name, body = chunks[k]
    kind = rng.randrange(6)
    if kind == 0:
        del chunks[k]
    elif kind == 1:
        chunks.insert(rng.randrange(len(chunks)), chunks[k])
    elif kind == 2 and name == b"IDAT":
        rows = zlib.decompress(body)
        chunks[k] = name, zlib.compress(rows[: rng.randrange(len(rows))])
    else:
        chunks[k] = name, damaged_bytes(body, rng)
    sums = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    return data[:8] + b"".join(sums)


def damaged_tiff(data, rng):
    """Damage an entry of a directory: its tag, type, count or value."""
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    entry = place + (8 if big else 2) + rng.randrange(count) * (20 if big else 12)
    at, size = rng.choice(((0, "H"), (2, "H"), (4, "Q" if big else "I"), (12 if big else 8, rng.choice("HI"))))
    width = struct.calcsize(size)
    number = rng.choice((*EXTREME, rng.randrange(40), rng.randrange(1 << 16))) % (1 << 8 * width)
    if rng.random() < 0.3:
        (before,) = struct.unpack_from(order + size, data, entry + at)
        number = max(before + rng.choice((-1, 1, 16, 1000)), 0) % (1 << 8 * width)
    found = bytearray(data)
    struct.pack_into(order + size, found, entry + at, number)
    return bytes(found)


def damaged_store(files, rng):
    """Damage a file of a store, or leave it out; metadata more often than chunks, and within their structure."""
    said = [name for name in files if name.rpartition("/")[2].startswith((".z", "zarr.json"))]
    name = rng.choice(said) if rng.random() < 0.75 else rng.choice(list(files))
    kind = rng.randrange(10)
    if kind == 0:
        del files[name]
    elif kind == 1 and name in said:
        files[name] = rng.choice((b"", b"[" * 50_000, b"{}", b"null", b"[]", files[name][: rng.randrange(200)]))
    elif name in said and kind < 8:
        whole = json.loads(files[name])
        damage_json(whole, rng)
        files[name] = json.dumps(whole).encode()
    else:
        files[name] = damaged_bytes(files[name], rng)
    return files


def damage_json(whole, rng):
    """Replace, leave out or repeat something anywhere in a structure."""
    places = []

    def visit(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    visit(whole)
    if not places:
        return
    node, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.insert(key, node[key])
    elif kind == 2 and isinstance(node[key], int) and not isinstance(node[key], bool):
        node[key] = rng.choice((-node[key], node[key] + 1, node[key] * 1000, 10**9, 0))
    else:
        node[key] = rng.choice(ODD)


def write(place, name, mutant):
    """Write a mutant into a folder; return its path."""
    path = place / name
    for inner, data in mutant.items() if isinstance(mutant, dict) else (("", mutant),):
        target = path / inner if inner else path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    path.mkdir(exist_ok=True) if isinstance(mutant, dict) else None
    return path


def tasks(path, deep):
    """Yield what is done with a file, each by name; what follows a file that was read whole takes the picture."""

    def asked(picture):
        nodata = {} if picture.nodata is None else {"nodata": picture.nodata}
        return {"axes": picture.axes, "channel_axis": picture.channel_axis} | nodata

    def estimate(picture):
        of = {"axes": picture.axes, "channel_axis": picture.channel_axis}
        nlmeans.estimate_sigma(picture.pixels, mask=picture.known, **of)

    def denoise(picture):
        pixels = nlmeans.denoise(picture.pixels, 5, quality="fast", threads=1, **asked(picture))
        target = path.with_name(f"out-{path.name}{'.tif' if path.suffix == '.dng' else ''}")
        formats.write(target, picture.with_pixels(pixels), overwrite=True)

    if path.suffix in (".zarr", ".tif", ".npy"):
        yield "sample", lambda _: large.sampled(path)
        if deep:
            out = path.with_name("blocks" + path.suffix)
            yield "blocks", lambda _: large.denoise(path, out, 5, quality="fast", threads=1, overwrite=True)
    if path.suffix != ".zarr":
        yield "read", lambda _: formats.read(path)
        yield "estimate", estimate
        yield "plan", lambda picture: nlmeans.plan(picture.pixels, **asked(picture))
        yield "denoise", denoise


def fault(error):
    """Return what is wrong with how a task ended; None where nothing is."""
    if error is None:
        return None
    text = str(error)
    if not isinstance(error, FORESEEN):
        return f"{type(error).__name__}: {text[:200]}"
    if "\n" in text or not text or len(text) > LONGEST:
        return f"not one line: {type(error).__name__}: {text[:200]!r}"
    return None


def tried(path, deep, limit=4 * SECONDS):
    """Do all with a file; return what came of it: a word, and faults. Each task is stopped after ``limit`` seconds."""
    ends, faults, picture = [], [], None
    for name, task in tasks(path, deep):
        reset_peak()
        before, start, error = resident("VmRSS"), time.process_time(), None  # others may be at work
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            found = task(picture)
        except (Exception, TooLong) as caught:
            error = caught
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        seconds, grown = time.process_time() - start, resident("VmHWM") - before
        wrong = fault(error)
        if limit and seconds > SECONDS:
            wrong = f"{seconds:.1f} s ({wrong})"
        if grown > MEMORY:
            wrong = f"{grown >> 20} MiB ({wrong})"
        if wrong:
            faults.append(f"{name}: {wrong}")
        ends.append(error is None)
        if name == "read" and error is not None:
            break
        picture = found if name == "read" else picture
    return ("result" if all(ends) else "error"), faults


def resident(name):
    """Return a number of bytes that Linux keeps of this process; 0 elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak():
    """Begin anew to watch the most memory that is held."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def out_of_time(*_):
    """Stop a task."""
    raise TooLong


def unharmed():
    """Yield what comes of the files as they are: name, a word, and faults. All kernels are compiled by then."""
    for shape, axes in (((24, 30), "YX"), ((24, 30, 3), "YXC"), ((6, 24, 30), "ZYX"), ((6, 24, 30), "TYX")):
        for missing in (0, 1):  # and of 64 bits
            pixels = np.random.default_rng(0).normal(1e6, 10, shape)
            pixels[:missing, :9] = np.nan
            nlmeans.denoise(pixels, 5, quality="fast", axes=axes)
    with tempfile.TemporaryDirectory() as place:
        for name, seed in seeds().items():
            yield name, *tried(write(Path(place), name, seed), deep=name.startswith(("two", "big")), limit=0)


def run(numbers, seed, keep=None, deep=4):
    """Make and try mutants; yield number, name, what came of it, and faults. One in ``deep`` is done by blocks too."""
    files = seeds()
    names = list(files)
    signal.signal(signal.SIGALRM, out_of_time)
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as place:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        for number in numbers:
            rng = random.Random(f"{seed} {number}")
            name = names[number % len(names)]
            folder = Path(place, str(number))
            folder.mkdir()
            path = write(folder, name, damaged(name, files[name], rng))
            end, faults = tried(path, number // len(names) % deep == 0)
            if faults and keep:
                shutil.copytree(folder, Path(keep, f"{number}-{name}"), dirs_exist_ok=True)
            shutil.rmtree(folder)
            yield number, name, end, faults
    logging.disable(logging.NOTSET)


def child(start, stop, seed, keep):
    """Try mutants in this process, a line of JSON each, in little more memory than is allowed."""
    list(unharmed())  # compiles
    most = resident("VmSize") + 2 * MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for found in run(range(start, stop), seed, keep):
        print(json.dumps(found), flush=True)


def main():
    """Try mutants in children, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--keep", help="a folder for those that meet a fault")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child is not None:
        child(asked.start, asked.child, asked.seed, asked.keep)
        return 0
    ends, bad, at, stop = Counter(), [], asked.start, asked.start + asked.count
    while at < stop:
        command = [sys.executable, "-m", "tests.campaigns.mutants", "--start", str(at), "--child", str(stop)]
        command += ["--seed", asked.seed] + (["--keep", asked.keep] if asked.keep else [])
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
            for line in process.stdout:
                number, name, end, faults = json.loads(line)
                at = number + 1
                ends[f"{name} {end}"] += 1
                bad += [f"{number} {name}: {text}" for text in faults]
                for text in faults:
                    print(f"{number} {name}: {text}", flush=True)
        if at < stop and not ends:
            raise SystemExit("the child dies before its first mutant")
        if at < stop:
            print(f"{at}: the child died with {process.returncode}", flush=True)
            bad.append(f"{at}: died")
            at += 1
    total = Counter(end.rpartition(" ")[2] for end in ends.elements())
    print(f"{asked.count} mutants: {total['result']} results, {total['error']} errors of one line, {len(bad)} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
