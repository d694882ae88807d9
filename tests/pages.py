"""The pages of the documentation, their blocks of code, and small pictures by the names that shells are given there."""

import glob
import re
import shlex
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import typer
from threads import one_thread
from typer.testing import CliRunner

from nlmeans.cli import app

ROOT = Path(__file__).resolve().parents[1]
MADE = ("docs/gallery/", "docs/reference/generated/")
"""What the build of the documentation writes."""
PAGES = sorted(
    page
    for pattern in ("*.md", "benchmarks/README.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
    if not (page := path.relative_to(ROOT).as_posix()).startswith(MADE)
)
FENCE = re.compile(r"^( *)(`{3,})([^`\n]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: (\S[^\n]*) -->\s*\Z")


UNREACHABLE = ("--scheduler tcp://",)
"""Lines that need what is not here, a cluster at that address: they are parsed, not run."""
OUTPUTS = ("--out", "--residual", "--noise-map", "--plot")


class Block(NamedTuple):
    """A block of code, and why it cannot be run, as the comment ``<!-- not run: … -->`` above it says."""

    page: str
    line: int
    language: str
    code: str
    reason: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    """Return the blocks of a page but for directives, in their order."""
    text = text_of(page)
    return [
        Block(page, 1 + text.count("\n", 0, at.start(4)), at[3].strip(), at[4], reason[1] if reason else "")
        for at in FENCE.finditer(text)
        if not at[3].startswith("{")
        for reason in [NOT_RUN.search(text, 0, at.start())]
    ]


def arrays():
    """Return what the blocks of Python start from."""
    rng = np.random.default_rng(0)
    return {
        "image": rng.normal(100, 10, (40, 50)),
        "noisy": rng.normal(100, 10, (40, 50)),
        "photo": rng.integers(0, 256, (40, 50, 3), dtype=np.uint8),
        "stack": rng.normal(100, 10, (3, 30, 30)).astype(np.float32),
        "volume": rng.normal(100, 10, (6, 30, 30)).astype(np.float32),
        "video": rng.normal(100, 10, (4, 30, 30)).astype(np.float32),
        "sigma_map": np.linspace(8, 12, 50) * np.ones((40, 1)),
        "counts": 2.0 * rng.poisson(np.linspace(5, 100, 128) * np.ones((128, 1))),
        "dark": rng.normal(100, 10, (40, 50)),
        "psd": np.ones((40, 50)),
        "depth": np.where(rng.random((64, 64)) < 0.05, 0, rng.normal(800, 8, (64, 64))),
        "mri": np.hypot(rng.normal(50, 5, (64, 64)) * (np.arange(64) > 30), rng.normal(0, 5, (64, 64))),
    }


def _av(path):
    import av

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(rng.integers(90, 110, (72, 64), dtype=np.uint8), "yuv420p")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def _exr(path):
    import OpenEXR

    rng = np.random.default_rng(0)
    layers = ("", "albedo.", "diffuse.")
    channels = {f"{layer}{name}": rng.random((24, 30)).astype(np.float32) for layer in layers for name in "RGB"}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))


def _hdf5(path):
    import h5py

    with h5py.File(path, "w") as file:
        file["entry/data"] = arrays()["volume"]


def _mrc(path):
    import mrcfile

    seed = sum(path.name.encode())
    with mrcfile.new(path) as file:
        file.set_data(np.random.default_rng(seed).normal(100, 10, (40, 50)).astype(np.float32))


def _zarr(path):
    import zarr

    axes = {"dimension_names": ["z", "y", "x"]}
    volume = arrays()["volume"]
    zarr.create_array(path, shape=volume.shape, chunks=(2, 15, 15), dtype=volume.dtype, **axes)[...] = volume


def _dicom(path):
    from campaigns.seeds import VOLUME, dicom

    path.write_bytes(dicom(VOLUME.round()))


def _bytes(make):
    def write(path):
        from campaigns import seeds

        path.write_bytes(make(seeds))

    return write


def _pillow(path):
    from PIL import Image

    sides = (128, 208, 3) if path.name.startswith("photo") else (128, 208)
    Image.fromarray(np.random.default_rng(0).normal(100, 10, sides).astype(np.uint8)).save(path)


MAKERS = {
    ".ome.tif": _bytes(lambda seeds: seeds.tiff(seeds.VOLUME, ome=True, metadata={"axes": "ZYX"})),
    ".nii.gz": _bytes(lambda seeds: seeds.gzip.compress(seeds.nifti(seeds.VOLUME.T), mtime=0)),
    ".nii": _bytes(lambda seeds: seeds.nifti(seeds.VOLUME.T)),
    ".dng": _bytes(lambda seeds: seeds.dng(seeds.DEEP)),
    ".tif": _bytes(lambda seeds: seeds.tiff(seeds.DEEP)),
    "psd.npy": lambda path: np.save(path, arrays()["psd"]),
    ".npy": lambda path: np.save(path, arrays()["volume"]),
    ".png": _pillow,
    ".jpg": _pillow,
    ".mp4": _av,
    ".mov": _av,
    ".mkv": _av,
    ".exr": _exr,
    ".nxs": _hdf5,
    ".h5": _hdf5,
    ".mrc": _mrc,
    ".zarr": _zarr,
    ".dcm": _dicom,
}
"""What writes a small picture, by how its name ends."""
FOLDERS = {"scans": "a.tif", "series": "a.dcm"}
"""Folders, and what is in them."""


def make(name):
    """Write the picture of a name, or the folder of pictures, unless it is there."""
    path = Path(name.partition("::")[0])
    if path.name in FOLDERS:
        path /= FOLDERS[path.name]
    elif "*" in path.name:
        path = path.with_name(path.name.replace("*", "a"))
    write = next((write for ending, write in MAKERS.items() if path.name.endswith(ending)), None)
    if write is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)


def run(line):
    """Run a line of ours on pictures that are made for it; a line without `nlmeans` fails."""
    program, *words = shlex.split(line, comments=True)
    assert program.removeprefix(".venv/bin/") == "nlmeans", f"{line!r} calls another program: say why it is not run"
    command = typer.main.get_command(app).commands[words[0]]
    inputs, outputs = files_of(command, words[1:])
    for name in (*inputs, *re.findall(r"(?:sample|psd|covariance)=([^,\s]+)", line)):
        make(name)
    for name in outputs:
        shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink(missing_ok=True)
    words = [one for word in words for one in (sorted(glob.glob(word)) if "*" in word else [word])]
    if any(part in line for part in UNREACHABLE):
        command.make_context(words[0], words[1:])
        return
    with one_thread() if "--method learned" in line else nullcontext():
        done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    for name in outputs:
        assert Path(name).exists()


def files_of(command, words):
    """Return the names that a line reads and those that it writes."""
    flags = {
        name: parameter
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")
    }
    places, inputs, outputs = [], [], []
    waiting = iter(words)
    for word in waiting:
        if word not in flags:
            places.append(word)
        elif not flags[word].is_flag:
            (outputs if word in OUTPUTS else inputs).append(next(waiting))
    if any(one.name == "output" and not one.opts[0].startswith("-") for one in command.params):
        outputs.append(places.pop())
    return places + inputs, outputs
