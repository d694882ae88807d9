"""Seconds and memory of denoising, of equal work by us and by the peers."""

from __future__ import annotations

from typing import Any

from .. import peers
from ..harness.beside import MARK
from ..harness.pictures import ClipCase, PictureCase
from ..harness.published import Published, Table, against, ms, table
from ..harness.suite import Suite, fixed
from ..peers.equal import Equal
from ..peers.own import UNTRAINED
from ..peers.plain import Plain

EVERYONE = ("nlmeans-float32", "nlmeans-uint8", *peers.entering(Equal, "pictures"))
GREY = (*EVERYONE, *peers.entering(Equal, "grey"))
BLOCKS = *peers.entering(Plain, "grey"), *peers.entering(Plain, "qualities")
"""Filters of grey pictures that are given σ and choose all else."""
CLIPS = "nlmeans-fast", "nlmeans-balanced", "ridge-fast", "ridge", *peers.entering(Plain, "clips")
SMALL_VOLUMES = (
    "nlmeans-fast", "nlmeans-balanced", "ridge-fast", "ridge", "ridge-best", *peers.entering(Plain, "volumes"),
    *peers.entering(Plain, "small volumes"),
)  # fmt: skip
SCENE = "a frame, which VapourSynth has one thread for, is denoised by itself"

ONCE: dict[str, Any] = {"each_thread_count": False, "rounds": 1}
SEVERAL: dict[str, Any] = {"each_thread_count": False, "rounds": 3}

CASES: tuple[PictureCase, ...] = (
    PictureCase("grey-p7-w21", "call", GREY),
    PictureCase("grey-p5-w35", "call", GREY, patch_radius=2, search_radius=17),
    # OpenCV averages in 8-bit Lab, where noise that clips at black costs much
    PictureCase("colour-p7-w21", "call", EVERYONE, source="astronaut", gain_db=2.0),
    PictureCase("types", "call", ("nlmeans-float32", "nlmeans-uint16", "nlmeans-float64")),
    PictureCase(
        "photograph-24mp", "call", ("nlmeans-uint8", "nlmeans-blind"), **ONCE, multiples=True, source="astronaut",
        shape=(4000, 6000),
    ),
    PictureCase(
        "photograph-24mp-known", "call", ("nlmeans-fast", "nlmeans-balanced"), **ONCE, multiples=True,
        source="astronaut", shape=(4000, 6000), note="σ is given, all else is chosen", gain_db=2.0, reference=False,
    ),
    PictureCase(
        "qualities", "call", (*UNTRAINED, *BLOCKS), each_thread_count=False, own_threads=1, reference=False,
        note="σ is given, all else is chosen; one thread, since VapourSynth's filters have one for a frame",
    ),
    ClipCase(
        "clip-p7-w21", "call", ("nlmeans-float32", "nlmeans-uint8", *peers.entering(Equal, "clips")), rounds=3,
        each_thread_count=False, reference=False, note=SCENE,
    ),
    ClipCase(
        "clip-qualities", "call", CLIPS, **ONCE, reference=False,
        note=f"{SCENE}; σ is given, all else is chosen; one round",
    ),
    PictureCase(
        "preview-1080p", "call", ("nlmeans-preview-uint8", "nlmeans-uint8", "nlm-ispc-uint8"), shape=(1080, 1920),
        patch_radius=4, search_radius=2,
    ),
    PictureCase("memory-r10", "memory", ("nlmeans-float32",), **SEVERAL, shape=(4096, 4096)),
    PictureCase(
        "memory-r64", "memory", ("nlmeans-float32",), **ONCE, shape=(4096, 4096), search_radius=64,
        reference=False,  # the definition would take minutes here
    ),
    PictureCase("import", "import", ("nlmeans-float32",), each_thread_count=False),
    PictureCase("first-call", "first-call", ("nlmeans-float32",), **SEVERAL),
    PictureCase("program-png", "program", EVERYONE[1:]),
    PictureCase(
        "volume-p3-w11", "call", ("nlmeans-float32", *peers.entering(Equal, "volumes")), **ONCE,
        note="one round, since the peers take minutes", source="phantom", shape=(128, 128, 128), sigma=15.0,
        patch_radius=1, search_radius=5, strength=0.7,
    ),
    PictureCase(
        "volume-32-qualities", "call", SMALL_VOLUMES, **ONCE, source="phantom", shape=(32, 32, 32), sigma=15.0,
        gain_db=2.0, reference=False,
        note="σ is given, all else is chosen; one round of a small volume, since some would take an hour at 128³",
    ),
    PictureCase(
        "whole-image-224", "call", ("nlmeans-float32", "opencv"), **ONCE, shape=(224, 224), search_radius="image",
        note="one round; OpenCV's least window from which every pixel meets all others holds four times as many, "
        "mirrored ones; scikit-image, which would take six minutes, is left out",
    ),
    PictureCase(
        "passes-p5-w21", "call", multiples=True, patch_radius=2, methods=(
            "nlmeans-float32", "nlmeans-wiener", "nlmeans-patchwise", "nlmeans-patchwise-twice", "nlmeans-best"
        ),
    ),
)  # fmt: skip

SUITE = Suite(
    "speed", __doc__, fixed(CASES),
    peers.methods(Equal)
    | {name: peers.methods(Plain)[name] for name in ("nlmeans-preview-uint8", *UNTRAINED, *BLOCKS, *SMALL_VOLUMES)},
    place=3, rounds=7, beside=True,
)  # fmt: skip

CONTESTS = {
    "grey-p7-w21": "grey 512², patch 7×7, window 21×21",
    "grey-p5-w35": "grey 512², patch 5×5, window 35×35",
    "colour-p7-w21": "colour 512², patch 7×7, window 21×21",
    "clip-p7-w21": "16 frames of grey 512², each by itself, patch 7×7, window 21×21",
}
ISPC = "nlm-ispc"


def contests(published: Published) -> list[str]:
    """Return what the same work takes us, OpenCV, scikit-image and, where it was measured, nlm_ispc."""
    cases = {place: methods for place, methods in published.cases("speed").items() if place[0] in CONTESTS}
    fastest = any(ISPC in methods for methods in cases.values())
    rows = []
    for (name, threads), methods in cases.items():
        floats, integers = methods["nlmeans-float32"], methods["nlmeans-uint8"]
        theirs = against(floats, methods, "scikit-image"), against(integers, methods, "opencv")
        ispc = [against(floats, methods, ISPC)] if fastest else []
        rows.append([CONTESTS[name], str(threads), ms(floats), *ispc, theirs[0], ms(integers), theirs[1]])
    ispc = ["nlm_ispc (a thread a frame)"] if fastest else []
    heads = ["the same work", "threads", "float", *ispc, "scikit-image (one thread)", "8 bits", "OpenCV"]
    return table(heads, rows)


def by_time(published: Published) -> list[str]:
    """Return dB and time where σ is given, the fastest first; nothing where none was measured."""
    still, clip = (
        next((methods for (name, _), methods in published.cases("speed").items() if name == wanted), {})
        for wanted in ("qualities", "clip-qualities")
    )
    order = sorted(still.values(), key=lambda method: float(method["measures"]["seconds"]["median"]))
    rows = [
        [
            f"**{method['name']}**" if method["own"] else method["name"],
            f"{method['measures']['psnr']['median']:.2f}",
            ms(method),
            ms(clip[method["name"]]) if method["name"] in clip else "–",
        ]
        for method in order
    ]
    heads = ["camera 512², σ = 25; ours in bold", "dB", "one thread", "16 frames, two threads"]
    return table(heads, rows) if rows else []


def more(published: Published) -> list[str]:
    """Return what volumes and searching everywhere take, and what the further steps cost."""
    cases = {name: methods for (name, threads), methods in published.cases("speed").items() if threads == 2}
    rows = []
    for name, text in (
        ("volume-p3-w11", "volume 128³, patch 3³, window 11³"),
        ("volume-32-qualities", "volume 32³, σ given, all else chosen"),
        ("whole-image-224", "grey 224², every pixel with every other"),
    ):
        if name not in cases:
            continue
        own, *others = cases[name]
        theirs = "; ".join(
            f"{peer} {against(cases[name][own], cases[name], peer)}" for peer in others if not cases[name][peer]["own"]
        )
        rows.append([text, ms(cases[name][own]), theirs])
    steps = [
        f"{name.removeprefix('nlmeans-')} {method['measures']['multiple']['median']:.1f}×"
        for name, method in cases["passes-p5-w21"].items()
        if "multiple" in method["measures"] and MARK not in name
    ]
    first = ms(cases["passes-p5-w21"]["nlmeans-float32"])
    rows.append(["grey 512², patch 5×5, window 21×21: fast", first, f"as long as that: {', '.join(steps)}"])
    return table(["two threads", "nlmeans", ""], rows)


TABLES: dict[str, Table] = {"speed": contests, "whole": more, "by-time": by_time}
