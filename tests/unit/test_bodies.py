from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import pytest
import zstandard

from syncline.model.errors import Misconfigured
from syncline.stores.bodies import DICTIONARIES, pack, pack_all, unpack

# What was packed with a dictionary can only be read with it, to the byte. Add another, never change one.
DIGESTS = {"bodies-1.zdict": "1144f2d01c31ce7d7a741f480e997b986150b9a0752088168f56ce56e5fad9bb"}
BODIES = [
    b"",
    b"{}",
    b'{"admin_graphql_api_id": "gid://shopify/Order/1"}',
    bytes(range(256)) * 40,
    b"x" * 3_000_000,
]


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_a_body_comes_back_as_it_was(body):
    assert unpack(pack(body)) == body


@pytest.mark.parametrize("bodies", [[], BODIES, BODIES * 4, [b""] * 20], ids=len)
def test_bodies_packed_together_are_what_each_would_be(bodies):
    assert pack_all(bodies) == [pack(body) for body in bodies]


def test_a_body_from_before_there_was_a_dictionary_is_read():
    assert unpack(zstandard.ZstdCompressor(level=3).compress(b"an old event")) == b"an old event"


def test_a_body_of_a_newer_version_is_refused_with_what_to_do():
    other = zstandard.train_dictionary(2_000, [b"%d other words %d" % (n, n * n) for n in range(2_000)])
    frame = zstandard.ZstdCompressor(dict_data=other).compress(b"7 other words 49")

    with pytest.raises(Misconfigured, match="run that version"):
        unpack(frame)


def test_no_dictionary_was_changed():
    assert {
        name: sha256((files("syncline.stores") / name).read_bytes()).hexdigest() for name in DICTIONARIES
    } == DIGESTS
