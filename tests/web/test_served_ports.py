"""Where ``syncline simulator`` listens: it says so once it is so."""

from __future__ import annotations

import asyncio
import socket

import pytest
from typer.testing import CliRunner

from syncline.cli import app
from syncline.model.errors import Misconfigured
from syncline.simulate.serve import serve_simulator


def taken_above(offset):
    """A socket that listens, with a port that nobody has so far below its own."""
    for _ in range(100):
        taken = socket.create_server(("127.0.0.1", 0))
        try:
            if offset:
                socket.create_server(("127.0.0.1", taken.getsockname()[1] - offset)).close()
        except OSError:
            taken.close()
        else:
            return taken
    raise AssertionError("no free port below another")


@pytest.mark.parametrize(("system", "offset"), [("shopify", 0), ("past", 0), ("past", 1)])
def test_a_port_that_is_taken_is_said_before_anything_is_promised(system, offset):
    """Whoever reads "Listening" goes on with what listens there: another simulator, with other keys."""
    said: list[str] = []
    with taken_above(offset) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{port}: .*another --port"):
            asyncio.run(serve_simulator(system, port=port - offset, seed=1, say=said.append))
    assert said == []


def test_a_port_that_there_is_not_is_refused():
    result = CliRunner().invoke(app, ["simulator", "shopify", "--port", "70000"])
    assert result.exit_code == 2
    assert "--port" in result.output
    assert "65535" in result.output
