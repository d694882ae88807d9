"""Where to compute, and how finely."""

from __future__ import annotations

import torch


def chosen_device(name: str) -> torch.device:
    """Return a device that is there; "auto" is the first of cuda, mps and cpu.

    Raises
    ------
    ValueError
        If it is not there, or is not the name of one.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
        if device.type == "meta":
            raise RuntimeError("nothing is computed there")
    except (RuntimeError, AssertionError, TypeError) as error:  # the second from torch without CUDA
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be 'auto' or one that is there; got {name!r} ({reason})") from error
    return device


def half_precision(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
