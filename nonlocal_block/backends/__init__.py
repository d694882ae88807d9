"""Who computes a request.

A backend is a module with three names:


- ``name``: what callers ask for it by;
- ``why_not(request)``: None, or the reason why it cannot compute that, as a sentence's end;
- ``run(request)``: the average, of shape (B, V, Z, Y, X) on the query's grid, differentiable.

Nothing guesses: `choose_backend` takes the first that gives no reason.
"""

from __future__ import annotations

from typing import Protocol, cast

from torch import Tensor

from ..request import Request
from . import linear, reference, sdpa

# In order of preference: what fuses pairs or needs none at all, then the core, then what runs anywhere.
NAMES = ("sdpa", "linear", "numba", "reference")


class Backend(Protocol):
    """What a backend module offers."""

    name: str

    def why_not(self, request: Request) -> str | None:
        """Return why the request cannot be computed, if so."""

    def run(self, request: Request) -> Tensor:
        """Compute the average."""


def _load(name: str) -> Backend:
    if name == "numba":  # a second or two: only where it is needed
        from . import numba_cpu

        return cast(Backend, numba_cpu)
    return cast(Backend, {"sdpa": sdpa, "linear": linear, "reference": reference}[name])


def choose_backend(request: Request, name: str = "auto") -> tuple[Backend, dict[str, str]]:
    """Return the backend that a request runs on, and the reasons against those that came before it.

    Parameters
    ----------
    request : Request
        What is to be computed.
    name : str
        A backend's name, or "auto" for the first that can.

    Raises
    ------
    ValueError
        If there is no backend of that name, or it cannot compute this.
    """
    if name != "auto" and name not in NAMES:
        raise ValueError(f"backend must be 'auto' or one of {', '.join(map(repr, NAMES))}; got {name!r}")
    reasons: dict[str, str] = {}
    for candidate in NAMES if name == "auto" else [name]:
        try:
            backend = _load(candidate)
        except ImportError as error:
            reasons[candidate] = f"it cannot be imported ({error})"
            continue
        reason = backend.why_not(request)
        if reason is None:
            return backend, reasons
        reasons[candidate] = reason
    raise ValueError(
        f"backend {name!r} must be able to compute the request: " + "; ".join(f"{k}: {v}" for k, v in reasons.items())
    )
