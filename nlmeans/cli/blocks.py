"""Files that are too large to be read whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

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
