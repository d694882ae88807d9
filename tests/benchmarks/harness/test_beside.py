"""An earlier build beside this one: whose packages are imported, and what is said when that fails."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from io import BytesIO
from pickle import dumps, loads
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.harness import beside, elsewhere
from benchmarks.harness.beside import Beside, Build
from benchmarks.harness.methods import CannotRun
from benchmarks.harness.timing import timed
from benchmarks.peers.plain import Plain

CASE = SimpleNamespace(colour=True, form="colour", noise=None)
PICTURE = np.full((8, 8, 3), 100, np.uint8)
EARLIER = """
import numpy
print("libraries may print")
def denoise(image, sigma=None, *, channel_axis=None, threads=None, quality="balanced", method="nlm"):
    if method == "ridge":
        raise TypeError("no such method")
    return image + numpy.float32(threads)
"""


@pytest.fixture
def earlier(tmp_path):
    (tmp_path / "old" / "nlmeans").mkdir(parents=True)
    (tmp_path / "old" / "nlmeans" / "__init__.py").write_text(EARLIER)
    return tmp_path / "old"


def asked(build, name="nlmeans-balanced", threads=1):
    method = Beside.of(peers.methods(Plain)[name], build, build.name)
    return method.call(CASE, PICTURE, None, threads)


def test_a_method_is_called_as_the_earlier_build_has_it(earlier):
    build = Build(str(earlier))
    np.testing.assert_array_equal(asked(build)(), PICTURE + np.float32(1))
    first = build._process
    np.testing.assert_array_equal(asked(build, threads=2)(), PICTURE + np.float32(2))
    assert build._process is first
    assert str(asked(build)) == "nlmeans.denoise(image, sigma=None, channel_axis=-1, threads=1, quality='balanced')"


def test_what_goes_wrong_there_is_said_here_and_the_next_order_is_carried_out(earlier):
    build = Build(str(earlier))
    with pytest.raises(RuntimeError, match="TypeError: no such method"):
        asked(build, "ridge")()
    np.testing.assert_array_equal(asked(build)(), PICTURE + np.float32(1))
    build._process.kill()
    build._process.wait()
    np.testing.assert_array_equal(asked(build)(), PICTURE + np.float32(1))


def test_a_process_that_ends_on_its_way_is_named(earlier):
    (earlier / "nlmeans" / "__init__.py").write_text("import os; os._exit(3)")
    with pytest.raises(RuntimeError, match="the process of old ended: EOFError"):
        asked(Build(str(earlier)))()


def test_a_process_ends_with_its_build(earlier):
    build = Build(str(earlier))
    asked(build)()
    process = build._process
    del build
    assert process.poll() is not None


def test_a_commit_is_taken_out_of_the_checkout(earlier, monkeypatch):
    def git(*words):
        command = ["git", "-C", earlier, "-c", "user.name=A", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (earlier / "nonlocal_block").mkdir()
    (earlier / "nonlocal_block" / "__init__.py").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "old", "--no-gpg-sign")
    (earlier / "nlmeans" / "__init__.py").write_text(EARLIER.replace("(threads)", "(7)"))
    root = beside.ROOT
    monkeypatch.setattr(beside, "ROOT", earlier)
    build = Build("HEAD")
    assert (build.commit, build.name) == (git("rev-parse", "HEAD"), git("rev-parse", "HEAD")[:7])
    environment = elsewhere.for_child
    monkeypatch.setattr(elsewhere, "for_child", lambda threads: environment(threads) | {"PYTHONPATH": str(root)})
    np.testing.assert_array_equal(asked(build)(), PICTURE + np.float32(1))
    assert Beside.of(peers.methods(Plain)["ridge"], build, build.name).edition(CASE) == build.commit


@pytest.mark.parametrize("origin", ["no-such-commit", "--all", "/"])
def test_what_is_no_build_is_an_error(origin):
    with pytest.raises(ValueError, match="must be a commit of this checkout, or a folder that holds nlmeans, not"):
        Build(origin)


def test_without_a_build_a_method_says_why():
    method = Beside.of(peers.methods(Plain)["ridge"], "there is none", "abc")
    assert (method.name, method.missing(), method.own) == ("ridge@abc", "there is none", True)
    assert method.note == "the default of this method; as abc has it"


@dataclass(frozen=True)
class Bare(Plain):
    """Cannot run."""

    def call(self, *given):
        raise CannotRun("no such thing", "pip install thing")


def test_a_method_that_cannot_run_there_says_what_would_help():
    bare = Bare("bare", "numpy", "numpy", "float32")
    order, answers = ([], ("hold", (0, bare, CASE, (PICTURE, None, 1)))), BytesIO()
    elsewhere.serve(BytesIO(dumps(order)), answers)
    assert loads(answers.getvalue()) == (None, "no such thing", "pip install thing")
    process = SimpleNamespace(poll=lambda: None, stdin=BytesIO(), stdout=BytesIO(answers.getvalue()))
    build = elsewhere.Elsewhere("here")
    build._process = process
    with pytest.raises(CannotRun, match="no such thing") as caught:
        build.ask("hold")
    assert caught.value.install == "pip install thing"


@dataclass(frozen=True)
class Slow(Plain):
    """Says how often it was called, and waits."""

    def call(self, case, image, sigma, threads):
        counts = iter(range(9))
        return lambda: (next(counts), threads, time.sleep(0.05))


def test_what_is_handed_over_once_is_timed_there_and_let_go_of():
    slow, held = Slow("slow", "numpy", "numpy", "float32"), elsewhere.Held()
    held.carry_out("hold", (3, slow, CASE, (PICTURE, None, 1)))
    answers = [held.carry_out("time", (3,)) for _ in range(2)]
    assert [answer for answer, _, _ in answers] == [(0, 1, None), (1, 1, None)]
    assert all(cpu < 0.04 < seconds for _, seconds, cpu in answers)


def test_handing_over_is_not_timed(earlier):
    build, orders = Build(str(earlier)), []
    call = asked(build)
    ask = build.ask
    build.ask = lambda what, *given: (orders.append(what), ask(what, *given))[1]
    answer, reading = timed(call)
    np.testing.assert_array_equal(answer, PICTURE + np.float32(1))
    assert reading.seconds > 0
    timed(call)
    assert orders == ["hold", "time", "time"]
    del call
    assert len(build.gone) == 1
    other = asked(build)
    other()
    assert build.gone == []
