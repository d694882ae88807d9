"""A small chart: the standard deviation of noise against brightness, as measured and by the model."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from .fit import Fit

GREY = ("#7fb2e5",)
COLOURS = ("#e0603a", "#3fae74", "#4f9fe0", "#b0608f", "#b09a30", "#8a80d8", "#8d98a0", "#d05a75")
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 22, 36
ROOM = 1.25
"""Room above the highest point of most."""
USUAL = 0.9


class NoisePlot(QWidget):
    """Draws a `Fit`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fit: Fit | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Points: σ measured in flat patches of each brightness. Line: the noise model.")

    def sizeHint(self) -> QSize:
        """Return the size that it likes to have."""
        return QSize(260, 170)

    def show_fit(self, fit: Fit | None) -> None:
        """Draw the noise of another slice."""
        self._fit = fit
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.85, 7.0))
        painter.setFont(font)
        ink = self.palette().color(self.foregroundRole())
        painter.setPen(QPen(ink))
        painter.drawText(QRectF(8, 2, self.width() - 16, TOP - 4), int(Qt.AlignmentFlag.AlignLeft), "σ by brightness")
        frame = QRectF(LEFT, TOP, self.width() - LEFT - RIGHT, self.height() - TOP - BOTTOM)
        curves = [] if self._fit is None else _curves(self._fit)
        faint = QColor(ink)
        faint.setAlphaF(0.5)
        painter.setPen(QPen(faint))
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        painter.drawLine(frame.bottomLeft(), frame.topLeft())
        if not curves:
            words = "not measured yet" if self._fit is None else "no flat patches to measure in"
            painter.drawText(frame, int(Qt.AlignmentFlag.AlignCenter), words)
        else:
            self._draw(painter, frame, curves, ink)
        painter.end()

    def _draw(self, painter: QPainter, frame: QRectF, curves: list[tuple[np.ndarray, np.ndarray]], ink: QColor) -> None:
        assert self._fit is not None
        means, heights = (np.concatenate(values) for values in zip(*curves, strict=True))
        low, high = float(means.min()), float(means.max())
        if low == high:
            low, high = low - 1, high + 1
        grid = np.linspace(low, high, 100)
        model = self._fit.deviation(grid)
        usual = float(np.quantile(heights, USUAL))
        top = ROOM * max(usual, float(np.nanmax(model)) if np.isfinite(model).any() else 0.0) or 1.0

        def point(x: float, y: float) -> QPointF:
            across, up = (x - low) / (high - low), min(y / top, 1.0)
            return QPointF(frame.left() + across * frame.width(), frame.bottom() - up * frame.height())

        for k, (brightness, deviation) in enumerate(curves):
            colour = QColor((GREY if len(curves) == 1 else COLOURS)[k % len(COLOURS)])
            painter.setPen(QPen(colour, 1.4))
            line = model[min(k, len(model) - 1)]
            if np.isfinite(line).all():
                painter.drawPolyline(QPolygonF([point(x, y) for x, y in zip(grid, line, strict=True)]))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            for x, y in zip(brightness, deviation, strict=True):
                if y <= top:
                    painter.drawEllipse(point(x, y), 2.4, 2.4)
        painter.setPen(QPen(ink))
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for value in (0.0, top / ROOM):
            painter.drawText(QRectF(0, point(low, value).y() - 8, LEFT - 6, 16), right, f"{value:.3g}")
        below = QRectF(frame.left() - 20, frame.bottom() + 3, frame.width() + 20 + RIGHT - 2, 16)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), f"{low:.4g}")
        painter.drawText(below, right, f"{high:.4g}")
        below.translate(0, 15)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignHCenter), "brightness")


def _curves(fit: Fit) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return brightness and deviation of each channel at full size; none where a channel was not measured."""
    full = fit.profile.scales[0]
    pairs = list(zip(full.brightness, full.deviation, strict=True))
    return pairs if all(len(brightness) for brightness, _ in pairs) else []
