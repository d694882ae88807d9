"""Videos: planes at their own resolution, and all else as it was."""

import pickle
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nlmeans
from nlmeans import io, large
from nlmeans.cli import app
from nlmeans.formats.picture import PictureError
from nlmeans.large import files
from nlmeans.large.blocks import Sizes
from nlmeans.large.work import Unfinished

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'nlmeans[video]'")
from av.sidedata.sidedata import Type  # noqa: E402

from nlmeans.formats.own.video import frames, target  # noqa: E402

SIDES = (64, 96)
SIGMA = 8
QUIET = {"x265-params": "log-level=error:keyint=12:min-keyint=12:open-gop=1"}
KINDS = {
    "h264.mp4": {"codec": "libx264", "audio": "aac", "options": {"crf": "4"}},
    "front.mp4": {"codec": "libx264", "muxing": {"movflags": "faststart"}, "audio": "aac"},
    "hevc.mkv": {"codec": "libx265", "kind": "yuv420p10le", "options": {"crf": "4"} | QUIET, "audio": "libopus"},
    "open.mp4": {"codec": "libx264", "options": {"crf": "4", "g": "12", "x264-params": "open-gop=1:bframes=3"}},
    "prores.mov": {"codec": "prores_ks", "kind": "yuv422p10le", "audio": "pcm_s16le"},
    "mjpeg.avi": {"codec": "mjpeg", "kind": "yuvj420p", "full": True},
    "mpeg4.avi": {"codec": "mpeg4", "audio": "mp2", "options": {"b": "2000000"}},
    "vp9.webm": {"codec": "libvpx-vp9", "audio": "libopus", "options": {"crf": "4", "b": "0"}},
    "ffv1.mkv": {"codec": "ffv1", "kind": "yuv422p10le", "audio": "flac"},
    "grey.mkv": {"codec": "ffv1", "kind": "gray16le"},
    "rgb.mkv": {"codec": "ffv1", "kind": "gbrp10le"},
    "alpha.mkv": {"codec": "ffv1", "kind": "yuva420p"},
    "raw.y4m": {"codec": "rawvideo"},
    "raw444.y4m": {"codec": "rawvideo", "kind": "yuv444p"},
    "raw10.y4m": {"codec": "rawvideo", "kind": "yuv420p10le", "muxing": {"strict": "-1"}},
}
EXACT = [name for name in KINDS if name.endswith(".y4m") or KINDS[name]["codec"] == "ffv1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def clip(name, count=24, sides=SIDES, times=None, unit=Fraction(1, 25), rotation=None, **given):
    """Write what moves, with noise of `SIGMA` of 255 levels; return its name."""
    how = KINDS.get(name, {}) | given
    kind, full = how.get("kind", "yuv420p"), how.get("full", False)
    rng, (height, width) = np.random.default_rng(0), sides
    with av.open(name, "w", options=how.get("muxing", {})) as out:
        stream = out.add_stream(how.get("codec", "libx264"), rate=25, options=how.get("options", {}))
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt, context.time_base = width, height, kind, unit
        context.color_range = 2 if full else 1
        context.colorspace = context.color_primaries = context.color_trc = 1 if "gb" not in kind else 2
        context.colorspace = 0 if "gb" in kind else 1
        if rotation:
            stream.set_display_rotation(rotation)
        stream.metadata["language"] = "deu"
        out.metadata["title"] = "A clip"
        sound = None
        if how.get("audio"):
            sound = out.add_stream(how["audio"], rate=48000)
            sound.metadata["language"] = "fra"
        for number in range(count):
            frame = picture(number, sides, kind, rng)
            frame.pts, frame.time_base = number if times is None else times[number], unit
            frame.color_range = context.color_range
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        for start in range(0, count * 1920 * bool(sound), 1024):
            tone = av.AudioFrame.from_ndarray(rng.normal(0, 0.1, (1, 1024)).astype("f4"), "fltp", "mono")
            tone.sample_rate, tone.pts = 48000, start
            out.mux(sound.encode(tone))
        if sound:
            out.mux(sound.encode())
    return name


def picture(number, sides, kind, rng):
    frame = av.VideoFrame(sides[1], sides[0], kind)
    for plane, view in enumerate(frames.planes(frame)):
        y, x = np.indices(view.shape) * (sides[0] / view.shape[0])
        clean = 128 + (60 * np.sin((x + number) / 4) * np.cos(y / 9) if plane == 0 else 40 * np.sin((x + y) / 30))
        levels = 1 << (frame.format.components[0].bits - 8)
        view[:] = np.clip(np.rint((clean + rng.normal(0, SIGMA, view.shape)) * levels), 0, 256 * levels - 1)
    return frame


def pixels_of(name, series):
    source = files.open_source(name, series=series)
    return source.read((slice(None),) * source.info.ndim)


def series_in(name):
    source = files.open_source(name)
    return (source.series, *source.apart)


def said(name):
    """Return all that a file says but its pixels: of the container, the streams, the frames and the packets."""
    facts = {}
    with av.open(name) as given:
        facts["file"] = (dict(given.metadata), given.format.name, given.start_time, given.chapters())
        for stream in given.streams:
            context = stream.codec_context
            facts[stream.index] = (stream.type, context.name, stream.time_base, stream.metadata, stream.start_time)
            facts[stream.index] += (stream.disposition,)
            if stream.type == "video":
                facts[stream.index] += (context.pix_fmt, context.width, context.height, context.color_range)
                facts[stream.index] += (context.color_primaries, context.color_trc, context.colorspace)
                facts[stream.index] += (stream.sample_aspect_ratio, stream.average_rate)
        first = next(given.decode(video=0))
        facts["first"] = (first.rotation, first.color_range)
    with av.open(name) as given:
        facts["frames"] = [(frame.pts * frame.time_base, frame.duration) for frame in given.decode(video=0)]
    with av.open(name) as given:
        sound = given.demux(given.streams.audio) if given.streams.audio else []
        facts["sound"] = [(packet.pts, packet.dts, bytes(packet)) for packet in sound if packet.dts is not None]
    return facts


def left(folder="."):
    return sorted(place.name for place in Path(folder).iterdir())


# --- what is written ---


@pytest.mark.parametrize("name", EXACT)
def test_each_series_is_what_arrays_become(name):
    clip(name, 8)
    white = files.open_source(name).white
    sigma = SIGMA * (white + 1) / 256
    large.denoise(name, f"out_{name}", sigma=sigma, quality="fast")
    for series in series_in(name):
        noisy, axes = pixels_of(name, series), "TYX" if series == "luma" else "TCYX"
        ref = nlmeans.denoise(noisy, sigma=sigma, quality="fast", axes=axes).astype(int).clip(0, white)
        comp = pixels_of(f"out_{name}", series)
        assert (comp.shape, comp.dtype) == (noisy.shape, noisy.dtype)
        assert np.abs(comp - ref).max() <= 1
        assert np.abs(comp - noisy.astype(int)).max() > 1


@pytest.mark.parametrize("name", KINDS)
def test_what_else_there_is_stays_as_it_was(name):
    clip(name, rotation=90 if name.endswith(("mp4", "mov")) else None)
    large.denoise(name, f"out_{name}", sigma=SIGMA, quality="preview")
    before, after = said(name), said(f"out_{name}")
    assert after == before
    assert after["sound"] or not KINDS[name].get("audio")
    if name.endswith(("mp4", "mov")):
        assert after["first"][0] == 90
    assert left() == sorted([name, f"out_{name}"])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mkv"])
def test_values_are_neither_scaled_nor_moved_in_either_range(name, full):
    clip(name, full=full)
    large.denoise(name, f"out_{name}", sigma=SIGMA, quality="preview")
    with av.open(f"out_{name}") as given:
        assert given.streams.video[0].codec_context.color_range == (2 if full else 1)
    for series in ("luma", "chroma"):
        noisy, clean = pixels_of(name, series), pixels_of(f"out_{name}", series)
        levels = 4 if clean.dtype == np.uint16 else 1
        assert abs(noisy.mean() - clean.mean()) < 0.2 * levels
        assert 0.9 < clean.std() / np.sqrt(noisy.std() ** 2 - (SIGMA * levels) ** 2) < 1.1


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mkv", "vp9.webm", "mpeg4.avi", "mjpeg.avi", "prores.mov"])
def test_the_codec_changes_less_than_noise_that_is_left(name, monkeypatch):
    made = {}

    def keeping(source, places, *rest, **more):
        made.update({series: np.load(place) for series, place in places.items()})
        return encode(source, places, *rest, **more)

    encode = target.encode
    monkeypatch.setattr(target, "encode", keeping)
    large.denoise(clip(name), f"out_{name}", sigma=SIGMA, quality="preview")
    for series, ref in made.items():
        error = pixels_of(f"out_{name}", series).astype(float) - ref
        assert np.sqrt(np.mean(error**2)) < (1.2 if ref.dtype == np.uint8 else 4.8)


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mkv"])
def test_frames_of_a_variable_rate_keep_their_times(name):
    times = np.cumsum(np.random.default_rng(1).integers(1, 90, 24)).tolist()
    clip(name, times=times, unit=Fraction(1, 1000))
    large.denoise(name, f"out_{name}", sigma=SIGMA, quality="preview")
    before, after = ([time for time, _ in said(one)["frames"]] for one in (name, f"out_{name}"))
    assert after == before
    assert len({later - sooner for sooner, later in pairwise(after)}) > 10


def test_one_series_leaves_the_others_as_they_are():
    clip("raw.y4m", 8)
    large.denoise("raw.y4m", "out.y4m", sigma=SIGMA, quality="fast", series="chroma")
    np.testing.assert_array_equal(pixels_of("out.y4m", "luma"), pixels_of("raw.y4m", "luma"))
    assert (pixels_of("out.y4m", "chroma") != pixels_of("raw.y4m", "chroma")).any()


def test_alpha_and_depth_stay():
    clip("alpha.mkv", 4)
    large.denoise("alpha.mkv", "out.mkv", sigma=SIGMA, quality="fast")
    with av.open("alpha.mkv") as one, av.open("out.mkv") as two:
        for before, after in zip(one.decode(video=0), two.decode(video=0), strict=True):
            np.testing.assert_array_equal(frames.planes(after)[3], frames.planes(before)[3])


def test_values_beyond_the_depth_are_cut_off():
    source = files.open_source(clip("raw10.y4m", 2))
    made = target.VideoTarget(Path("part.y4m.part"), source.info, source, "yuv4mpegpipe", None).begin()
    made.write((slice(0, 2), slice(0, 64), slice(0, 96)), np.full((2, 64, 96), 1030, np.uint16))
    assert np.load(made.place("luma")).max() == 1023


def test_the_command_line_takes_a_video_to_a_video():
    clip("h264.mp4")
    run = CliRunner().invoke(app, ["denoise", "h264.mp4", "out.mp4", "--quality", "preview", "--crf", "20", "-q"])
    assert run.exit_code == 0, run.output
    assert left() == ["h264.mp4", "out.mp4"]
    assert Path("out.mp4").stat().st_size < Path("h264.mp4").stat().st_size
    assert pixels_of("out.mp4", None).shape == (24, *SIDES)


def test_one_container_goes_to_another():
    clip("h264.mp4")
    large.denoise("h264.mp4", "out.mkv", sigma=SIGMA, quality="preview")
    before, after = said("h264.mp4"), said("out.mkv")
    assert [data for _, _, data in after["sound"]] == [data for _, _, data in before["sound"]]
    moved = {time - old for (time, _), (old, _) in zip(after["frames"], before["frames"], strict=True)}
    assert len(moved) == 1  # MKV has no times below 0, at which the sound begins


def test_what_a_container_cannot_hold_is_left_out_and_named(caplog):
    clip("h264.mp4")
    large.denoise("h264.mp4", "out.y4m", sigma=SIGMA, quality="preview")
    assert "stream 1 (audio) is left out" in caplog.text
    assert "h264 cannot be written so: the frames are coded by rawvideo" in caplog.text


def test_files_of_another_library():
    cv2 = pytest.importorskip("cv2")
    noisy = np.random.default_rng(0).normal(128, 10, (12, *SIDES, 3)).clip(0, 255).astype(np.uint8)
    for name, code in (("a.mp4", "mp4v"), ("a.avi", "MJPG")):
        writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*code), 25, SIDES[::-1])
        for frame in noisy:
            writer.write(frame)
        writer.release()
        large.denoise(name, f"out_{name}", quality="preview")
        reader, count = cv2.VideoCapture(f"out_{name}"), 0
        while reader.read()[0]:
            count += 1
        assert count == len(noisy)
        assert pixels_of(f"out_{name}", "luma").std() < 0.7 * pixels_of(name, "luma").std()


# --- what is read ---


@pytest.mark.parametrize("name", ["h264.mp4", "open.mp4", "hevc.mkv", "mpeg4.avi", "vp9.webm", "raw.y4m"])
def test_frames_are_the_same_in_any_order(name, monkeypatch):
    monkeypatch.setattr(frames, "CACHE", 1 << 15)
    source = files.open_source(clip(name, 40))
    whole = source.read((slice(None),) * 3)
    assert source.reader.held <= (1 << 15) + whole[0].nbytes
    source, rng = pickle.loads(pickle.dumps(source)), np.random.default_rng(0)
    for first in rng.integers(0, 38, 30):
        part = (slice(first, first + 3), slice(5, 60), slice(7, 50))
        np.testing.assert_array_equal(source.read(part), whole[part])


def test_a_jump_that_leads_astray_is_taken_back(monkeypatch):
    monkeypatch.setattr(frames, "CACHE", 0)
    source = files.open_source(clip("raw.y4m", 20))
    whole = source.read((slice(None),) * 3)
    decoded = frames.Reader._decoded
    monkeypatch.setattr(frames.Reader, "_decoded", lambda self, number: decoded(self, number and number + 2))
    np.testing.assert_array_equal(source.read((slice(4, 6), slice(None), slice(None))), whole[4:6])
    assert not source.reader.seeks


def test_a_series_is_read_whole_by_its_name():
    clip("h264.mp4", 5)
    read = io.read("h264.mp4", series="chroma")
    assert (read.pixels.shape, read.axes, read.channels) == ((5, 2, 32, 48), "TCYX", ("Cb", "Cr"))
    with pytest.raises(PictureError, match="planes of several sizes: name one, luma or chroma"):
        io.read("h264.mp4")
    with pytest.raises(PictureError, match=r"the series must be .*luma, chroma"):
        io.read("h264.mp4", series="2")
    with pytest.raises(PictureError, match="decompression bomb"):
        io.read("h264.mp4", series="luma", max_pixels=20000)


# --- what stops ---


class Stop(Exception):
    pass


def test_a_run_that_is_stopped_leaves_no_output_and_goes_on():
    clip("raw.y4m", 40)
    options = {"sigma": SIGMA, "quality": "fast", "sizes": Sizes(most=(1 << 12, 1 << 14))}
    large.denoise("raw.y4m", "ref.y4m", **options)

    for stage in (3, 20):  # within luma, then within chroma
        calls = []

        def progress(done, total, stage=stage, calls=calls):
            calls.append(done)
            if len(calls) == stage:
                raise Stop

        with pytest.raises(Stop):
            large.denoise("raw.y4m", "out.y4m", progress=progress, **options)
        assert left() == ["out.y4m.part", "out.y4m.part.manifest", "raw.y4m", "ref.y4m"]
    large.denoise("raw.y4m", "out.y4m", **options)
    assert Path("out.y4m").read_bytes() == Path("ref.y4m").read_bytes()
    assert left() == ["out.y4m", "raw.y4m", "ref.y4m"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_encoder_that_is_stopped_leaves_no_output_and_begins_anew(monkeypatch, error):
    clip("h264.mp4")
    encode = target.encode

    def failing(source, made, place, *rest, **more):
        if made:
            place.write_bytes(b"half")
            raise error
        return encode(source, made, place, *rest, **more)

    monkeypatch.setattr(target, "encode", failing)
    with pytest.raises((KeyboardInterrupt, Unfinished)):
        large.denoise("h264.mp4", "out.mp4", sigma=SIGMA, quality="preview")
    assert left() == ["h264.mp4", "out.mp4.part", "out.mp4.part.manifest"]
    monkeypatch.setattr(target, "encode", encode)
    large.denoise("h264.mp4", "out.mp4", sigma=SIGMA, quality="preview")
    assert len(said("out.mp4")["frames"]) == 24


# --- what is refused ---


def refused(match, name, to="out.mkv", **options):
    """Assert that nothing is written, for a reason in one line."""
    there = left()
    with pytest.raises(PictureError, match=match) as reason:
        large.denoise(name, to, **{"sigma": SIGMA, "quality": "preview"} | options)
    assert "\n" not in str(reason.value)
    assert left() == there


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_short(name):
    data = Path(clip(name)).read_bytes()
    for tenth in range(10):
        Path(f"cut_{name}").write_bytes(data[: len(data) * tenth // 10 + 1])
        refused("cut short|damaged|like none of them", f"cut_{name}")


def test_a_file_that_is_damaged():
    data = bytearray(Path(clip("h264.mp4")).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xff" * 2000
    Path("bad.mp4").write_bytes(data)
    refused("damaged", "bad.mp4")


def test_a_file_of_another_kind():
    Path("a.mp4").write_bytes(b"\0\0\0\x18ftypjunk" + bytes(400))
    refused("damaged", "a.mp4")
    Path("a.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(400))
    refused("damaged", "a.mkv")


def test_a_header_that_claims_much():
    data = Path(clip("raw.y4m", 2)).read_bytes()
    for sides in (b"W1000000 H1000000", b"W30000 H30000"):
        Path("big.y4m").write_bytes(data.replace(b"W96 H64", sides))
        refused("decompression bomb|damaged", "big.y4m")


def test_a_file_without_frames():
    with av.open("a.mp4", "w") as out:
        sound = out.add_stream("aac", rate=48000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), "f4"), "fltp", "mono")
        tone.sample_rate = 48000
        out.mux([*sound.encode(tone), *sound.encode()])
    refused("must have a stream of frames", "a.mp4")


def test_what_is_for_one_array():
    clip("h264.mp4", 4)
    refused("holds chroma apart, and only a file of the same format holds all", "h264.mp4", "out.tif")
    np.save("mask.npy", np.ones((4, *SIDES), np.uint8))
    refused(r"mask is for one array: name a series of .* with --series", "h264.mp4", mask="mask.npy")
    refused("axes is for one array", "h264.mp4", axes="NYX")
    refused("a residual must be of what is written exactly", "h264.mp4", residual="residual.npy")
    refused("keeps its depth", "h264.mp4", dtype="float32")
    large.denoise("h264.mp4", "out.tif", sigma=SIGMA, quality="preview", series="luma", mask="mask.npy")
    assert io.read("out.tif").pixels.shape == (4, *SIDES)


def test_what_no_video_can_be_made_of():
    np.save("a.npy", np.zeros((4, *SIDES), np.uint8))
    refused("can only be written of a video", "a.npy", axes="TYX")
    clip("mpeg4.avi", 4)
    refused("crf is for libx264, .*: this video is coded by mpeg4; got 20", "mpeg4.avi", "out.avi", crf=20)
    refused("crf is for videos", "a.npy", "b.npy", crf=20)


def test_frames_that_cannot_be_denoised():
    with av.open("packed.mov", "w") as out:
        stream = out.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8))
        out.mux([*stream.encode(frame), *stream.encode()])
    refused("frames must have planes .* rgb24; convert it first", "packed.mov")
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}
    clip("woven.mkv", 6, options=options)
    refused("frames must not be interlaced: frame 0", "woven.mkv")


def test_without_the_library_it_says_what_to_install(monkeypatch):
    clip("raw.y4m", 2)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    refused(re.escape("video files need av: install it with pip install 'nlmeans[video]'"), "raw.y4m")


def test_the_matrix_of_a_display_is_a_side_datum_of_frames():
    clip("h264.mp4", 2, rotation=90)
    with av.open("h264.mp4") as given:
        assert next(given.decode(video=0)).side_data.get(Type.DISPLAYMATRIX) is not None
