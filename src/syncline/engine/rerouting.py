"""A location will not send an order: said by a person or a warehouse's program, and the order is sent from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.engine.engine import Engine
from syncline.engine.inquiry import order_keys
from syncline.engine.operations import Done, NotPossible, Operations
from syncline.engine.routes import SEP, Route, split_key
from syncline.engine.routing import Past, Router, Said, routing_row
from syncline.model.change import Flow
from syncline.model.delivery import DeliveryState
from syncline.ports import Row, Write
from syncline.routing.decision import Refusal

REVISIONS_MAX = 100
WHY_MAX = 300


class Rerouting:
    """The two things that a person can say about an order's routing. Each is in the audit log."""

    def __init__(self, engine: Engine, operations: Operations) -> None:
        self._engine = engine
        self._audit = operations.audit

    async def refuse(self, order: str, location: str, *, sku: str = "", why: str = "", by: str) -> Done:
        """Let an order be sent from elsewhere than from a location, all of it or one SKU.

        Raises:
            NotPossible: there is no such order or it was not routed here, or the location sends nothing of it.
        """
        router, route, key, past = await self._found(order)
        decision = past.decision
        assert decision is not None
        its = [one for one in decision.sent if one.location == location and sku in ("", one.sku)]
        if not its:
            told = ", ".join(decision.locations) or "nowhere"
            raise NotPossible(
                "not_sent_there",
                f"{sku or 'Nothing'} of this order is not sent from {location!r}."
                if sku
                else f"Nothing of this order is sent from {location!r}.",
                f"It is sent from {told}.",
            )
        refusal = Refusal(location, sku, why[:WHY_MAX], by)
        count = len(past.refusals) + 1
        await self._say(route, key, "refused", refusal, f"{location} {sku}".strip(), by)
        if count > router.policy.refusals_max:
            return Done(
                "Said. After so many refusals a person decides: the order is parked when it is written next.",
                1,
            )
        return Done("Said. The order is sent from elsewhere if anybody has it; else it is parked.", 1)

    async def allow(self, order: str, *, by: str) -> Done:
        """Forget every refusal of an order: each location may send it again.

        Raises:
            NotPossible: there is no such order, it was not routed here, or nobody refused it.
        """
        _, route, key, past = await self._found(order)
        if not past.refusals:
            raise NotPossible(
                "not_refused", "Nobody refused anything of this order.", "Nothing is to be done."
            )
        await self._say(route, key, "allowed", None, f"{len(past.refusals)} refusals forgotten", by)
        return Done("Every location may send it again. If it is parked, release it.", 1)

    async def _found(self, order: str) -> tuple[Router, Route, str, Past]:
        router = self._engine.router
        if router is None:
            raise NotPossible(
                "not_configured", "Routing is not configured.", "Write a [routing] section and start again."
            )
        keys = await order_keys(self._engine, order)
        if not keys:
            raise NotPossible(
                "not_found", f"No order is known as {order!r}.", "Try its number or id in the shop."
            )
        for channel, key in keys:
            for route in self._engine.routes.of(Flow.ORDERS, source=channel):
                past = await router.past(channel, key) if router.concerns(route) else Past()
                if past.decision is not None:
                    return router, route, key, past
        raise NotPossible(
            "not_routed",
            "From where this order is sent was not decided here.",
            "Change it in the shop or in the ERP.",
        )

    async def _say(
        self, route: Route, key: str, said: Said, body: Refusal | None, what: str, by: str
    ) -> None:
        now_ms = self._engine.clock.now_ms()
        row = routing_row(route.source, key, f"{now_ms}-{self._engine.ids.new()}", said, body, now_ms)
        again = [
            {"system": route.sink, "operation": "put_order", "key": of, "now_ms": now_ms}
            for of in _newest(await self._revisions(route, key))
        ]
        results = await self._audit.write(
            Write("routing_put", [row], guard=True),
            Write("delivery_release", again),
            actor=by,
            action="refuse location" if said == "refused" else "allow locations",
            subject=f"order {key} of {route.source}",
            after=what,
        )
        self._engine.offer(results[1])

    async def _revisions(self, route: Route, key: str) -> list[Row]:
        return await self._engine.store.read(
            "deliveries_range",
            system=route.sink,
            operation="put_order",
            **{"from": f"{key}{SEP}", "to": f"{key}{chr(ord(SEP) + 1)}"},
            limit=REVISIONS_MAX,
        )


def _newest(rows: Sequence[Row]) -> list[str]:
    """The newest revision, if it ended or waits to be tried again; what is parked waits for a person."""
    movable = (DeliveryState.COMPLETED, DeliveryState.RETRYABLE)
    last = max(rows, key=lambda row: int(split_key(row[2])[1]), default=None)
    return [last[2]] if last is not None and last[4] in movable else []
