"""A connector of your own, whole: settings, capabilities, a Source, a Sink, and the object to register.

It imports ``syncline.model``, ``syncline.ports`` and ``syncline.sdk`` only, and needs none of the repository.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities, LimitKind
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Forged, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.model.records import Allocation, Order, OrderLine
from syncline.model.records import Item as SoldItem
from syncline.ports import Connector, Opening, Page, PollStream, Request, System, Verified, WebhookRequest
from syncline.sdk.governor import CostBucket

COUNTER = "counter"  # the kiosk has one location


class KioskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kiosk: ``[systems.<name>]`` in syncline.toml."""

    url: str
    token: str


CAPABILITIES = Capabilities(
    delta_poll=("orders",),
    compare_and_set=True,
    stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED,  # a sale lowers the kiosk's own number; nobody has to
    limit=LimitKind.LEAKY_BUCKET,
)
STREAMS = (PollStream("sales", (Flow.ORDERS,)), PollStream("items", (Flow.CATALOG,), snapshot=True))
OPERATIONS = {
    "set_stock": Operation("set_stock", look_up=True),  # after a lost answer: read what it shows, then decide
    "read_stock": Operation("read_stock", reads_only=True),
}


class Client:
    """Calls, and their answers sorted by what happens next."""

    def __init__(self, settings: KioskSettings, opening: Opening) -> None:
        self._settings, self._opening = settings, opening
        self.governor = CostBucket(opening.clock, capacity=10, restore_per_s=2)

    async def call(
        self, method: str, path: str, body: Any = None, *, urgent: bool = False
    ) -> tuple[int, Any]:
        await self.governor.acquire(1, urgent=urgent)
        headers = {"Authorization": f"Bearer {self._settings.token}"}
        sent = b"" if body is None else json.dumps(body).encode()
        try:
            answer = await self._opening.transport.send(
                Request(method, self._settings.url + path, headers, sent)
            )
        finally:
            self.governor.settle(1, 1)
        if answer.status == 401:
            raise AuthExpired("the kiosk refuses the token")
        if answer.status == 429:
            raise Throttled("the kiosk asks for fewer calls", 5.0)
        if answer.status >= 500:
            raise Retryable(f"the kiosk answered {answer.status}")
        try:
            return answer.status, json.loads(answer.body)
        except ValueError as error:
            raise OutcomeUnknown("the answer is not JSON") from error


class KioskSource:
    """What the kiosk tells: its items, and its sales in the order in which they happened."""

    streams = STREAMS

    def __init__(self, name: str, client: Client, opening: Opening) -> None:
        self._name, self._client, self._clock = name, client, opening.clock

    def verify(self, request: WebhookRequest) -> Verified:
        raise Forged("the kiosk sends no webhooks")

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        began_ms = self._clock.now_ms()  # whatever is read now is confirmed as of this moment
        after = int(cursor.position) if cursor else 0
        while True:
            _, rows = await self._client.call(
                "GET", "/items" if stream == "items" else f"/sales?after={after}"
            )
            last = stream == "items" or not rows
            if stream == "sales" and rows:
                after = rows[-1]["n"]
            events = tuple(self._event(stream, row, began_ms) for row in rows)
            yield Page(events, Cursor(self._name, stream, str(after), began_ms), last)
            if last:
                return

    def _event(self, stream: str, row: dict[str, Any], began_ms: int) -> Event:
        # The id is the fact's own, so whoever tells it again changes nothing.
        event_id = f"item {row['sku']}" if stream == "items" else f"sale {row['n']}"
        at_ms = began_ms if stream == "items" else row["sold_at"]
        return Event(self._name, stream, event_id, Via.POLL, at_ms, json.dumps(row).encode())

    def decode(self, logged: LoggedEvent) -> list[Change]:
        try:
            row, at_ms = json.loads(logged.event.body), logged.event.occurred_at_ms
            if logged.event.topic == "items":
                return [
                    Change(Kind.ITEM, row["sku"], 1, 0, at_ms, SoldItem(row["sku"], row["sku"], row["sku"]))
                ]
            quantity, price = Decimal(row["quantity"]), Decimal(row["price"])
            line = OrderLine(
                "1",
                row["sku"],
                row["sku"],
                quantity,
                price,
                taken=quantity,
                allocations=(Allocation(COUNTER, quantity, quantity),),
            )
            order = Order(
                key=str(row["n"]),
                number=f"K{row['n']}",
                placed_at_ms=at_ms,
                updated_at_ms=at_ms,
                currency="GBP",
                lines=(line,),
                shipping=Decimal(0),
                tax=Decimal(0),
                total=quantity * price,
                complete=True,
            )
            return [Change(Kind.ORDER, order.key, at_ms, 0, at_ms, order)]
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise Rejected(f"not a row of the kiosk: {error}") from error


class KioskSink:
    """What can be done to the kiosk: set a number that is expected to be another, and read it."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(self, client: Client) -> None:
        self._client = client

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        return [await self._one(operation, item) for item in items]

    async def _one(self, operation: str, item: Item) -> Outcome:
        wanted = item.payload
        try:
            if operation == "read_stock":
                status, answer = await self._client.call("GET", f"/items/{wanted.sku}")
            else:
                body = {"stock": wanted.quantity, "expected": wanted.expected}
                status, answer = await self._client.call("PUT", f"/items/{wanted.sku}", body)
        except Throttled as error:
            return Outcome(Result.THROTTLED, str(error), error.retry_after_s)
        except Retryable as error:
            return Outcome(Result.RETRY, str(error))
        except OutcomeUnknown as error:
            return Outcome(Result.UNKNOWN, str(error))
        if status == 409:
            return Outcome(Result.STALE, f"the kiosk shows {answer['stock']}")
        if status != 200:
            return Outcome(Result.REJECTED, answer["error"])
        return Outcome(Result.DONE, facts={"held": answer["stock"]})

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        _, answer = await self._client.call("GET", f"/items/{item.payload.sku}")
        return Outcome(Result.DONE) if answer.get("stock") == item.payload.quantity else None


def open_kiosk(opening: Opening) -> System:
    """Open one configured kiosk. Makes no call."""
    client = Client(opening.settings, opening)
    source = KioskSource(opening.name, client, opening)
    return System(opening.name, "kiosk", CAPABILITIES, source, KioskSink(client), client.governor)


CONNECTOR = Connector("kiosk", "Kiosk", KioskSettings, CAPABILITIES, open_kiosk)
