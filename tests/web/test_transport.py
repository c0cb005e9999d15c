"""What the live transport makes of a server's answers, over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.ports import Request
from syncline.runtime import transport
from syncline.runtime.transport import AiohttpTransport

PIECE = bytes(range(256)) * 256


async def large(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(64):
        await answer.write(PIECE)
    return answer


async def packed(request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(PIECE * 64), headers={"Content-Encoding": "gzip"})


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/large", headers={"Link": "a"})


async def doubled(request: web.Request) -> web.Response:
    answer = web.Response(text=(await request.read()).decode())
    answer.headers.add("Link", "a")
    answer.headers.add("Link", "b")
    answer.set_cookie("session", "1")
    answer.headers["X-Cookie"] = request.headers.get("Cookie", "none")
    return answer


async def cut_short(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"only this")
    request.transport.close()
    return answer


@asynccontextmanager
async def server():
    app = web.Application()
    for handler in (large, packed, moved, doubled, cut_short):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with AiohttpTransport() as client:
        yield client, f"http://{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize("path", ["large", "packed"])
async def test_a_large_answer_arrives_whole(path):
    async with server() as (client, url):
        answer = await client.send(Request("GET", f"{url}/{path}"))
    assert isinstance(answer.body, bytes)
    assert (answer.status, answer.body) == (200, PIECE * 64)


@pytest.mark.parametrize("path", ["large", "packed"])
async def test_an_answer_that_is_too_large_is_not_kept(path, monkeypatch):
    """Also one that is small until it is unpacked."""
    monkeypatch.setattr(transport, "ANSWER_BYTES_MAX", len(PIECE) * 32)
    async with server() as (client, url):
        with pytest.raises(OutcomeUnknown, match="larger than 2097152 bytes"):
            await client.send(Request("GET", f"{url}/{path}"))


async def test_redirects_are_not_followed():
    async with server() as (client, url):
        assert (await client.send(Request("GET", f"{url}/moved"))).status == 302


async def test_headers_of_one_name_are_joined_and_no_cookie_is_kept():
    async with server() as (client, url):
        answers = [await client.send(Request("POST", f"{url}/doubled", {}, b"said")) for _ in range(2)]
    for answer in answers:
        assert (answer.headers["link"], answer.body) == ("a, b", b"said")
        assert answer.headers["x-cookie"] == "none"


async def test_an_answer_that_breaks_off_leaves_the_outcome_unknown():
    async with server() as (client, url):
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await client.send(Request("POST", f"{url}/cut_short", {}, b"said"))


async def test_where_nobody_listens_nothing_was_sent():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with AiohttpTransport() as client:
            with pytest.raises(Retryable, match="not reached"):
                await client.send(Request("GET", f"http://127.0.0.1:{free.getsockname()[1]}/"))


async def test_an_answer_that_takes_too_long_leaves_the_outcome_unknown():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client has given up
        writer.close()
        await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()
    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listening, AiohttpTransport() as client:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(OutcomeUnknown, match="no whole answer: TimeoutError"):
            await client.send(Request("POST", f"http://127.0.0.1:{port}/", {}, b"said", 0.05))
        await gone.wait()


@pytest.mark.parametrize("name", ["..", ".", "%2E%2E", "%2e.", "..%2Flarge"])
async def test_a_name_that_would_lead_elsewhere_is_refused(name):
    """A SKU may be called that; of its path, the client library would leave out the part before."""
    async with server() as (client, url):
        with pytest.raises(Rejected, match="elsewhere"):
            await client.send(Request("GET", f"{url}/products/{name}/large"))
        with pytest.raises(Rejected, match="elsewhere"):
            await client.send(Request("GET", f"{url}/products/{name}"))
        assert (await client.send(Request("GET", f"{url}/large?of=../.."))).status == 200


@pytest.mark.parametrize("path", ["large?key=the-secret", "cut_short?key=the-secret"])
async def test_an_error_does_not_tell_the_key_of_an_address(path, monkeypatch):
    monkeypatch.setattr(transport, "ANSWER_BYTES_MAX", 4)
    async with server() as (client, url):
        with pytest.raises(OutcomeUnknown) as told:
            await client.send(Request("GET", f"{url}/{path}"))
    assert "the-secret" not in str(told.value)


@pytest.mark.parametrize("line", [b"HELLO\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"])
async def test_what_answers_and_speaks_no_http_does_not_tell_it_either(line):
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(line)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(other, "127.0.0.1", 0)
    async with listening, AiohttpTransport() as client:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(OutcomeUnknown, match=r"127\.0\.0\.1 does not speak HTTP") as told:
            await client.send(Request("GET", f"http://127.0.0.1:{port}/it?key=the-secret"))
    assert "the-secret" not in str(told.value) and told.value.__cause__ is None


@pytest.mark.parametrize("name", ["Authorization", "X\r\nY"])
async def test_a_token_with_a_line_break_is_told_and_nothing_is_sent(name):
    async with server() as (client, url):
        with pytest.raises(Rejected, match="has a control character; nothing was sent") as told:
            await client.send(Request("POST", f"{url}/doubled", {name: "Bearer the-secret\n"}, b"x"))
        assert "the-secret" not in str(told.value) and "\n" not in str(told.value)
        assert (await client.send(Request("POST", f"{url}/doubled", {"X": "a\tb é"}, b"x"))).body == b"x"


@pytest.mark.parametrize(
    "address", ["http://[::1", "nowhere", "ftp://h/x?the-secret", "http://h:99999/the-secret"]
)
async def test_what_is_no_address_was_not_reached(address):
    async with AiohttpTransport() as client:
        with pytest.raises(Retryable, match="no address") as told:
            await client.send(Request("GET", address))
    assert "the-secret" not in str(told.value)
