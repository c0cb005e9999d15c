"""HTTP over real sockets, by aiohttp."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import aiohttp

from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.ports import Request, Response, Transport

CONNECT_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 200
KEEP_ALIVE_S = 4.0  # shorter than any server's: one that closes first turns our next write into an unknown
ANSWER_BYTES_MAX = 128 * 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _checked_host(url: str) -> str:
    """The host, which is all that is told of an address: the rest may be its key, as of a file that was signed for us.

    Raises:
        Retryable: it is no address.
        Rejected: a part of its path is ``.`` or ``..``, in whatever spelling. It is the name of a record then, and would not be
            sent as one: the rest of the path would do the same to something else.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    host = parts.hostname
    if not host:
        raise Retryable("not reached: what is to be called is no address")
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise Rejected(f"{host}: nothing of the name . or .. can be asked for, since it would lead elsewhere")
    return host


def _checked_headers(host: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What is sent, of which no header can begin another one.

    Raises:
        Rejected: one has a control character, as a token with a line break at its end.
    """
    for name, value in headers.items():
        if _CONTROL.search(name + value):
            raise Rejected(
                f"{host}: the header {_CONTROL.sub('?', name)} has a control character; nothing was sent"
            )
    return dict(headers)


class AiohttpTransport(Transport):
    """Keep-alive connections, verified TLS of version 1.2 or newer, no redirects, a limit on answers."""

    def __init__(self) -> None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX, ssl=context, keepalive_timeout=KEEP_ALIVE_S
            ),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "syncline"},
        )

    async def send(self, request: Request) -> Response:
        host = _checked_host(request.url)
        said = _checked_headers(host, request.headers)
        timeout = aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=said,
                data=request.body or None,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                body = bytearray()  # bytes would be copied whole for each piece
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise OutcomeUnknown(f"{host}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
                headers: dict[str, str] = {}
                for name, value in answer.headers.items():
                    held = headers.get(name.lower())
                    headers[name.lower()] = value if held is None else f"{held}, {value}"
                return Response(answer.status, headers, bytes(body))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Retryable(f"not reached: {error}") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Retryable(f"not reached: {host} stands in what is no address") from None
        except (
            aiohttp.ClientResponseError
        ) as error:  # it would tell the whole address, and so would what it came from
            raise OutcomeUnknown(f"no whole answer: {host} does not speak HTTP: {error.message}") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown(f"no whole answer: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
