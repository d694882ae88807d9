"""Machine code of kernels: made by Numba, kept in a folder, and loaded by LLVM alone, which starts far faster.

A kernel's *entry* is a function of one address: of a row of 8 bytes for each number and for each array, in the order
of the arguments, named tuples taken apart. Arrays come as the address of the Python object, in which NumPy keeps those
of data, sides and strides; all of that is part of what NumPy promises to compiled extensions.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger("nlmeans")

PACKAGE = Path(__file__).parent.parent
SUFFIX = ".kernel"
LIBRARY = frozenset({"memset", "memcpy", "memmove"})
"""What machine code may ask of the process that loads it: LLVM ends a process that has not what it looks for."""
ENTRY = "nlmeans_entry"
OBJECT = object.__basicsize__
FIELDS = {"data": OBJECT, "sides": OBJECT + 16, "strides": OBJECT + 24}
"""Where an array's object keeps its addresses."""

Call = Callable[[bytes], int]
_kept: list[Any] = []
"""What owns machine code: it stays until the process ends."""


def _call(address: int) -> Call:
    """Return the entry at an address; ctypes lets other threads run meanwhile."""
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)(address)


def _value(context: Any, builder: Any, kind: Any, words: Iterator[Any]) -> Any:
    """Make an argument, as Numba has it, of the next words of a row."""
    from llvmlite import ir
    from numba import types
    from numba.np.arrayobj import populate_array

    if isinstance(kind, types.BaseTuple):
        return context.make_tuple(builder, kind, [_value(context, builder, each, words) for each in kind])
    if isinstance(kind, types.NoneType):
        return context.get_dummy_value()
    word, wanted = next(words), context.get_value_type(kind)
    if isinstance(kind, types.Float):
        number = builder.bitcast(word, ir.DoubleType())
        return number if wanted == number.type else builder.fptrunc(number, wanted)
    if not isinstance(kind, types.Array):
        return word if wanted == word.type else builder.trunc(word, wanted)
    address = word.type.as_pointer()
    data, sides, strides = (
        builder.load(builder.inttoptr(builder.add(word, word.type(at)), address)) for at in FIELDS.values()
    )
    lengths = [
        [builder.load(builder.gep(builder.inttoptr(of, address), [word.type(k)])) for k in range(kind.ndim)]
        for of in (sides, strides)
    ]
    array, itemsize = context.make_array(kind)(context, builder), kind.dtype.bitwidth // 8
    data = builder.inttoptr(data, array.data.type)
    populate_array(array, data, *lengths, word.type(itemsize), None)
    return array._getvalue()


def _words(builder: Any, row: Any) -> Iterator[Any]:
    k = 0
    while True:
        yield builder.load(builder.gep(row, [row.type.pointee(k)]))
        k += 1


def _kind(value: Any) -> Any:
    """Return Numba's type of an argument, of an array as if it could be written, so that both kinds are one."""
    import numba
    from numba import types

    if isinstance(value, tuple):
        return types.BaseTuple.from_types([_kind(each) for each in value], type(value))
    kind = numba.typeof(value)
    return kind.copy(readonly=False) if isinstance(kind, types.Array) else kind


def build(dispatcher: Any, arguments: tuple[Any, ...]) -> tuple[Call, bytes]:
    """Compile a kernel for arguments of these types; return its entry, and its machine code where that stands alone."""
    from llvmlite import ir
    from numba.core.compiler_lock import global_compiler_lock

    from .passes import unswept

    kinds = tuple(map(_kind, arguments))
    with global_compiler_lock, unswept():
        dispatcher.compile(kinds)
        compiled = dispatcher.overloads[kinds]
        context, made = compiled.target_context, compiled.fndesc
        library = context.codegen().create_library(ENTRY)
        library.enable_object_caching()
        module = library.create_ir_module(ENTRY)
        word = ir.IntType(64)
        name = f"{ENTRY}_{made.unique_name}"
        entry = ir.Function(module, ir.FunctionType(ir.IntType(32), [word.as_pointer()]), name)
        builder = ir.IRBuilder(entry.append_basic_block())
        words = _words(builder, entry.args[0])
        values = [_value(context, builder, kind, words) for kind in made.argtypes]
        callee = context.declare_function(module, made)
        status, _ = context.call_conv.call_function(builder, callee, made.restype, made.argtypes, values)
        builder.ret(status.code)
        library.add_ir_module(module)
        library.finalize()
        address = library.get_pointer_to_function(name)
    _kept.append((compiled.library, library))
    try:
        code = _alone(name, compiled.library, library)
    except Exception as error:  # Numba has renamed what is its own, or lost an object to a signal that was swallowed
        logger.info("%s is compiled anew in each process: %s", dispatcher.__name__, error)
        code = b""
    return _call(address), code


def _alone(name: str, kernel: Any, entry: Any) -> bytes:
    """Return the machine code of a kernel and its entry, which needs nothing of Numba."""
    foreign = {f.name for f in kernel._final_module.functions if f.is_declaration} - LIBRARY
    if foreign := {each for each in foreign if not each.startswith("llvm.")}:
        raise ValueError(f"it needs {', '.join(sorted(foreign))}")
    parts = name.encode(), kernel._get_compiled_object(), entry._get_compiled_object()
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def load(code: bytes) -> Call:
    """Return the entry of a kernel from its machine code."""
    import llvmlite.binding as llvm

    parts = []
    while code:
        end = 8 + int.from_bytes(code[:8], "little")
        parts.append(code[8:end])
        code = code[end:]
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for part in parts[1:]:
        engine.add_object_file(llvm.ObjectFileRef.from_data(part))
    engine.finalize_object()
    _kept.append(engine)
    return _call(engine.get_function_address(parts[0].decode()))


@cache
def stamp() -> str:
    """Return a name for the code of all kernels: a change to any line of it is another one."""
    sources = [*sorted((PACKAGE / "simd").glob("*.py")), *sorted(PACKAGE.glob("*/kernels*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


@cache
def _machine() -> str:
    """Return what else machine code depends on: versions, the processor, and what Numba was told."""
    import llvmlite
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # not every system can be asked
        features = ""
    told = sorted(each for each in os.environ.items() if each[0].startswith("NUMBA_") and each[0] != "NUMBA_CACHE_DIR")
    numba = find_spec("numba")  # importing it, or its metadata, would take longer than all else
    version = Path(str(numba and numba.origin)).with_name("_version.py").read_bytes()
    versions = sys.version, np.__version__, llvmlite.__version__, version
    return repr((versions, llvm.get_process_triple(), llvm.get_host_cpu_name(), features, told))


def _folders() -> Iterator[Path]:
    """Yield where machine code may be kept, the best place first."""
    own = f"nlmeans-{hashlib.sha256(os.fsencode(PACKAGE)).hexdigest()[:8]}"
    if told := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(told) / own
        return
    yield PACKAGE / "simd" / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    yield Path(home) / own


class Place:
    """Where the machine code of one kernel is kept, for one kind of arguments."""

    def __init__(self, name: str, kind: str) -> None:
        self.key = hashlib.sha256(f"{name} {kind} {stamp()} {_machine()}".encode()).digest()
        self.file = f"{name}.{self.key.hex()[:16]}.{stamp()}{SUFFIX}"

    def read(self) -> bytes:
        """Return the machine code, or nothing where it is not kept, or not whole."""
        for folder in _folders():
            try:
                data = (folder / self.file).read_bytes()
            except OSError:
                continue
            if hashlib.sha256(self.key + data[32:]).digest() == data[:32]:
                return data[32:]
            logger.info("ignoring the cached %s: it is damaged", self.file)
        return b""

    def write(self, code: bytes) -> None:
        """Keep machine code, at once or not at all, in the place of that of kernels as they were once."""
        for folder in _folders():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                new = folder / f"{self.file}.{os.getpid()}-{threading.get_ident()}{SUFFIX}"
                try:
                    new.write_bytes(hashlib.sha256(self.key + code).digest() + code)
                    new.replace(folder / self.file)
                finally:
                    new.unlink(missing_ok=True)
            except OSError as error:
                logger.info("%s could not be cached: %s", self.file, error)
                continue
            for other in folder.glob(f"*{SUFFIX}"):
                if f".{stamp()}{SUFFIX}" not in other.name:
                    with contextlib.suppress(OSError):
                        other.unlink()
            return
