"""What a classifier reads in digits: its answer, the convolutions' heat map, and its second block's attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..classifier import NonLocalClassifier

GRID = 3
"""Keys of the second block along each side: 7×7 pixels, pooled by 2, of which the last row and column drop out."""
BOX = 8
"""Side in input pixels of a key: 2×2 pixels, each of them pooled from 4×4."""
BATCH = 250


@dataclass(frozen=True)
class Reading:
    """What a classifier read in one digit, and where.

    Attributes
    ----------
    index : int
        Its number in the set.
    label, predicted : int
        The true class, and the class that was read.
    confidence, doubt : float
        The network's probabilities of the class that it read and of the true one.
    digit : ndarray of uint8, shape (28, 28)
        Bright ink on black.
    heat, heat_true : ndarray, shape (28, 28)
        Grad-CAM of the class that was read, and of the true one.
    attention : ndarray, shape (3, 3)
        Weight of each key, on average over the second block's pixels.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    doubt: float
    digit: np.ndarray
    heat: np.ndarray
    heat_true: np.ndarray
    attention: np.ndarray

    @property
    def wrong(self) -> bool:
        """Whether it was misread."""
        return self.label != self.predicted

    @property
    def key(self) -> int:
        """The key of the largest weight, in row-major order."""
        return int(self.attention.argmax())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """That key's input pixels: first row and column, and those behind the last."""
        return key_box(self.key)


def key_box(key: int) -> tuple[int, int, int, int]:
    """Return the input pixels of a key of the second block: first row and column, and those behind the last."""
    row, column = divmod(key, GRID)
    return BOX * row, BOX * column, BOX * (row + 1), BOX * (column + 1)


def key_attention(nl_map: Tensor) -> Tensor:
    """Return the weight of each key, (B, 3, 3): the mean over the 49 queries of a map (B, 49, 9)."""
    return nl_map.mean(1).reshape(-1, GRID, GRID)


def grad_cam(network: NonLocalClassifier, images: Tensor, classes: Tensor) -> Tensor:
    """Return where the convolutions see evidence for a class, by Grad-CAM.

    Parameters
    ----------
    network : NonLocalClassifier
        Used in eval mode, and left unchanged.
    images : Tensor, shape (B, 1, 28, 28)
        Digits, 0 to 1.
    classes : Tensor of int64, shape (B,)
        The class for each image.

    Returns
    -------
    Tensor, shape (B, 28, 28)
        At least 0; in units of the class's logit per pixel of the 7×7 map, enlarged bilinearly.

    Notes
    -----
    The maps are those of the last stage before its pooling, 128 of 7×7. Each is weighted by how much the logit grows
    with its pixels, on average; their sum counts where it is positive.

    References
    ----------
    R. R. Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based localization", ICCV
    2017, arXiv:1610.02391.
    """
    with _evaluating(network):
        with torch.no_grad():
            features = network.nl_2(network.conv_2(network.nl_1(network.conv_1(images))))
            maps = network.conv_3[:-1](features)
        with torch.enable_grad():
            maps.requires_grad_()
            logits = network.fc(network.conv_3[-1](maps).flatten(1))
            (slopes,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), maps)
    sensitivity = slopes.mean((2, 3), keepdim=True)
    heat = (sensitivity * maps.detach()).sum(1, keepdim=True).relu()
    heat[..., 2 * GRID :, :] = 0  # the pooling drops the last row and column: nothing there can have counted
    heat[..., 2 * GRID :] = 0
    return F.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def read(network: NonLocalClassifier, images: np.ndarray) -> np.ndarray:
    """Return the classes that a network reads in digits, uint8 of shape (N, 28, 28)."""
    with _evaluating(network), torch.inference_mode():
        return torch.cat([network(some).argmax(1) for some in _batches(images)]).numpy()


def readings(
    network: NonLocalClassifier, images: np.ndarray, labels: np.ndarray, indices: Sequence[int]
) -> Iterator[Reading]:
    """Read some digits of a set, one after the other.

    Parameters
    ----------
    network : NonLocalClassifier
        With non-local blocks.
    images, labels : ndarray
        The set, as `nlmeans.datasets.mnist` returns it.
    indices : sequence of int
        Which of them.

    Yields
    ------
    Reading
        In that order.

    Raises
    ------
    ValueError
        If the network has no non-local blocks.
    """
    chosen = np.asarray(indices, int)
    for start in range(0, len(chosen), BATCH):
        some = chosen[start : start + BATCH]
        digits = next(_batches(images[some]))
        truth = torch.from_numpy(labels[some].astype(np.int64))
        with _evaluating(network), torch.no_grad():
            logits, (_, second) = network.forward_with_nl_map(digits)
        shares, classes = logits.softmax(1), logits.argmax(1)
        heat, heat_true = grad_cam(network, digits, classes), grad_cam(network, digits, truth)
        attention = key_attention(second)
        for k, index in enumerate(some.tolist()):
            yield Reading(
                index, int(truth[k]), int(classes[k]), float(shares[k, classes[k]]), float(shares[k, truth[k]]),
                images[index], heat[k].numpy(), heat_true[k].numpy(), attention[k].numpy(),
            )  # fmt: skip


@contextmanager
def _evaluating(network: NonLocalClassifier) -> Iterator[None]:
    """Use a network in eval mode; afterwards each part is in its own mode again, since some may be frozen."""
    before = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _batches(images: np.ndarray) -> Iterator[Tensor]:
    for some in torch.from_numpy(images)[:, None].split(BATCH):
        yield some.float() / 255


def shares(pictures: np.ndarray) -> np.ndarray:
    """Return how much of each picture (N, 28, 28) lies in each of the nine boxes (N, 9); NaN where it is all 0."""
    total = pictures.sum((1, 2))
    inside = [pictures[:, a:c, b:d].sum((1, 2)) for a, b, c, d in map(key_box, range(GRID * GRID))]
    with np.errstate(invalid="ignore"):
        return np.stack(inside, 1) / np.where(total > 0, total, np.nan)[:, None]


def overlap(pictures: np.ndarray, keys: np.ndarray) -> dict[str, Any]:
    """Return how much of pictures lies in their boxes, compared with boxes that are independent of them.

    Parameters
    ----------
    pictures : ndarray, shape (N, 28, 28)
        Heat maps, or ink; at least 0. One that is 0 everywhere is left out, and counted.
    keys : ndarray of int, shape (N,)
        The key of the largest weight for each digit.

    Returns
    -------
    dict
        ``n`` and ``left_out``; ``overlap``, the mean share in the digit's own box; ``any_box``, in a random one of the
        nine; ``others_box``, in the box of another of these digits; ``over_any`` and ``over_others``, the mean of the
        differences with the interval that holds it with 95 %; ``verdict``, "elsewhere" if the whole of
        ``over_any``'s interval is below 0, "the same place" if it is above, else "no difference"; and
        ``verdict_others``, the same of ``over_others``.

    Notes
    -----
    Both comparisons are means over all boxes, without chance. A random box controls for the box's size only: heat and
    ink favour the middle, so that a block that always picks the middle beats it. Another digit's box controls for that:
    it is as often in each place, and differs only in not being chosen for this image. Neither controls for the ink,
    which heat and block may follow independently; therefore the ink is measured too. The last 4 rows and columns lie
    in no box, and count in the whole.
    """
    part = shares(pictures)
    known = ~np.isnan(part[:, 0])
    part, keys = part[known], keys[known]
    n = len(part)
    if n < 2:
        return {"n": n, "left_out": int((~known).sum()), "verdict": "too few digits"}
    own = part[np.arange(n), keys]
    others = (part @ np.bincount(keys, minlength=GRID * GRID) - own) / (n - 1)  # every other digit's box, once
    above, beyond = _interval(own - part.mean(1)), _interval(own - others)
    return {
        "n": n,
        "left_out": int((~known).sum()),
        "overlap": round(float(own.mean()), 4),
        "any_box": round(float(part.mean()), 4),
        "others_box": round(float(others.mean()), 4),
        "over_any": above,
        "over_others": beyond,
        "verdict": _verdict(above),
        "verdict_others": _verdict(beyond),
    }


def _verdict(interval: Sequence[float]) -> str:
    _, low, high = interval
    return "elsewhere" if high < 0 else "the same place" if low > 0 else "no difference"


def _interval(differences: np.ndarray) -> list[float]:
    from scipy.stats import t

    n = len(differences)
    mean, margin = differences.mean(), t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5
    return [round(float(value), 4) for value in (mean, mean - margin, mean + margin)]


def compare(digits: Sequence[Reading]) -> dict[str, Any]:
    """Return `overlap` of the boxes with heat maps and with the digits' ink."""
    if not digits:
        return {}
    keys = np.array([one.key for one in digits])
    pictures = {
        "heat_of_the_class_read": np.stack([one.heat for one in digits]),
        "ink": np.stack([one.digit for one in digits]).astype(float),
    }
    if any(one.wrong for one in digits):
        pictures["heat_of_the_true_class"] = np.stack([one.heat_true for one in digits])
    return {name: overlap(some, keys) for name, some in pictures.items()}
