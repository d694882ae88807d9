"""What is written beside a denoised picture: what was taken away, and how far the result may be off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from .. import formats
from ..formats.residual import difference, difference_type


@dataclass(frozen=True)
class Sidecars:
    """Where they go; None for what is not asked for."""

    residual: Path | None
    noise_map: Path | None

    @property
    def report(self) -> Any:
        """What is asked of `nlmeans.denoise` as ``full_output``."""
        return True if self.noise_map is None else "maps"

    def check_tasks(
        self, tasks: list[tuple[Path, Path]], inputs: list[Path], by_blocks: bool, method: str | None
    ) -> None:
        """Refuse them of several results and in another file's place, and a map of one that is made block by block.

        Raises
        ------
        typer.BadParameter
            Naming the flag.
        """
        given = {"--residual": self.residual, "--noise-map": self.noise_map}
        places = {flag: path.resolve() for flag, path in given.items() if path is not None}
        taken = [path.resolve() for path in (*inputs, *(target for _, target in tasks))]
        for flag, place in places.items():
            if len(tasks) != 1:
                raise typer.BadParameter(f"is of one picture; got {len(tasks)}", param_hint=flag)
            if by_blocks and flag == "--noise-map":
                rule = f"is of pictures that are denoised whole: {tasks[0][0]} is done block by block"
                raise typer.BadParameter(rule, param_hint=flag)
            if place in taken or list(places.values()).count(place) > 1:
                raise typer.BadParameter(f"must be a file of its own: {given[flag]} is another's", param_hint=flag)

    def check(self, picture: formats.Picture, dtype: np.dtype, overwrite: bool) -> None:
        """Raise what `write` would raise: before the work, not after it."""
        kinds = {self.residual: difference_type(picture.pixels.dtype, dtype), self.noise_map: _real(dtype)}
        for path, kind in kinds.items():
            if path is not None:
                black = np.broadcast_to(np.zeros((), kind), picture.pixels.shape)
                formats.check(path, _like(picture, black), overwrite=overwrite)

    def write(self, picture: formats.Picture, result: np.ndarray, report: Any, overwrite: bool) -> None:
        """Write what was asked for.

        Raises
        ------
        ValueError
            Where there is no map, before anything is written.
        """
        left = None if self.noise_map is None else _map(report)
        if self.residual is not None:
            formats.write(self.residual, _like(picture, difference(picture.pixels, result)), overwrite=overwrite)
        if self.noise_map is not None and left is not None:
            kind = _real(result.dtype)
            formats.write(self.noise_map, _like(picture, np.asarray(left, kind)), overwrite=overwrite)


def _map(report: Any) -> np.ndarray:
    """Return the map of the error; of processed photographs that of the noise that is left, as a note says."""
    for one in () if report.maps is None else (report.maps.error, report.maps.residual):
        if one is not None:
            return one
    raise ValueError(
        "--noise-map: the error of processed photographs is not known, and --method nlm alone has a map of the noise "
        "that is left: take that, or give --sigma"
    )


def _real(dtype: np.dtype) -> np.dtype:
    return np.result_type(dtype if dtype.kind == "f" else np.float32, np.float32)


def _like(picture: formats.Picture, pixels: np.ndarray) -> formats.Picture:
    """Return a picture of other numbers in the same place: with its axes and pixel size, without what is of light."""
    plain = replace(picture, alpha=None, icc=None, nodata=None, white=None)
    if picture.alpha is not None or hasattr(picture.native, "developed"):
        plain = replace(plain, native=None)
    return replace(plain.typed(pixels.dtype), pixels=pixels)
