"""The command line: files in, files out, and one flag for every option of `nlmeans.denoise`.

What a command does not need is not imported: the start of the process counts in its time.
"""

from __future__ import annotations

import gc
import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

import nlmeans

from .. import formats
from ..noise.units import in_series
from .blocks import denoise_in_blocks, plan_in_blocks
from .console import Console, in_a_line
from .estimating import line, noise_in
from .flags import flag, method_name, place, size, with_flags
from .halves import Halves, check_halves
from .journal import journal
from .options import Filtering, Reading, Working
from .paths import check_encoding, check_name, check_target, files_of, in_blocks, is_folder, pairs
from .sidecars import Sidecars

app = typer.Typer(
    help="Remove noise from pictures by non-local means.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="IN...", help="Pictures (PNG, JPEG, TIFF, NPY, NIfTI, Zarr, camera RAW), or folders of them."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print all that was done and chosen.")]


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"nlmeans {nlmeans.__version__}")
        raise typer.Exit


@app.command(short_help="Denoise pictures.")
@with_flags
def denoise(
    *,
    inputs: Inputs,
    output: Annotated[str, typer.Argument(metavar="OUT", help="A file; for several pictures a folder.")],
    filtering: Filtering,
    working: Working,
    reading: Reading,
    max_memory: Annotated[
        Any,
        typer.Option(
            parser=size,
            metavar="SIZE",
            help="Denoise Zarr, TIFF or NPY block by block in this much memory, such as 2G or 500M. Zarr, and files "
            "that would take half of the memory, are done so anyway.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Have a dask cluster do the blocks, which must see the same files."),
    ] = None,
    others: Annotated[
        Literal["copy", "link"] | None,
        typer.Option(help="Of a Zarr store: bring what else is in it, such as labels. Left out by default."),
    ] = None,
    jpeg_quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, metavar="INT", help="For JPEG files; by default the input's own, or else 95."),
    ] = None,
    lossy: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            metavar="INT",
            help="Let WebP, JPEG XL, AVIF, HEIC, JPEG 2000 and compressed FITS files lose what they may at this level, "
            "on each one's own scale: the PSNR in decibels for JPEG 2000, the part of the noise that floats are "
            "rounded to for FITS, for the others a quality that means another picture in each. By default they keep "
            "every pixel.",
        ),
    ] = None,
    crf: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=63,
            metavar="INT",
            help="For videos: the rate factor of the encoder; larger makes smaller files.",
        ),
    ] = None,
    residual: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was taken away: the picture minus the result.")
    ] = None,
    noise_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the standard deviation of the error in each pixel of the result: noise that is left, and "
            "detail that is lost. Of processed photographs, by --method nlm, of the noise that is left alone.",
        ),
    ] = None,
    half_maps: Annotated[
        bool,
        typer.Option(
            "--half-maps",
            help="The two pictures are halves of one measurement: their difference says what noise they have. Denoise "
            "their mean into the file OUT, or each into the folder OUT.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Denoise a picture into the file OUT, or several, or those of a folder, into the folder OUT.

    What files say besides their pixels is kept: alpha, colour profile, EXIF, resolution, voxels, names of axes. Camera
    RAW is denoised as the sensor read it, then developed to 16 bits: OUT is a TIFF, PNG or NPY (extra raw). Large
    files are done block by block; what is unfinished is called OUT.part, and the same command goes on from there.
    """
    with Console(quiet, verbose) as console, ExitStack() as stack:
        joined = half_maps and not is_folder(output)
        tasks, folder = pairs(inputs[:1] if joined else inputs, output)
        encoding = {name: level for name, level in (("jpeg_quality", jpeg_quality), ("lossy", lossy)) if level}
        check_encoding([*encoding, *(["crf"] if crf is not None else [])], [target for _, target in tasks])
        all_by_blocks = max_memory is not None or scheduler is not None or filtering.in_store
        series = reading.given["series"]
        by_blocks = [all_by_blocks or in_blocks(source, target, series) for source, target in tasks]
        if others is not None and not any(by_blocks):
            raise typer.BadParameter("is for Zarr stores: none is read", param_hint="--others")
        sidecars, halves = Sidecars(residual, noise_map), None
        sidecars.check_tasks(tasks, inputs, any(by_blocks), working.given["method"])
        if half_maps:
            check_halves(inputs, filtering, any(by_blocks))
            with console.working_on(inputs[-1]):
                halves = Halves.read(inputs, reading, joined)
            if halves is None:
                raise typer.Exit(console.code)
        files = {} if all(by_blocks) else filtering.files(reading)
        if folder is not None:
            with console.working_on(folder):
                folder.mkdir(parents=True, exist_ok=True)
        command = filtering.given | reading.given | working.given | encoding
        command |= {"half_maps": halves and halves.noise, "others": others, "crf": crf}
        del command["threads"]  # no result depends on them
        done = stack.enter_context(journal(folder, command))
        for (source, target), blocks in zip(tasks, by_blocks, strict=True):
            with console.working_on(source), in_series(len(tasks) > 1):
                if not done.begins(source, target):
                    console.kept(target)
                    continue
                if blocks:
                    with console.bar(source.name) as progress:
                        report = denoise_in_blocks(
                            source, target, filtering, reading, max_memory=max_memory, scheduler=scheduler,
                            residual=residual, others=others, crf=crf, overwrite=overwrite, progress=progress,
                            **working.given,
                        )  # fmt: skip
                    done.ends(target, target)
                    console.done(target, report)
                    continue
                check_target(target, source, overwrite)
                picture, dtype = (halves.picture if halves else reading.read)(source), working.given["dtype"]
                written = halves.written(source) if halves else picture
                written = written if dtype is None else written.typed(np.dtype(dtype))
                formats.check(target, written, overwrite=overwrite)
                sidecars.check(picture, np.dtype(dtype or picture.pixels.dtype), overwrite)
                options = filtering.options(picture, files, working.given["method"]) | working.given
                options |= halves.noise if halves else {}
                with console.bar(source.name) as progress:
                    pixels, report = nlmeans.denoise(
                        picture.pixels, progress=progress, full_output=sidecars.report, **options
                    )
                sidecars.write(picture, pixels, report, overwrite)
                pixels = halves.stored(source, pixels) if halves and dtype is None else pixels
                formats.write(
                    target, written.with_pixels(pixels), overwrite=overwrite, done=in_a_line(report),
                    placing=partial(done.ends, target), **encoding,
                )  # fmt: skip
                console.done(target, report)
    raise typer.Exit(console.code)


@app.command(short_help="Print how strong the noise is.")
@with_flags
def estimate(
    *,
    inputs: Inputs,
    model: Annotated[
        Literal["gaussian", "poisson", "rician", "camera"],
        typer.Option(
            help="Noise of one standard deviation; photon counts with a gain and read noise; that of magnitudes (MRI); "
            "or that of processed photographs, at three scales."
        ),
    ] = "gaussian",
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Draw what the noise looks like, by brightness, frequency, scale and channel: a PNG or SVG.",
        ),
    ] = None,
    reading: Reading,
    overwrite: Overwrite = False,
) -> None:
    """Print the noise of pictures in the units of their pixels: a line a file, its name, a tab, and the noise.

    That is the standard deviation, a number a channel; or another model with its numbers, as --noise takes it:
    poisson:gain=G,offset=O,sigma=S, rician:sigma=S,coils=1, camera:full=F,half=H,quarter=Q.
    """
    with Console() as console:
        sources = list(files_of(inputs))
        if plot is not None:
            from .plotting import check_plot, draw_noise

            with console.working_on(plot):
                check_plot(plot, sources, overwrite)
            if console.code:
                raise typer.Exit(console.code)
        for source in sources:
            with console.working_on(source):
                evidence, kind = noise_in(source, model, reading)
                if plot is not None:
                    draw_noise(plot, evidence, kind, overwrite)
                typer.echo(f"{source}\t{line(evidence, kind, model)}")
    raise typer.Exit(console.code)


@app.command(short_help="Print the parameters that denoise would choose.")
@with_flags
def plan(
    *,
    inputs: Inputs,
    filtering: Filtering,
    method: Annotated[Any, typer.Option(parser=method_name, metavar="NAME", help="As for denoise.")] = None,
    reading: Reading,
) -> None:
    """Print what `nlmeans denoise` would do, without doing it."""
    with Console() as console:
        sources = list(files_of(inputs))
        series = reading.given["series"]
        by_blocks = [filtering.in_store or in_blocks(source, source, series) for source in sources]
        files = {} if all(by_blocks) else filtering.files(reading)
        for source, blocks in zip(sources, by_blocks, strict=True):
            with console.working_on(source):
                if blocks:
                    chosen = plan_in_blocks(source, filtering, reading, method)
                else:
                    picture = reading.read(source)
                    chosen = nlmeans.plan(picture.pixels, method=method, **filtering.options(picture, files, method))
                typer.echo(f"{source}\n{chosen}\n")
    raise typer.Exit(console.code)


@app.command(short_help="Print what files were understood to be.")
@with_flags
def info(
    *,
    inputs: Inputs,
    reading: Reading,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list in JSON.")] = False,
) -> None:
    """Print what files were understood to be: axes, sizes, pixel size, channels, what is missing, and the noise.

    The noise is that of the model that --noise auto would choose, of a large file from a sample.
    """
    from .understanding import shown, understood

    with Console(quiet=as_json) as console:
        found = []
        for source in files_of(inputs):
            with console.working_on(source):
                found.append(understood(source, reading))
                if not as_json:
                    typer.echo(shown(found[-1]))
        if as_json:
            import json

            typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    raise typer.Exit(console.code)


@app.command("formats", short_help="List the kinds of files that can be read and written.")
def list_formats(as_json: Annotated[bool, typer.Option("--json", help="Print a list in JSON.")] = False) -> None:
    """List the kinds of files that can be read, written, and done by regions here, and what to install for others."""
    from .listing import listed

    typer.echo(listed(as_json))


@app.command(short_help="Draw which pixels one pixel is averaged with.")
@with_flags
def explain(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture or a volume.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Where the drawing goes: a PNG, JPEG, TIFF or NPY.")],
    at: Annotated[
        Any,
        typer.Option(
            parser=place,
            metavar="Y,X",
            help="The pixel: row and column from 0, negative from the end; Z,Y,X in a volume, T,Y,X in a video, N and "
            "a comma before them in a file of several images.",
        ),
    ],
    filtering: Filtering,
    reading: Reading,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw the weights with which denoise averages one pixel, over the picture: brighter weighs more.

    Of a volume or a video, the slice that holds the pixel is drawn.
    """
    from .explaining import explained

    fmt = check_name(output, "OUT", "write")
    if not fmt.colours:
        raise typer.BadParameter(f"{output}: a drawing has colours, which a {fmt.name} cannot hold", param_hint="OUT")
    with Console(quiet, verbose) as console:
        files = filtering.files(reading)
        with console.working_on(output):
            formats.check_target(output, overwrite)  # before the work, not after it
        if console.code:
            raise typer.Exit(console.code)
        with console.working_on(source):
            drawing, summary, chosen = explained(reading.read(source), at, filtering, files)
            formats.write(output, drawing, overwrite=overwrite)
            console.drawn(output, summary, chosen)
    raise typer.Exit(console.code)


@app.command(short_help="Make a page that compares what each method makes of a picture.")
@with_flags
def compare(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture or a volume.")],
    out: Annotated[Path, typer.Option(metavar="PAGE", help="Where the page goes: a name that ends in .html or .htm.")],
    sigma: Annotated[Any, flag("sigma")] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="CLEAN", help="The picture without noise: PSNR and SSIM are taken against it."),
    ] = None,
    threads: Annotated[int | None, flag("threads")] = None,
    *,
    reading: Reading,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Denoise a picture in all qualities, by ridge and by the trained network, and make a page to compare them.

    The page is one file that needs no network: a slider wipes between any two of the pictures, a lens enlarges the
    same place of all, and the difference of two can be shown. Of a volume, a video or a stack, the page shows the slice
    in the middle.
    """
    from ..show.page import environment
    from .comparing import compared

    if out.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"must end in .html or .htm; got {out}", param_hint="--out")
    filtering = Filtering(sigma=sigma)
    with Console(quiet) as console:
        files, clean = filtering.files(reading), None
        with console.working_on(out):  # before the work, not after it
            formats.check_target(out, overwrite)
            used = [path for path in (source, reference, sigma) if isinstance(path, Path) and path.exists()]
            if out.exists() and any(out.samefile(path) for path in used):
                raise ValueError("the page must be a file of its own: it is read from")
            environment()
        if reference is not None and not console.code:
            with console.working_on(reference):
                clean = reading.beside(reference)
        if console.code:
            raise typer.Exit(console.code)
        with console.working_on(source):
            result = compared(
                source.name, reading.read(source), filtering, files, reference=clean, threads=threads, bar=console.bar
            )
            with formats.replacing(out, overwrite=overwrite) as part:
                part.write_text(result.page, encoding="utf-8", errors="replace")  # a file may have any name
            console.drawn(out, result.summary, result)
    raise typer.Exit(console.code)


@app.command(short_help="Make a noisy photograph, denoise it, show both.")
def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the pictures go; those of an earlier run are replaced.")
    ] = Path("nlmeans-demo"),
) -> None:
    """Make a noisy photograph, denoise it, and show both: four pictures and a table of what was gained."""
    from .demonstrating import run

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
