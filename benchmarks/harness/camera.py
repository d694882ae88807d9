"""A camera made up of its parts: clean pictures with noise as a JPEG file of a camera has it.

A picture is taken back to what a sensor would have counted; noise comes in there, and the way back to a file changes
it: demosaicking spreads it over neighbours, the colour matrix over channels, the tone curve lets it depend on
brightness, the camera's own denoising takes what is fine, and JPEG what is left of that. Methods are developed on such
pairs, so that none is tuned on the photographs that it is judged on. ::

    noisy, clean = pair(picture, PRESETS["iso3200"], seed=1)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

import numpy as np
from scipy.ndimage import convolve, gaussian_filter, median_filter, uniform_filter

PEAK = 255.0
WELL = 20_000.0
"""Electrons of a full pixel at ISO 100."""
READ = 3.0
"""Standard deviation of reading a pixel, in electrons."""
BALANCE = np.array([1.9, 1.0, 1.6])
"""What red, green and blue are multiplied by, so that grey is grey: sensors see least of red and blue."""
MATRIX = np.array([[1.5, -0.4, -0.1], [-0.2, 1.45, -0.25], [0.0, -0.45, 1.45]])
"""From the sensor's colours to sRGB's; rows add up to 1, which leaves grey alone."""
LUMA = np.array([0.299, 0.587, 0.114])
CONTRAST = 0.35
"""How much of an S there is in the tone curve."""
SITES = np.array([[0, 1], [1, 2]])
"""Which channel each pixel of 2×2 on the sensor sees."""
FINE, COARSE = (0.7, 1.4), (1.0, 2.0, 4.0)
"""Blurs, in pixels, whose differences are the bands of luma and of chroma that the camera's denoising shrinks."""
KEPT = 0.15
"""The least share of a band that denoising leaves: cameras keep some grain."""


@dataclass(frozen=True)
class Shot:
    """How a picture is taken and developed.

    Attributes
    ----------
    iso : float
        The gain: a full pixel is ``WELL * 100 / iso`` electrons.
    demosaick : {"edges", "bilinear"}
        Green along the direction that changes less, red and blue by their difference from it; or means of neighbours.
    denoise : float
        Strength of the camera's own denoising; 0 for none, 1 removes about as much noise as there is.
    sharpen : float
        How much of what a blur of one pixel takes away is added.
    size : float
        Sides of the file in those of the sensor.
    quality : int or None
        Of the JPEG file; None for none.
    subsampling : {"4:4:4", "4:2:0"}
        Chroma of the JPEG file.
    """

    iso: float = 1600
    demosaick: Literal["edges", "bilinear"] = "edges"
    denoise: float = 0.5
    sharpen: float = 0.0
    size: float = 1.0
    quality: int | None = 95
    subsampling: Literal["4:4:4", "4:2:0"] = "4:2:0"

    @property
    def gain(self) -> float:
        """What an electron adds, where a full pixel is 1."""
        return self.iso / 100 / WELL


def pair(picture: np.ndarray, shot: Shot, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph with the noise of its camera, and the same photograph without.

    Parameters
    ----------
    picture : ndarray of uint8
        Clean, in sRGB, of shape (rows, columns, 3); a last row or column that makes their number odd is left out.
    shot : Shot
        How it is taken.
    seed : int
        Of the noise.

    Returns
    -------
    noisy, clean : ndarray of uint8
        Of one mosaic, with noise and as a JPEG file; without noise, developed in the same way, its chroma as coarse as
        the file's, but not quantised.
    """
    rows, columns = (side // 2 * 2 for side in picture.shape[:2])
    mosaic = exposed(picture[:rows, :columns])
    random = np.random.default_rng(seed)
    counts = random.poisson(mosaic / shot.gain) + random.normal(0, READ, mosaic.shape)
    noisy, clean = developed(counts * shot.gain, shot), developed(mosaic, shot)
    return compressed(noisy, shot), compressed(clean, shot if shot.quality is None else replace(shot, quality=100))


def exposed(picture: np.ndarray) -> np.ndarray:
    """Return the share of a full pixel that each of the sensor's would hold, in a Bayer mosaic."""
    light = undone(toned)(picture / PEAK)
    sensed = np.clip(light @ np.linalg.inv(MATRIX).T / BALANCE, 0, 1)
    return np.take_along_axis(sensed, sites(picture.shape[:2])[..., None], -1)[..., 0]


def developed(mosaic: np.ndarray, shot: Shot) -> np.ndarray:
    """Return the picture that a camera makes of a mosaic, in bytes."""
    colours = (edges if shot.demosaick == "edges" else bilinear)(mosaic)
    light = np.clip(colours * BALANCE @ MATRIX.T, 0, 1)
    luma, chroma = parted(toned(light))
    if shot.denoise:
        luma, chroma = cleaned(luma, chroma, shot)
    if shot.sharpen:
        luma = luma + shot.sharpen * (luma - gaussian_filter(luma, 1))
    return in_bytes(scaled(joined(luma, chroma), shot.size))


def sites(shape: tuple[int, ...]) -> np.ndarray:
    """Return which channel each pixel of the sensor sees."""
    return np.tile(SITES, (shape[0] // 2, shape[1] // 2))


def toned(light: np.ndarray) -> np.ndarray:
    """Return light as a picture shows it: sRGB's curve, and an S for contrast."""
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
    return (1 - CONTRAST) * shown + CONTRAST * shown**2 * (3 - 2 * shown)


def undone(curve: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return what undoes a curve that rises from 0 to 1, by a table; dense near black, where light is little."""
    light = np.linspace(0, 1, 8192) ** 3
    return lambda shown: np.interp(shown, curve(light), light)


def bilinear(mosaic: np.ndarray) -> np.ndarray:
    """Return red, green and blue as means of the nearest pixels that saw them."""
    return np.stack([spread(mosaic, sites(mosaic.shape) == channel) for channel in range(3)], -1)


def spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return values where they are known, and elsewhere the mean of those next to them."""
    weights = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], float)
    total = convolve(np.where(known, values, 0), weights, mode="mirror")
    return np.where(known, values, total / convolve(known.astype(float), weights, mode="mirror"))


def edges(mosaic: np.ndarray) -> np.ndarray:
    """Return green along the direction that changes less, and red and blue as green with their difference from it."""
    seen = sites(mosaic.shape)
    ways, changes = [], []
    padded = np.pad(mosaic, 2, "reflect")
    for axis in (0, 1):
        far, before, after, further = (np.roll(padded, step, axis)[2:-2, 2:-2] for step in (2, 1, -1, -2))
        bend = (2 * mosaic - far - further) / 4
        ways.append((before + after) / 2 + bend)
        changes.append(uniform_filter(abs(before - after) + abs(4 * bend), 3, mode="mirror") + 1e-4)
    share = changes[1] ** 2 / (changes[0] ** 2 + changes[1] ** 2)
    green = np.where(seen == 1, mosaic, share * ways[0] + (1 - share) * ways[1])
    red, blue = (green + spread(mosaic - green, seen == channel) for channel in (0, 2))
    return np.stack([red, green, blue], -1)


def parted(shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return luma, and red and blue less luma."""
    luma = shown @ LUMA
    return luma, shown[..., ::2] - luma[..., None]


def joined(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Return the colours of luma and chroma."""
    red, blue = (chroma[..., k] + luma for k in (0, 1))
    return np.stack([red, (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1], blue], -1)


def cleaned(luma: np.ndarray, chroma: np.ndarray, shot: Shot) -> tuple[np.ndarray, np.ndarray]:
    """Return luma and chroma as a camera denoises them, which knows its noise: in luma fine grain, in chroma more.

    What is coarser stays, as it does in cameras: this is what makes their noise one of low frequencies.
    """
    sigma = shot.denoise * shown_noise(luma, shot)
    colours = [shrunk(median_filter(chroma[..., k], 3), COARSE, 2 * sigma) for k in (0, 1)]
    return shrunk(luma, FINE, sigma), np.stack(colours, -1)


def shown_noise(luma: np.ndarray, shot: Shot) -> np.ndarray:
    """Return about which σ the noise has in a picture at each brightness, before it is denoised."""
    light = np.linspace(0, 1, 257) ** 2
    slope = np.gradient(toned(light), light)
    sigma = np.sqrt(shot.gain * light + (shot.gain * READ) ** 2) * slope
    return np.interp(gaussian_filter(luma, 2), toned(light), sigma)


def shrunk(plane: np.ndarray, blurs: tuple[float, ...], sigma: np.ndarray) -> np.ndarray:
    """Return a plane whose bands are shrunk where they hold no more than noise, by the rule of Wiener."""
    result, finer = np.zeros_like(plane), plane
    for blur in blurs:
        coarser = gaussian_filter(plane, blur)
        band = finer - coarser
        power = uniform_filter(band**2, 5)
        noise = (sigma / (2 * blur)) ** 2
        result += band * np.maximum(1 - 2 * noise / np.maximum(power, 1e-12), KEPT)
        finer = coarser
    return result + finer


def scaled(picture: np.ndarray, size: float) -> np.ndarray:
    """Return a picture of another size."""
    if size == 1:
        return picture
    from PIL import Image

    sides = tuple(round(side * size) for side in picture.shape[1::-1])
    planes = [Image.fromarray(plane) for plane in np.moveaxis(picture.astype(np.float32), -1, 0).copy()]
    return np.stack([np.asarray(plane.resize(sides, Image.Resampling.BICUBIC)) for plane in planes], -1)


def in_bytes(picture: np.ndarray) -> np.ndarray:
    """Return a picture from 0 to 1 in bytes."""
    return np.clip(np.rint(picture * PEAK), 0, PEAK).astype(np.uint8)


def compressed(picture: np.ndarray, shot: Shot) -> np.ndarray:
    """Return what a JPEG file keeps of a picture."""
    if shot.quality is None:
        return picture
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=shot.quality, subsampling=shot.subsampling)
    return np.asarray(Image.open(file))


PRESETS = {
    "iso400": Shot(400, denoise=0.3, quality=98, subsampling="4:4:4"),
    "iso400-plain": Shot(400, demosaick="bilinear", denoise=0, quality=95),
    "iso800": Shot(800, denoise=0.5, sharpen=0.4, quality=92),
    "iso1600": Shot(1600, denoise=0.7, quality=95),
    "iso1600-plain": Shot(1600, denoise=0, quality=90, subsampling="4:4:4"),
    "iso1600-small": Shot(1600, denoise=0.5, sharpen=0.3, size=2 / 3, quality=90),
    "iso3200": Shot(3200, denoise=1.0, quality=95),
    "iso3200-sharp": Shot(3200, denoise=0.6, sharpen=0.6, quality=85),
    "iso3200-bilinear": Shot(3200, demosaick="bilinear", denoise=0.5, quality=80),
    "iso6400": Shot(6400, denoise=1.0, quality=95),
    "iso6400-small": Shot(6400, denoise=0.5, size=2 / 3, quality=92, subsampling="4:4:4"),
    "iso6400-strong": Shot(6400, denoise=2.0, sharpen=0.4, quality=80),
}
"""Ways that cameras are set. Their noise on training photographs has σ of 2 to 9 grey levels, 1 to 5 over 4×4 pixels,
and neighbours at distances 1 and 2 correlate by 0.3 to 0.7 and 0.1 to 0.5, as in real ones."""
