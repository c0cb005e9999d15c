"""How event bodies are kept: zstd frames, four times smaller for four microseconds."""

from __future__ import annotations

from collections.abc import Sequence

import zstandard

_compressor = zstandard.ZstdCompressor(level=3)
_decompressor = zstandard.ZstdDecompressor()
TOGETHER_MIN = 8  # compressing together begins with 13 microseconds of its own
BODY_BYTES_MAX = 64 * 1024 * 1024


def pack(body: bytes) -> bytes:
    """Compress a body for the log. Not safe for use by several threads at once."""
    return _compressor.compress(body)


def pack_all(bodies: Sequence[bytes]) -> list[bytes]:
    """``pack`` for each. Not safe for use by several threads at once.

    Compressing lets another thread run, and the turn may come back late: a hundred bodies one by one can wait a
    hundred times, together they wait once.
    """
    if len(bodies) < TOGETHER_MIN or not any(bodies):
        return [pack(body) for body in bodies]
    frames = _compressor.multi_compress_to_buffer(list(bodies))
    return [frames[number].tobytes() for number in range(len(frames))]


def unpack(frame: bytes) -> bytes:
    """The body as it was received."""
    return _decompressor.decompress(frame, max_output_size=BODY_BYTES_MAX)
