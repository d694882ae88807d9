"""What gzip files begin with, before and after they are unpacked."""

from __future__ import annotations

import zlib

ZIPPED = b"\x1f\x8b"


def inside(head: bytes) -> bytes:
    """Return the first bytes of a file, of a gzip file those of what it holds; none of one that is damaged there."""
    if not head.startswith(ZIPPED):
        return head
    try:
        return zlib.decompressobj(31).decompress(head)
    except zlib.error:
        return b""
