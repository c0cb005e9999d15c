"""The connector: settings, capabilities, a Source, a Sink, and the object to register.

It imports ``syncline.model``, ``syncline.ports`` and ``syncline.sdk`` only.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities, LimitKind
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import (
    AuthExpired,
    Forged,
    Misconfigured,
    OutcomeUnknown,
    Rejected,
    Retryable,
    Throttled,
)
from syncline.model.payloads import ReadStock, SetStock
from syncline.model.records import Allocation, Order, OrderLine
from syncline.model.records import Item as SoldItem
from syncline.ports import (
    Connector,
    Opening,
    Page,
    PollStream,
    Request,
    Sample,
    System,
    Verified,
    WebhookRequest,
)
from syncline.sdk.governor import CostBucket
from syncline.sdk.outcomes import outcome_of

COUNTER = "counter"  # the shop's one location
CURRENCY = "GBP"
OVERLAP_MS = 60_000  # a sale may become visible so long after its stamp
PAGES_MAX = 100_000  # of one read; a shop that always names a next page would be read for ever
PAUSE_S = 5.0  # where the shop asks for fewer calls and names no delay
PAUSE_S_MAX = 3600.0
KEY_KEPT_MS = 23 * 3_600_000  # the shop remembers keys for a day


# --- what it is --------------------------------------------------------------------------------------------


class KioskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shop: ``[systems.<name>]`` in syncline.toml."""

    url: str
    token: str

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the field and the mend."""
        parts = urlsplit(self.url)
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
        if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or local):
            raise Misconfigured(
                f"url: {self.url!r} must be of the form https://host, or http:// on this machine"
            )
        if not self.token.isascii() or not self.token.isprintable() or not self.token.strip():
            raise Misconfigured('token: must be the token that the shop shows, e.g. "env:KIOSK_TOKEN"')

    def __repr__(self) -> str:
        """Everything but the token."""
        return f"KioskSettings(url={self.url!r}, token='***')"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        """The same for rich, which would otherwise list the fields itself."""
        return [("url", self.url), ("token", "***")]


SAMPLE = Sample(
    "channel",
    """\
url = "https://kiosk.example"
token = "env:KIOSK_TOKEN"
""",
    location=COUNTER,
)
CAPABILITIES = Capabilities(
    delta_poll=("orders",),
    compare_and_set=True,
    idempotency_keys=True,
    stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED,  # a sale lowers the shop's own number; nobody has to
    limit=LimitKind.LEAKY_BUCKET,
)
STREAMS = (PollStream("sales", (Flow.ORDERS,)), PollStream("items", (Flow.CATALOG,), snapshot=True))
OPERATIONS = {
    "set_stock": Operation("set_stock", retry_same_key_ms=KEY_KEPT_MS),
    "read_stock": Operation("read_stock", reads_only=True),
}


class Sale(msgspec.Struct, frozen=True):
    """A row of ``/sales``, as far as we use it. What does not fit is parked, never guessed at."""

    n: int
    revision: int
    sku: str
    quantity: int
    price: Decimal
    sold_at: int
    changed_at: int

    def __post_init__(self) -> None:
        if self.quantity < 0 or not self.price.is_finite() or self.price < 0:
            raise ValueError(f"sale {self.n}: {self.quantity} at {self.price}")


class Article(msgspec.Struct, frozen=True):
    """A row of ``/items``, as far as we use it."""

    sku: str


# --- calls -------------------------------------------------------------------------------------------------


class Client:
    """Calls, and their answers sorted by what happens next."""

    def __init__(self, settings: KioskSettings, opening: Opening) -> None:
        self._origin, self._token = settings.url.rstrip("/"), settings.token
        self._transport = opening.transport
        self.governor = CostBucket(opening.clock, capacity=10, restore_per_s=2, answers_tell=True)

    async def call(
        self, method: str, path: str, body: Mapping[str, int] | None = None, *, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Make one call under the shop's limit; returns the status and the JSON object of the answer.

        Raises:
            Throttled: the shop asks for fewer calls; nothing happened.
            Retryable: this call did not reach the shop, or it was closed; nothing happened.
            OutcomeUnknown: no trustworthy answer.
            AuthExpired: the token is refused; nothing happened.
        """
        headers = {"Authorization": f"Bearer {self._token}"}
        if key:
            headers["Idempotency-Key"] = key
        sent = b"" if body is None else json.dumps(body).encode()
        await self.governor.acquire(1)
        left = None
        try:
            answer = await self._transport.send(Request(method, self._origin + path, headers, sent))
            left = _number(answer.headers.get("x-calls-left", ""))
        finally:
            self.governor.settle(1, 1, left)
        if answer.status in (401, 403):
            raise AuthExpired("the shop refuses the token; make a new one there, and start again")
        if answer.status == 429:
            named = _number(answer.headers.get("retry-after", ""))
            delay_s = named if named and named <= PAUSE_S_MAX else PAUSE_S
            self.governor.pause(delay_s)
            raise Throttled("the shop asks for fewer calls", delay_s)
        if answer.status == 503:
            raise Retryable("the shop is closed (503)")
        if answer.status >= 500:
            raise OutcomeUnknown(f"the shop answered {answer.status}")  # it may have done it all the same
        try:
            told = json.loads(answer.body)
        except ValueError as error:
            raise OutcomeUnknown(f"the answer ({answer.status}) is not JSON") from error
        if not isinstance(told, dict):
            raise OutcomeUnknown(f"the answer ({answer.status}) is no JSON object")
        return answer.status, told

    async def rows(self, path: str) -> tuple[list[Any], str]:
        """One page of a list: its rows, and the mark of the next page or nothing.

        Raises:
            Throttled, Retryable, OutcomeUnknown, AuthExpired: as ``call``.
        """
        status, told = await self.call("GET", path)
        rows, more = told.get("rows"), told.get("more") or ""
        if status != 200 or not isinstance(rows, list) or not isinstance(more, str):
            raise Retryable(f"the shop answered {status} without a list: {told.get('error', '')}")
        return rows, more


def _number(text: str) -> float | None:
    """A number of 0 or more in a header, or ``None``."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


# --- reading -----------------------------------------------------------------------------------------------


class KioskSource:
    """What the shop tells: its items, and its sales in the order of their last change."""

    streams = STREAMS

    def __init__(self, name: str, client: Client, opening: Opening) -> None:
        self._name, self._client, self._clock = name, client, opening.clock

    def verify(self, request: WebhookRequest) -> Verified:
        """Refuse everything: the shop sends no webhooks."""
        raise Forged("the shop sends no webhooks")

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Read a stream to its end. The cursor's position is the newest stamp that was read, by the shop's clock."""
        began_ms = self._clock.now_ms()  # what a completed read confirms, it confirms as of this moment
        covered_ms = cursor.covers_ms if cursor else 0
        newest_ms = int(cursor.position) if cursor else 0
        path = "/items" if stream == "items" else f"/sales?from={max(0, newest_ms - OVERLAP_MS)}"
        for _ in range(PAGES_MAX):
            rows, more = await self._client.rows(path)
            newest_ms = max(newest_ms, *(_stamp(row) for row in rows), 0)
            position = Cursor(self._name, stream, str(newest_ms), covered_ms if more else began_ms)
            yield Page(tuple(self._event(stream, row, began_ms) for row in rows), position, not more)
            if not more:
                return
            path = f"/{stream}?after={quote(more, safe='')}"
        raise Retryable(f"{stream}: more than {PAGES_MAX} pages; the shop names a next one without end")

    def _event(self, stream: str, row: Any, began_ms: int) -> Event:
        body = json.dumps(row).encode()
        match row:  # the id is the fact's own, so whoever tells it again changes nothing
            case {"n": int(number), "revision": int(revision)} if stream == "sales":
                event_id = f"sale {number} revision {revision}"
            case {"sku": str(sku)} if stream == "items":
                event_id = f"item {json.dumps(sku)}"
            case _:
                event_id = f"{stream} {sha256(body).hexdigest()}"  # nobody can read it: decode says so
        return Event(self._name, stream, event_id, Via.POLL, _stamp(row) or began_ms, body)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """Translate one row."""
        event = logged.event
        try:
            if event.topic == "items":
                sku = msgspec.json.decode(event.body, type=Article).sku
                return [Change(Kind.ITEM, sku, 1, 0, event.occurred_at_ms, SoldItem(sku, sku, sku))]
            sale = msgspec.json.decode(event.body, type=Sale)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise Rejected(f"not a row of the shop's {event.topic}: {error}") from error
        order = _order(sale)
        # The version of an order is its stamp; its revision tells changes of one moment apart.
        return [Change(Kind.ORDER, order.key, sale.changed_at, sale.revision, sale.changed_at, order)]


def _stamp(row: Any) -> int:
    """When a row changed, by the shop's clock, or 0."""
    stamp = row.get("changed_at") if isinstance(row, dict) else None
    return stamp if isinstance(stamp, int) else 0


def _order(sale: Sale) -> Order:
    quantity = Decimal(sale.quantity)
    line = OrderLine(
        id="1",
        sku=sale.sku,
        title=sale.sku,
        quantity=quantity,
        unit_price=sale.price,
        taken=quantity,  # the shop has taken it off its own number
        allocations=(Allocation(COUNTER, quantity, quantity),),
    )
    return Order(
        key=str(sale.n),
        number=f"K{sale.n}",
        placed_at_ms=sale.sold_at,
        updated_at_ms=sale.changed_at,
        currency=CURRENCY,
        lines=(line,),
        shipping=Decimal(0),
        tax=Decimal(0),
        total=quantity * sale.price,
        complete=True,
    )


# --- writing -----------------------------------------------------------------------------------------------


class KioskSink:
    """What can be done to the shop: set a number that is expected to be another, and read it."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(self, client: Client) -> None:
        self._client = client

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make one call for the one item that every operation takes."""
        (item,) = items
        try:
            if operation == "read_stock":
                return [await self._read(item.payload)]
            return [await self._set(item.payload, key)]
        except (Throttled, Retryable, OutcomeUnknown) as error:
            return [outcome_of(error)]

    async def _set(self, wanted: SetStock, key: str) -> Outcome:
        body = {"stock": wanted.quantity, "expected": wanted.expected}
        status, told = await self._client.call("PUT", _path(wanted.sku), body, key=key)
        if status == 409:
            return Outcome(Result.STALE, f"the shop shows {told.get('stock')}")
        return _outcome(status, told)

    async def _read(self, wanted: ReadStock) -> Outcome:
        return _outcome(*await self._client.call("GET", _path(wanted.sku)))

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        """Find nothing: after a lost answer the same key tells, and no operation declares a look-up."""
        return None


def _path(sku: str) -> str:
    return f"/items/{quote(sku, safe='')}"


def _outcome(status: int, told: dict[str, Any]) -> Outcome:
    if status != 200:
        return Outcome(Result.REJECTED, str(told.get("error", f"the shop answered {status}")))
    stock = told.get("stock")
    if not isinstance(stock, int):
        raise OutcomeUnknown("the shop answered without a number")
    return Outcome(Result.DONE, facts={"held": stock})


# --- the object to register --------------------------------------------------------------------------------


def open_kiosk(opening: Opening) -> System:
    """Open one configured shop. Makes no call."""
    client = Client(opening.settings, opening)
    source = KioskSource(opening.name, client, opening)
    return System(opening.name, "kiosk", CAPABILITIES, source, KioskSink(client), client.governor)


CONNECTOR = Connector("kiosk", "Kiosk", KioskSettings, CAPABILITIES, open_kiosk, SAMPLE, tuple(OPERATIONS))
