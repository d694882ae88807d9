"""The call that the settings come to: done, as Python, and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np

import nlmeans
from nlmeans.extend import NoiseModel

from .settings import Settings, command_noise, listed
from .subject import Subject, is_lazy

Progress = Callable[[int, int], object]


def denoised(subject: Subject, settings: Settings, progress: Progress, cancel: Event) -> list[Any]:
    """Return each level of an image, denoised; lazily where it is lazy."""
    result = []
    for k, level in enumerate(subject.levels):
        given = arguments(subject, settings, k)
        if not is_lazy(level):
            given |= {"progress": nlmeans.extend.part(progress, k, len(subject.levels)), "cancel": cancel}
        clean = nlmeans.denoise(subject.colours(level), **given)
        result.append(with_alpha(clean, level) if subject.alpha else clean)
        if cancel.is_set():
            raise nlmeans.Cancelled("stopped between levels")
    return result


def with_alpha(clean: Any, level: Any) -> Any:
    """Return colours with the opacity that they had."""
    if is_lazy(clean):
        import dask.array

        return dask.array.concatenate([clean, level[..., 3:]], axis=-1)
    return np.concatenate((clean, level[..., 3:]), axis=-1)


def arguments(subject: Subject, settings: Settings, level: int = 0) -> dict[str, Any]:
    """Return the arguments for one level.

    The noise of smaller copies is less: it is estimated from themselves. They are for an overview: all their pixels
    count.
    """
    given = (settings if level == 0 else _estimating(settings)).arguments() | subject.arguments(settings.method)
    if subject.mask is not None and level == 0:
        given["mask"] = subject.mask
    return given


def _estimating(settings: Settings) -> Settings:
    return Settings(settings.noise, None, settings.method, settings.quality, settings.strength)


def as_python(subject: Subject, settings: Settings) -> str:
    """Return lines for napari's console that make the same layer; ``clean`` is its data."""
    image = f"viewer.layers[{subject.name!r}].data"
    several = len(subject.levels) > 1
    said = _said(subject, settings, 0)
    lines = ["import nlmeans"]
    if models := sorted({type(v).__name__ for v in arguments(subject, settings).values() if isinstance(v, NoiseModel)}):
        lines.append(f"from nlmeans.noise import {', '.join(models)}")
    lines += ["", f"{'levels' if several else 'image'} = {image}"]
    if subject.mask_name is not None:
        lines.append(f"mask = viewer.layers[{subject.mask_name!r}].data != 0")
    colours = "[..., :3]" if subject.alpha else ""
    if several:
        others = _said(subject, settings, 1)
        lines.append(f"clean = [nlmeans.denoise(levels[0]{colours}{said})]")
        lines.append(f"clean += [nlmeans.denoise(level{colours}{others}) for level in levels[1:]]")
    else:
        lines.append(f"clean = nlmeans.denoise(image{colours}{said})")
    if subject.alpha:
        lines.insert(0, "import numpy as np")
        joined = "np.concatenate(({}, {}[..., 3:]), axis=-1)"
        lines.append(
            f"clean = [{joined.format('one', 'level')} for one, level in zip(clean, levels)]"
            if several
            else f"clean = {joined.format('clean', 'image')}"
        )
    return "\n".join(lines) + "\n"


def _said(subject: Subject, settings: Settings, level: int) -> str:
    given = arguments(subject, settings, level)
    return "".join(f", {name}={'mask' if name == 'mask' else repr(value)}" for name, value in given.items())


def as_command(subject: Subject, settings: Settings, path: str | None) -> str:
    """Return the command that does the same with the file that a layer was read from; a name stands in for none."""
    given = arguments(subject, settings)
    words = ["nlmeans", "denoise", path or "noisy.tif", "clean.tif"]
    for name, value in given.items():
        if name == "mask":
            value = "mask.tif"
        elif isinstance(value, NoiseModel):
            value = command_noise(value)
        elif not isinstance(value, str):
            value = listed(value)
        words += [f"--{name.replace('_', '-')}", value]
    return shlex.join(words)
