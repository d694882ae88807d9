"""The figures of "How it works", drawn from what the library computes: ``python docs/figures.py [FOLDER]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from skimage import data

import nlmeans
from nlmeans.noise import PoissonGaussian

FOLDER = Path(__file__).parent / "how" / "figures"
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "figures", "font.size": 10, "axes.spines.top": False,
         "axes.spines.right": False, "figure.facecolor": "white", "savefig.facecolor": "white"}  # fmt: skip
RED, BLUE, GREY, GREEN = "#d9582b", "#2f86c9", "#7d8590", "#2c9c6a"
SIGMA = 20.0


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return a part of a photograph, and the same with noise."""
    clean = data.camera()[96:224, 176:304].astype(np.float64)
    return clean, clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)


def shown(axes, picture: np.ndarray, title: str, **colours) -> None:
    """Show a picture without axes."""
    axes.imshow(picture, **{"cmap": "gray", "interpolation": "nearest", **colours})
    axes.set_title(title, fontsize=10)
    axes.set(xticks=[], yticks=[])


def weights() -> Figure:
    """Draw the weight against the distance of patches."""
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    axes = figure.add_subplot()
    distance = np.linspace(0, 4, 400)
    for strength, colour in ((0.4, BLUE), (0.6, RED), (0.8, GREEN)):
        weight = np.exp(-np.maximum(distance - 2, 0) / strength**2)
        axes.plot(distance, np.maximum(weight - 2.0**-12, 0), color=colour, label=f"strength {strength}")
    axes.axvline(2, color=GREY, linestyle="--", linewidth=1)
    axes.text(1.97, 0.08, "what noise alone brings, 2σ²", ha="right", color=GREY)
    axes.set(xlabel="d²/σ², mean squared difference of two patches", ylabel="weight")
    axes.legend(frameon=False)
    return figure


def displacement() -> Figure:
    """Draw the work of one displacement: difference, sum over the patch, weight."""
    _, noisy = scene()
    moved = np.roll(noisy, (-4, 6), (0, 1))
    square = (noisy - moved) ** 2
    total = np.pad(square, 3, "reflect")
    for axis in (0, 1):
        total = np.apply_along_axis(np.convolve, axis, total, np.ones(7) / 7, "valid")
    weight = np.exp(-np.maximum(total - 2 * SIGMA**2, 0) / (0.6 * SIGMA) ** 2)
    figure = Figure(figsize=(9, 2.1), layout="constrained")
    titles = ("the image", "the image, displaced", "squared difference", "mean over 7 × 7", "weight")
    pictures = (noisy, moved, np.sqrt(square), np.sqrt(total), weight)
    for axes, picture, title in zip(figure.subplots(1, 5), pictures, titles, strict=True):
        shown(axes, picture, title, cmap="gray" if picture.min() < 0 or picture.max() > 200 else "magma")
    return figure


def tiles() -> Figure:
    """Draw how an image is cut into tiles, and what one of them reads."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    width, height = 96, 64
    for row in range(3):
        for column in range(3):
            axes.add_patch(Rectangle((column * width, row * height), width, height, fill=False, color=GREY))
            axes.text(column * width + 4, row * height + 9, f"tile {3 * row + column}", color=GREY, fontsize=8)
    axes.add_patch(Rectangle((width, height), width, height, color=RED, alpha=0.35, linewidth=0))
    axes.add_patch(Rectangle((width - 13, height - 13), width + 26, height + 26, fill=False, color=RED, linestyle="--"))
    axes.add_patch(Rectangle((2 * width - 22, height + 20), 21, 21, fill=False, color=BLUE))
    axes.add_patch(Rectangle((2 * width - 15, height + 27), 7, 7, color=BLUE, alpha=0.6, linewidth=0))
    notes = (
        ((1.5 * width, 1.5 * height), (310, 30), "written: this tile alone", RED),
        ((1.5 * width, 2 * height + 13), (310, 165), "read: as much as the window\nand the patch reach", RED),
        ((2 * width - 1, height + 31), (310, 92), "a pixel's window and patch", BLUE),
    )
    for at, text, words, colour in notes:
        axes.annotate(words, at, text, color=colour, va="center", arrowprops={"arrowstyle": "-", "color": colour})
    axes.set(xlim=(-2, 460), ylim=(3 * height + 2, -2), aspect="equal")
    axes.axis("off")
    return figure


def photons() -> Figure:
    """Draw photon counts, their noise against brightness, and the same after the stabiliser."""
    clean = 0.4 * scene()[0] + 4
    counts = np.random.default_rng(1).poisson(clean).astype(np.float64)
    steady = PoissonGaussian(1.0).stabiliser().forward(counts[None])[0]
    order = np.digitize(clean, np.linspace(5, 95, 13))
    figure = Figure(figsize=(9, 2.7), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    shown(first, counts, "photon counts")
    levels = [clean[order == k].mean() for k in range(1, 13) if (order == k).sum() > 40]
    for axes, picture, title in ((second, counts, "σ of the counts"), (third, steady, "σ after the stabiliser")):
        smooth = np.interp(clean, *_means(clean, picture))
        spread = [(picture - smooth)[order == k].std() for k in range(1, 13) if (order == k).sum() > 40]
        axes.plot(levels, spread, "o", color=RED)
        axes.set(title=title, xlabel="brightness in counts", ylim=(0, 1.15 * max(spread)))
        axes.title.set_fontsize(10)
    second.plot(levels, np.sqrt(levels), color=GREY, label="√brightness")
    second.legend(frameon=False)
    third.axhline(1, color=GREY)
    return figure


def _means(clean: np.ndarray, picture: np.ndarray) -> tuple[list[float], list[float]]:
    levels = np.unique(clean)
    return list(levels), [float(picture[clean == level].mean()) for level in levels]


def groups() -> Figure:
    """Draw a group of similar patches, and the combinations that replace it."""
    _, noisy = scene()
    side, at, size, reach = 7, (84, 56), 24, 16
    corners = [(y, x) for y in range(at[0] - reach, at[0] + reach + 1) for x in range(at[1] - reach, at[1] + reach + 1)]

    def patches(picture: np.ndarray) -> np.ndarray:
        return np.stack([picture[y : y + side, x : x + side].ravel() for y, x in corners], axis=1)

    pilot = nlmeans.denoise(noisy, SIGMA)
    distance = np.square(patches(pilot) - pilot[at[0] : at[0] + side, at[1] : at[1] + side].reshape(-1, 1)).mean(0)
    chosen = np.argsort(distance, kind="stable")[:size]
    middle = patches(pilot)[:, chosen].mean(axis=1, keepdims=True)
    group, guess = patches(noisy)[:, chosen] - middle, patches(pilot)[:, chosen] - middle
    noise = side**2 * SIGMA**2 * np.eye(size)
    theta = np.eye(size) - np.linalg.solve(guess.T @ guess + noise, noise)
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    first, second, third, fourth = figure.subplots(1, 4, gridspec_kw={"width_ratios": (1, 0.75, 0.75, 0.75)})
    shown(first, noisy, f"the {size} patches that are most alike")
    for k in chosen:
        y, x = corners[k]
        first.add_patch(Rectangle((x - 0.5, y - 0.5), side, side, fill=False, color=RED, linewidth=0.8))
    first.set(xlim=(at[1] - 30, at[1] + 37), ylim=(at[0] + 37, at[0] - 30))
    limits = {"vmin": -3 * SIGMA, "vmax": 3 * SIGMA}
    shown(second, group, "X: a patch each column", aspect="auto", **limits)
    shown(third, theta, "Θ: what each takes of all", cmap="RdBu_r", vmin=-0.3, vmax=0.3)
    shown(fourth, group @ theta, "X · Θ", aspect="auto", **limits)
    return figure


def network() -> Figure:
    """Draw the learned denoiser as boxes."""
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    axes = figure.add_subplot()
    boxes = {
        "noisy": (0, 1.2, "noisy\npicture, σ", GREY), "phases": (2.1, 1.2, "2×2 phases,\nhalf size", GREY),
        "net": (4.2, 1.2, "U-Net:\nhalf, quarter,\neighth", BLUE), "guess": (6.3, 1.2, "proposal,\n8 features", BLUE),
        "stage": (8.4, 0, "non-local stage:\naverages of the\nnoisy phases", RED),
        "join": (10.5, 1.2, "last layers\njoin both", BLUE), "clean": (12.6, 1.2, "clean\npicture", GREY),
    }  # fmt: skip
    for x, y, words, colour in boxes.values():
        axes.add_patch(Rectangle((x, y), 1.6, 0.9, facecolor=colour, alpha=0.18, edgecolor=colour))
        axes.text(x + 0.8, y + 0.45, words, ha="center", va="center", fontsize=9)
    ways = (
        ((1.6, 1.65), (2.1, 1.65), 0), ((3.7, 1.65), (4.2, 1.65), 0), ((5.8, 1.65), (6.3, 1.65), 0),
        ((7.9, 1.65), (10.5, 1.65), 0), ((12.1, 1.65), (12.6, 1.65), 0), ((7.3, 1.2), (8.4, 0.6), 0.2),
        ((2.9, 1.2), (8.4, 0.25), 0.12), ((10.0, 0.45), (11.1, 1.2), 0.25),
    )  # fmt: skip
    for start, end, bend in ways:
        style = f"arc3,rad={bend}"
        axes.add_patch(
            FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, connectionstyle=style, color=GREY)
        )
    axes.text(6.9, 0.72, "weights", fontsize=9, color=RED)
    axes.text(4.6, -0.02, "values", fontsize=9, color=RED)
    axes.set(xlim=(-0.1, 14.4), ylim=(-0.3, 2.3), aspect="equal")
    axes.axis("off")
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    "weights.svg": weights, "displacement.png": displacement, "tiles.svg": tiles, "photons.png": photons,
    "groups.png": groups, "network.svg": network,
}  # fmt: skip


def main(folder: Path = FOLDER) -> None:
    """Draw all figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, figure in FIGURES.items():
            metadata = {"Date": None, "Creator": None} if name.endswith("svg") else None
            figure().savefig(folder / name, dpi=160, metadata=metadata)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
