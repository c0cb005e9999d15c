from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_network(no_network):
    """Nothing in this folder needs a network."""
