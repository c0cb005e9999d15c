"""What a stranger may cost who sends heads without end, or none: over a real socket, before anybody is asked who they are."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from syncline.web import connections
from syncline.web.serve import Listener

PIECE = b"x" * 65_536
ENOUGH = 64  # pieces, of which a few are read before the answer: what was in flight


async def app(scope, receive, send):
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    body = str(size).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected():
    listener = Listener(app, "127.0.0.1", 0)
    listener._socket.listen()  # what is bound does not listen before the server has started
    listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await listener.stop()


async def said(reader) -> bytes:
    """What was answered, until the server closed."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def poured(writer) -> int:
    """How many pieces were taken."""
    for count in range(ENOUGH):
        try:
            writer.write(PIECE)
            await writer.drain()
        except ConnectionError:
            return count
        if writer.transport.is_closing():
            return count
    return ENOUGH


HEADS = [b"GET /", b"GET / HTTP/1.1\r\nhost: a\r\nx: "]
TRAILER = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: "
EXTENSION = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;x="


@pytest.mark.parametrize("begin", [*HEADS, TRAILER, EXTENSION], ids=["line", "header", "trailer", "chunk"])
async def test_what_surrounds_a_body_is_bounded(begin):
    async with connected() as (reader, writer):
        writer.write(begin)
        taken, answer = await asyncio.gather(poured(writer), said(reader))
    assert taken < ENOUGH
    assert b"200" not in answer


async def test_a_large_body_is_no_head():
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4194304\r\n\r\n")
        assert await poured(writer) == ENOUGH
        assert (await said(reader)).endswith(b"4194304")


async def test_a_body_in_the_smallest_pieces_is_taken():
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n")
        assert (await said(reader)).endswith(b"100000")


async def test_many_requests_of_one_connection_are_counted_one_by_one():
    async with connected() as (reader, writer):
        for _ in range(20):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 16_384 + b"\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"0"


@pytest.mark.parametrize(
    ("begin", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost:", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1", b""),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n", b"HTTP/1.1 200"),
    ],
    ids=["nothing", "half a head", "half a body", "half a second one"],
)
async def test_what_does_not_arrive_is_not_waited_for(monkeypatch, begin, answer):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.02)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.02)
    async with connected() as (reader, writer):
        writer.write(begin)
        found = await said(reader)
    assert found.startswith(answer)
    assert answer or not found


async def test_connections_leave_handles_for_the_rest(monkeypatch):
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 1)
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        other, more = await asyncio.open_connection(*writer.get_extra_info("peername"))
        more.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await said(other) == b""
        more.close()
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")  # who is connected goes on
        assert b"200" in await reader.readuntil(b"\r\n\r\n")


async def test_what_is_no_http_writes_no_lines(capfd):
    for nonsense in (b"nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"):
        async with connected() as (reader, writer):
            writer.write(nonsense)
            assert (await said(reader)).startswith(b"HTTP/1.1 400")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("begun", [False, True])
async def test_who_still_waits_when_the_service_stops_is_refused_and_no_log_has_a_traceback(
    begun, caplog, capfd
):
    """As a webhook does whose store is away: it comes again, and what was not promised is not lost."""
    arrived = asyncio.Event()

    async def waits(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        arrived.set()
        await asyncio.Event().wait()

    listener = Listener(waits, "127.0.0.1", 0)
    listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
    await arrived.wait()
    _, answer = await asyncio.gather(listener.stop(), said(reader))
    writer.close()
    logged = caplog.text + capfd.readouterr().err
    if begun:
        assert "Traceback" not in logged
        assert b"first" in answer and not answer.endswith(b"0\r\n\r\n"), (
            "a piece of an answer is not the whole"
        )
    else:
        assert logged == ""
        assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in answer
