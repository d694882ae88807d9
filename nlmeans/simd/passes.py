"""What Numba does to a kernel: of its passes those that a kernel has a use for, and of its context what it needs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import typed_passes, untyped_passes
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager

PASSES = {
    untyped_passes: (
        "TranslateByteCode", "FixupArgs", "IRProcessing", "RewriteSemanticConstants", "DeadBranchPrune",
        "GenericRewrites", "ReconstructSSA",
    ),
    typed_passes: (
        "NopythonTypeInference", "PreLowerStripPhis", "IRLegalization", "AnnotateTypes", "NativeLowering",
        "NoPythonBackend",
    ),
}  # fmt: skip
"""Left out is what looks for closures, ``with``, expressions of arrays, loops over lists, and overloads to inline."""


class Passes(CompilerBase):
    """Numba's compiler, for functions of plain loops."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes in their order."""
        passes = PassManager("kernel")
        for module, names in PASSES.items():
            for name in names:
                passes.add_pass(getattr(module, name), name)
        passes.finalize()
        return [passes]


@contextmanager
def unswept() -> Iterator[None]:
    """Leave garbage where it is meanwhile: a compiler makes little of it, and much that would be searched for it."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
