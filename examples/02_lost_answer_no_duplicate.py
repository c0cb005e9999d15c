"""The ERP stores an order and its answer gets lost. Syncline looks the order up; it does not send it again.

The look-up works because the order carries a reference that Syncline chose before it called.
"""

from __future__ import annotations

from decimal import Decimal

from stage import Stage

from syncline.model.errors import OutcomeUnknown
from syncline.ports import Request, Response, Transport
from syncline.simulate.history import HistoryLine, HistoryOrder

SKU = "MUG-BLUE"


class LosesOneAnswer(Transport):
    """A network that swallows the answer to the first order: it takes effect there, and nobody hears of it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.orders_sent = 0

    async def send(self, request: Request) -> Response:
        answer = await self._stage.apps.send(request)
        if request.method == "PUT" and "/salesOrder/" in request.url:
            self.orders_sent += 1
            if self.orders_sent == 1:
                self._stage.say(f"the ERP stores the order and answers {answer.status}; the answer is lost")
                raise OutcomeUnknown("connection reset while waiting for the answer")
        return answer


async def story(stage: Stage) -> None:
    network = LosesOneAnswer(stage)
    await stage.open(network)
    line = HistoryLine(SKU, "Blue mug", 2, Decimal("6.50"))
    stage.say("a buyer orders 2")
    order_id = stage.trade.place(HistoryOrder("1", stage.clock.now_ms(), "12345", "United Kingdom", (line,)))

    # The deposit needs the ERP's id of the order, so it can only follow once the order was found there.
    await stage.until(lambda: len(stage.erp.deposits()) == 1 and not stage.trade.mismatches())
    stage.say("the order was looked up by its reference and adopted; its payment followed")

    print(f"\nwhat became of the call for shop-{order_id}")
    rows = await stage.store.read("attempts_like", limit=10, **{"from": str(order_id), "to": f"{order_id} "})
    for _, operation, _, started_ms, finished_ms, result, message, *_ in rows:
        if operation == "put_order":
            print(
                f"  {operation}: {result} after {(finished_ms - started_ms) / 1000:.1f} s {message}".rstrip()
            )

    truth = stage.trade.truth()
    print(
        f"\norders sent: {network.orders_sent}, in the ERP: {truth.orders_in_erp}, doubled: {truth.orders_duplicated}"
    )
    assert (network.orders_sent, truth.orders_in_erp, truth.orders_duplicated) == (1, 1, 0)


Stage({SKU: 12}).play(story)
