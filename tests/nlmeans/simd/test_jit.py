"""Kernels called as machine code: against the functions in Python, and whatever befalls the folder it is kept in."""

import gc
import itertools
import logging
import os
import subprocess
import sys
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import nlmeans
from nlmeans import io
from nlmeans._progress import compiling
from nlmeans.simd import native
from nlmeans.simd.jit import Kernel, kernel


class Inner(NamedTuple):
    plane: Any
    flag: Any
    none: Any


class Outer(NamedTuple):
    inner: Inner
    radii: Any
    line: Any
    one: Any


def everything(outer, image, scale, small, out):
    """Write what each argument holds; a strided image, None and all kinds of numbers among them."""
    at = 0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            out[at] = image[y, x] * scale + outer.inner.plane[y, 0, x]
            at += 1
    a, b = outer.radii
    out[at], out[at + 1], out[at + 2], out[at + 3] = a, b, small, outer.one
    out[at + 4], out[at + 5] = outer.line.size, outer.line[1]
    out[at + 6] = 1 if outer.inner.flag else 0
    out[at + 7] = 1 if outer.inner.none is None else 0


def double(numbers):
    """Double each."""
    for k in range(numbers.size):
        numbers[k] = 2 * numbers[k]


def arguments(dtype=np.float32, flag=True, none=None):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(8, 10)).astype(dtype)[::2, ::-2]
    line = np.arange(3)
    line.setflags(write=False)
    inner = Inner(np.asfortranarray(rng.normal(size=(4, 2, 5)).astype(dtype)), flag, none)
    outer = Outer(inner, (3, -4), line, np.int32(-7))
    return outer, image, 0.5, dtype(1.25), np.zeros(28)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path


def doubled(function=double):
    numbers = np.arange(3.0)
    kernel(function)(numbers)
    return numbers.tolist()


def kept(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def told(caplog):
    return [record.getMessage() for record in caplog.records if "compiling" in record.getMessage()]


def test_every_kind_of_argument_arrives(folder):
    run = kernel(everything)
    for given in (arguments(), arguments(np.float64, False, 2.0), arguments(np.float32, np.bool_(True), np.uint8(200))):
        ref = np.zeros(28)
        everything(*given[:-1], ref)
        for call in (run, run, kernel(everything)):  # compiled, known, loaded
            given[-1][:] = 0
            call(*given)
            np.testing.assert_allclose(given[-1], ref, rtol=1e-6)


def test_what_was_compiled_is_loaded_and_nothing_else_is_said(folder, caplog):
    assert doubled() == doubled() == [0, 2, 4]
    assert told(caplog) == ["compiling double, once for this kind of input (a few seconds)"]
    assert len(kept(folder)) == 1
    assert not compiling


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-9], lambda data: data[:99] + b"?" + data[100:]]
)
def test_damaged_code_is_compiled_anew(folder, caplog, damage):
    doubled()
    (file,) = kept(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert doubled() == [0, 2, 4]
    assert len(told(caplog)) == 2
    assert kept(folder) == [file]
    caplog.clear()
    assert doubled() == [0, 2, 4]
    assert not told(caplog)


def test_other_code_is_compiled_anew_and_takes_the_place_of_the_old(folder, caplog, monkeypatch):
    doubled()
    old = kept(folder)
    monkeypatch.setattr(native, "stamp", lambda: "another")
    assert doubled() == [0, 2, 4]
    assert len(told(caplog)) == 2
    assert len(kept(folder)) == 1
    assert kept(folder) != old


def test_a_change_of_any_kernel_is_another_stamp(tmp_path, monkeypatch):
    for name in ("simd", "pairwise"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(native, "PACKAGE", tmp_path)
    seen = set()
    for name in ("simd/lanes.py", "pairwise/kernels_new.py", "pairwise/kernels_new.py"):
        with open(tmp_path / name, "a", encoding="utf-8") as file:
            file.write("x = 1")
        seen.add(native.stamp.__wrapped__())
    assert len(seen) == 3


def test_a_kernel_that_cannot_be_kept_is_used_all_the_same(folder, caplog):
    caplog.set_level(logging.INFO, "nlmeans")
    next(native._folders()).write_text("in the way")
    assert doubled() == doubled() == [0, 2, 4]
    assert len(told(caplog)) == 2
    assert "could not be cached" in caplog.text


def test_code_that_needs_more_than_the_c_library_is_not_kept(folder, caplog):
    caplog.set_level(logging.INFO, "nlmeans")

    def sines(numbers):
        for k in range(numbers.size):
            numbers[k] = np.log1p(numbers[k])

    np.testing.assert_allclose(doubled(sines), np.log1p([0.0, 1, 2]))
    assert "compiled anew in each process" in caplog.text
    assert not kept(folder)


def test_functions_of_one_name_are_told_apart(folder):
    def times(factor):
        def multiply(numbers):
            for k in range(numbers.size):
                numbers[k] = factor * numbers[k]

        return multiply

    assert (doubled(times(3)), doubled(times(4))) == ([0, 3, 6], [0, 4, 8])


def test_arguments_of_the_same_types_are_of_one_kind(folder, caplog):
    def scale(image, number, flag):
        for k in range(image.shape[0]):
            image[k, 0] = image[k, 0] * number if flag else 0

    run, sides = kernel(scale), [(3, 2), (3, 1), (1, 3), (1, 1), (0, 2)]  # some are in C order and in Fortran's at once
    for shape, number, flag in itertools.product(sides, (2.0, np.float64(2)), (True, np.bool_(True))):
        run(image := np.ones(shape), number, flag)
        assert (image[:, 0] == 2).all()
    for whole in (2, np.int64(2)):
        run(np.ones((3, 1)), whole, True)
    run(np.ones((2, 3)).T, 2.0, True)
    assert len(told(caplog)) == 3


def test_an_array_that_cannot_be_written_is_of_the_same_kind(folder, caplog):
    def add(pair, out):
        for k in range(out.size):
            out[k] = pair[0][k] + pair[1]

    run, numbers, out = kernel(add), np.arange(3.0), np.empty(3)
    for writeable in (False, True):
        numbers.setflags(write=writeable)
        run((numbers, 1.0), out)
        assert out.tolist() == [1, 2, 3]
    assert len(told(caplog)) == 1


def test_threads_compile_once(folder, caplog):
    run = kernel(double)
    arrays = [np.arange(3.0) for _ in range(4)]
    threads = [threading.Thread(target=run, args=(numbers,)) for numbers in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [numbers.tolist() for numbers in arrays] == [[0, 2, 4]] * 4
    assert len(told(caplog)) == 1


def test_an_interrupt_while_compiling_leaves_nothing_behind(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    run = kernel(double)
    with monkeypatch.context() as patched:
        patched.setattr(native, "build", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(np.arange(3.0))
    assert not compiling
    run(numbers := np.arange(3.0))
    assert numbers[2] == 4


def test_python_runs_the_function_where_numba_is_told_not_to_compile(folder, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert doubled() == [0, 2, 4]
    assert not kept(folder)


def test_what_numba_is_told_is_part_of_the_place(monkeypatch):
    seen = set()
    for name in ("generic", "skylake"):
        monkeypatch.setenv("NUMBA_CPU_NAME", name)
        native._machine.cache_clear()
        seen.add(native.Place("a", "b").file)
    native._machine.cache_clear()
    assert len(seen) == 2


def test_a_warm_process_does_without_numba(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    io.write(tmp_path / "in.png", io.Picture(image))
    ref = nlmeans.denoise(image, 20, quality="fast")
    code = (
        "import sys\nfrom nlmeans.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert not end.code\nprint(*{'numba', 'scipy', 'dask', 'rich', 'tifffile'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "denoise", "in.png", "out.png", "--sigma", "20", "--quality", "fast", "--quiet"],
        cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), check=True,
    )  # fmt: skip
    assert done.stdout.split() == [], done.stdout
    np.testing.assert_array_equal(io.read(tmp_path / "out.png").pixels, ref)


def test_a_kernel_is_known_by_its_name():
    from nlmeans.pairwise import kernels

    assert Kernel("nlmeans.pairwise.kernels", "average_tile").function is kernels.average_tile.function


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_after_compiling_as_before(folder, monkeypatch, enabled):
    def fail(*_):
        seen.append(gc.isenabled())
        raise ValueError("no")

    seen: list[bool] = []
    monkeypatch.setattr(native, "_value", fail)
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ValueError, match="no"):
            doubled()
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    assert seen == [False]
