"""Vectors of 64 bytes as a Numba type, so that a kernel is written once, as if for one pixel, and runs on all lanes.

LLVM's own vectoriser needs proof that no two arrays of a loop overlap, and gives up quietly on long ones. Here the
vector is explicit: ``+ - * /`` and the functions below act on every lane at once, and LLVM only has to pick registers:
one of 512 bits, two of 256 or four of 128.

Arrays of vectors are flat NumPy arrays whose data starts on a 64-byte boundary (`sizes.aligned`); an index counts
vectors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from .sizes import BYTES, MANTISSA, has

# 2**-f on 0 <= f < 1 as a polynomial in g = 1 + f: the mantissa's bits are g without any conversion. Least maximal
# relative error under the condition that both ends are exact, which makes 2**-x continuous.
_EXP2 = {
    types.float32: [
        1.9987420438718124, -1.3808351326370756, 0.4706003468143521,
        -0.10145968881426129, 0.013892089989155915, -0.0009396592239835663,
    ],
    types.float64: [
        2.0000000066480434, -1.3862944160248287, 0.4804532204537728, -0.11100868520736229, 0.01923696898906333,
        -0.0026674742097484686, 0.0003086627611874372, -3.0840424497932326e-05, 2.779785687417755e-06,
        -2.426152222510762e-07, 2.1428430392978706e-08, -1.6577699742890914e-09, 7.324465244199062e-11,
    ],
}  # fmt: skip

_INTEGER = {types.float32: types.int32, types.float64: types.int64}
_FLOAT = {integer: real for real, integer in _INTEGER.items()}
_CONTRACT = ("contract",)


class Vector(types.Type):
    """Numba's view of a vector: an LLVM vector of ``count`` numbers, by default as many as 64 bytes hold."""

    def __init__(self, dtype: types.Number, count: int = 0) -> None:
        self.dtype = dtype
        self.count = count or BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype}, {self.count})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.count))


def _constant(vector: ir.VectorType, value: float | int) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


def _register(op: Callable[..., Any], real: str, integer: str | None) -> None:
    class Template(AbstractTemplate):
        key = op
        metadata: ClassVar = {"target": "cpu"}
        """It is asked before all that Numba itself knows to add, which takes long to say no."""

        def generic(self, args: Any, kws: Any) -> Any:
            a, b = args
            return signature(a, a, a) if isinstance(a, Vector) and a == b else None

    infer_global(op)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(sig.return_type.dtype, types.Float):
            return getattr(builder, real)(*args, flags=_CONTRACT)
        return getattr(builder, str(integer))(*args)

    lower_builtin(op, Vector, Vector)(lower)


_register(operator.add, "fadd", "add")
_register(operator.sub, "fsub", "sub")
_register(operator.mul, "fmul", "mul")
_register(operator.truediv, "fdiv", None)


@intrinsic
def address(typing, array):
    """Return where a flat array's data begins: a pointer costs a function call one register and no reference count."""

    def lower(context, builder, sig, args):
        return context.make_array(sig.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), lower


def _shared(context: Any, builder: Any, array: Any, kind: Any, index: int) -> Any:
    """Return the place of a number that other threads read and write meanwhile."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [ir.Constant(ir.IntType(64), index)])


@intrinsic
def stopped(typing, pulse):
    """Return whether a task is to stop (`pairwise.tiles.pulse`); read anew each time, as plain loads need not be."""

    def lower(context, builder, sig, args):
        place = _shared(context, builder, args[0], sig.args[0], 0)
        return builder.icmp_signed("!=", builder.load_atomic(place, "monotonic", 8), ir.IntType(64)(0))

    return types.boolean(pulse), lower


@intrinsic
def advance(typing, pulse, steps):
    """Note that a task has done so many steps more."""

    def lower(context, builder, sig, args):
        place = _shared(context, builder, args[0], sig.args[0], 1)
        done = builder.add(builder.load_atomic(place, "monotonic", 8), args[1])
        builder.store_atomic(done, place, "monotonic", 8)
        return context.get_dummy_value()

    return types.void(pulse, types.int64), lower


def _anywhere(context: Any, builder: Any, data: Any, index: Any, vector: Vector) -> Any:
    """Return the place of a vector that begins at the ``index``-th number, on no boundary."""
    first = builder.gep(data, [index], inbounds=True)
    return builder.bitcast(first, context.get_value_type(vector).as_pointer())


def _place(context: Any, builder: Any, data: Any, index: Any, vector: Vector) -> Any:
    """Return the place of the ``index``-th vector."""
    return _anywhere(context, builder, data, builder.mul(index, ir.Constant(index.type, vector.count)), vector)


def _load(place: Callable[..., Any], aligned: bool) -> Any:
    def load(typing, data, index):
        vector = Vector(data.dtype)

        def lower(context, builder, sig, args):
            value = builder.load(place(context, builder, *args, vector))
            value.align = BYTES if aligned else data.dtype.bitwidth // 8
            return value

        return vector(data, types.intp), lower

    return intrinsic(load)


def _store(place: Callable[..., Any], aligned: bool) -> Any:
    def store(typing, data, index, value):
        def lower(context, builder, sig, args):
            written = builder.store(args[2], place(context, builder, args[0], args[1], value))
            written.align = BYTES if aligned else data.dtype.bitwidth // 8
            return context.get_dummy_value()

        return types.void(data, types.intp, value), lower

    return intrinsic(store)


load, store = _load(_place, aligned=True), _store(_place, aligned=True)
"""``load(data, index)`` returns the ``index``-th vector from the address ``data`` on; ``store(data, index, value)``
writes it."""
load_from, store_from = _load(_anywhere, aligned=False), _store(_anywhere, aligned=False)
"""The same for vectors that begin at the ``index``-th number."""


def _spread(builder: Any, number: Any, count: int) -> Any:
    undefined, index = ir.Constant(ir.VectorType(number.type, count), ir.Undefined), ir.IntType(32)
    first = builder.insert_element(undefined, number, index(0))
    return builder.shuffle_vector(first, undefined, _constant(ir.VectorType(index, count), 0))


@intrinsic
def fill(typing, number):
    """Return a vector with ``number`` in every lane."""
    vector = Vector(number)

    def lower(context, builder, sig, args):
        return _spread(builder, args[0], vector.count)

    return vector(number), lower


def _choice(comparison: str) -> Any:
    def choose(typing, a, b):
        """Return the one or the other in each lane; the second where the two do not compare (NaN)."""

        def lower(context, builder, sig, args):
            real = isinstance(a.dtype, types.Float)
            compare = builder.fcmp_ordered if real else builder.icmp_signed
            return builder.select(compare(comparison, *args), *args)

        return a(a, b), lower

    return intrinsic(choose)


smaller = _choice("<")
larger = _choice(">")


@intrinsic
def where_above(typing, a, b, x):
    """Return ``x`` in the lanes where ``a > b``, and 0 in the others."""

    def lower(context, builder, sig, args):
        above = builder.fcmp_ordered(">", args[0], args[1])
        return builder.select(above, args[2], ir.Constant(args[2].type, None))

    return x(a, b, x), lower


@intrinsic
def keep_first(typing, a, count):
    """Return ``a``, and 0 in the lanes from ``count`` on."""

    def lower(context, builder, sig, args):
        lane = ir.IntType(32)
        order = ir.Constant(ir.VectorType(lane, a.count), list(range(a.count)))
        kept = builder.icmp_signed("<", order, _spread(builder, builder.trunc(args[1], lane), a.count))
        return builder.select(kept, args[0], ir.Constant(args[0].type, None))

    return a(a, types.intp), lower


@intrinsic
def lanes_below(typing, a, b):
    """Return a whole number whose bit k says whether ``a < b`` in lane k."""

    def lower(context, builder, sig, args):
        below = builder.bitcast(builder.icmp_signed("<", *args), ir.IntType(a.count))
        return builder.zext(below, ir.IntType(64))

    return types.int64(a, b), lower


@intrinsic
def count_ones(typing, number):
    """Return how many bits of a whole number are set."""

    def lower(context, builder, sig, args):
        return builder.ctpop(args[0])

    return types.int64(types.int64), lower


@intrinsic
def first_one(typing, number):
    """Return the place of the lowest bit that is set; there must be one."""

    def lower(context, builder, sig, args):
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.int64), lower


@intrinsic
def reciprocal(typing, a):
    """Return 1 / a: of 32 bits good to 2**-14 where one instruction has that, six times as fast as a division."""

    def lower(context, builder, sig, args):
        kind = args[0].type
        if a.dtype != types.float32 or not has("avx512f"):
            return builder.fdiv(_constant(kind, 1.0), args[0])
        mask = ir.IntType(16)
        name, function = "llvm.x86.avx512.rcp14.ps.512", ir.FunctionType(kind, [kind, kind, mask])
        approximate = cgutils.get_or_insert_function(builder.module, function, name)
        return builder.call(approximate, [args[0], ir.Constant(kind, None), mask(-1)])

    return a(a), lower


@intrinsic
def unless_nan(typing, a, b):
    """Return ``a``, and NaN in the lanes where ``b`` is NaN."""

    def lower(context, builder, sig, args):
        return builder.select(builder.fcmp_unordered("uno", args[1], args[1]), args[1], args[0])

    return a(a, b), lower


@intrinsic
def bits(typing, a):
    """Return the bits of floating-point lanes as integers."""
    vector = Vector(_INTEGER[a.dtype])

    def lower(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(vector))

    return vector(a), lower


@intrinsic
def to_float(typing, a):
    """Return whole lanes as floating-point numbers."""
    vector = Vector(_FLOAT[a.dtype])

    def lower(context, builder, sig, args):
        return builder.sitofp(args[0], context.get_value_type(vector))

    return vector(a), lower


def _shift(step: int) -> Any:
    def shift(typing, a):
        """Return the lanes moved by one, with zero in the lane that becomes free."""

        def lower(context, builder, sig, args):
            zeros = ir.Constant(args[0].type, None)
            order = [lane - step if 0 <= lane - step < a.count else a.count for lane in range(a.count)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), a.count), order)
            return builder.shuffle_vector(args[0], zeros, mask)

        return a(a), lower

    return intrinsic(shift)


to_next_lane = _shift(1)
to_previous_lane = _shift(-1)


@intrinsic
def exp2_fixed(typing, x, shift, end):
    """Return 2**-(x / 2**(mantissa bits - shift)) for integers ``0 <= x < end``, and 0 for ``x >= end``.

    The fixed point lets the whole part of the exponent land in the exponent's bits and the fraction in the mantissa's
    by one shift. Relative error: `sizes.EXP2_ERROR`.
    """
    real = _FLOAT[x.dtype]
    vector = Vector(real)

    def lower(context, builder, sig, args):
        x, shift, end = args
        floats, integers = context.get_value_type(vector), x.type
        mantissa = MANTISSA[np.dtype(str(real))]
        fraction = (1 << mantissa) - 1
        exponent = ((1 << (real.bitwidth - 1)) - 1) ^ fraction
        one = ((1 << (real.bitwidth - mantissa - 2)) - 1) << mantissa

        shifted = builder.shl(x, shift)
        g = builder.and_(shifted, _constant(integers, fraction))
        g = builder.bitcast(builder.or_(g, _constant(integers, one)), floats)
        coefficients = [_constant(floats, float(np.dtype(str(real)).type(c))) for c in _EXP2[real]]
        power = coefficients[-1]
        for coefficient in coefficients[-2::-1]:
            power = builder.fadd(builder.fmul(power, g, flags=_CONTRACT), coefficient, flags=_CONTRACT)
        whole = builder.and_(shifted, _constant(integers, exponent))
        power = builder.sub(builder.bitcast(power, integers), whole)
        power = builder.select(builder.icmp_signed("<", x, end), power, _constant(integers, 0))
        return builder.bitcast(power, floats)

    return vector(x, shift, end), lower
