"""Vectors of 16-bit whole numbers: twice the lanes of `lanes`, for sums and products that fit.

A product is kept by its upper half, or two neighbours' products as the 32-bit sum of both. Vectors of 32 bits that
belong to one of 16 come in two, of the lanes that interleaving leaves in its lower and its upper half.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .lanes import Vector, _constant
from .sizes import TABLES, has, wide_lanes

NARROW = Vector(types.int16)
WIDE = Vector(types.int32)
COUNT = NARROW.count
LOWER, UPPER = wide_lanes()


def _indices(numbers: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _called(builder: Any, name: str, kind: Any, args: Any) -> Any:
    """Call one of LLVM's own functions of two vectors."""
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, kind]), name)
    return builder.call(function, args)


def _saturating(name: str) -> Any:
    def operation(typing, a, b):
        def lower(context, builder, sig, args):
            kind = args[0].type
            return _called(builder, f"{name}.v{kind.count}{kind.element}", kind, args)

        return a(a, b), lower

    return intrinsic(operation)


minus = _saturating("llvm.ssub.sat")
"""Signed difference, held at the least and the greatest number."""
minus_above_zero = _saturating("llvm.usub.sat")
"""Unsigned difference, held at 0."""
plus_below_end = _saturating("llvm.uadd.sat")
"""Unsigned sum, held at the greatest number."""


def _upper_product(extend: str, shift: str, name: str) -> Any:
    def product(typing, a, b):
        def lower(context, builder, sig, args):
            if has("avx2"):  # LLVM takes products of products apart
                return _in_parts(builder, name, args)
            wide = ir.VectorType(ir.IntType(32), COUNT)
            x, y = (getattr(builder, extend)(arg, wide) for arg in args)
            upper = getattr(builder, shift)(builder.mul(x, y), _constant(wide, 16))
            return builder.trunc(upper, args[0].type)

        return a(a, b), lower

    return intrinsic(product)


def _in_parts(builder: Any, name: str, args: Any) -> Any:
    """Call an instruction of two vectors of one register, for each register."""
    many = 32 if TABLES else 16
    kind = ir.VectorType(ir.IntType(16), many)
    name = f"llvm.x86.{'avx512' if TABLES else 'avx2'}.{name}.w{'.512' if TABLES else ''}"
    parts = []
    for first in range(0, COUNT, many):
        lanes = _indices(list(range(first, first + many)))
        parts.append(_called(builder, name, kind, [builder.shuffle_vector(arg, arg, lanes) for arg in args]))
    while len(parts) > 1:
        order = _indices(list(range(2 * parts[0].type.count)))
        parts = [builder.shuffle_vector(*parts[k : k + 2], order) for k in range(0, len(parts), 2)]
    return parts[0]


times_signed = _upper_product("sext", "ashr", "pmulh")
"""Upper half of the signed product."""
times = _upper_product("zext", "lshr", "pmulhu")
"""Upper half of the unsigned product."""


def _choice(comparison: str) -> Any:
    def choose(typing, a, b):
        def lower(context, builder, sig, args):
            return builder.select(builder.icmp_unsigned(comparison, *args), *args)

        return a(a, b), lower

    return intrinsic(choose)


least = _choice("<")
most = _choice(">")


def _lowest_bits(builder: Any, mask: Any) -> Any:
    """Return as many bits of a mask as there are lanes."""
    return mask if mask.type.width == COUNT else builder.trunc(mask, ir.IntType(COUNT))


@intrinsic
def kept(typing, a, mask):
    """Return the lanes whose bit of a whole number is set, and 0 in the others."""

    def lower(context, builder, sig, args):
        whole, zeros = args[0], ir.Constant(args[0].type, None)
        chosen = builder.bitcast(_lowest_bits(builder, args[1]), ir.VectorType(ir.IntType(1), COUNT))
        if TABLES:  # a mask is a register
            return builder.select(chosen, whole, zeros)
        every = ir.Constant(args[1].type, 2**COUNT - 1)
        start = builder.block
        with builder.if_then(builder.icmp_unsigned("!=", args[1], every), likely=False):
            part, end = builder.select(chosen, whole, zeros), builder.block
        result = builder.phi(whole.type)
        result.add_incoming(whole, start)
        result.add_incoming(part, end)
        return result

    return a(a, types.uint32), lower


@intrinsic
def shifted_right(typing, a, count):
    """Return unsigned lanes divided by 2**count."""

    def lower(context, builder, sig, args):
        return builder.lshr(*args)

    return a(a, count), lower


@intrinsic
def entry(typing, table, index):
    """Return each lane's entry of a table of as many as there are lanes; only the index's lowest bits count."""

    def lower(context, builder, sig, args):
        return _called(builder, "llvm.x86.avx512.permvar.hi.512", args[0].type, args)

    return table(table, index), lower


def _interleaved(chosen: list[int]) -> Any:
    order = [number for lane in chosen for number in (lane, COUNT + lane)]

    def interleave(typing, a, b):
        def lower(context, builder, sig, args):
            return builder.shuffle_vector(*args, _indices(order))

        return a(a, b), lower

    return intrinsic(interleave)


lower_pairs, upper_pairs = _interleaved(LOWER), _interleaved(UPPER)
"""The lanes of two vectors, side by side: those of the lower half of each 128 bits, and those of the upper."""


@intrinsic
def add_products(typing, total, a, b):
    """Add the products of both numbers of each pair to 32-bit totals."""

    def lower(context, builder, sig, args):
        wide = ir.VectorType(ir.IntType(32), COUNT)
        total, x, y = args
        products = builder.mul(builder.sext(x, wide), builder.sext(y, wide))
        nothing = ir.Constant(wide, ir.Undefined)
        first, second = (
            builder.shuffle_vector(products, nothing, _indices(list(range(start, COUNT, 2)))) for start in (0, 1)
        )
        return builder.add(builder.add(first, second), total)

    return total(total, a, b), lower


def _neighbours(step: int) -> Any:
    def move(typing, lower_half, upper_half, mask):
        """Return the lanes of both halves, where the mask has their bit, moved by one."""

        def lower(context, builder, sig, args):
            lanes = range(COUNT)
            order = [(LOWER + UPPER).index(lane) for lane in lanes]
            both = builder.shuffle_vector(args[0], args[1], _indices(order))
            zeros = ir.Constant(both.type, None)
            chosen = builder.bitcast(_lowest_bits(builder, args[2]), ir.VectorType(ir.IntType(1), COUNT))
            both = builder.select(chosen, both, zeros)
            parts = [
                builder.shuffle_vector(
                    both, zeros, _indices([lane - step if 0 <= lane - step < COUNT else COUNT for lane in part])
                )
                for part in (LOWER, UPPER)
            ]
            return context.make_tuple(builder, sig.return_type, parts)

        return types.UniTuple(lower_half, 2)(lower_half, upper_half, types.uint32), lower

    return intrinsic(move)


wide_to_next, wide_to_previous = _neighbours(1), _neighbours(-1)


@intrinsic
def as_wide(typing, a):
    """Return the bits as 32-bit whole numbers."""

    def lower(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(WIDE))

    return WIDE(a), lower


@intrinsic
def as_narrow(typing, a):
    """Return the bits as 16-bit whole numbers."""

    def lower(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(NARROW))

    return NARROW(a), lower


def _half(chosen: list[int], extend: str) -> Any:
    def half(typing, a):
        def lower(context, builder, sig, args):
            part = builder.shuffle_vector(args[0], args[0], _indices(chosen))
            return getattr(builder, extend)(part, context.get_value_type(WIDE))

        return WIDE(a), lower

    return intrinsic(half)


lower_half, upper_half = _half(LOWER, "sext"), _half(UPPER, "sext")
"""Signed numbers as 32-bit ones, of the lanes of either half."""
