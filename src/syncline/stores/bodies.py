"""How event bodies are kept: zstd frames with a dictionary that knows what the vendors' messages have in common.

A webhook of 2 kB shares most of its bytes, the names of its fields, with every other: with the dictionary it takes a
fifth of its size instead of two fifths, and less time. A frame names the dictionary that it needs, so dictionaries are
only ever added (``scripts/train_dictionary.py``); a body from before there was one is read as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import zstandard

from syncline.model.errors import Misconfigured

LEVEL = 3
DICTIONARIES = ("bodies-1.zdict",)  # the last one packs
TOGETHER_MIN = 8  # compressing together begins with 13 microseconds of its own
BODY_BYTES_MAX = 64 * 1024 * 1024

_dictionaries = [
    zstandard.ZstdCompressionDict((files("syncline.stores") / name).read_bytes()) for name in DICTIONARIES
]
_dictionaries[-1].precompute_compress(level=LEVEL)
_compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=_dictionaries[-1])
_decompressors = {known.dict_id(): zstandard.ZstdDecompressor(dict_data=known) for known in _dictionaries}
_decompressors[0] = zstandard.ZstdDecompressor()


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
    """The body as it was received; of one that was erased nothing is left.

    Raises:
        Misconfigured: it was packed with a dictionary that this version does not have.
    """
    if not frame:
        return b""
    decompressor = _decompressors.get(zstandard.get_frame_parameters(frame).dict_id)
    if decompressor is None:
        raise Misconfigured(
            "the log was written by a newer version of Syncline: run that version, or a later one"
        )
    return decompressor.decompress(frame, max_output_size=BODY_BYTES_MAX)
