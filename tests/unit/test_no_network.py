from __future__ import annotations

import asyncio
import socket

import pytest


@pytest.mark.parametrize("way", ["connect", "connect_ex", "bind"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_unit_test_cannot_reach_the_network(way, family):
    with socket.socket(family) as one, pytest.raises(AssertionError, match="blocks sockets"):
        getattr(one, way)(("127.0.0.1", 9))


def test_nor_can_it_ask_for_an_address():
    with pytest.raises(AssertionError, match="blocks sockets"):
        socket.create_connection(("vendor.example", 443))


def test_an_event_loop_works_all_the_same():
    async def one() -> int:
        return 1

    assert asyncio.run(one()) == 1
