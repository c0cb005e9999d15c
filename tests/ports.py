"""Ports for servers that a test is about to start."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from random import SystemRandom

# Below what a system gives to calls that go out (Linux from 32768): of those, another test's call may have taken one
# before the server that is meant to listen there has started.
FIRST, LAST = 20_000, 32_000


def free_ports(count: int = 1) -> tuple[int, ...]:
    """Ports of this machine's loopback that nobody uses, and that follow one another."""
    for _ in range(100):
        first = SystemRandom().randrange(FIRST, LAST - count)
        ports = tuple(range(first, first + count))
        try:
            with ExitStack() as probes:
                for port in ports:
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        return ports
    raise AssertionError(f"{count} ports in a row are free nowhere from {FIRST} to {LAST}")
