"""Panel: the controls and pictures in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from .._progress import Cancelled
from .._typing import Event
from ..methods import registry
from ..noise.models import MODELS, Auto, Gaussian
from ..noise.numbers import listed
from ..plan.averaging import AveragingPlan
from .latest import Latest
from .preview import Place, Preview, Previews
from .settings import Settings
from .shades import ends_of, png_of, visible

if TYPE_CHECKING:
    from .explorer import Explorer

SHOWN = "as the image shows"
USUAL = "balanced"
WEAKEST, STRONGEST, STEP = 1 / 16, 2.0, 1 / 64  # which floats hold exactly: a browser leaves such values alone
SNAP = 0.75 * STEP
"""Less than a user moves a slider by, and more than a browser does to bring it to a step."""
BEYOND = 4.0
"""Standard deviations of what was taken away that become black and white."""
NAMES = ("noisy", "result", "residual")


class Panel:
    """What a user sees of an `Explorer`.

    Attributes
    ----------
    controls : dict of str to Widget
        Model, numbers, method, quality, strength, and whether that is chosen from the noise ("automatic"); sliders for
        the part that is shown; the buttons "whole" and "stop".
    pictures : dict of str to Image
        The part: noisy, result, residual.
    status, progress, written : Widget
        A line on what was done, or is wrong; the progress of the whole image; the call in Python and the command.
    box : Widget
        All of it.
    previewing, working : Latest
        Who computes the part, and the whole image.
    """

    def __init__(self, explorer: Explorer, previews: Previews, crop: int) -> None:
        self.explorer, self.previews, self.crop = explorer, previews, crop
        self.previewing, self.working = Latest(), Latest()
        self._strength = explorer.settings.strength
        self._shown = self._strength or 0.5
        self.controls: dict[str, Any] = self._choices(explorer.settings) | self._places() | self._buttons()
        nothing, whole = png_of(np.zeros((1, 1, 1)), (0, 1)), {"width": "100%", "margin": "0"}
        self.pictures = {
            name: widgets.Image(value=nothing, format="png", layout=widgets.Layout(**whole)) for name in NAMES
        }
        self.titles = {name: widgets.HTML(f"<b>{name}</b>") for name in NAMES}
        self.status, self.written = widgets.HTML("…"), widgets.HTML()
        self.progress = widgets.FloatProgress(max=1.0, layout=widgets.Layout(width="200px", visibility="hidden"))
        self.box = self._laid_out()
        for name, control in self.controls.items():
            if name in ("whole", "stop"):
                control.on_click(self.run if name == "whole" else lambda _: self.working.stop())
            else:
                control.observe(self._changes(name), "value")
        self._enable()
        self._write()

    def start(self) -> None:
        """Show the part."""
        settings, place, channel = self.explorer.settings, self._place(), self._channel()

        def job(cancel: Event) -> None:
            self._try(lambda: self._show(self.previews.show(settings, place, cancel), channel))

        self.previewing.submit(job)

    def run(self, *_: Any) -> None:
        """Denoise the whole image."""

        def moved(done: int, total: int) -> None:
            self.progress.value = done / total

        def work(cancel: Event) -> None:
            report = self.explorer.run(moved, cancel).report
            self._say(f"the whole image took {report.seconds:.2g} s on {report.threads} threads: it is <b>.result</b>")

        def job(cancel: Event) -> None:
            self.progress.value, self.progress.layout.visibility = 0.0, "visible"
            self._try(lambda: work(cancel), "the whole image was stopped")
            self.progress.layout.visibility = "hidden"

        self.working.submit(job)

    def _choices(self, settings: Settings) -> dict[str, Any]:
        wide = {"style": {"description_width": "5.5em"}}
        method = registry.method_of(settings.method)
        models = [(SHOWN, ""), *((name, name) for name in (*MODELS, Auto.name))]
        return {
            "model": widgets.Dropdown(options=models, value=settings.noise or "", description="noise", **wide),
            "numbers": widgets.Text(value=settings.numbers or "", continuous_update=False, description="σ", **wide),
            "method": widgets.Dropdown(
                options=registry.method_names(), value=method.name, description="method", **wide
            ),
            "quality": widgets.Dropdown(
                options=method.qualities, value=settings.quality or USUAL, description="quality", **wide
            ),
            "strength": widgets.FloatSlider(
                value=settings.strength or 0.5, min=min(WEAKEST, settings.strength or WEAKEST),
                max=max(STRONGEST, settings.strength or 0), step=STEP, description="strength", **wide,
            ),
            "automatic": widgets.Checkbox(
                value=settings.strength is None, description="strength chosen from the noise", indent=False
            ),
        }  # fmt: skip

    def _places(self) -> dict[str, Any]:
        images, channels, depth, *sides = self.previews.shape
        layout = self.previews.layout
        each = [
            ("image", layout.separate or "N", images - 1, 0),
            ("slice", layout.space[:-2] or "Z", depth - 1, (depth - 1) // 2),
            ("row", "Y", sides[0] - self.crop, (sides[0] - self.crop) // 2),
            ("column", "X", sides[1] - self.crop, (sides[1] - self.crop) // 2),
            ("channel", "C", channels - 1 if channels not in (1, 3) else 0, 0),
        ]
        style = {"description_width": "5.5em"}
        return {
            name: widgets.IntSlider(value=value, max=most, description=f"{name} ({axis})", style=style)
            for name, axis, most, value in each
            if most > 0
        }

    def _buttons(self) -> dict[str, Any]:
        return {
            "whole": widgets.Button(description="whole image", button_style="primary"),
            "stop": widgets.Button(description="stop"),
        }

    def _laid_out(self) -> Any:
        of = self.controls
        places = [control for name, control in of.items() if name in Place._fields or name == "channel"]
        panes = [
            widgets.VBox(
                [self.titles[name], picture],
                layout=widgets.Layout(flex="1 1 0", min_width="0", margin="0 4px", overflow="hidden"),
            )
            for name, picture in self.pictures.items()
        ]
        rows = widgets.Layout(flex_flow="row wrap")
        return widgets.VBox(
            [
                widgets.Box([of["model"], of["numbers"], of["method"], of["quality"]], layout=rows),
                widgets.Box([of["strength"], of["automatic"]], layout=rows),
                widgets.Box(places, layout=rows),
                widgets.HBox(panes),
                widgets.HBox([of["whole"], of["stop"], self.progress]),
                self.status,
                self.written,
            ]
        )

    def _changes(self, name: str) -> Callable[[Any], None]:
        def changed(change: Any) -> None:
            if name == "strength":
                before, self._shown = self._shown, change["new"]
                if abs(self._shown - before) < SNAP:  # set from here, and brought to a step by the browser
                    return
                self._strength = round(self._shown / STEP) * STEP
                self.controls["automatic"].value = False
            if name == "model":
                self.controls["numbers"].value = ""
            if name in ("model", "method"):
                self._enable()
            self._take()

        return changed

    def _enable(self) -> None:
        """Offer what the model and the method have."""
        of, method = self.controls, registry.method_of(self.controls["method"].value)
        if tuple(of["quality"].options) != method.qualities:
            before = of["quality"].value
            of["quality"].options = method.qualities
            of["quality"].value = before if before in method.qualities else USUAL
        model = of["model"].value
        of["numbers"].description = "σ" if model in ("", Gaussian.name) else "numbers"
        of["numbers"].disabled = model == Auto.name
        of["strength"].disabled = of["automatic"].disabled = "strength" not in method.options

    def _take(self) -> None:
        """Take the settings from the controls, and show the part anew."""
        value = {name: control.value for name, control in self.controls.items() if hasattr(control, "value")}
        free = value["automatic"] or self.controls["strength"].disabled
        settings = Settings(
            noise=value["model"] or None,
            numbers=value["numbers"].strip() or None,
            method=None if value["method"] == registry.DEFAULT else value["method"],
            quality=None if value["quality"] == USUAL else value["quality"],
            strength=None if free else self._strength or value["strength"],
        )
        if self._try(settings.arguments):  # numbers that are none leave all as it was
            self.explorer.settings = settings
            self._write()
            self.start()

    def _place(self) -> Place:
        at = {name: self.controls[name].value for name in Place._fields if name in self.controls}
        return Place(**at, side=self.crop)

    def _channel(self) -> int | None:
        return self.controls["channel"].value if "channel" in self.controls else None

    def _show(self, preview: Preview, channel: int | None) -> None:
        noisy, result = (visible(planes, channel) for planes in (preview.noisy, preview.result))
        residual = noisy.astype(np.float64) - result
        beyond = BEYOND * float(np.nanstd(np.where(np.isfinite(residual), residual, np.nan))) or 1.0
        ends = ends_of(noisy)
        self.pictures["noisy"].value = png_of(noisy, ends)
        self.pictures["result"].value = png_of(result, ends)
        self.pictures["residual"].value = png_of(residual, (-beyond, beyond))
        self.titles["residual"].value = f"<b>residual</b>, ±{beyond:.3g}"
        noise, plan = preview.recipe.noise, preview.recipe.plan
        fitted = listed(noise.channels) if noise.model.name == Gaussian.name else noise.text
        self.controls["numbers"].placeholder = fitted
        if self.controls["automatic"].value and isinstance(plan, AveragingPlan) and plan.passes:
            self._shown = round(min(max(plan.strength, WEAKEST), STRONGEST) / STEP) * STEP
            self.controls["strength"].value = self._shown
        says = [f"{noise.text}{' (estimated)' if noise.estimated else ''}", *plan.notes]
        self._say("; ".join(map(escape, says)))

    def _write(self) -> None:
        texts = self.explorer.code(), self.explorer.command()
        self.written.value = "".join(f"<pre>{escape(text.strip())}</pre>" for text in texts)

    def _try(self, work: Callable[[], object], stopped: str = "") -> bool:
        """Do what a control asks for; say what went wrong, and return whether nothing did."""
        try:
            work()
            return True
        except Cancelled:
            if stopped:
                self._say(stopped)
        except Exception as error:  # a thread has nobody else to tell
            self._say(f"<span style='color: #d33'>{escape(str(error) or type(error).__name__)}</span>")
        return False

    def _say(self, text: str) -> None:
        self.status.value = text
