"""Files that are too large to be read whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from ..noise.models import MODELS
from ..noise.text import text
from .options import Filtering, Reading


def denoise_in_blocks(source: Path, target: Path, filtering: Filtering, reading: Reading, **others: Any) -> Any:
    """Denoise a file block by block, and say how to go on if that is interrupted."""
    from ..large.run import denoise

    try:
        return denoise(source, target, **reading.given, **filtering.given, **others)
    except (KeyboardInterrupt, SystemExit):
        typer.echo(f"nlmeans: {source}: the same command goes on from where it stopped", err=True)
        raise


def plan_in_blocks(source: Path, filtering: Filtering, reading: Reading, method: str | None) -> Any:
    """Return the plan of a file, from a sample."""
    from ..large.run import sampled

    return sampled(source, method=method, **reading.given, **filtering.given).plan


def noise_in_blocks(source: Path, model: str, reading: Reading) -> str:
    """Return the noise of a file as text, from a sample."""
    from ..large.run import fitted_noise

    fitted = fitted_noise(source, MODELS[model](), **reading.given)
    return text(fitted) if model == "poisson" else " ".join(f"{value:.6g}" for value in fitted.sigma)
