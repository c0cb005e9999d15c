"""What holds for every test: how hypothesis draws, and how to keep a test away from the network."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import HealthCheck, settings
from tests.totals import pytest_configure, pytest_terminal_summary  # noqa: F401 - hooks, found here by name

from syncline.stores.sqlite import store as sqlite_store

# No deadline: on a busy machine a slow example is not a wrong one. CI draws the same examples every
# time, so that a change is never blamed for somebody else's luck; at a desk each run draws new ones.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=60, print_blob=True)
settings.register_profile(
    "desk", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session", autouse=True)
def _migrated_once():
    """A store in memory begins as a copy of one that was migrated: thousands are opened, and each would migrate."""
    migrate = sqlite_store.migrate
    model = sqlite_store.connect(":memory:")
    migrate(model, 0)

    def copied(connection, now_ms):
        if connection.filename or connection.execute("SELECT 1 FROM sqlite_schema").fetchall():
            return migrate(connection, now_ms)
        with connection.backup("main", model, "main") as backup:
            backup.step()
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_store, "migrate", copied)
        yield
    model.close()


_INTERNET = (socket.AF_INET, socket.AF_INET6)


class NetworkUsed(AssertionError):
    """A test that must not reach for the network did."""


@pytest.fixture
def no_network(monkeypatch):
    """Sockets of this process can be neither connected nor bound; event loops go on working."""

    def refusing(name):
        original = getattr(socket.socket, name)

        def guarded(self, *arguments, **named):
            if self.family in _INTERNET:
                raise NetworkUsed(f"socket.{name}{arguments} in a test that blocks sockets")
            return original(self, *arguments, **named)

        return guarded

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refusing(name))

    def unknown(*arguments, **named):
        raise NetworkUsed(f"socket.getaddrinfo{arguments} in a test that blocks sockets")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
