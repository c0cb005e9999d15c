from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_network(no_network):
    """Nothing in this folder needs a network."""


@pytest.fixture
def desks(tmp_path):
    """Makes desks at which files are exchanged, and closes them at the end."""
    from tests.unit.files_place import Desk

    made = []

    def make(*reads, at=tmp_path, **more):
        made.append(Desk(at, *reads, **more))
        return made[-1]

    yield make
    for desk in made:
        desk.spool.close()
        desk.loop.close()
