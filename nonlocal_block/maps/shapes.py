"""Figures 4 and 5 of the article from real tensors: the block's layers, and its matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nlmeans.show import glow

from ..block import NonLocalBlock2d

CLOSE = 1e-4  # of the largest value: what matrices and block may differ by
MARGIN, GAP = 24, 26
PAPER, INK, FAINT, EDGE, FILL = (255, 255, 255), (25, 25, 25), (110, 110, 110), (60, 60, 60), (238, 242, 248)
LEARNED = (253, 240, 224)
TIMES = "times"
NEGATIVE, POSITIVE = np.array([33, 102, 172.0]), np.array([178, 24, 43.0])


@dataclass(frozen=True)
class Inside:
    """A block's tensors for one input, of a batch of one.

    Attributes
    ----------
    mode : str
        The block's.
    parts : dict of Tensor
        Its layers' outputs: x, theta, phi, g (absent ones left out), y, out, z.
    query, key, value : Tensor
        Embeddings that are compared and averaged, after pooling, as matrices: (pixels, C'), (keys, C'), (keys, C').
    scores, weights : Tensor
        (pixels, keys): before and after the weight f and the normaliser.
    """

    mode: str
    parts: dict[str, Tensor]
    query: Tensor
    key: Tensor
    value: Tensor
    scores: Tensor
    weights: Tensor


def inside(block: NonLocalBlock2d, x: Tensor) -> Inside:
    """Run a block on one input (1, C, H, W), keep its layers' outputs, and repeat it with matrices.

    Raises
    ------
    RuntimeError
        If the matrices do not give the block's output.
    """
    parts: dict[str, Tensor] = {"x": x}

    def keep(name: str) -> Any:
        return lambda _, __, output: parts.__setitem__(name, output)

    layers = {name: getattr(block, name) for name in ("theta", "phi", "g", "out") if hasattr(block, name)}
    hooks = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    hooks.append(block.out.register_forward_pre_hook(lambda _, inputs: parts.__setitem__("y", inputs[0])))
    try:
        with torch.no_grad():
            parts["z"], weights = block(x, return_nl_map=True)
            query, key, value = (tensor[0].flatten(1).T for tensor in block._embed(x))
    finally:
        for hook in hooks:
            hook.remove()
    scores = query + key.T if block.mode == "concatenation" else query @ key.T
    if block.mode == "dot_product":
        own = scores / len(key)
    elif block.mode == "concatenation":
        own = scores.relu() / len(key)
    else:
        own = scores.softmax(1)
    average = (own @ value).T.reshape(parts["y"].shape)
    for what, matrix, expected in (("weights", own, weights[0]), ("y", average, parts["y"])):
        gap, most = float((matrix - expected).abs().max()), float(expected.abs().max())
        if not gap <= CLOSE * most:  # NaN too
            raise RuntimeError(f"the matrix form must give the block's {what}; it is off by {gap:g} of {most:g}")
    return Inside(block.mode, parts, query, key, value, scores, own)


def shape(tensor: Tensor, batch: bool = False) -> str:
    """Return a tensor's shape in words; of a ``batch`` only channels and sides."""
    return " x ".join(map(str, tensor.shape[1:] if batch else tensor.shape))


def draw_block(inner: Inside) -> np.ndarray:
    """Draw figure 4: every layer of the block with the shape of its output."""
    from PIL import Image, ImageDraw

    parts, pooled = inner.parts, len(inner.key) < len(inner.query)
    sheet = Image.new("RGB", (860, 830), PAPER)
    pen = ImageDraw.Draw(sheet)

    def box(x: int, y: int, name: str, size: str, learned: bool = False) -> tuple[int, int]:
        pen.rounded_rectangle((x - 92, y - 26, x + 92, y + 26), 8, LEARNED if learned else FILL, EDGE, 2)
        pen.text((x, y - 9), name, INK, _font(16), anchor="mm")
        pen.text((x, y + 12), size, FAINT, _font(14), anchor="mm")
        return x, y

    def arrow(start: tuple[int, int], end: tuple[int, int], before: int = 26, after: int = 26) -> None:
        (x1, y1), (x2, y2) = (start[0], start[1] + before), (end[0], end[1] - after)
        pen.line((x1, y1, x2, y2), EDGE, 2)
        length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1)
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        base, side = (x2 - 9 * ux, y2 - 9 * uy), (5 * uy, -5 * ux)
        pen.polygon([(x2, y2), (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1])], EDGE)

    top = box(440, 60, "x", shape(parts["x"], True))
    mapped = inner.mode == "concatenation"
    columns = {"theta": (170, "theta: 1 x 1"), "phi": (400, "phi: 1 x 1"), "g": (630, "g: 1 x 1")}
    ends = {}
    for name, (column, text) in columns.items():
        learned = name in parts
        made = parts[name] if learned else parts["x"]
        place = box(column, 175, text if learned else "x itself", shape(made, True), learned)
        arrow(top, place)
        tensor, what = {
            "theta": (inner.query, "pixels"), "phi": (inner.key, "keys"), "g": (inner.value, "keys")
        }[name]  # fmt: skip
        steps = ["max-pool 2"] if pooled and name != "theta" else []
        if mapped and name != "g":
            steps.append("a = w theta" if name == "theta" else "b = w phi")
        if steps:
            lower = box(
                column, 275, ", ".join(steps), f"{tensor.shape[1]} x {len(tensor)} {what}", mapped and name != "g"
            )
            arrow(place, lower)
            place = lower
        ends[name] = place
    function = {
        "gaussian": "f = exp(x_i x_j)", "embedded_gaussian": "f = exp(theta_i phi_j)",
        "dot_product": "f = theta_i phi_j", "concatenation": "f = max(a_i + b_j, 0)",
    }[inner.mode]  # fmt: skip
    pair = box(285, 385, function, shape(inner.scores))
    arrow(ends["theta"], pair)
    arrow(ends["phi"], pair)
    total = "f / sum of f (softmax)" if "gaussian" in inner.mode else "f / number of keys"
    divided = box(285, 475, total, shape(inner.weights))
    arrow(pair, divided)
    y = box(440, 575, "y = sum of f g / C", shape(parts["y"], True))
    arrow(divided, y)
    arrow(ends["g"], y)
    out = box(440, 665, "W_z: 1 x 1 + norm", shape(parts["out"], True), True)
    arrow(y, out)
    z = box(440, 770, "z = x + W_z(y)", shape(parts["z"], True))
    arrow(out, z)
    pen.line((532, 60, 790, 60, 790, 770), EDGE, 2)
    arrow((790, 770), (532, 770), 0, 0)
    pen.text((782, 420), "x", INK, _font(16), anchor="rm")
    pen.text((24, 20), "The non-local block", INK, _font(20))
    pen.text((24, 48), f"mode {inner.mode}", FAINT, _font(14))
    return np.asarray(sheet)


def draw_matrices(inner: Inside) -> np.ndarray:
    """Draw figure 5: the block's matrices with their real values, sizes in proportion."""
    from PIL import Image, ImageDraw

    names = {"gaussian": ("x", "x pooled, turned"), "concatenation": ("a of theta", "b of phi, turned")}.get(
        inner.mode, ("theta", "phi, turned")
    )
    shine = "; weights from violet to yellow" if inner.weights.min() >= 0 else ""
    divide = (
        "softmax" if "gaussian" in inner.mode else f"{'max(0) ' * (inner.mode == 'concatenation')}/ {len(inner.key)}"
    )
    row: list[Any] = [
        (names[0], inner.query, False), "+" if inner.mode == "concatenation" else TIMES, (names[1], inner.key.T, False),
        "=", ("relation", inner.scores, False), divide, ("weights", inner.weights, True), TIMES,
        ("g", inner.value, False), "=", ("y", inner.weights @ inner.value, False),
    ]  # fmt: skip
    cell = max(3, min(9, 320 // len(inner.query)))
    font = _font(18)
    tall = cell * max(len(item[1]) for item in row if not isinstance(item, str))
    least = 84

    def wide(item: Any) -> float:
        if isinstance(item, str):
            return 12.0 if item == TIMES else float(font.getlength(item))
        return float(max(cell * item[1].shape[1], least))

    widths = [wide(item) for item in row]
    sheet = Image.new("RGB", (round(2 * MARGIN + sum(widths) + GAP * (len(row) - 1)), tall + 150), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, 14), "The same as matrices", INK, _font(20))
    pen.text(
        (MARGIN, 42),
        f"mode {inner.mode}; red above 0, blue below{shine}; each on a scale of its own",
        FAINT,
        _font(14),
    )
    x, middle = float(MARGIN), 76 + tall / 2
    for item, width in zip(row, widths, strict=True):
        if item == TIMES:  # which the font has not
            for slope in (-6, 6):
                pen.line((x + width / 2 - 6, middle - slope, x + width / 2 + 6, middle + slope), INK, 2)
        elif isinstance(item, str):
            pen.text((x + width / 2, middle), item, INK, font, anchor="mm")
            if item == divide:
                pen.line((x, middle + 16, x + width, middle + 16), INK, 2)
                pen.polygon([(x + width, middle + 16), (x + width - 8, middle + 11), (x + width - 8, middle + 21)], INK)
        else:
            name, matrix, weight = item
            picture = _matrix(matrix.numpy(), weight).repeat(cell, axis=0).repeat(cell, axis=1)
            height, across, _ = picture.shape
            left, top = round(x + (width - across) / 2), round(middle - height / 2)
            sheet.paste(Image.fromarray(picture), (left, top))
            pen.rectangle((left - 1, top - 1, left + across, top + height), outline=EDGE)
            pen.text((x + width / 2, 76 + tall + 22), name, INK, _font(16), anchor="mm")
            pen.text((x + width / 2, 76 + tall + 44), shape(matrix), FAINT, _font(14), anchor="mm")
        x += width + GAP
    return np.asarray(sheet)


def _matrix(values: np.ndarray, weight: bool) -> np.ndarray:
    """Return a matrix as colours: weights by their share of the largest, others by sign and size."""
    if weight and values.min() >= 0:
        colour, cover = glow(values / (values.max() or 1))
        return np.rint(255 * (1 - cover) + colour * cover).astype(np.uint8)
    share = (values / (np.abs(values).max() or 1))[..., None]
    colour = np.where(share < 0, NEGATIVE, POSITIVE)
    return np.rint(255 + (colour - 255) * np.abs(share)).astype(np.uint8)


def draw(block: NonLocalBlock2d, x: Tensor) -> Sequence[tuple[str, np.ndarray]]:
    """Return both figures for one input (1, C, H, W), by the names of their files."""
    inner = inside(block, x)
    return [("block.png", draw_block(inner)), ("matrices.png", draw_matrices(inner))]


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
