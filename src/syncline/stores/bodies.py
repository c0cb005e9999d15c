"""How event bodies are kept: zstd frames, four times smaller for four microseconds."""

from __future__ import annotations

import zstandard

_compressor = zstandard.ZstdCompressor(level=3)
_decompressor = zstandard.ZstdDecompressor()
BODY_BYTES_MAX = 64 * 1024 * 1024


def pack(body: bytes) -> bytes:
    """Compress a body for the log. Not safe for use by several threads at once."""
    return _compressor.compress(body)


def unpack(frame: bytes) -> bytes:
    """The body as it was received; of one that was erased nothing is left."""
    if not frame:
        return b""
    return _decompressor.decompress(frame, max_output_size=BODY_BYTES_MAX)
