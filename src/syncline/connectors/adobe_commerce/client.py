"""Calls to the REST and bulk API, and their answers sorted into what happens next.

developer.adobe.com/commerce/webapi/get-started/gs-web-api-response: errors carry a ``message`` with placeholders and the
``parameters`` that fill them. What stands in front of a shop (cache, firewall, gateway) answers with pages of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from syncline.connectors.adobe_commerce.auth import Credential
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, Retryable, SynclineError, Throttled
from syncline.ports import Clock, Request, Response, Transport
from syncline.sdk.governor import ConcurrencySlots
from syncline.sdk.oauth1 import escape

TIMEOUT_S = 60.0
WORDS_MAX = 400
BACKOFF_S_MIN, BACKOFF_S_MAX = 1.0, 120.0
# A save that was undone, of which nobody says that the next one will be too; it is answered with 400 as what is wrong for good
# (magento2: Catalog/Model/ProductRepository, Product/Price/PricePersistence).
LOCKED = (
    "Database connection error",
    "Database deadlock found",
    "Database lock wait timeout exceeded",
    "Could not save Prices",
    "The product was unable to be saved. Please try again.",
)
NO_ROUTE = "Request does not match any route."

T = TypeVar("T")
Query = Sequence[tuple[str, str]]
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Missing(Rejected):
    """The address is right, and there is no such record."""


class NoRoute(Retryable):
    """The shop has no such address: it is another shop, or a module of it is missing."""


class Problem(Struct, frozen=True):
    """An error as the shop words it."""

    message: str
    parameters: Any = None
    errors: tuple[Any, ...] = ()


class Client:
    """One shop's API under its limit. Safe for concurrent use by any number of tasks."""

    def __init__(
        self,
        settings: AdobeCommerceSettings,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        governor: ConcurrencySlots,
    ) -> None:
        self._origin = settings.origin
        self._root = f"{settings.origin}/rest/{settings.store}"
        self._credential = Credential(settings, clock=clock, rng=rng, transport=transport)
        self._rng = rng
        self._transport = transport
        self._governor = governor
        self._throttles = 0

    async def get(
        self, path: str, query: Query, answer: type[T], *, urgent: bool = False, store: str = ""
    ) -> T:
        """Read; as one store view shows it if it is named.

        Raises:
            Missing: there is no such record.
            Throttled, Retryable: nothing was learned; ask again.
            Rejected: refused, in the shop's words.
            AuthExpired: credential or permission refused.
        """
        response = await self._send("GET", f"/V1/{path}", query, None, urgent=urgent, store=store)
        return _decoded(response, answer, path, reads=True)

    async def post(self, path: str, body: Any, answer: type[T], *, asynchronous: bool = False) -> T:
        """Write, at once or through the shop's queue.

        Raises:
            Throttled, Retryable: not applied.
            Rejected: refused, in the shop's words; of a bulk call, a part may have been taken.
            OutcomeUnknown: nobody knows.
            AuthExpired: credential or permission refused; nothing was applied.
        """
        prefix = "/async/bulk/V1/" if asynchronous else "/V1/"
        response = await self._send("POST", f"{prefix}{path}", (), body, urgent=False)
        return _decoded(response, answer, path, reads=False)

    async def put(
        self, path: str, body: Any, answer: type[T], *, asynchronous: bool = False, store: str = ""
    ) -> T:
        """Write a record by its key, at once or through the shop's queue; in one store view if it is named.

        Raises:
            Missing: there is no such record, or no such store view.
            Throttled, Retryable, Rejected, OutcomeUnknown, AuthExpired: as for ``post``.
        """
        prefix = "/async/bulk/V1/" if asynchronous else "/V1/"
        response = await self._send("PUT", f"{prefix}{path}", (), body, urgent=False, store=store)
        return _decoded(response, answer, path, reads=False)

    async def delete(self, path: str, answer: type[T]) -> T:
        """Take a record away by its key.

        Raises:
            Missing: there is no such record.
            Throttled, Retryable, Rejected, OutcomeUnknown, AuthExpired: as for ``post``.
        """
        response = await self._send("DELETE", f"/V1/{path}", (), None, urgent=False)
        return _decoded(response, answer, path, reads=False)

    # --- one call ---------------------------------------------------------------------------------

    async def _send(
        self, method: str, path: str, query: Query, body: Any, *, urgent: bool, store: str = ""
    ) -> Response:
        text = "&".join(f"{escape(name)}={escape(value)}" for name, value in query)
        url = (f"{self._origin}/rest/{escape(store)}" if store else self._root) + path
        raw = b"" if body is None else _ENCODER.encode(body)
        header = await self._credential.header(method, url, text)
        response = await self._once(method, url, text, raw, header, urgent=urgent)
        if response.status == 401 and self._credential.renewable:
            # Refused before anything was done: once more, with a fresh token.
            self._credential.refused(header)
            header = await self._credential.header(method, url, text)
            response = await self._once(method, url, text, raw, header, urgent=urgent)
        if 200 <= response.status < 300:
            self._throttles = 0
            return response
        raise self._refusal(response, path, reads=method == "GET")

    async def _once(
        self, method: str, url: str, query: str, body: bytes, header: str, *, urgent: bool
    ) -> Response:
        headers = {"accept": "application/json", "authorization": header}
        if method != "GET":
            headers["content-type"] = "application/json"
        request = Request(method, f"{url}?{query}" if query else url, headers, body, TIMEOUT_S)
        await self._governor.acquire(urgent=urgent)
        try:
            return await self._transport.send(request)
        except OutcomeUnknown as error:
            if method == "GET":
                raise Retryable(f"the shop did not answer a read: {error}") from None
            raise
        finally:
            self._governor.release(urgent=urgent)

    def _refusal(self, response: Response, path: str, *, reads: bool) -> SynclineError:
        status, problem = response.status, _problem(response)
        words = words_of(problem) if problem else page_words(response)
        if status in {401, 403}:
            return AuthExpired(
                f"the shop refused the credential (HTTP {status}): {words} Check the integration: it has to be active, "
                "and its API access has to include what this names"
            )
        if status == 429:
            wait_s = self._back_off(response.headers.get("retry-after", ""))
            return Throttled(f"the shop asked to slow down (HTTP {status})", wait_s)
        if status == 404 and (problem is None or problem.message == NO_ROUTE):
            return NoRoute(
                f"the shop has no {path} (HTTP 404): check base_url and store, and that the module is there (inventory "
                "needs multi-source inventory)"
            )
        if status == 404:
            return Missing(f"Adobe Commerce: {words}")
        if 300 <= status < 400:
            return Retryable(
                f"the shop redirected (HTTP {status}): set base_url to the address that it names"
            )
        if status >= 500 or status == 408 or problem is None:
            told = f"the shop answered HTTP {status}: {words}"
            return Retryable(told) if reads else OutcomeUnknown(told)
        if words.startswith(LOCKED):
            return Retryable(f"Adobe Commerce: {words}")
        return Rejected(f"Adobe Commerce: {words}")

    def _back_off(self, said: str) -> float:
        """Seconds to keep away: what the gateway says, or doubling from one second."""
        try:
            wait_s = min(BACKOFF_S_MAX, max(BACKOFF_S_MIN, float(said)))
        except ValueError:
            wait_s = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(self._throttles, 10))
            wait_s *= self._rng.uniform(0.5, 1.0)
        self._throttles += 1
        self._governor.pause(wait_s)
        return wait_s


def _decoded(response: Response, answer: type[T], path: str, *, reads: bool) -> T:
    try:
        return msgspec.json.decode(response.body, type=answer)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        # Somebody between us and the shop may answer 200 with a page of his own.
        told = f"the answer to {path} cannot be understood: {error}"
    raise Retryable(told) if reads else OutcomeUnknown(told)


def _problem(response: Response) -> Problem | None:
    """The shop's error, or ``None`` for anything that is not one."""
    try:
        return msgspec.json.decode(response.body, type=Problem)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def words_of(problem: Problem) -> str:
    """The shop's words with their placeholders filled, and those of each error inside."""
    inside = [
        error for error in problem.errors if isinstance(error, dict) and isinstance(error.get("message"), str)
    ]
    parts = [_filled(problem.message, problem.parameters)]
    parts += [_filled(error["message"], error.get("parameters")) for error in inside]
    return _plain("; ".join(dict.fromkeys(parts)))


def _filled(message: str, parameters: Any) -> str:
    """``%1`` and ``%fieldName`` replaced; the longest name first, so that ``%1`` leaves ``%10`` alone.

    The price services name their placeholders and list the values without names: then these follow.
    """
    if isinstance(parameters, Mapping):
        named = {str(name): value for name, value in parameters.items()}
    elif isinstance(parameters, list):
        named = {str(number): value for number, value in enumerate(parameters, 1)}
        if parameters and not any(f"%{number}" in message for number in named):
            return f"{message} ({', '.join(map(str, parameters))})"
    else:
        return message
    for name in sorted(named, key=len, reverse=True):
        message = message.replace(f"%{name}", str(named[name]))
    return message


def page_words(response: Response) -> str:
    """What a page says, without its tags."""
    return (
        _plain(re.sub(r"<[^>]*>", " ", response.body[: WORDS_MAX * 4].decode(errors="replace"))) or "no words"
    )


def _plain(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())[:WORDS_MAX]


# --- searches ----------------------------------------------------------------------------------------------


class Search:
    """One ``searchCriteria``. Filters of a group are alternatives; groups hold together."""

    def __init__(self, *, size: int, fields: str = "") -> None:
        self._pairs: list[tuple[str, str]] = []
        self._groups = 0
        self._orders = 0
        self._size = size
        self._fields = fields

    def where(self, *alternatives: tuple[str, str, str]) -> Search:
        """One more group: (field, condition, value), any of which has to hold."""
        for number, (field, condition, value) in enumerate(alternatives):
            at = f"searchCriteria[filter_groups][{self._groups}][filters][{number}]"
            self._pairs += [
                (f"{at}[field]", field),
                (f"{at}[value]", value),
                (f"{at}[condition_type]", condition),
            ]
        self._groups += 1
        return self

    def order(self, field: str, direction: str = "ASC") -> Search:
        """One more field to sort by."""
        at = f"searchCriteria[sortOrders][{self._orders}]"
        self._pairs += [(f"{at}[field]", field), (f"{at}[direction]", direction)]
        self._orders += 1
        return self

    def pairs(self) -> Query:
        """As the query states it; always the first page: pages move, keys do not."""
        return tuple(self._all())

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from self._pairs
        yield "searchCriteria[pageSize]", str(self._size)
        yield "searchCriteria[currentPage]", "1"
        if self._fields:
            yield "fields", f"items[{self._fields}],total_count"
