"""State dicts of other implementations of the non-local block, read and written.

A layout is a table from our names to its own; what differs beyond names (a missing bias, a factor) is done under ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import _checks

Layout = Literal["ours", "alexhex7", "mmcv"]
State = dict[str, Tensor]


@dataclass(frozen=True)
class _Form:
    """What a block has that decides over its names."""

    pooled: bool
    normed: bool


@dataclass(frozen=True)
class _Layout:
    """How an implementation names the layers of a block, and what else is peculiar to it."""

    conv: Callable[[str, _Form], str]
    out: Callable[[_Form], str]
    norm: str
    concatenation: str = ""
    bias_before_norm: bool = True
    divides: bool | None = False  # by √inter_channels, by default; None: cannot

    def table(self, form: _Form) -> dict[str, str]:
        """Return this layout's name of each of our parameters that are called otherwise elsewhere."""
        layers = {k: self.conv(k, form) for k in ("theta", "phi", "g")} | {"out": self.out(form)}
        table = {f"{ours}.{part}": f"{name}.{part}" for ours, name in layers.items() for part in ("weight", "bias")}
        if form.normed:
            table |= {f"norm.{part}": f"{self.norm}.{part}" for part in _NORM}
        return table


def _pooled(layer: str, form: _Form) -> str:
    """Return a layer's name where pooling wraps it in a sequence."""
    return f"{layer}.0" if form.pooled and layer != "theta" else layer


_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
_LAYOUTS = {
    "ours": _Layout(lambda layer, form: layer, lambda form: "out", "norm"),
    "alexhex7": _Layout(
        _pooled, lambda form: "W.0" if form.normed else "W", "W.1", "concat_project.0.weight", divides=None
    ),
    "mmcv": _Layout(
        lambda layer, form: f"{_pooled(layer, form)}.conv",
        lambda form: "conv_out.conv",
        "conv_out.bn",
        "concat_project.conv.weight",
        bias_before_norm=False,
        divides=True,
    ),
}


def convert(
    state_dict: Mapping[str, Tensor],
    source: Layout,
    target: Layout = "ours",
    *,
    mode: str = "embedded_gaussian",
    use_scale: bool | None = None,
) -> State:
    """Translate the parameters of non-local blocks between implementations.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        Of a block, or of a network with any number of blocks of one mode among other layers, whose parameters are
        handed through. A prefix ``module.`` on all names, which DataParallel leaves, is taken off. It is not changed.
    source, target : {"ours", "alexhex7", "mmcv"}
        Layout that the state has, and that it gets: this package's, AlexHex7/Non-local_pytorch's, or mmcv's NonLocal1d,
        2d and 3d.
    mode : str, default "embedded_gaussian"
        The blocks' mode: "gaussian", "embedded_gaussian", "dot_product" or "concatenation".
    use_scale : bool, optional
        Whether scores of the mode embedded_gaussian are divided by √inter_channels, on every side that has such an
        option. By default as each implementation is by default: mmcv divides, ours does not (AlexHex7's cannot). Where
        the two sides differ, θ takes up the factor.

    Returns
    -------
    dict of str to Tensor
        For ``load_state_dict`` of blocks with the same ``sub_sample`` and norm, which then give the same outputs.

    Raises
    ------
    ValueError
        If there is no block of that layout and mode, or a layout or mode is unknown.

    Notes
    -----
    Sub-sampling and batch norm are read off the names (ours: off ``sub_sampled``). mmcv has no bias before a batch
    norm: the norm's running mean takes it up, which leaves outputs as they are in evaluation, where it counts, and in
    training, where it never did; the way back gives a bias of 0. A missing ``num_batches_tracked`` becomes 0.

    Examples
    --------
    >>> from nonlocal_block import NonLocalBlock2d, layouts
    >>> theirs = layouts.convert(NonLocalBlock2d(4, sub_sample=True).state_dict(), "ours", "alexhex7")
    >>> list(theirs)[:4]
    ['theta.weight', 'theta.bias', 'phi.0.weight', 'phi.0.bias']
    >>> sorted(layouts.convert(theirs, "alexhex7")) == sorted(NonLocalBlock2d(4).state_dict())
    True
    """
    _checks.one_of(source, "source", tuple(_LAYOUTS))
    _checks.one_of(target, "target", tuple(_LAYOUTS))
    _checks.one_of(mode, "mode", _MODES)
    if use_scale is not None:
        _checks.flag(use_scale, "use_scale")
    state = dict(state_dict)
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    blocks = _blocks(state, source)
    if not blocks:
        raise ValueError(f"the state must hold a block of the layout {source!r}; got the names {', '.join(state)}")

    translated: dict[str, State] = {}  # by the old name of each of a block's parameters
    for prefix, form in blocks.items():
        parameters, names = _read(state, prefix, form, source, mode)
        if mode == "embedded_gaussian":
            power = _divides(target, use_scale) - _divides(source, use_scale)
            _scale_theta(parameters, power)
        written = {prefix + name: tensor for name, tensor in _write(parameters, form, target).items()}
        translated |= dict.fromkeys((prefix + name for name in names), written)
    result: State = {}
    for name, tensor in state.items():
        result |= translated.get(name, {name: tensor})
    return result


def _blocks(state: State, source: str) -> dict[str, _Form]:
    """Return the prefix of each block, and its form."""
    blocks = {}
    for form in (_Form(pooled, normed) for pooled in (False, True) for normed in (False, True)):
        table = _LAYOUTS[source].table(form)
        for name in state:
            prefix = name.removesuffix(table["g.weight"])
            if prefix == name or (prefix and not prefix.endswith(".")) or prefix + table["out.weight"] not in state:
                continue
            normed = prefix + _LAYOUTS[source].norm + ".weight" in state
            flag = state.get(prefix + "sub_sampled")
            pooled = form.pooled if source != "ours" else None if flag is None else bool(flag)
            if (pooled, normed) == (form.pooled, form.normed):
                blocks[prefix] = form
    return blocks


def _read(state: State, prefix: str, form: _Form, source: str, mode: str) -> tuple[State, list[str]]:
    """Return a block's parameters under our names, and the names that they had without the prefix."""
    layout = _LAYOUTS[source]
    table = {ours: name for ours, name in layout.table(form).items() if prefix + name in state}
    parameters = {ours: state[prefix + name] for ours, name in table.items()}
    names = list(table.values())
    special = ["w_theta.weight", "w_phi.weight", "sub_sampled"] if source == "ours" else [layout.concatenation]
    names += [name for name in special if prefix + name in state]
    joined = layout.concatenation or "w_theta.weight"
    fits = ("theta.weight" in parameters, prefix + joined in state, prefix + "log_scale" in state)
    if fits != (mode != "gaussian", mode == "concatenation", False):
        raise ValueError(f"mode must be that of every block; got {mode!r}, which {prefix or 'the block'!r} is not of")

    if mode == "concatenation" and source == "ours":
        parameters |= {name: state[prefix + name] for name in ("w_theta.weight", "w_phi.weight")}
    elif mode == "concatenation":
        halves = state[prefix + joined].flatten().chunk(2)
        shape = (1, -1, *[1] * (parameters["g.weight"].ndim - 2))
        parameters |= {"w_theta.weight": halves[0].reshape(shape), "w_phi.weight": halves[1].reshape(shape)}
    if form.normed:
        parameters.setdefault("norm.num_batches_tracked", torch.tensor(0))
        parameters.setdefault("out.bias", torch.zeros_like(parameters["norm.running_mean"]))
    return parameters, names


def _write(parameters: State, form: _Form, target: str) -> State:
    """Return parameters under our names as the target has them."""
    layout = _LAYOUTS[target]
    parameters = dict(parameters)
    halves = [parameters.pop(name) for name in ("w_theta.weight", "w_phi.weight") if name in parameters]
    if form.normed and not layout.bias_before_norm:
        parameters["norm.running_mean"] = parameters["norm.running_mean"] - parameters.pop("out.bias")
    table = layout.table(form)
    written = {table[name]: tensor for name, tensor in parameters.items()}
    if target == "ours":
        written |= dict(zip(("w_theta.weight", "w_phi.weight"), halves, strict=False))
        written["sub_sampled"] = torch.tensor(form.pooled)
    elif halves:  # a two-dimensional convolution, whatever the block's dimension
        written[layout.concatenation] = torch.cat([half.flatten() for half in halves]).reshape(1, -1, 1, 1)
    return written


def _divides(layout: str, use_scale: bool | None) -> bool:
    default = _LAYOUTS[layout].divides
    return bool(default if default is None or use_scale is None else use_scale)


def _scale_theta(parameters: State, power: int) -> None:
    """Multiply θ by a power of √inter_channels."""
    if power:
        factor = math.sqrt(len(parameters["theta.weight"])) ** power
        parameters |= {name: parameters[name] * factor for name in ("theta.weight", "theta.bias") if name in parameters}
