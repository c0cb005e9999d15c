"""The bounds of a play, computed before it from what its systems declare, and never from what it measured.

Bound = detect + queue + send, as everywhere (``syncline.freshness.bounds``); once as things normally go, once if an
event is lost. Outages and a vendor's limit are no part of it: what they delay is counted apart, or shown as throttled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncline.engine.delivery.lane import CALLS_MAX
from syncline.freshness.bounds import Detection, bound, waits_ms
from syncline.model.change import Flow
from syncline.planner.plan import Capture
from syncline.simulate.designs import Design, patience_ms
from syncline.simulate.lean import BATCH_MAX, CALL_S, ERP_CALL_S, EVENT_S, LEVELS_MAX, PAGE_MAX
from syncline.simulate.shape import NOBODYS, Shape

# A number that is not what was expected costs three calls before the one that lands: the refused write, the orders that
# may explain it, and the reading. Where checkouts are unseen, that is what usually happens at a channel that is selling.
STALE_CALLS = 3


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Pace:
    """How quick the systems at both ends are, at worst; milliseconds.

    Of a channel: until an event has made an order known, a call, how many values one carries, and what reading an order whole
    takes where a read of changes does not tell all of it. Of the ERP: until its event arrives, a page of a read, and all calls of an
    order until it is there.
    """

    order_event_ms: int = _ms(EVENT_S[1])
    call_ms: int = _ms(CALL_S[1])
    values_per_call: int = BATCH_MAX
    whole_ms: int = 0
    stock_event_ms: int = _ms(EVENT_S[1])
    erp_read_ms: int = _ms(CALL_S[1])
    order_ms: int = _ms(ERP_CALL_S[1])


LIGHT_PACE = Pace()


def light_pace(channel: Shape, erp: Shape) -> Pace:
    """How quick light systems are."""
    call_ms, erp_ms = _ms(CALL_S[1]), _ms(ERP_CALL_S[1])
    whole_ms = call_ms if channel.orders_whole else 0
    return Pace(
        order_event_ms=_ms(EVENT_S[1]) + whole_ms,
        call_ms=call_ms * channel.write_calls,
        values_per_call=channel.values_per_call,
        whole_ms=whole_ms,
        erp_read_ms=call_ms if erp == NOBODYS else erp_ms * (erp.read_calls + erp.news_calls),
        order_ms=erp_ms * erp.order_calls,
    )


def predicted(
    plan: Design,
    channel: str = "",
    *,
    burst: int,
    orders_a_day: int,
    unseen: bool = False,
    promised_ms: int = 0,
    pace: Pace = LIGHT_PACE,
) -> Mapping[Flow, tuple[int, int]]:
    """The normal bound and that of a lost event, of each flow of a channel, in milliseconds.

    Args:
        plan: the design.
        channel: whose numbers and orders, where a plan feeds each otherwise.
        burst: the most numbers that change at once: what arrives on one morning.
        orders_a_day: the most orders of one channel on one day.
        unseen: channels sell what nobody has been told of yet.
        promised_ms: the tolerance of the numbers' segment; 0: of the most patient one.
        pace: how quick the systems are.
    """
    call_ms, erp_ms = pace.call_ms, pace.order_ms
    # A timed read finds what came since the last one; at most a day of it, as all of it may have come in an hour.
    pages = 1 + orders_a_day // PAGE_MAX
    goods_pages = 1 + burst // (LEVELS_MAX * PAGE_MAX)
    fed = plan.of(channel)

    def found_by(capture: Capture, event_ms: int, read_ms: int) -> Detection:
        return Detection(
            event_delay_ms=event_ms if capture.events else 0,
            poll_interval_ms=capture.poll_ms,
            read_ms=read_ms,
        )

    def order_found(capture: Capture) -> Detection:
        return found_by(capture, pace.order_event_ms, pages * call_ms + pace.whole_ms)

    # Goods are told by the ERP. Of one read of either kind, the longer.
    goods_read_ms = max(pages * call_ms, goods_pages * pace.erp_read_ms)

    rounds = 0 if plan.plain or fed.orders.events else orders_a_day // CALLS_MAX
    order = _worst(
        [order_found(fed.orders)],
        waited_ms=0 if plan.plain else patience_ms(fed.orders),
        queue_ms=rounds * erp_ms,
        send_ms=erp_ms,
    )
    calls = -(-burst // pace.values_per_call)
    if plan.plain:
        # The number comes from the ERP, after it has the order; one call to a channel at a time.
        number = _worst(
            [found_by(fed.stock, pace.stock_event_ms, goods_pages * pace.erp_read_ms)],
            waited_ms=0,
            queue_ms=pace.order_event_ms + erp_ms + calls * call_ms,
            send_ms=call_ms,
        )
    else:
        in_turns = -(-calls // CALLS_MAX)
        # Goods are told by the ERP, a sale by the channel that sold. A newer number waits for the call in flight
        # that carries an older one.
        told = [found_by(fed.stock, pace.stock_event_ms, goods_read_ms)]
        told += [order_found(one.orders) for name, one in plan.fed.items() if name != channel]
        number = _worst(
            told,
            waited_ms=waits_ms(promised_ms) if promised_ms else patience_ms(fed.stock),
            queue_ms=(1 + in_turns + (STALE_CALLS if unseen else 0)) * call_ms,
            send_ms=call_ms,
        )
    return {Flow.INVENTORY: number, Flow.ORDERS: order}


def _worst(ways: Sequence[Detection], *, waited_ms: int, queue_ms: int, send_ms: int) -> tuple[int, int]:
    """Both bounds of what may become known in any of these ways; what is waited on purpose counts from the change."""
    normal_ms = lost_ms = 0
    for way in ways:
        found = bound(way, queue_ms=0, send_ms=0)
        normal_ms = max(normal_ms, waited_ms, found.normal_ms or 0)
        lost_ms = max(lost_ms, waited_ms, found.if_event_lost_ms or 0)
    return normal_ms + queue_ms + send_ms, lost_ms + queue_ms + send_ms
