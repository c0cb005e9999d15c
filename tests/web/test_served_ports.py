"""Where ``syncline simulator`` and the service listen: they say so once it is so, and when it is over."""

from __future__ import annotations

import asyncio
import logging
import socket
from urllib.parse import urlsplit

import pytest
import structlog
from typer.testing import CliRunner

from syncline.cli import app
from syncline.cli.demo_run import run_demo
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.model.errors import Misconfigured
from syncline.simulate.serve import serve_simulator
from syncline.web.serve import Listener, Service, _ended_by


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


def test_of_two_that_are_started_together_on_one_port_the_second_is_told():
    """Else it would go on beside the other, and whoever asks it would be answered by that one."""
    first = Listener(app, "127.0.0.1", 0)
    try:
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{first.port}: .*another port"):
            Listener(app, "127.0.0.1", first.port)
    finally:
        first._socket.close()


class Built(Exception):
    """A service was built that is reached at this address."""


def test_a_demo_on_any_free_port_tells_which_it_is(monkeypatch):
    """What is shown to be copied, as the address of a privacy request, is built before anything is served."""

    def build(*_, public_url, **__):
        raise Built(public_url)

    monkeypatch.setattr(Service, "build", build)
    with pytest.raises(Built) as built:
        asyncio.run(
            run_demo(orders=None, speed=None, seconds=1, seed=1, port=0, headless=True, json=None, keep=False)
        )
    assert urlsplit(str(built.value)).port


def test_a_port_that_there_is_not_is_refused():
    result = CliRunner().invoke(app, ["simulator", "shopify", "--port", "70000"])
    assert result.exit_code == 2
    assert "--port" in result.output
    assert "65535" in result.output


@pytest.mark.timeout(60)
def test_a_simulated_vendor_without_its_webhooks_does_not_go_on(monkeypatch):
    async def broken(self):
        raise RuntimeError("nothing is sent any more")

    monkeypatch.setattr(ShopifySimulator, "run", broken)
    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(serve_simulator("shopify", port=0, seed=1, say=lambda sentence: None))
    assert [str(error) for error in group.value.exceptions] == ["nothing is sent any more"]


def test_the_log_says_at_once_why_the_web_server_ended(monkeypatch):
    async def broken(sockets):
        raise RuntimeError("no loop left")

    said = structlog.testing.LogCapture()
    heard = structlog.wrap_logger(None, [said], structlog.make_filtering_bound_logger(logging.NOTSET))
    monkeypatch.setattr("syncline.web.serve.log", heard)

    async def story():
        listener = Listener(app, "127.0.0.1", 0)
        monkeypatch.setattr(listener._server, "serve", broken)
        serving = listener.start()
        await asyncio.wait([serving])
        await listener.stop()
        return _ended_by(serving)

    assert str(asyncio.run(story())) == "no loop left"
    assert [(line["action"], line["part"]) for line in said.entries] == [("part_ended", "web server")]


def test_a_part_that_should_have_lasted_is_named():
    async def story():
        over, gone = (asyncio.create_task(asyncio.Event().wait(), name=name) for name in ("a", "gone"))
        gone.cancel()
        ended = asyncio.create_task(nothing(), name="web server")
        await asyncio.wait([gone, ended])
        found = [_ended_by(task) for task in (over, gone)], str(_ended_by(ended))
        over.cancel()
        return found

    async def nothing():
        pass

    assert asyncio.run(story()) == ([None, None], "the web server ended")
