"""Square blocks of a matrix, with as many rows as a vector has lanes: what dense algebra on small matrices is made of.

A block is held in registers while it is worked on. Sums of products over any number of rows run at nearly the peak of
the processor, and each of the others costs little more. Matrices are flat NumPy arrays that start on a vector's
boundary (`nlmeans.simd.sizes.aligned`); their rows are whole vectors, and an index counts numbers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .lanes import _CONTRACT, Vector, _anywhere, _spread
from .sizes import BYTES, has

ROWS = 16 if has("avx512f") else 4
"""Rows whose sums are kept at once: with AVX-512, 32 registers hold a whole vector each."""


def _rows(context: Any, builder: Any, data: Any, at: Any, row: Any, vector: Vector) -> list[Any]:
    """Return the places of a block's rows."""
    places = []
    for r in range(vector.count):
        start = builder.add(at, builder.mul(row, ir.Constant(row.type, r)))
        places.append(_anywhere(context, builder, data, start, vector))
    return places


def _load(builder: Any, place: Any) -> Any:
    value = builder.load(place)
    value.align = BYTES
    return value


def _store(builder: Any, values: list[Any], places: list[Any]) -> None:
    for value, place in zip(values, places, strict=True):
        builder.store(value, place).align = BYTES


def _product(add: bool) -> Any:
    def product(typing, c, c_at, c_row, a, a_at, a_row, b, b_at, b_row, count):
        """Set the block of C to Aᵀ · B, or add that to it: the sum over ``count`` rows of A and B."""
        vector = Vector(c.dtype)

        def lower(context, builder, sig, args):
            c, c_at, c_row, a, a_at, a_row, b, b_at, b_row, count = args
            kind = context.get_value_type(vector)
            places = _rows(context, builder, c, c_at, c_row, vector)
            step = min(ROWS, vector.count)
            for first in range(0, vector.count, step):
                held = places[first : first + step]
                sums = [cgutils.alloca_once(builder, kind) for _ in held]
                for total, place in zip(sums, held, strict=True):
                    builder.store(_load(builder, place) if add else ir.Constant(kind, None), total)
                with cgutils.for_range(builder, count) as loop:
                    line = builder.add(b_at, builder.mul(b_row, loop.index))
                    right = _load(builder, _anywhere(context, builder, b, line, vector))
                    column = builder.add(a_at, builder.mul(a_row, loop.index))
                    for r, total in enumerate(sums, first):
                        place = builder.gep(a, [builder.add(column, ir.Constant(column.type, r))], inbounds=True)
                        left = _spread(builder, builder.load(place), vector.count)
                        term = builder.fmul(left, right, flags=_CONTRACT)
                        builder.store(builder.fadd(builder.load(total), term, flags=_CONTRACT), total)
                _store(builder, [builder.load(total) for total in sums], held)
            return context.get_dummy_value()

        i = types.intp
        return types.void(c, i, i, a, i, i, b, i, i, i), lower

    return intrinsic(product)


set_product = _product(add=False)
add_product = _product(add=True)


@intrinsic
def sweep_block(typing, a, at, row):
    """Replace a symmetric positive definite block by minus its inverse, by sweeping each row in turn."""
    vector = Vector(a.dtype)

    def lower(context, builder, sig, args):
        places = _rows(context, builder, *args, vector)
        rows = [_load(builder, place) for place in places]
        kind, lane = rows[0].type, ir.IntType(32)
        zero, one = ir.Constant(kind, None), ir.Constant(kind.element, 1.0)
        for k in range(vector.count):
            pivot = rows[k]
            inverse = builder.fdiv(one, builder.extract_element(pivot, lane(k)))
            swept = builder.fmul(pivot, _spread(builder, inverse, vector.count))
            swept = builder.insert_element(swept, builder.fneg(inverse), lane(k))
            here = ir.Constant(ir.VectorType(ir.IntType(1), vector.count), [c == k for c in range(vector.count)])
            for r in range(vector.count):
                if r != k:  # by symmetry, what stands in row r below the pivot stands in the pivot's row, too
                    chosen = ir.Constant(ir.VectorType(lane, vector.count), [r] * vector.count)
                    factor = builder.shuffle_vector(pivot, pivot, chosen)
                    term = builder.fmul(factor, swept, flags=_CONTRACT)
                    rows[r] = builder.fsub(builder.select(here, zero, rows[r]), term, flags=_CONTRACT)
            rows[k] = swept
        _store(builder, rows, places)
        return context.get_dummy_value()

    return types.void(a, types.intp, types.intp), lower


def _transposed(aligned: bool, side: int = 0) -> Any:
    def transpose(typing, a, a_at, a_row, b, b_at, b_row):
        """Write the transpose of a block of A to B, by halves of halves, from its first row to its last."""
        vector = Vector(a.dtype, side)
        count, align = vector.count, BYTES if aligned else a.dtype.bitwidth // 8

        def lower(context, builder, sig, args):
            rows = [builder.load(place) for place in _rows(context, builder, *args[:3], vector)]
            for loaded in rows:
                loaded.align = align
            order = ir.VectorType(ir.IntType(32), count)
            half = count // 2
            while half:
                low = ir.Constant(order, [count + (k ^ half) if k & half else k for k in range(count)])
                high = ir.Constant(order, [count + k if k & half else k | half for k in range(count)])
                for r in (r for r in range(count) if not r & half):
                    upper, lower_ = rows[r], rows[r | half]
                    rows[r] = builder.shuffle_vector(upper, lower_, low)
                    rows[r | half] = builder.shuffle_vector(upper, lower_, high)
                half //= 2
            for row, place in zip(rows, _rows(context, builder, *args[3:], vector), strict=True):
                builder.store(row, place).align = align
            return context.get_dummy_value()

        i = types.intp
        return types.void(a, i, i, b, i, i), lower

    return intrinsic(transpose)


transpose_block = _transposed(aligned=True)
transpose_anywhere = _transposed(aligned=False)
"""The same where rows begin on no boundary."""
transpose_eights = _transposed(aligned=False, side=8)
"""The same for blocks of 8 × 8 numbers, whatever a vector holds: they fit the registers."""
