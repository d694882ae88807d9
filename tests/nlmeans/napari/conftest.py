"""A real viewer, offscreen."""

import os
import sys
import threading
import time
import warnings
from contextlib import suppress

import pytest

os.environ["NAPARI_CONFIG"] = ""  # settings of whoever runs the tests stay as they are
with warnings.catch_warnings(), suppress(Exception):  # what napari's own imports warn of is not ours
    warnings.simplefilter("ignore")
WHY_NOT = "napari is not installed, or no Qt: pip install 'nlmeans[napari]' pyqt6"


class Driver:
    """A viewer with the widget, and time that passes."""

    def __init__(self, viewer):
        from qtpy.QtWidgets import QApplication

        from nlmeans.napari.widget import Denoise

        self.viewer, self.app = viewer, QApplication.instance()
        self.widget = Denoise(viewer)
        viewer.window.add_dock_widget(self.widget, name="Denoise")

    def until(self, holds, seconds=60):
        """Let the window work until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"waited {seconds} s: {self.widget.said.text()!r}"
            self.app.processEvents()
            time.sleep(0.002)

    def settled(self):
        """Wait for the preview of what is set now."""
        widget = self.widget
        self.until(lambda: not widget._timer.isActive() and not widget._previews.busy)

    def finished(self):
        """Press the button, and wait for the result."""
        self.widget.start.click()
        self.until(lambda: not self.widget._runs.busy)
        return self.viewer.layers[-1]

    @property
    def preview(self):
        """The layer of the preview; None where there is none."""
        found = [layer for layer in self.viewer.layers if layer.metadata.get("nlmeans") == "preview"]
        assert len(found) <= 1
        return found[0] if found else None


def ours():
    return [thread for thread in threading.enumerate() if thread.name == "nlmeans-napari"]


@pytest.fixture
def viewer():
    """Return an empty viewer, which is closed afterwards; no thread stays behind."""
    napari = pytest.importorskip("napari", reason=WHY_NOT)
    pytest.importorskip("qtpy", reason=WHY_NOT, exc_type=Exception)
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        pytest.skip("napari draws with OpenGL, which needs a display here: run the tests with xvfb-run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = napari.Viewer(show=False)
    yield made
    if made in napari.viewer.Viewer._instances:
        made.close()
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + 20
    while ours() and time.monotonic() < end:
        QApplication.instance().processEvents()
        time.sleep(0.01)
    assert not ours()


@pytest.fixture
def driven(viewer):
    """Return a function that opens the widget on images, each an array or a pair of it and arguments."""

    def opened(*images):
        for image in images:
            pixels, given = image if isinstance(image, tuple) else (image, {})
            viewer.add_image(pixels, **given)
        return Driver(viewer)

    return opened
