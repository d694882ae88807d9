"""The noise of a picture as a line of text."""

from __future__ import annotations

from pathlib import Path

from ..noise.image import evidence_in
from ..noise.model import NoiseModel
from ..noise.models import MODELS, Unnamed
from ..noise.patches import Evidence
from ..noise.text import text
from .options import Reading, sensor_of
from .paths import in_blocks

SIGMA = "gaussian"
"""The model whose numbers are printed alone."""


def noise_in(source: Path, name: str, reading: Reading) -> tuple[Evidence, NoiseModel]:
    """Return what the noise of a picture is judged by, and the model of this name to fit to it."""
    model = Unnamed() if name == SIGMA else MODELS[name]()
    if in_blocks(source, source, reading.given["series"]):
        from ..large.run import evidence_in as evidence_in_blocks

        return evidence_in_blocks(source, **reading.given), model
    picture = reading.read(source)
    evidence, _ = evidence_in(picture.pixels, picture.axes, picture.channel_axis, picture.known)
    return evidence, (sensor_of(picture) if name == "poisson" else None) or model


def line(evidence: Evidence, model: NoiseModel, name: str) -> str:
    """Return the fitted noise as --sigma or --noise takes it."""
    noise = model.fit(evidence)
    return " ".join(f"{sigma:.6g}" for sigma in noise.channels) if name == SIGMA else text(noise.model)
