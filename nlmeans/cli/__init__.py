"""The command line: files in, files out, and one flag for every option of `nlmeans.denoise`.

What a command does not need is not imported: the start of the process counts in its time.
"""

from __future__ import annotations

import gc
import math
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import nlmeans

from .. import io
from .console import Console
from .jobs import files, pairs

app = typer.Typer(
    help="Remove noise from pictures by non-local means.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Centre(StrEnum):
    """Rules for a pixel's own weight."""

    max = "max"
    one = "one"
    zero = "zero"


def _numbers(text: str) -> float | list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"must be a number, or one a channel, such as 12 or 9.5,8,11; got {text!r}") from None
    if not all(0 <= number < math.inf for number in numbers):
        raise typer.BadParameter(f"must be at least 0 and finite; got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise typer.BadParameter(f"must be a number; got {text!r}") from None
    if not 0 < number < math.inf:
        raise typer.BadParameter(f"must be above 0 and finite; got {text!r}")
    return number


def _radii(text: str) -> int | list[int]:
    try:
        radii = [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"must be a whole number, or one an axis, such as 3 or 1,3,3; got {text!r}") from None
    if min(radii) < 0:
        raise typer.BadParameter(f"is a radius and must be at least 0; got {text!r}")
    return radii[0] if len(radii) == 1 else radii


def _value(centre: Centre | None) -> Any:
    return None if centre is None else centre.value


Inputs = Annotated[
    list[Path], typer.Argument(metavar="IN", help="Pictures (PNG, JPEG, TIFF, NPY), or folders of them.")
]
Sigma = Annotated[
    Any,
    typer.Option(
        parser=_numbers,
        metavar="NUMBER[,...]",
        help="Standard deviation of the noise in the units of the pixels (0 to 255, to 65535, ...); one number, or one "
        "a channel. Estimated by default.",
    ),
]
Axes = Annotated[
    str | None,
    typer.Option(
        metavar="LETTERS",
        help="What the dimensions are, for TIFF and NPY files that don't say so: Y, X, C channels, Z depth, T time, "
        "N separate images; for instance ZYX.",
    ),
]
ChannelAxis = Annotated[
    int | None,
    typer.Option(metavar="INDEX", help="Short for --axes: the dimension of the channels; the others are space."),
]
Strength = Annotated[
    Any,
    typer.Option(
        parser=_positive, metavar="NUMBER", help="h/sigma: larger smooths more. Chosen from the noise by default."
    ),
]
PatchRadius = Annotated[
    Any,
    typer.Option(
        parser=_radii,
        metavar="INT[,...]",
        help="Half-width of the patches compared; one, or one an axis. Chosen likewise.",
    ),
]
SearchRadius = Annotated[
    Any,
    typer.Option(
        parser=_radii,
        metavar="INT[,...]",
        help="Half-width of the window searched; one, or one an axis. Chosen likewise.",
    ),
]
Bias = Annotated[bool, typer.Option(help="Take the noise's own share off the distance of patches.")]
CentreRule = Annotated[
    Centre | None, typer.Option(help="Weight of the pixel itself: the largest of the others, 1 or 0. By default max.")
]
MaxPixels = Annotated[
    int, typer.Option(min=1, metavar="INT", help="A picture of more pixels is taken for a decompression bomb.")
]


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"nlmeans {nlmeans.__version__}")
        raise typer.Exit


@app.command(short_help="Denoise pictures.")
def denoise(
    inputs: Inputs,
    output: Annotated[str, typer.Argument(metavar="OUT", help="A file; for several pictures a folder.")],
    sigma: Sigma = None,
    axes: Axes = None,
    channel_axis: ChannelAxis = None,
    strength: Strength = None,
    patch_radius: PatchRadius = None,
    search_radius: SearchRadius = None,
    bias: Bias = True,
    centre: CentreRule = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="INT", help="Threads; the result is the same. All CPUs by default.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    jpeg_quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, metavar="INT", help="For JPEG files; by default the input's own, or else 95."),
    ] = None,
    max_pixels: MaxPixels = io.MAX_PIXELS,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print all that was done and chosen.")] = False,
) -> None:
    """Denoise a picture into the file OUT, or several, or those of a folder, into the folder OUT.

    What files say besides their pixels is kept: alpha, colour profile, EXIF, resolution, names of axes.
    """
    with Console(quiet, verbose) as console:
        work, folder = pairs(inputs, output)
        if jpeg_quality is not None and not any(io.format_of(target) == "jpeg" for _, target in work):
            raise typer.BadParameter("is for JPEG files: none is written", param_hint="--jpeg-quality")
        if folder is not None:
            with console.working_on(folder):
                folder.mkdir(parents=True, exist_ok=True)
        for source, target in work:
            with console.working_on(source):
                io.check_target(target, overwrite)  # before the work, not after it
                picture = io.read(source, axes=axes, channel_axis=channel_axis, max_pixels=max_pixels)
                io.check(target, picture, overwrite=overwrite)
                with console.bar(source.name) as progress:
                    pixels, report = nlmeans.denoise(
                        picture.pixels,
                        sigma,
                        axes=picture.axes,
                        channel_axis=picture.channel_axis,
                        strength=strength,
                        patch_radius=patch_radius,
                        search_radius=search_radius,
                        bias=bias,
                        centre=_value(centre),
                        threads=threads,
                        progress=progress,
                        full_output=True,
                    )
                io.write(target, picture.with_pixels(pixels), overwrite=overwrite, jpeg_quality=jpeg_quality)
                console.done(target, report)
    raise typer.Exit(console.code)


@app.command(short_help="Print the standard deviation of the noise.")
def estimate(
    inputs: Inputs, axes: Axes = None, channel_axis: ChannelAxis = None, max_pixels: MaxPixels = io.MAX_PIXELS
) -> None:
    """Print the noise's standard deviation: a line a file, its name, a tab, and a number a channel."""
    from .._checks import layout

    with Console() as console:
        for source in files(inputs):
            with console.working_on(source):
                picture = io.read(source, axes=axes, channel_axis=channel_axis, max_pixels=max_pixels)
                channel = layout(picture.pixels, picture.axes, picture.channel_axis).channel_axis
                sigma = nlmeans.estimate_sigma(picture.pixels, channel_axis=channel)
                typer.echo(
                    f"{source}\t" + " ".join(f"{value:.6g}" for value in ([sigma] if channel is None else sigma))
                )
    raise typer.Exit(console.code)


@app.command(short_help="Print the parameters that denoise would choose.")
def plan(
    inputs: Inputs,
    sigma: Sigma = None,
    axes: Axes = None,
    channel_axis: ChannelAxis = None,
    strength: Strength = None,
    patch_radius: PatchRadius = None,
    search_radius: SearchRadius = None,
    bias: Bias = True,
    centre: CentreRule = None,
    max_pixels: MaxPixels = io.MAX_PIXELS,
) -> None:
    """Print what `nlmeans denoise` would do, without doing it."""
    with Console() as console:
        for source in files(inputs):
            with console.working_on(source):
                picture = io.read(source, axes=axes, channel_axis=channel_axis, max_pixels=max_pixels)
                chosen = nlmeans.plan(
                    picture.pixels,
                    sigma,
                    axes=picture.axes,
                    channel_axis=picture.channel_axis,
                    strength=strength,
                    patch_radius=patch_radius,
                    search_radius=search_radius,
                    bias=bias,
                    centre=_value(centre),
                )
                typer.echo(f"{source}\n{chosen}\n")
    raise typer.Exit(console.code)


@app.command(short_help="Make a noisy photograph, denoise it, show both.")
def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the pictures go; those of an earlier run are replaced.")
    ] = Path("nlmeans-demo"),
) -> None:
    """Make a noisy photograph, denoise it, and show both: four pictures and a table of what was gained."""
    from ..demo import run

    with Console() as console, console.working_on(out), console.bar("demo") as progress:
        typer.echo(run(out, progress))
    raise typer.Exit(console.code)


def main() -> None:
    """Run the command line, as ``nlmeans`` and ``python -m nlmeans`` do."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name or a sigma must not end a program in an old code page
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds, so that no half file is left
    # A third of a short run was spent looking for garbage among a compiler's modules, most of it on the way out.
    gc.set_threshold(100_000, 50, 50)
    try:
        app(prog_name="nlmeans")
    finally:
        gc.freeze()
