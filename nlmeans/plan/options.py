"""Options: the arguments of `denoise`, each defined in one place, checked and parsed once.

A field of `Options` is all that the library and the command line know of an argument: to add one, write it here and
into the signature of `denoise`, and honour it in a method.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, TypedDict, get_args, get_origin

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from ..pairwise.spec import Aggregation, Centre
from .defaults import Quality

if TYPE_CHECKING:
    from .._progress import Progress
    from .._typing import Array, Companion, Event, Radius, Strength, Window
    from ..methods.method import AnyMethod
    from ..noise.fitted import FittedNoise
    from ..noise.model import NoiseModel

    class Details(TypedDict, total=False):
        """What may be asked of a method, by the names of the arguments, but for the quality."""

        guide_sigma: float | None
        strength: Strength | None
        patch_radius: Radius | None
        search_radius: Window | None
        spacing: Sequence[float] | None
        bias: bool | None
        centre: Centre | None
        aggregation: Aggregation | None
        passes: Literal[1, 2] | None
        wiener: bool | None
        motion: bool | None
        padding: bool | None
        outliers: Literal["keep", "fill"] | None
        stripes: Literal["auto", "x", "y"] | None

    class Tuning(Details, total=False):
        """The same with the quality."""

        quality: Quality | None

    class MethodTuning(Tuning, total=False):
        """The same with the method."""

        method: AnyMethod | None

    class Nature(TypedDict, total=False):
        """What an image is."""

        noise: NoiseModel | Literal["auto"] | None
        axes: str | None
        channel_axis: int | None
        mask: Companion | None
        guide: Companion | None
        nodata: float | None

    class PlanArguments(Nature, Tuning, total=False):
        """What `plan` takes, but for the method."""

    class MapArguments(PlanArguments, MethodTuning, total=False):
        """What `weight_map` takes."""

    class Work(TypedDict, total=False):
        """How the work is done."""

        fill: bool | None
        threads: int | None
        progress: bool | Progress | None
        cancel: Event | None

    class Kept(Nature, Details, Work, total=False):
        """What a `Denoiser` keeps, but for method, quality and the type of its result."""

    class Arguments(MapArguments, Work, total=False):
        """What `denoise` takes, but for what decides over the type of its result."""

        out: Array | None


class Option(NamedTuple):
    """The definition of an argument of `denoise`.

    Attributes
    ----------
    help : str
        The help of its flag; without, there is no flag.
    check : callable (value, name, layout), optional
        Returns a value normalised, or refuses it; the layout is None where no image is known yet. By default a check
        by ``kind``.
    parse : callable (text), optional
        Returns the value of a text; raises ValueError with a rule that follows the option's name.
    metavar : str, optional
        The placeholder of its value in the help.
    default : object
        The value of None.
    special : bool
        Whether a method need not honour it; if given, it is then refused.
    file : bool
        Whether it may be a file of the picture's shape.
    least, most : int, optional
        Bounds of a number.
    short_for : str
        The option that it abbreviates, and excludes.
    needs : str
        The option without which it has no meaning.
    name : str
        Its name, where it is parsed with the image into a field of another one.
    kind : type, optional
        Type of its value: bool, int, float, a Literal; by default that of the field.
    """

    help: str = ""
    check: Callable[[Any, str, Layout | None], Any] | None = None
    parse: Callable[[str], Any] | None = None
    metavar: str | None = None
    default: Any = None
    special: bool = False
    file: bool = False
    least: int | None = None
    most: int | None = None
    short_for: str = ""
    needs: str = ""
    name: str = ""
    kind: Any = None

    def checked(self, value: Any, name: str, layout: Layout | None) -> Any:
        """Return a value normalised, the default for None, or refuse it."""
        if value is None:
            return self.default
        if self.check is not None:
            return self.check(value, name, layout)
        if self.kind is bool:
            return _checks.flag(value, name)
        return _checks.choice(value, name, get_args(self.kind)) if get_origin(self.kind) is Literal else value


def _numbers(kind: type, rule: str, *words: str, alone: bool = True) -> Callable[[str], Any]:
    """Return a parser of comma-separated numbers, or of certain words; ``alone``, one number is no list."""

    def parse(text: str) -> Any:
        if text in words:
            return text
        try:
            values = [kind(part) for part in text.split(",")]
        except ValueError:
            raise ValueError(f"must be {rule}; got {text!r}") from None
        return values[0] if alone and len(values) == 1 else values

    return parse


def _sigma(value: Any, *_: Any) -> Any:
    from ..noise.models import Gaussian

    return Gaussian(value).sigma


def _noise(text: str) -> Any:
    from ..noise.text import parse

    return parse(text)


RADII = "a whole number, or one an axis, such as 3 or 1,3,3"


@dataclass(frozen=True, eq=False)
class Options:
    """Checked arguments that `denoise`, `plan` and `weight_map` share, in the order of the flags.

    Some are parsed with the image: ``axes`` and ``channel_axis`` become the ``layout``, ``sigma`` and ``noise`` the
    ``noise``, and ``mask`` and NaN say where pixels are ``known``.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Options
    >>> options = Options.check(np.zeros((30, 40)), sigma=5, search_radius=7)
    >>> options.layout, options.search_radius, options.noise, options.strength
    (Layout(axes='YX'), (7, 7), (Gaussian(sigma=5.0),), None)
    """

    # fmt: off
    layout: Annotated[Layout, Option(
        "What the dimensions are, where files don't say so: Y, X, C channels, Z depth, T time, N separate images; for "
        "instance ZYX. With Z, averages don't go over T: name Z N to have them do so.",
        lambda value, *_: _checks.axis_names(value), str, "LETTERS", name="axes",
    ), Option(
        "Short for --axes: the dimension of the channels; the others are space.",
        metavar="INDEX", short_for="axes", name="channel_axis", kind=int,
    )]
    noise: Annotated["tuple[NoiseModel, ...]", Option(
        "Standard deviation of the noise in the units of the pixels (0 to 255, to 65535, ...): one number, one a "
        "channel, or a file of the picture's shape with one a pixel. Estimated by default.",
        _sigma, _numbers(float, "a number, one a channel such as 9.5,8,11, or a file that exists"),
        "NUMBER[,...]|FILE", file=True, short_for="noise", name="sigma",
    ), Option(
        "gaussian (the default), poisson (photon counts: cameras, microscopes), rician (MRI), or auto, which decides. "
        "Numbers are in the units of the pixels, as in gaussian:sigma=5, rician:sigma=4,coils=8 or "
        "poisson:gain=2.5,offset=10,sigma=3; without them they are estimated. Noise that is not white: "
        "gaussian:psd=FILE, gaussian:covariance=FILE, or gaussian:sample=FILE with a picture of pure noise. Poisson's "
        "may be files with one a pixel (sCMOS: gain=FILE,offset=FILE,variance=FILE), and excess=2 is for EMCCD.",
        parse=_noise, metavar="MODEL", name="noise",
    )]
    quality: Annotated[Quality, Option(
        "fast is one pass, preview one in a small window, balanced (the default) lets a Wiener step follow, best makes "
        "two passes and takes two to four times as long. Method ridge takes more and larger groups for each, and has "
        "no preview.",
        default="balanced",
    )]
    strength: Annotated[float | str | None, Option(
        "h/sigma: larger smooths more. Chosen from the noise by default; with sure for this very picture, by Stein's "
        "estimate of the error; with j-invariant by how well hidden pixels are predicted from the others.",
        lambda value, *_: _checks.strength(value),
        _numbers(float, f"a number, {' or '.join(_checks.TUNED)}", *_checks.TUNED),
        "|".join(("NUMBER", *_checks.TUNED)), special=True,
    )]
    patch_radius: Annotated[tuple[int, ...] | None, Option(
        "Half-width in pixels of the patches compared: one, or one for each of Z (or T), Y, X. Chosen from the noise "
        "by default.",
        _checks.radii, _numbers(int, RADII), "INT[,...]", special=True,
    )]
    search_radius: Annotated[tuple[int, ...] | None, Option(
        "Half-width in pixels of the window averaged: likewise; or image, for all of it.",
        _checks.radii, _numbers(int, f"{RADII}, or image", "image"), "INT[,...]|image", special=True,
    )]
    spacing: Annotated[tuple[float, ...] | None, Option(
        "Distance of pixels along Z (or T), Y, X in any unit: default radii shrink along coarse axes. By default what "
        "a NIfTI, OME-TIFF, ImageJ or OME-Zarr file says.",
        lambda value, _, layout: _checks.spacing(value, layout),
        _numbers(float, "one number for each axis of space, such as 3,1,1", alone=False), "NUMBER[,...]", special=True,
    )]
    motion: Annotated[bool | None, Option(
        "Follow what moves from frame to frame, of a video (T), or not. By default where a sample of its frames moves.",
        lambda value, name, layout: _checks.motion(value, name, layout), special=True,
    )]
    nodata: Annotated[float | None, Option(
        "The value that stands for no data: such pixels stay as they are and count for no other. By default what a "
        "GeoTIFF or Zarr file declares.",
        lambda value, *_: _checks.nodata(value), metavar="VALUE",
    )]
    padding: Annotated[bool, Option(
        "Leave large areas of one exact value at an end of the range as they are, the default, or not.", default=True
    )]
    outliers: Annotated[Literal["keep", "fill"] | None, Option(
        "Single pixels that stand out from all around them: keep them, or fill them as missing ones."
    )]
    stripes: Annotated[Literal["auto", "x", "y"] | None, Option(
        "Remove what whole lines are too bright by, before all else: of lines along x (rows), along y (columns), or "
        "auto, of those that show it. None are removed where the picture shows none."
    )]
    known: Annotated[np.ndarray | None, Option(
        "A picture of the same shape: only pixels where it is not 0 count.", metavar="FILE", file=True, name="mask"
    )]
    guide: Annotated[np.ndarray | None, Option(
        "A picture, aligned and in the same units, whose patches are compared instead of the noisy ones.",
        metavar="FILE", special=True, file=True, name="guide",
    )]
    guide_sigma: Annotated[float, Option(
        "Standard deviation of the guide's own noise, in its units; 0 by default.",
        lambda value, name, _: _checks.real(value, name, least=0), None, "NUMBER", default=0.0, special=True,
        least=0, needs="guide",
    )]
    bias: Annotated[bool, Option(
        "Take the noise's own share off the distance of patches (the default), or leave it in.",
        default=True, special=True,
    )]
    centre: Annotated[Centre | None, Option(
        "Weight of the pixel itself: the largest of the others (the default), 1 or 0.", special=True
    )]
    aggregation: Annotated[Aggregation | None, Option(
        "Average pixels, or patches and then their overlaps. By default as --quality has it.", special=True
    )]
    passes: Annotated[int | None, Option(
        "How often to average, the second time with weights from the first result. By default as --quality has it.",
        lambda value, name, _: _checks.choice(value, name, (1, 2)), None, "1|2", special=True, least=1, most=2,
    )]
    wiener: Annotated[bool | None, Option(
        "Let a Wiener step follow each pass. By default as --quality has it.", special=True
    )]
    # fmt: on
    given: frozenset[str] = frozenset()
    """The names of those that the caller gave, so that a method may have defaults of its own."""

    @classmethod
    def check(cls, image: np.ndarray, **given: Any) -> Self:
        """Check and parse all arguments for an image."""
        from ..noise.arguments import model_of, models_of

        cls.check_names(given)
        check_together(given)
        layout = _checks.layout(image, given.get("axes"), given.get("channel_axis"))
        known = _companions.known(image, given.get("mask"), layout)
        limits = _companions.limits(image, known, _checks.nodata(given.get("nodata")))
        models = models_of(model_of(given.get("sigma"), given.get("noise")), image, layout, *limits)
        guide = _companions.guide(given.pop("guide", None), image, layout)
        return cls.parsed(layout, None if known is None else layout.planes(known), models, guide, **given)

    @staticmethod
    def check_names(given: Iterable[str]) -> None:
        """Refuse unknown options."""
        if unknown := sorted(set(given) - set(OPTIONS)):
            raise TypeError(f"there is no option {', '.join(unknown)} here")

    @classmethod
    def parsed(
        cls,
        layout: Layout,
        known: np.ndarray | None,
        noise: "tuple[NoiseModel, ...]",
        guide: np.ndarray | None,
        /,
        **given: Any,
    ) -> Self:
        """Check the arguments that do not depend on the image, and join the others to them."""
        given["guide"] = guide
        check_together(given)
        own = {name: option for name, option in OPTIONS.items() if not option.name}
        values = {name: option.checked(given.get(name), name, layout) for name, option in own.items()}
        named = frozenset(name for name in own if given.get(name) is not None)
        return cls(layout=layout, known=known, noise=noise, guide=guide, given=named, **values)

    def maps_of(self, index: int) -> dict[str, np.ndarray]:
        """Return the maps (1 or C, Z, Y, X) of the ``index``-th image's noise, by the names of its numbers."""
        return self.noise[index % len(self.noise)].maps

    @property
    def fits_noise(self) -> bool:
        """Whether a number of the noise is estimated from the image."""
        return not self.noise[0].complete

    def fitted_noise(self, planes: np.ndarray, index: int, saturation: tuple[float, float] | None) -> "FittedNoise":
        """Return the noise of the ``index``-th image, planes (C, Z, Y, X) with NaN where pixels do not count."""
        model = self.noise[index % len(self.noise)]
        return (model.for_risk() if self.strength == "sure" else model).fitted(planes, None, saturation)


def _kind(hint: Any) -> Any:
    """Return the type of a field's value where it is not None."""
    return hint if get_origin(hint) is Literal else next(iter(get_args(hint)), hint)


OPTIONS = {
    option.name or name: option._replace(kind=option.kind or _kind(hint.__origin__))
    for name, hint in Options.__annotations__.items()
    for option in getattr(hint, "__metadata__", ())
}
"""Options that a plan may depend on, by the names of the arguments."""
WORK = {
    "method": Option(
        "nlm (the default); ridge, which combines groups of similar patches, better and slower, and takes no flag "
        "about averaging (strength, radii, guide, bias, centre, aggregation, passes, wiener); learned, a trained "
        "network; or what another package brings.",
        metavar="NAME",
    ),
    "fill": Option(
        "Give masked, NaN and infinite pixels the average of others (the default), or leave them.", kind=bool
    ),
    "dtype": Option(
        "Type of the result's pixels; by default the picture's. TIFF, NPY, NIfTI and Zarr.",
        kind=Literal["float32", "float64"],
    ),
    "threads": Option(
        "Threads; with nlm and ridge the result is the same. All CPUs by default.", metavar="INT", least=1, kind=int
    ),
    "progress": Option(),
    "cancel": Option(),
    "out": Option(),
}
"""Options that a plan does not depend on."""
LINKED = {name: option for name, option in OPTIONS.items() if option.short_for or option.needs}
"""Those that exclude another one, or need it."""
SPECIAL = frozenset(name for name, option in OPTIONS.items() if option.special)
"""Options that a method need not honour."""


def clash(given: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return an option that conflicts, the other one that it excludes or needs, and the rule, which names it {}."""
    for name, option in LINKED.items():
        value = given.get(name)
        if value is not None and given.get(option.short_for) is not None:
            return name, option.short_for, "is short for {}: give one of them, not both"
        if value is not None and option.needs and given.get(option.needs) is None and option.checked(value, name, None):
            return name, option.needs, "comes with a {}"
    return None


def check_together(given: Mapping[str, Any]) -> None:
    """Refuse options that exclude each other, and one without another that it needs."""
    if (pair := clash(given)) is not None:
        name, other, rule = pair
        values = " and ".join(
            f"{key}={_checks.short(given[key])}" for key in (name, other) if given.get(key) is not None
        )
        raise ValueError(f"{name} {rule.format(other)}; got {values}")
