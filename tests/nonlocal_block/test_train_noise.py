"""Noise that is not white keeps its variance, and is correlated where it is said to be."""

import pytest
import torch

from nonlocal_block.train import noise

pytestmark = pytest.mark.usefixtures("one_thread")


def white(count=6, channels=3, side=64):
    return torch.randn(count, channels, side, side, generator=torch.manual_seed(1))


def test_smooth_noise_is_correlated_as_a_gaussian_filter_makes_it_and_keeps_its_variance(monkeypatch):
    width = 0.8
    monkeypatch.setattr(noise, "WIDTHS", (width, width))
    smoothed = noise.smooth(white(), 1.0)
    apart = torch.arange(-noise.REACH, noise.REACH + 1)
    taps = torch.exp(-0.5 * (apart / width) ** 2)
    expected = float((taps[1:] * taps[:-1]).sum() / taps.square().sum())
    for axis in (2, 3):
        neighbours = (smoothed * smoothed.roll(1, axis)).mean() / smoothed.square().mean()
        assert neighbours == pytest.approx(expected, abs=0.02)
    assert smoothed.var((0, 2, 3)) == pytest.approx(torch.ones(3), abs=0.05)
    between = (smoothed[:, 0] * smoothed[:, 1]).mean()
    assert abs(between) < 0.05


def test_a_part_of_the_images_is_smoothed_and_the_others_stay():
    torch.manual_seed(0)
    before = white(count=40, channels=1, side=16)
    same = (noise.smooth(before, 0.25) - before).abs().amax((1, 2, 3)) < 1e-6
    assert 20 <= int(same.sum()) < 40
    torch.testing.assert_close(noise.smooth(before, 0.0), before)
