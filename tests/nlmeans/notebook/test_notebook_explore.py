"""The notebook's controls: what they show is what the whole image gets, and what they say does the same."""

import builtins
import shlex
import threading
import time

import numpy as np
import pytest

import nlmeans
from nlmeans import _progress
from nlmeans.noise import Camera, Gaussian, PoissonGaussian, Rician
from nlmeans.notebook import latest
from nlmeans.notebook.settings import Settings

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed: pip install 'nlmeans[notebook]'")


def picture(shape, seed=0):
    return np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)


def settled(tuned):
    tuned.panel.previewing.wait()
    tuned.panel.working.wait()
    return tuned.panel


def run(code, **names):
    exec(code, names)
    return names["clean"]


CHOICES = {
    "nothing": {},
    "sigma": {"sigma": 9.7},
    "strength and quality": {"sigma": 1 / 3 * 30, "strength": 0.37, "quality": "fast"},
    "photons": {"noise": PoissonGaussian(0.1 + 0.2, 90, 5.123456789), "quality": "fast"},
    "photons, fitted": {"noise": PoissonGaussian(), "quality": "fast"},
    "auto": {"noise": "auto", "quality": "fast"},
    "camera": {"noise": Camera(7.123456789, 5, 3), "quality": "fast"},
}


@pytest.mark.parametrize("chosen", CHOICES.values(), ids=CHOICES)
def test_code_and_command_do_the_same_bit_for_bit(chosen, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from nlmeans.cli import app

    noisy = picture((48, 56))
    tuned = nlmeans.explore(noisy, **chosen)
    ref = nlmeans.denoise(noisy, **chosen)
    np.testing.assert_array_equal(tuned.result, ref)
    np.testing.assert_array_equal(run(tuned.code("noisy"), noisy=noisy), ref)
    monkeypatch.chdir(tmp_path)
    np.save("a noisy.npy", noisy)
    words = shlex.split(tuned.command("a noisy.npy", "clean.npy"))
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.load("clean.npy"), ref)


def test_axes_and_several_sigmas_are_said():
    noisy = picture((40, 48, 3))
    tuned = nlmeans.explore(noisy, (9, 10, 11.5), channel_axis=-1, quality="fast")
    assert tuned.code().splitlines()[-1] == (
        "clean = nlmeans.denoise(image, sigma=[9.0, 10.0, 11.5], quality='fast', channel_axis=-1)"
    )
    np.testing.assert_array_equal(run(tuned.code(), image=noisy), tuned.result)
    assert "--sigma 9.0,10.0,11.5" in tuned.command()
    assert "--channel-axis -1" in tuned.command()


@pytest.mark.parametrize(
    ("shape", "axes", "moves"),
    [
        ((70, 80), None, {"row": 20, "column": 48}),
        ((60, 70, 3), "YXC", {"row": 28}),
        ((2, 40, 44), "CYX", {"channel": 1}),
        ((7, 40, 44), "ZYX", {"slice": 6}),
        ((3, 40, 44), "NYX", {"image": 2}),
        ((2, 4, 40, 44), "TZYX", {"image": 1, "slice": 0}),
    ],
)
def test_the_part_is_that_of_the_whole_result(shape, axes, moves):
    noisy = picture(shape) + 40.0 * (np.arange(shape[1] * np.prod(shape[2:])).reshape(shape[1:]) % 11 > 5)
    noisy = noisy.astype(np.float32)
    tuned = nlmeans.explore(noisy, axes=axes, quality="fast", crop=32)
    panel = tuned.panel
    for name, value in moves.items():
        panel.controls[name].value = value
    panel.start()
    settled(tuned)
    place = panel._place()
    comp = panel.previews.show(tuned.settings, place)
    for name, value in moves.items():
        assert name == "channel" or getattr(place, name) == value
    planes = panel.previews.layout.planes(tuned.result)[place.image][:, place.slice]
    part = np.s_[:, place.row : place.row + 32, place.column : place.column + 32]
    np.testing.assert_allclose(comp.result, planes[part], atol=2e-3)
    np.testing.assert_array_equal(comp.noisy, panel.previews.layout.planes(noisy)[place.image][:, place.slice][part])
    for shown in panel.pictures.values():
        assert bytes(shown.value).startswith(b"\x89PNG")


def test_controls_are_obeyed_as_a_user_moves_them():
    tuned = nlmeans.explore(picture((64, 72)))
    bundle = tuned._repr_mimebundle_()
    panel = settled(tuned)
    of = panel.controls
    assert "application/vnd.jupyter.widget-view+json" in (bundle[0] if isinstance(bundle, tuple) else bundle)
    assert 9 < float(of["numbers"].placeholder) < 11  # estimated, and shown
    assert tuned.settings == Settings()  # the slider showed the plan's strength: nobody chose it
    assert abs(of["strength"].value - nlmeans.plan(tuned.image).strength) <= 1 / 128
    of["strength"].value = np.nextafter(of["strength"].value, 1)  # as a browser brings it to a step
    assert tuned.settings == Settings()
    before = panel.pictures["result"].value

    of["numbers"].value = "25"
    assert tuned.code().endswith("denoise(image, sigma=25.0)\n")
    settled(tuned)
    assert panel.pictures["result"].value != before

    of["strength"].value = 0.875
    assert not of["automatic"].value
    assert tuned.settings.strength == 0.875
    of["automatic"].value = True
    assert tuned.settings.strength is None

    of["method"].value = "ridge"
    assert of["strength"].disabled
    assert "preview" not in of["quality"].options
    of["method"].value = "nlm"
    of["quality"].value = "preview"
    assert "strength" not in tuned.code()
    settled(tuned)

    of["model"].value = "rician"
    assert of["numbers"].value == ""  # σ of another model says nothing
    of["numbers"].value = "sigma=8, coils=2"
    assert tuned.settings.model() == Rician(8, 2)
    chosen = tuned.settings
    of["numbers"].value = "sigma=some"
    assert "noise must be a model with numbers for sigma" in panel.status.value
    assert tuned.settings == chosen
    settled(tuned)


def test_a_given_strength_stays_what_it_is_until_it_is_moved():
    tuned = nlmeans.explore(picture((40, 48)), quality="fast", strength=0.3749)
    of = tuned.panel.controls
    of["strength"].value = 0.37  # as a browser brings it to a step
    of["numbers"].value = "9"
    assert tuned.settings.strength == 0.3749
    of["strength"].value = 0.5
    assert tuned.settings.strength == 0.5
    settled(tuned)


def test_what_goes_wrong_is_said_and_escaped():
    tuned = nlmeans.explore(-picture((40, 48)), quality="fast")
    tuned.panel.controls["model"].value = "rician"
    panel = settled(tuned)
    assert "magnitudes with Rician noise cannot be negative" in panel.status.value
    tuned.panel.controls["model"].value = ""
    tuned.panel.controls["numbers"].value = "<b>"
    assert "&lt;b&gt;" in panel.status.value
    settled(tuned)


def test_the_button_denoises_the_whole_image_and_reports():
    tuned = nlmeans.explore(picture((64, 72)), quality="fast")
    tuned.panel.controls["whole"].click()
    panel = settled(tuned)
    assert ".result" in panel.status.value
    assert panel.progress.value == 1.0
    assert panel.progress.layout.visibility == "hidden"
    first = tuned.result
    assert tuned.result is first  # not computed again
    tuned.panel.controls["numbers"].value = "20"
    settled(tuned)
    assert tuned.result is not first  # what it was is not what the controls say
    assert tuned.report.sigma == (20.0,)


def test_the_whole_image_can_be_stopped(monkeypatch):
    tuned = nlmeans.explore(picture((64, 72)), quality="fast")
    reached = threading.Event()

    def endless(*_, cancel, **__):
        reached.set()
        while not cancel.is_set():
            time.sleep(0.001)
        raise _progress.Cancelled

    monkeypatch.setattr("nlmeans.notebook.explorer.denoise", endless)
    tuned.panel.controls["whole"].click()
    reached.wait()
    tuned.panel.controls["stop"].click()
    assert "stopped" in settled(tuned).status.value


def test_the_newest_job_is_done_and_a_slow_one_stopped(monkeypatch):
    worker, done, started = latest.Latest(), [], threading.Event()
    monkeypatch.setattr(latest, "PATIENCE", 0.0)

    def slow(cancel):
        started.set()
        while not cancel.is_set():
            time.sleep(0.001)
        done.append("stopped")

    worker.submit(slow)
    started.wait()
    for k in range(5):
        worker.submit(lambda _, k=k: done.append(k))
    worker.wait()
    assert done[0] == "stopped"
    assert done[-1] == 4
    assert not [thread for thread in threading.enumerate() if thread.name == "nlmeans.explore"]


def test_a_quick_job_is_let_finish_where_one_supersedes_it(monkeypatch):
    worker, started, go = latest.Latest(), threading.Event(), threading.Event()
    monkeypatch.setattr(latest, "PATIENCE", 1e9)
    asked = []

    def quick(cancel):
        started.set()
        go.wait()
        asked.append(cancel.is_set())

    worker.submit(quick)
    started.wait()
    worker.submit(lambda _: None)
    go.set()
    worker.wait()
    assert asked == [False]


def test_a_mask_and_names_of_a_container_count():
    noisy = np.ma.masked_array(picture((50, 60)), np.zeros((50, 60), bool))
    noisy[10:14, 20:24] = np.ma.masked
    tuned = nlmeans.explore(noisy, quality="fast")
    tuned.panel.start()
    settled(tuned)
    comp = tuned.panel.previews.show(tuned.settings, tuned.panel._place())
    np.testing.assert_allclose(comp.result[0], np.ma.getdata(tuned.result), atol=2e-3)
    assert isinstance(tuned.result, np.ma.MaskedArray)


def test_what_it_does_not_take_is_refused():
    noisy = picture((20, 30))
    with pytest.raises(ValueError, match="crop must be at least 16; got 3"):
        nlmeans.explore(noisy, crop=3)
    with pytest.raises(ValueError, match="sigma is short for noise"):
        nlmeans.explore(noisy, 5, noise=Gaussian(5))
    with pytest.raises(TypeError, match=r"noise must be 'auto', or one of Gaussian, .* without maps; got"):
        nlmeans.explore(noisy, np.full((20, 30), 5.0))
    with pytest.raises(ValueError, match="quality"):
        nlmeans.explore(noisy, method="ridge", quality="preview")
    with pytest.raises(ValueError, match="axes"):
        nlmeans.explore(picture((20, 30, 3)))
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="must be in memory"):
        nlmeans.explore(da.zeros((20, 30)))


def test_without_ipywidgets_one_line_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name == "ipywidgets":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"^explore needs ipywidgets, .*: pip install 'nlmeans\[notebook\]'$"):
        nlmeans.explore(picture((20, 30)))
