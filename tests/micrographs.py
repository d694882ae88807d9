"""Files of microscopes, made by hand as far as there is no program that writes them."""

import struct
import zlib

import numpy as np

RNG = np.random.default_rng(0)


def counts(*shape, dtype=np.uint16):
    return RNG.integers(0, 200, shape).astype(dtype)


# --- CZI ---

PIXELS = {("u1", 1): 0, ("u2", 1): 1, ("f4", 1): 2, ("u1", 3): 3, ("u2", 3): 4, ("u1", 4): 9, ("i4", 1): 12}


def _segment(kind, body):
    size = -(-len(body) // 32) * 32
    return kind.ljust(16, b"\0") + struct.pack("<qq", size, len(body)) + body.ljust(size, b"\0")


def _entry(tile, position, compression):
    """Return the directory's entry of a tile: a dict of first indices along axes, and its pixels (Y, X, S)."""
    at, pixels = tile[:2]
    sides = dict(zip("XY", pixels.shape[1::-1], strict=True))
    stored = dict(zip("XY", (tile[2] if len(tile) > 2 else pixels.shape)[1::-1], strict=True))
    dtype = pixels.dtype.str[1:]
    head = struct.pack(
        "<2siqiiBB4si", b"DV", PIXELS[dtype, pixels.shape[2]], position, 0, compression, 0, 0, b"", len(at)
    )
    order = sorted(at, key="XYCZTHIVRBSM".index)
    fields = ((axis.encode(), at[axis], stored.get(axis, 1), 0.0, sides.get(axis, 1)) for axis in order)
    return head + b"".join(struct.pack("<4siifi", *field) for field in fields)


def czi(path, tiles, xml="<ImageDocument/>", compression=0, pack=bytes):
    """Write tiles: each the first indices along its axes, its pixels (Y, X, S), and the shape that it stands for."""
    start = 32 + 512
    bodies, entries, at = [], [], start
    for tile in tiles:
        data = pack(tile[1][..., ::-1].tobytes() if tile[1].shape[2] == 3 else tile[1].tobytes())
        entry = _entry(tile, at, compression)
        head = struct.pack("<iiq", 0, 0, len(data)) + entry
        bodies.append(_segment(b"ZISRAWSUBBLOCK", head.ljust(max(256, len(head)), b"\0") + data))
        entries.append(entry)
        at += len(bodies[-1])
    directory = _segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries))
    about = _segment(b"ZISRAWMETADATA", struct.pack("<ii248x", len(xml.encode()), 0) + xml.encode())
    header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, bytes(16), bytes(16), 0, at, at + len(directory), 0, 0)
    path.write_bytes(_segment(b"ZISRAWFILE", header.ljust(512, b"\0")) + b"".join(bodies) + directory + about)
    return path


def czi_about(scenes=(), channels=(), sides=None):
    items = "".join(f'<Distance Id="{axis}"><Value>{side}</Value></Distance>' for axis, side in (sides or {}).items())
    places = "".join(f'<Scene Index="{k}" Name="{name}"/>' for k, name in enumerate(scenes))
    names = "".join(f'<Channel Id="Channel:{k}" Name="{name}"/>' for k, name in enumerate(channels))
    return (
        "<ImageDocument><Metadata><Information><Image><Dimensions>"
        f"<S><Scenes>{places}</Scenes></S><Channels>{names}</Channels></Dimensions></Image></Information>"
        f"<Scaling><Items>{items}</Items></Scaling></Metadata></ImageDocument>"
    )


# --- ND2 ---

KINDS = {bool: "bool", int: "lx_int64", float: "double", str: "CLxStringW"}


def _element(name, value):
    if isinstance(value, dict):
        inner = "".join(_element(key, of) for key, of in value.items())
        return f'<{name} runtype="CLxListVariant">{inner}</{name}>'
    return f'<{name} runtype="{KINDS[type(value)]}" value="{value}"/>'


def _variant(value):
    return f'<variant version="1.0">{_element("no_name", value)}</variant>'.encode()


def _loops(loops):
    """Return the description of loops, each in the one before: its letter and its length, or names of positions."""
    if not loops:
        return {}
    (letter, count), *rest = loops
    kind, pars = {
        "T": (1, {"dStart": 0.0, "dPeriod": 1000.0, "dDuration": 1000.0}),
        "P": (2, {"Points": {f"p{k}": {"dPosX": 0.0, "dPosY": 0.0, "dPosZ": 0.0, "dPosName": name}
                             for k, name in enumerate(count)} if letter == "P" else {}}),
        "Z": (4, {"dZStep": 2.0}),
    }[letter]  # fmt: skip
    pars = pars if letter == "P" else pars | {"uiCount": count}
    inner = _loops(rest)
    return {"eType": kind, "uLoopPars": pars} | ({"ppNextLevelEx": {"i0000000000": inner}} if inner else {})


def nd2(path, frames, loops, names, side=0.5, lossless=False, missing=()):
    """Write frames (sequence, Y, X, C)."""
    count, high, wide, channels = frames.shape
    bits = frames.dtype.itemsize * 8
    attributes = {
        "uiWidth": wide, "uiWidthBytes": wide * channels * bits // 8, "uiHeight": high, "uiComp": channels,
        "uiBpcInMemory": bits, "uiBpcSignificant": bits, "uiSequenceCount": count, "eCompression": 0 if lossless else 2,
        "dCompressionParam": 1.0,
    }  # fmt: skip
    probe = {"m_uiColor": 255, "m_ExcitationSpectrum": {"uiCount": 0}, "m_EmissionSpectrum": {"uiCount": 0}}
    planes = {
        f"a{k}": {"sDescription": name, "uiCompCount": 1, "pFluorescentProbe": probe} for k, name in enumerate(names)
    }
    picture = {
        "bCalibrated": side > 0, "dCalibration": float(side),
        "sPicturePlanes": {"uiCount": len(names), "sPlaneNew": planes},
    }  # fmt: skip
    chunks = {
        "ImageAttributesLV!": _variant(attributes),
        "ImageMetadataSeqLV|0!": _variant(picture),
        "ImageMetadataLV!": _variant(_loops(loops)),
    }
    for k, frame in enumerate(frames):
        if k not in missing:
            data = frame.tobytes()
            chunks[f"ImageDataSeq|{k}!"] = struct.pack("<d", 0.0) + (zlib.compress(data) if lossless else data)

    def chunk(name, data, reserve=4072):
        return struct.pack("<IIQ", 0x0ABECEDA, reserve, len(data)) + name.ljust(reserve, b"\0") + data

    body = chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32)
    table = b""
    for name, data in chunks.items():
        table += name.encode() + struct.pack("<QQ", len(body), len(data))
        body += chunk(name.encode(), data)
    table += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(body))
    path.write_bytes(body + chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table, 32))
    return path


# --- Imaris ---


def _text(text):
    return np.array([letter.encode() for letter in text], "S1")


def imaris(path, data, extent=(10, 20, 30), unit="um", names=("DAPI", "GFP"), chunks=(8, 8, 8), **packing):
    """Write volumes (T, C, Z, Y, X) that are this long along X, Y and Z, padded to whole chunks as Imaris does."""
    import h5py

    times, channels, *volume = data.shape
    padded = [-(-side // chunk) * chunk for side, chunk in zip(volume, chunks, strict=True)]
    with h5py.File(path, "w") as file:
        about = file.create_group("DataSetInfo/Image").attrs
        for axis, side in zip("ZYX", volume, strict=True):
            about[axis] = _text(str(side))
        for k, length in enumerate(extent):
            about[f"ExtMin{k}"], about[f"ExtMax{k}"] = _text("-1.5"), _text(str(length - 1.5))
        about["Unit"] = _text(unit)
        for channel in range(channels):
            file.create_group(f"DataSetInfo/Channel {channel}").attrs["Name"] = _text(names[channel])
        for time in range(times):
            for channel in range(channels):
                place = f"DataSet/ResolutionLevel 0/TimePoint {time}/Channel {channel}/Data"
                stored = np.zeros(padded, data.dtype)
                stored[tuple(map(slice, volume))] = data[time, channel]
                file.create_dataset(place, data=stored, chunks=chunks, **packing)
    return path
