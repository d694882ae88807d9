"""Methods whose answers a test chooses, and cases that take no time."""

import gc
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.harness.methods import Call, Denoiser
from benchmarks.harness.pictures import PictureCase
from benchmarks.harness.runner import run_case

TINY = PictureCase("tiny", "call", ("nlmeans-float32",), shape=(48, 40), patch_radius=1, search_radius=3, gain_db=1.0)
EVERY_PAIR = replace(TINY, shape=(24, 20), search_radius="image")
VOLUME = replace(TINY, source="phantom", shape=(14, 16, 18), search_radius=2)


@dataclass(frozen=True)
class Fake(Denoiser):
    """A peer whose answers a test chooses: the array to return for the image, at the n-th call."""

    answers: tuple = ()

    def call(self, case, image, sigma, threads):
        calls = iter(range(99))
        return Call(lambda noisy: self.answers[min(next(calls), len(self.answers) - 1)](noisy), "fake", image, {})


def fake(*answers, module="numpy"):
    return Fake("fake", "fake-package", module, "float32", answers=answers)


def smooth(noisy):
    return (noisy + np.roll(noisy, 1, 0) + np.roll(noisy, 1, 1) + np.roll(noisy, (1, 1), (0, 1))) / 4


def spoilt(noisy):
    answer = smooth(noisy)
    answer[3, 4] = np.nan
    return answer


def broken(noisy):
    raise MemoryError("no room")


def record_of(method, case=TINY):
    """Return the record of a method in a case."""
    gc.freeze()  # the benchmarks collect garbage before they time: what other tests loaded would be walked each time
    (record,) = next(run_case(case, [method], [1], 2))["methods"]
    return record
