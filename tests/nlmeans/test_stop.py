"""Work stops when it is to: inside a tile, in tasks of tasks, by Ctrl-C, with one thread too; it says how far it is."""

import _thread
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import nlmeans
from nlmeans._progress import compiling
from nlmeans.groups import GroupSpec
from nlmeans.groups import run as groups
from nlmeans.pairwise import PairwiseSpec, apart, attend, domain, pairwise_average, pairwise_risk, risk, run, tiles
from nlmeans.pairwise.tiles import pulse, run_tasks

# A thread that compiles may be interrupted inside of Hypothesis' own callback of the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
RNG = np.random.default_rng(0)
PLANES = RNG.normal(0, 1, (2, 3, 40, 50)).astype(np.float32)
PATIENCE = 60  # seconds after which a thread that should have been stopped gives up


def spec(search=(1, 5, 6), **others):
    return PairwiseSpec((1, 1, 1), search, 0.02, 2.0, **others)


@pytest.fixture
def stop(monkeypatch):
    """Make every kernel that is run find that it is to stop; return what it counts in."""
    own = np.array([1, 0])
    for module in (run, domain, apart, risk, groups):
        monkeypatch.setattr(module, "pulse", lambda: own)
    return own


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("aggregation", ["pixel", "patch"])
def test_a_tile_that_is_to_stop_computes_no_row(aggregation, uneven, stop):
    out = np.full_like(PLANES, 7)
    pairwise_average(PLANES, PLANES, spec(aggregation=aggregation), missing=uneven, threads=1, out=out)
    assert (out == 7).all()
    assert stop[1] < 20  # displacements, of 214 twice


def test_a_block_that_is_to_stop_computes_no_row(stop):
    wide = PLANES[:, :, :, :1].repeat(60, axis=3)
    comp = pairwise_average(wide, wide, spec((2, 39, 59)), threads=1)
    assert stop[1] < 30  # rows' distances, of 79 in each of 18 blocks
    np.testing.assert_allclose(comp, wide, rtol=1e-6)  # nothing was merged: each pixel is its own average


@pytest.mark.parametrize("window", [(1, 4, 4), None])
def test_embeddings_that_are_to_stop_meet_nobody(window, stop, monkeypatch):
    written = []
    monkeypatch.setattr(apart.np, "empty", lambda shape, *a: written.append(np.full(shape, 7, *a)) or written[-1])
    attend(
        PLANES, PLANES, PLANES, PairwiseSpec((0, 0, 0), window, 1.0, score="dot", weight="exp", centre="one"), threads=1
    )
    assert (written[0] == 7).all()


def test_risk_that_is_to_stop_adds_nothing(stop):
    flat = PLANES[:, :1]
    ref = pairwise_risk(flat, spec((0, 3, 3)), [1.0], gains=[1, 1], share=1, threads=1)
    np.testing.assert_array_equal(ref, -1)  # 0 squares, 0 spread
    assert stop[1] == 0


def test_groups_that_are_to_stop_are_neither_matched_nor_estimated(stop):
    step = groups.Step(PLANES, PLANES, None, GroupSpec((1, 4, 4), 6, (1, 3, 3), (0, 6, 6)))
    for tile in step.tiles()[0]:
        step.estimate(*step.match(tile))
    assert stop[1] == 0
    assert not step.weights.flat.any()


def until_stopped(_=None):
    """Do what a kernel does that takes long: count, and look whether to stop."""
    end = time.monotonic() + PATIENCE
    own = pulse()
    own[1] = 3
    while not own[0]:
        assert time.monotonic() < end, "nothing stopped this task"
        time.sleep(0.001)


def refuse(done, total):
    raise InterruptedError(f"{done} of {total}")


def quiet():
    return not [t for t in threading.enumerate() if t.name.startswith("nlmeans")]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_running_tasks_are_stopped_and_waiting_ones_never_begin(threads):
    begun = []
    with pytest.raises(InterruptedError, match=r"^(3|6|9|12) of 40"):
        run_tasks(lambda k: (begun.append(k), until_stopped()), range(4), threads, refuse, steps=10)
    assert len(begun) <= min(threads, 4)
    assert quiet()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_task_of_a_task_stops_with_it(threads):
    ends = []

    def outer(k):
        try:
            run_tasks(until_stopped, range(3), 1, None, steps=10)
        except nlmeans.Cancelled as error:
            ends.append(str(error))
            raise

    with pytest.raises(InterruptedError):
        run_tasks(outer, range(2), threads, refuse, steps=10)
    assert ends == ["stopped with the work that this is a part of"] * threads
    assert quiet()


def test_an_interrupt_reaches_work_on_one_thread():
    def work(_):
        _thread.interrupt_main()
        until_stopped()

    with pytest.raises(KeyboardInterrupt):
        run_tasks(work, range(3), 1, None)
    assert quiet()


def test_an_error_of_one_task_stops_the_others():
    def work(k):
        if k == 1:
            raise ArithmeticError("one of them")
        until_stopped()

    with pytest.raises(ArithmeticError, match="one of them"):
        run_tasks(work, range(4), 2, None)
    assert quiet()


def test_work_of_a_moment_needs_no_thread():
    seen, where = [], []
    run_tasks(
        lambda k: where.append(threading.current_thread()), range(3), 1, lambda *a: seen.append(a), terms=tiles.QUICK
    )
    assert where == [threading.main_thread()] * 3
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(InterruptedError, match="1 of 3"):
        run_tasks(lambda k: None, range(3), 1, refuse, terms=1)


def test_a_thread_that_compiles_is_interrupted():
    ends = []

    def work(_):
        compiling.add(threading.get_ident())
        end = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < end:
                time.sleep(0.001)
        except KeyboardInterrupt:
            ends.append("interrupted")
            raise

    with pytest.raises(InterruptedError):
        run_tasks(work, range(2), 2, refuse, steps=10)
    assert ends == ["interrupted"] * 2
    assert quiet()
    assert not compiling


def test_one_thread_begins_no_task_before_the_last_was_reported():
    begun = []

    def stop(done, total):
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_tasks(begun.append, range(9), 1, stop)
    assert begun == [0, 1, 2]
    assert quiet()


def test_steps_are_seen_while_a_task_runs():
    seen = []

    def work(k):
        own = pulse()
        for step in (1, 2, 4):
            own[1] = step
            end = time.monotonic() + PATIENCE
            while 5 * k + step not in seen and time.monotonic() < end:
                time.sleep(0.001)

    run_tasks(work, range(2), 1, lambda done, total: seen.append(done), steps=5)
    assert {1, 2, 4, 6, 7, 9, 10} <= set(seen)
    assert seen == sorted(seen)


BIG = RNG.normal(100, 10, (400, 400)).astype(np.float32)
KNOWN = RNG.random(BIG.shape) > 0.1


@pytest.mark.parametrize(
    "options",
    [
        dict(quality="fast"),
        dict(),
        dict(aggregation="patch"),
        dict(mask=KNOWN),
        dict(guide=BIG[::-1].copy()),
        dict(full_output="maps"),
        dict(search_radius="image"),
        dict(strength="sure"),
        dict(quality="fast", strength="sure"),
        dict(quality="fast", strength="j-invariant"),
    ],
    ids=lambda options: " ".join(f"{k}={v if isinstance(v, str) else ''}" for k, v in options.items()) or "plain",
)
def test_cancel_waits_for_no_tile(options):
    """The window makes one tile of the image, or two: without a look inside, they would be done first."""
    event, seen = threading.Event(), []

    def progress(done, total):
        seen.append(done / total)
        event.set()

    given = dict(search_radius=200, threads=1, cancel=event, progress=progress) | options
    with pytest.raises(nlmeans.Cancelled):
        nlmeans.denoise(BIG, 10, **given)
    assert len(seen) == 1
    assert seen[0] < 0.2
    assert quiet()


def test_cancel_during_an_estimate_is_seen_before_the_work(monkeypatch):
    event, seen = threading.Event(), []
    event.set()
    with pytest.raises(nlmeans.Cancelled, match="at 0 of 1"):
        nlmeans.denoise(BIG, cancel=event, progress=lambda *a: seen.append(a))
    assert seen == []


@pytest.mark.parametrize(("strength", "quality"), [("sure", "fast"), ("sure", "balanced"), ("j-invariant", "fast")])
def test_progress_of_a_search_is_one_bar_to_its_end(strength, quality):
    seen = []
    given = dict(strength=strength, quality=quality, threads=1, progress=lambda *a: seen.append(a))
    nlmeans.denoise(BIG[:96, :96], 10, **given)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1
    assert len(seen) > 10


def test_one_ctrl_c_ends_it():
    code = (
        "import numpy as np, nlmeans\n"
        "x = np.random.default_rng(0).normal(100, 10, (2400, 2400)).astype('f4')\n"
        "nlmeans.denoise(x[:100, :100], 10, quality='fast', search_radius='image')\n"  # compiles
        "nlmeans.denoise(x, 10, quality='fast', search_radius='image', threads=1, "
        "progress=lambda done, total: print(done, flush=True))\n"  # hours
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().strip().isdigit()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors.splitlines()[-1] == b"KeyboardInterrupt"
