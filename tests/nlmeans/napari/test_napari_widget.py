"""The widget in a real viewer, driven as a user would."""

import numpy as np
import pytest

import nlmeans

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:napari.*", "ignore:.*:DeprecationWarning:vispy.*")


def noisy(shape=(96, 120), sigma=12.0, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.add.outer(np.arange(shape[-2]) // 16 % 2, np.arange(shape[-1]) // 24 % 3) * 40 + 60.0
    return (steps + rng.normal(0, sigma, shape)).clip(0, 255).astype(np.uint8)


def test_a_preview_appears_and_the_result_lies_where_the_image_does(driven):
    place = {
        "scale": (0.5, 0.25), "translate": (10, 20), "rotate": 30, "units": ("um", "um"), "axis_labels": ("y", "x"),
        "colormap": "magma", "contrast_limits": (40, 180), "name": "cells",
    }  # fmt: skip
    one = driven((noisy(), place))
    one.settled()
    assert one.preview is not None
    assert one.widget.layer.layer is one.viewer.layers["cells"]
    assert float(one.widget.controls.numbers["sigma"].text()) == pytest.approx(12, abs=1.5)
    assert one.widget.controls.strength_shown.text() != "–"
    assert one.viewer.layers.selection.active is one.viewer.layers["cells"]
    source, result = one.viewer.layers["cells"], one.finished()
    assert result.name == "cells denoised"
    np.testing.assert_array_equal(result.data, nlmeans.denoise(source.data, axes="YX", spacing=(0.5, 0.25)))
    for name in ("scale", "translate", "rotate", "shear", "contrast_limits"):
        np.testing.assert_allclose(getattr(result, name), getattr(source, name))
    assert (result.units, result.axis_labels) == (source.units, source.axis_labels)
    assert result.colormap.name == "magma"
    one.settled()
    assert one.preview is None
    assert not one.widget.live.isChecked()


def test_a_preview_of_a_part_lies_on_the_part(driven):
    one = driven((noisy((700, 900)), {"scale": (2, 3), "rotate": 20, "translate": (5, 7)}))
    one.widget.controls.quality.setCurrentText("preview")
    one.settled()
    source, shown = one.viewer.layers[0], one.preview
    assert shown.data.shape == (512, 512)
    start = np.round(source.world_to_data(shown.data_to_world((0, 0)))).astype(int)
    end = np.round(source.world_to_data(shown.data_to_world((511, 511)))).astype(int)
    np.testing.assert_array_equal(end - start, 511)
    part = source.data[start[0] : end[0] + 1, start[1] : end[1] + 1]
    assert np.corrcoef(part.ravel(), shown.data.ravel())[0, 1] > 0.9


def test_settings_change_the_preview(driven):
    one = driven(noisy())
    one.settled()
    first, widget = one.preview.data.copy(), one.widget
    widget.controls.strength.setValue(190)
    one.settled()
    stronger = one.preview.data.copy()
    assert not np.array_equal(first, stronger)
    assert not widget.controls.chosen.isChecked()
    sigma = widget.controls.numbers["sigma"]
    sigma.setText("0")
    sigma.textEdited.emit("0")
    one.settled()
    np.testing.assert_array_equal(one.preview.data, one.viewer.layers[0].data[:512, :512])
    sigma.setText("twelve")
    sigma.textEdited.emit("twelve")
    one.settled()
    assert widget.said.text().startswith("σ must be a number")
    widget.controls.estimated.setChecked(True)
    one.settled()
    np.testing.assert_array_equal(one.preview.data, stronger)
    widget.live.setChecked(False)
    one.settled()
    assert one.preview is None


@pytest.mark.parametrize("noise", ["Poisson-Gaussian", "Rician", "camera", "automatic"])
def test_every_model_of_noise_previews(driven, noise):
    one = driven(noisy())
    one.widget.controls.noise.setCurrentText(noise)
    one.settled()
    assert one.preview is not None, one.widget.said.text()


def test_methods_show_their_qualities(driven):
    one = driven(noisy((48, 60)))
    controls = one.widget.controls
    other = next(name for name in nlmeans.extend.method_names() if name != "nlm")
    controls.method.setCurrentText(other)
    assert not controls.strength.isEnabled()
    assert controls.quality.findText("preview") == -1
    one.settled()
    controls.method.setCurrentText("nlm")
    assert controls.quality.findText("preview") == 0
    one.settled()
    assert one.preview is not None


def test_what_is_superseded_is_cancelled(driven):
    one = driven(noisy((48, 60)))
    one.settled()
    from nlmeans.napari.worker import Job

    seen, worker = [], one.widget._previews

    def slow(progress, cancel):
        progress(1, 100)
        assert cancel.wait(30)
        raise nlmeans.Cancelled("stopped")

    def failed(error):
        raise error

    worker.submit(Job(slow, seen.append, failed, cancelled=lambda: seen.append("cancelled")))
    for k in range(5):
        worker.submit(Job(lambda *_, k=k: k, seen.append, failed))
    one.until(lambda: not worker.busy)
    assert seen == ["cancelled", 4]


def test_the_whole_image_can_be_cancelled(driven):
    one = driven(noisy((1500, 1500)))
    one.widget.live.setChecked(False)
    one.widget.controls.quality.setCurrentText("best")
    one.widget.start.click()
    assert one.widget.stop.isEnabled()
    assert not one.widget.start.isEnabled()
    one.widget.stop.click()
    one.until(lambda: not one.widget._runs.busy)
    assert one.widget.said.text() == "cancelled"
    assert one.widget.start.isEnabled()
    assert len(one.viewer.layers) == 1


@pytest.mark.parametrize("what", ["preview", "whole"])
def test_a_viewer_may_be_closed_during_work(driven, what):
    one = driven(noisy((1500, 1500)))
    if what == "whole":
        one.widget.start.click()
    one.until(lambda: one.widget._previews.busy or one.widget._runs.busy)
    one.viewer.close()


def test_a_layer_may_be_removed_during_work(driven):
    one = driven(noisy((400, 400)), noisy((48, 60), seed=1))
    one.widget.layer.choose(one.viewer.layers[0])
    one.until(lambda: one.widget._previews.busy)
    one.viewer.layers.remove(one.viewer.layers[0])
    one.settled()
    assert one.widget.layer.count() == 1
    assert one.preview.data.shape == (48, 60)
    one.viewer.layers.clear()
    one.settled()
    assert one.preview is None
    one.widget.start.click()
    assert one.widget.said.text() == "open an image first"


def test_two_widgets_do_not_disturb_each_other(driven):
    from nlmeans.napari.widget import Denoise

    one = driven(noisy())
    second = Denoise(one.viewer)
    one.viewer.window.add_dock_widget(second, name="another")
    one.settled()
    one.until(lambda: not second._previews.busy and not second._timer.isActive())
    assert second.layer.count() == one.widget.layer.count() == 1


def test_volumes_times_colours_and_three_dimensions(driven):
    colours = np.stack([noisy((48, 60), seed=k) for k in range(3)], axis=-1)
    one = driven((noisy((6, 48, 60)), {"name": "volume"}), (colours, {"name": "colours", "rgb": True}))
    one.widget.layer.choose(one.viewer.layers["colours"])
    one.settled()
    assert one.preview.rgb
    assert one.preview.data.shape == (48, 60, 3)
    one.widget.layer.choose(one.viewer.layers["volume"])
    one.widget.controls.quality.setCurrentText("fast")
    one.viewer.dims.set_point(0, 4)
    one.settled()
    assert one.preview.data.shape == (1, 48, 60)
    assert one.preview.translate[0] == 4
    one.widget.axes.setCurrentText("TYX")
    one.settled()
    assert one.preview.data.shape == (1, 48, 60)
    one.viewer.dims.ndisplay = 3
    one.settled()
    assert one.preview.data.shape == (6, 48, 60)
    assert one.finished().data.shape == (6, 48, 60)


def test_multiscale_and_dask(driven):
    da = pytest.importorskip("dask.array")
    base = noisy((256, 300))
    levels = [da.from_array(base, chunks=64), da.from_array(base[::2, ::2], chunks=64)]
    one = driven((levels, {"multiscale": True, "name": "slide"}))
    one.settled()
    assert one.preview is not None
    result = one.finished()
    assert result.multiscale
    assert all(isinstance(level, da.Array) for level in result.data)
    assert one.widget.said.text() == "denoised where it is looked at"


def test_labels_are_a_mask_and_shapes_a_region(driven):
    one = driven((noisy(), {"scale": (0.5, 0.5)}))
    labels = one.viewer.add_labels((noisy() > 90).astype(int), scale=(0.5, 0.5), name="cells")
    shapes = one.viewer.add_shapes([[[10, 10], [10, 30], [30, 30], [30, 10]]], name="here")
    one.widget.mask.choose(labels)
    one.widget.region.choose(shapes)
    one.settled()
    assert one.preview.data.shape == (40, 40)
    np.testing.assert_allclose(one.preview.translate, (10, 10))
    result = one.finished()
    np.testing.assert_array_equal(result.data, nlmeans.denoise(noisy(), axes="YX", mask=labels.data != 0))
    one.viewer.layers.remove(shapes)
    assert one.widget.region.layer is None


def test_weights_follow_the_cursor(driven):
    one = driven((noisy(), {"scale": (0.5, 0.5)}))
    one.widget.live.setChecked(False)
    one.settled()
    one.widget.point.setChecked(True)
    event = type("Event", (), {"position": (20.0, 30.0)})
    one.widget._weights.follow(one.viewer, event)
    one.until(lambda: not one.widget._weights.worker.busy)
    shown = one.viewer.layers["weights"]
    assert shown.data.sum() == pytest.approx(1, abs=1e-3)
    at = np.round(shown.world_to_data(event.position)).astype(int)
    assert shown.data[tuple(at)] == shown.data.max()
    one.widget.point.setChecked(False)
    assert "weights" not in one.viewer.layers


@pytest.mark.parametrize("axes", ["NYX", "CYX", "ZYX"])
def test_weights_of_stacks(driven, axes):
    one = driven(noisy((5, 48, 60)))
    one.widget.live.setChecked(False)
    one.widget.axes.setCurrentText(axes)
    one.viewer.dims.set_point(0, 2)
    one.widget.point.setChecked(True)
    one.widget._weights.follow(one.viewer, type("Event", (), {"position": (2.0, 20.0, 30.0)}))
    one.until(lambda: not one.widget._weights.worker.busy)
    shown = one.viewer.layers["weights"]
    assert shown.data.ndim == 3
    at = np.round(shown.world_to_data((2.0, 20.0, 30.0))).astype(int)
    assert shown.data[tuple(at)] == shown.data.max()


@pytest.mark.parametrize("kind", ["bool", "nan", "integers", "many axes"])
def test_odd_images_are_denoised_or_refused_in_words(driven, kind):
    image = {
        "bool": noisy() > 90,
        "nan": np.where(noisy() > 150, np.nan, noisy().astype(np.float32)),
        "integers": noisy().astype(np.int32),
        "many axes": noisy()[(None,) * 4],
    }[kind]
    one = driven(image)
    one.settled()
    if kind in ("bool", "many axes"):
        assert one.preview is None
        assert one.widget.said.text()
        one.widget.start.click()
        one.until(lambda: not one.widget._runs.busy)
        assert one.widget.said.text()
        assert len(one.viewer.layers) == 1
    else:
        assert one.preview is not None, one.widget.said.text()


def test_nothing_to_see_is_no_error(driven):
    one = driven(noisy())
    one.settled()
    one.viewer.layers[0].corner_pixels = np.array([[500, 500], [600, 600]])
    one.widget.later()
    one.settled()
    assert one.preview is None
    assert one.widget.said.text() == ""


def test_a_screenshot_shows_the_widget(driven):
    one = driven(noisy())
    one.settled()
    picture = one.widget.grab().toImage()
    width, height = picture.width(), picture.height()
    assert width >= 300
    colours = {picture.pixel(x, y) for x in range(0, width, 3) for y in range(0, height, 3)}
    assert len(colours) > 20
    window = one.viewer.screenshot(canvas_only=False, flash=False)
    assert min(window.shape[:2]) > 300
    assert window.std() > 5


def test_copies_are_what_the_clipboard_has(driven):
    from qtpy.QtWidgets import QApplication

    one = driven((noisy(), {"name": "cells"}))
    one.widget.controls.quality.setCurrentText("fast")
    one.settled()
    one.widget.python.click()
    text = QApplication.clipboard().text()
    assert "quality='fast'" in text
    names = {"viewer": one.viewer}
    exec(text, names)
    np.testing.assert_array_equal(names["clean"], one.finished().data)
    one.widget.command.click()
    assert QApplication.clipboard().text().startswith("nlmeans denoise noisy.tif clean.tif")
