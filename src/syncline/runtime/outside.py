"""The door to addresses that a record names and nobody configured as a system, such as those of images.

Whoever may edit such a record could have us ask a machine of the inner network. So a name is resolved once, each of its
addresses has to be of the public internet, and exactly these are connected to: a second answer of the name server changes
nothing. Redirects are not followed, no credential or cookie is sent, and an answer has to be small.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.ports import Request, Response, Transport

CONNECT_TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 6 * 1024 * 1024
PORT = 443
# In these an address of IPv4 is carried inside, and a gateway would take us there (RFC 6052, RFC 8215, RFC 3056, RFC 4380).
_CARRIERS = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)


def is_public(text: str) -> bool:
    """Whether an IP address is of the public internet; what is no address is not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address.scope_id or address.is_site_local or any(address in one for one in _CARRIERS):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class PublicResolver(AbstractResolver):
    """Resolves names to addresses of the public internet, or refuses them."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a name.

        Raises:
            Rejected: one of them lies inside: then none is asked, for the name is not what it seems.
        """
        found = await self._resolver.resolve(host, port, family)
        if not found or not all(is_public(one["host"]) for one in found):
            raise Rejected(f"{host} leads to an address that is not of the public internet")
        return found

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._resolver.close()


class OutsideTransport(Transport):
    """A connection for each request, which is closed after it. Safe for concurrent use by any number of tasks.

    Raises besides what a Transport raises:
        Rejected: the address may not be asked, or its answer is too large.
    """

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        """``resolver`` answers names; by default the machine's own."""
        self._resolver = resolver

    async def send(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        try:
            port = parts.port
        except ValueError:
            port = -1
        # A number in place of a name is never resolved, so it would pass by the resolver; names end in a letter.
        named = host.isascii() and host.rstrip(".")[-1:].isalpha() and ":" not in host
        if parts.scheme != "https" or not named or port not in (None, PORT) or parts.username is not None:
            raise Rejected(f"{request.url[:200]!r} is no plain https address of a named host")
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        resolver = PublicResolver(self._resolver or aiohttp.ThreadedResolver())
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=context, force_close=True)
        timeout = aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={"User-Agent": "syncline", "Accept-Encoding": "identity"},
                ) as session,
                session.request(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    data=request.body or None,
                    timeout=timeout,
                    allow_redirects=False,
                ) as answer,
            ):
                body = b""
                async for chunk in answer.content.iter_chunked(65_536):
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise Rejected(
                            f"{request.url[:200]}: the answer is larger than {ANSWER_BYTES_MAX} bytes"
                        )
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, headers, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Retryable(f"not reached: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown(f"no whole answer: {type(error).__name__}: {error}") from error


__all__ = ["OutsideTransport", "PublicResolver", "is_public"]
