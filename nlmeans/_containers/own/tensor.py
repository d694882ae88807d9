"""Tensors of torch, on any device."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..container import Container
from ..table import within


def opened(image: Any) -> Container | None:
    """Open a tensor that is part of no graph."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(image, torch.Tensor):
        return None
    if image.requires_grad:
        raise TypeError(
            "the image must be no part of a graph: pass image.detach(); nonlocal_block has modules with gradients"
        )
    if image.layout != torch.strided:
        raise TypeError(f"the image must be dense; got {image.layout}: pass image.to_dense()")
    if image.device.type == "meta":
        raise TypeError("the image must have pixels; got a tensor on the device meta, which has a shape alone")
    pixels = image.float() if image.dtype == torch.bfloat16 else image  # which NumPy has not

    def close(result: Any) -> Any:
        given = torch.from_numpy(np.ascontiguousarray(result))
        return given.to(image.device, image.dtype if given.dtype == pixels.dtype else given.dtype)

    return within(pixels.cpu().numpy(), close)
