"""``nlmeans demo``: a photograph, noise on it, and what denoising gets back."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .. import formats
from .._progress import Progress
from ..denoise import denoise
from ..plan.plan import table
from ..plan.report import Report
from ..show.metrics import Metrics, measure

PHOTOGRAPH = "chelsea.png"  # a cat, by Stefan van der Walt, CC0; in scikit-image's wheel
SIGMA = 25.0
SEED = 0
DETAIL = (98, 72, 150, 100)  # left, top, width and height of what is enlarged
ZOOM = 3
GAP, LINE = 14, 34
PAPER, INK, FAINT, MARK = (255, 255, 255), (25, 25, 25), (115, 115, 115), (255, 255, 255)


def run(folder: Path, progress: Progress | None = None) -> str:
    """Make a noisy photograph, denoise it with σ unknown, and write both, the original and a comparison.

    Parameters
    ----------
    folder : Path
        Where the four PNG files go; made if needed. Files of an earlier run are replaced.
    progress : callable, optional
        As for `nlmeans.denoise`.

    Returns
    -------
    str
        A table of what was chosen and gained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with resources.as_file(resources.files("skimage") / "data" / PHOTOGRAPH) as path:
        clean = formats.read(path)
    noisy = clean.with_pixels(add_noise(clean.pixels))
    # A first call compiles, once on a machine: the seconds shown are to be those of the work.
    denoise(noisy.pixels[:32, :32], SIGMA, axes=noisy.axes)
    pixels, report = denoise(noisy.pixels, axes=noisy.axes, progress=progress, full_output=True)
    denoised = clean.with_pixels(pixels)
    before, after = measure(noisy.pixels, clean.pixels), measure(pixels, clean.pixels)
    columns = [
        (noisy.pixels, "Noisy", f"{before.psnr:.2f} dB   SSIM {before.ssim:.3f}"),
        (pixels, "Denoised", f"{after.psnr:.2f} dB   SSIM {after.ssim:.3f}"),
        (clean.pixels, "Original", "never seen by the denoiser"),
    ]
    pictures = {
        "clean.png": clean,
        "noisy.png": noisy,
        "denoised.png": denoised,
        "comparison.png": formats.Picture(compare(columns), "YXC"),
    }
    for name, picture in pictures.items():
        formats.write(folder / name, picture, overwrite=True)
    return summary(clean.pixels.shape, report, before, after, folder.resolve(), list(pictures))


def add_noise(pixels: np.ndarray) -> np.ndarray:
    """Return 8-bit pixels with Gaussian noise, clipped and rounded as a camera's are."""
    noise = np.random.default_rng(SEED).normal(0, SIGMA, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def compare(columns: list[tuple[np.ndarray, str, str]]) -> np.ndarray:
    """Draw pictures side by side, each with a title and an enlarged detail below."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = columns[0][0].shape[:2]
    left, top, across, down = DETAIL
    total = (GAP + len(columns) * (width + GAP), LINE * 2 + height + GAP + down * ZOOM + GAP)
    sheet = Image.new("RGB", total, PAPER)
    pen = ImageDraw.Draw(sheet)
    large: Any = ImageFont.load_default(size=21)
    small: Any = ImageFont.load_default(size=16)
    for k, (pixels, title, figures) in enumerate(columns):
        x, y = GAP + k * (width + GAP), LINE * 2
        pen.text((x, 30), title, INK, large, anchor="ls")
        pen.text((x, 54), figures, FAINT, small, anchor="ls")
        picture = Image.fromarray(pixels)
        sheet.paste(picture, (x, y))
        box = (left, top, left + across, top + down)
        pen.rectangle((x + left - 2, y + top - 2, x + left + across + 1, y + top + down + 1), outline=MARK, width=2)
        # Enlarged without smoothing: what is to be judged are the pixels.
        detail = picture.crop(box).resize((across * ZOOM, down * ZOOM), Image.Resampling.NEAREST)
        sheet.paste(detail, (x, y + height + GAP))
    return np.asarray(sheet)


def summary(
    shape: tuple[int, ...], report: Report, before: Metrics, after: Metrics, folder: Path, names: list[str]
) -> str:
    """Return what was done and gained as a small table."""
    rows = [
        ("photograph", f"{PHOTOGRAPH} of scikit-image, {shape[1]} × {shape[0]} pixels"),
        ("noise added", f"Gaussian, sigma {SIGMA:g}, clipped and rounded to 8 bits; unknown to the denoiser"),
        *report.plan.rows(),
        ("threads", str(report.threads)),
        ("seconds", f"{report.seconds:.2f}"),
        ("PSNR", f"{before.psnr:.2f} dB noisy, {after.psnr:.2f} dB denoised"),
        ("SSIM", f"{before.ssim:.3f} noisy, {after.ssim:.3f} denoised"),
        ("pictures", f"{folder}: {', '.join(names)}"),
    ]
    return table(rows)
