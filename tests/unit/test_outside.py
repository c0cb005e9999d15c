"""Addresses that a record names: only those of the public internet are asked, whatever a name server says."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver

from syncline.model.errors import Rejected, Retryable
from syncline.ports import Request
from syncline.runtime.outside import OutsideTransport, PublicResolver, is_public

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"]
INNER = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "localhost",
    "",
]


class Names(AbstractResolver):
    """A name server that may change its mind."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        found = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        flags = {"family": family, "proto": 0, "flags": socket.AI_NUMERICHOST}
        return [{"hostname": host, "host": one, "port": port, **flags} for one in found]

    async def close(self):
        pass


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_asked(address):
    assert is_public(address)
    found = asyncio.run(PublicResolver(Names([address])).resolve("example.com"))
    assert [one["host"] for one in found] == [address]


@pytest.mark.parametrize("address", INNER)
def test_an_address_inside_is_not(address):
    assert not is_public(address)
    with pytest.raises(Rejected, match="public internet"):
        asyncio.run(PublicResolver(Names([PUBLIC[0], address])).resolve("example.com"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "ftp://example.com/a",
        "file:///etc/passwd",
        "https://example.com:22/a",
        "https://example.com:x/a",
        "https://user:word@example.com/a",
        "https://@example.com/a",
        "https://127.0.0.1/a",
        "https://127.1/a",
        "https://2130706433/a",
        "https://0x7f.1/a",
        "https://[::1]/a",
        "https://[::ffff:127.0.0.1]/a",
        "https://①②⑦.0.0.1/a",
        "https:///a",
        "https://./a",
    ],
)
def test_an_address_that_is_no_name_over_https_is_refused_before_anything_is_asked(url):
    names = Names([PUBLIC[0]])
    with pytest.raises(Rejected, match="no plain https address"):
        asyncio.run(OutsideTransport(names).send(Request("GET", url)))
    assert not names.asked


@pytest.mark.parametrize("first", [["127.0.0.1"], [PUBLIC[0], "127.0.0.1"]])
def test_a_name_that_leads_inside_is_refused_and_its_first_answer_counts(first):
    names = Names(first, [PUBLIC[0]])
    with pytest.raises(Rejected, match="public internet"):  # and no socket was opened: tests have none
        asyncio.run(OutsideTransport(names).send(Request("GET", "https://example.com/a")))
    assert names.asked == 1


def test_a_name_that_nobody_knows_may_be_known_later():
    class Nobody(Names):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            raise OSError(f"nobody knows {host}")

    with pytest.raises(Retryable, match="not reached"):
        asyncio.run(OutsideTransport(Nobody([])).send(Request("GET", "https://example.com/a")))
