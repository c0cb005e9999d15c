"""What news of orders says of credit: an order takes the place of its approval, until the source's figures contain it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from syncline.credit.exposure import AMOUNT_MAX, up
from syncline.credit.rules import Conflict
from syncline.engine.routes import SEP, Route, Routes, customer_reference, parse_reference, reference_of
from syncline.model.change import Change, Flow, Kind
from syncline.model.credit import NOTHING
from syncline.model.records import ErpOrder, Order
from syncline.ports import Store, Write

# An order that is heard of for the first time after so long is from the time before us: the source's figures contain it.
NEW_MS = 7 * 86_400_000
HOLDING = frozenset({"open", "confirmed"})  # what an approval is while it holds its amount


def claim_of(channel: str, order_key: str) -> str:
    """The reference of an order's claim. No approval can be called so."""
    return f"{channel}{SEP}{order_key}"


def accepted_row(
    channel: str, order_key: str, accepted: bool, now_ms: int, account: str = ""
) -> dict[str, Any]:
    """The source says whether it counts an order, and for which account; "": it does not tell.

    What was approved on an account's credit is not in its figures if the source counts it for another.

    Figures contain it that begin to be read later: in the millisecond after this one, for a reading that began in this one
    may have begun before.
    """
    return {
        "reference": claim_of(channel, order_key),
        "binding": reference_of(channel, order_key),
        "account": account,
        "accepted": int(accepted),
        "now_ms": now_ms + 1,
    }


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whose credit an order takes: by its own claim, or, before it has one, by an approval."""

    account: str
    own: bool


async def claims_of(store: Store, route: Route, orders: Sequence[Order]) -> dict[str, Claimed]:
    """Whose credit orders take, by their keys, as far as a claim says so.

    An order's own claim comes first, then the approval that still holds; of several that are over, the last.
    """
    names = {name: order.key for order in orders for name in (order.number, order.key) if name}
    rows = await store.read("credit_of_orders", system=route.source, channel=route.sink, orders=list(names))
    found: dict[str, tuple[int, Claimed]] = {}
    for name, account, reference, state in rows:
        key = names[name]
        own = reference == claim_of(route.sink, key)
        rank = 2 if own else int(state in HOLDING)
        if account and rank >= found.get(key, (0,))[0]:
            found[key] = rank, Claimed(account, own)
    return {key: claimed for key, (_, claimed) in found.items()}


def owed(order: Order) -> Decimal:
    """What is still to be paid for an order; of one that was cancelled, nothing."""
    if order.cancelled_at_ms is not None:
        return NOTHING
    paid = sum((payment.amount for payment in order.payments), NOTHING)
    return min(AMOUNT_MAX, max(NOTHING, order.total - paid))


def ordered_writes(route: Route, orders: Iterable[tuple[Order, str]], now_ms: int) -> list[Write]:
    """Orders with their accounts as the claims that they make; each takes the place of its approvals."""
    rows: list[dict[str, Any]] = []
    for order, account in orders:
        rows.append(
            {
                "reference": claim_of(route.sink, order.key),
                "system": route.source,
                "account": account,
                "channel": route.sink,
                "order_key": order.key,
                "number": order.number,
                "amount": up(owed(order)),
                "currency": order.currency,
                "version": order.updated_at_ms,
                "now_ms": now_ms,
            }
        )
    accounts = dict.fromkeys(account for _, account in orders)
    return [
        Write(
            "credit_lock",
            [{"system": route.source, "account": account} for account in sorted(accounts)],
            told=False,
        ),
        Write("credit_ordered", rows, told=False),
        Write("credit_replace", rows, told=False),
    ]


def marks(routes: Iterable[Route], system: str, accounts: Iterable[str], now_ms: int) -> list[Write]:
    """What some accounts' channels are told is to be computed again; no statement at all where none is told."""
    names = [route.name for route in routes if route.source == system and route.credit.mirror]
    rows = [
        {"route": name, "key": account, "changed_at_ms": now_ms}
        for name in names
        for account in dict.fromkeys(accounts)
    ]
    return [Write("state_mark", rows, told=False)] if rows else []


class CreditNews:
    """Finds what a batch of changes says of credit. Without a route of credit it costs nothing."""

    def __init__(self, store: Store, routes: Routes) -> None:
        self._store = store
        self._heir = routes.heir
        self._routes = routes.of(Flow.CREDIT)
        sends = {(route.source, route.sink) for route in routes.of(Flow.ORDERS)}
        # Only orders that the source is sent can ever be in its figures; others would count for ever.
        self._of_channel = {
            route.sink: route for route in self._routes if (route.sink, route.source) in sends
        }

    def __bool__(self) -> bool:
        """Whether any order can matter."""
        return bool(self._of_channel)

    async def writes(self, news: Sequence[tuple[str, Change]], now_ms: int) -> list[Write]:
        """What is to be written with the changes, which are news in the order given."""
        orders: dict[str, dict[str, Order]] = {}
        accepted: dict[str, dict[str, Any]] = {}
        for system, change in news:
            if isinstance(change.value, Order) and system in self._of_channel:
                orders.setdefault(system, {})[change.key] = change.value
            elif isinstance(change.value, ErpOrder):
                parsed = parse_reference(change.key, list(self._of_channel))
                if parsed is not None and self._of_channel[parsed[0]].source == system:
                    reference = claim_of(*parsed)
                    told = change.value
                    accepted[reference] = accepted_row(*parsed, told.commits_stock, now_ms, told.account)
        found: list[Write] = []
        for channel, by_key in orders.items():
            route = self._of_channel[channel]
            claimed = await claims_of(self._store, route, list(by_key.values()))
            accounts = await self._accounts(route, by_key.values(), claimed, now_ms)
            mine = [(order, accounts[key]) for key, order in by_key.items() if key in accounts]
            if mine:
                found += ordered_writes(route, mine, now_ms)
                touched = [*accounts.values(), *(one.account for one in claimed.values())]
                found += marks(self._routes, route.source, touched, now_ms)
        if accepted:
            found.append(Write("credit_accept", list(accepted.values()), told=False))
        return found

    async def _accounts(
        self, route: Route, orders: Iterable[Order], claimed: Mapping[str, Claimed], now_ms: int
    ) -> Mapping[str, str]:
        """Whose credit orders take, by their keys: of themselves before, of their approvals, or of their buyers."""
        by_buyer = route.credit.conflict is Conflict.BUYER
        known = {key: one.account for key, one in claimed.items() if one.own or not by_buyer}
        buyers = {
            order.key: customer_reference(route.sink, order.customer.key)
            for order in orders
            if order.key not in known
            and order.customer is not None
            and order.customer.key
            and (order.key in claimed or order.placed_at_ms >= now_ms - NEW_MS)
        }
        if buyers:
            keys = list(dict.fromkeys(buyers.values()))
            rows = await self._store.read(
                "bindings_get", system=route.source, kind=Kind.CUSTOMER.value, keys=keys
            )
            bound = {row[0]: self._heir(route.source, row[1]) for row in rows if row[1]}
            known |= {key: bound[buyer] for key, buyer in buyers.items() if buyer in bound}
        return {key: one.account for key, one in claimed.items()} | known
