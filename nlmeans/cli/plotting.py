"""The drawing of a picture's noise: where it may go, and what is on it."""

from __future__ import annotations

from pathlib import Path

from .. import formats
from ..formats.table import to_write
from ..noise.model import NoiseModel
from ..noise.patches import Evidence
from ..noise.profile import NoiseProfile
from ..show.noise import noise_sheet

SVG = ".svg"


def check_plot(output: Path, sources: list[Path], overwrite: bool) -> None:
    """Raise if a drawing cannot be written, or would take the place of a picture: before the work, not after it.

    Raises
    ------
    ValueError
        If the name is that of no picture in colours, there are several pictures to draw, or it is the one to read.
    OSError
        If the file may not be written.
    """
    if len(sources) != 1:
        raise ValueError(f"--plot must draw one picture; got {len(sources)}")
    if output.suffix.lower() != SVG:
        fmt = to_write(output, "write")
        if not fmt.colours:
            raise ValueError(f"a drawing has colours, which a {fmt.name} cannot hold")
    formats.check_target(output, overwrite)
    if output.exists() and sources[0].exists() and output.samefile(sources[0]):
        raise ValueError("the drawing must be a file of its own: it is read from")


def draw_noise(output: Path, evidence: Evidence, model: NoiseModel, overwrite: bool) -> None:
    """Draw the noise of a picture, with the curve of a model whose noise grows with brightness."""
    fitted = model.fit(evidence).model
    variance = fitted.variance if fitted.grouped else None
    sheet = noise_sheet(NoiseProfile.of(evidence), variance)
    if output.suffix.lower() != SVG:
        formats.write(output, formats.Picture(sheet.pixels(), "YXC"), overwrite=overwrite)
        return
    with formats.replacing(output, overwrite=overwrite) as part:
        part.write_text(sheet.svg(), encoding="utf-8")
