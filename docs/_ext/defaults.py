"""The directive ``defaults``: a table of what is chosen where an option is not given, from the program's own tables."""

import math
from collections.abc import Mapping, Sequence

from sphinx.util.docutils import SphinxDirective

from nlmeans.methods.own import ridge
from nlmeans.plan import defaults
from nlmeans.plan.defaults import Averaging, Defaults
from nlmeans.plan.options import OPTIONS

Row = Sequence[object]


def upto(noise: float) -> str:
    """Return the bound of a row, on σ over the standard deviation of the signal."""
    return "above" if math.isinf(noise) else f"up to {noise:.2f}"


def shown(step: Averaging) -> Row:
    """Return the radii and the strength of a pass."""
    return step.patch, step.search, f"{step.strength:.2f}"


def averages(table: Sequence[Defaults]) -> list[Row]:
    """Return the passes of each quality, for each strength of the noise."""
    kinds = {"fast": "fast", "pilot": "balanced; best, first pass", "guided": "best, second pass"}
    head = ("σ / signal", "quality", "patch radius", "search radius", "strength", "Wiener", "kept")
    body = [
        (upto(row.noise), f"{quality}", *shown(step := getattr(row, name)), step.wiener, step.kept)
        for row in table
        for name, quality in kinds.items()
    ]
    return [head, *body]


def groups(table: Sequence[ridge.Row]) -> list[Row]:
    """Return the two steps of method "ridge", for each strength of the noise."""
    head = ("σ / signal", "share of nlm in the pilot", "step 1: side, patches", "step 2: side, patches")
    return [head, *((upto(row.noise), row.share, *map(pair, (row.first, row.second))) for row in table)]


def pair(numbers: Sequence[object]) -> str:
    """Return numbers as one entry."""
    return ", ".join(map(str, numbers))


def efforts(table: Mapping[str, ridge.Effort]) -> list[Row]:
    """Return what method "ridge" takes for each quality."""
    steps = ("step 1: stride, search radius", "step 2: stride, search radius")
    head = ("quality", "nlm in the pilot", *steps, "most patches of step 2")
    return [head, *((name, one.pilot, pair(one.first), pair(one.second), one.most) for name, one in table.items())]


def options() -> list[Row]:
    """Return the options of `nlmeans.denoise` that say what is computed, with their meanings."""
    return [("option", "meaning"), *((f"`{name}`", option.help) for name, option in OPTIONS.items())]


def fixed() -> list[Row]:
    """Return what does not depend on the noise."""
    return [
        ("what", "value"),
        ("quality", OPTIONS["quality"].default),
        ('quality "preview": patch radius, search radius, strength', pair(shown(defaults.PREVIEW))),
        ("search radii of a video (T, Y, X)", pair(defaults.VIDEO)),
        ("the same where they follow motion", pair(defaults.MOVING)),
        ("a weight below this is 0", f"2⁻¹² = {2.0**defaults.END:.2g}"),
    ]


TABLES = {
    "grey": lambda: averages(defaults.GREY),
    "colour": lambda: averages(defaults.COLOUR),
    "volume": lambda: averages(defaults.VOLUME),
    "fixed": fixed,
    "ridge-grey": lambda: groups(ridge.GREY),
    "ridge-colour": lambda: groups(ridge.COLOUR),
    "ridge-volume": lambda: groups(ridge.VOLUME),
    "ridge-effort": lambda: efforts(ridge.EFFORT),
    "ridge-effort-volume": lambda: efforts(ridge.VOLUME_EFFORT),
    "options": options,
}


class Table(SphinxDirective):
    """``defaults`` with the name of a table."""

    required_arguments = 1

    def run(self):
        """Return the table."""
        head, *body = TABLES[self.arguments[0]]()
        rule = ["---"] * len(head)
        lines = ["| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in (head, rule, *body)]
        return self.parse_text_to_nodes("\n".join(lines))


class Version(SphinxDirective):
    """``defaults-version``: the number."""

    def run(self):
        """Return a sentence."""
        return self.parse_text_to_nodes(f"These are the defaults of **version {defaults.DEFAULTS_VERSION}**.")


def setup(app) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("defaults", Table)
    app.add_directive("defaults-version", Version)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
