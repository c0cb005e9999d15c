"""What a file of payments or refunds amounts to, beside the orders that came before and what was told of their money.

As with orders, what is taken of a file is noted in the spool before any of it is told, and a read that begins again tells the
same at the same places. What is told is the order, with all of its money.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import msgspec

from syncline.connectors.files import mapping, orders
from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import shown
from syncline.connectors.files.judging import LOOK_ORDERS, Judged, apart
from syncline.connectors.files.kinds import MONEY
from syncline.connectors.files.mapping import Refusal
from syncline.connectors.files.orders import Group, Placed
from syncline.connectors.files.paid import MoneyMaker, fact_of, with_money
from syncline.connectors.files.sold import Answer, Money, Ordered
from syncline.connectors.files.spool import Spool, Taken
from syncline.model.change import Event
from syncline.model.errors import Rejected
from syncline.ports import Clock

NOT_KEPT = "its order came so long ago that its content is not kept (order_days), have its file left again and then this one"

_PLACED = msgspec.json.Decoder(Placed)


class Known:
    """What is known of the orders that a file names."""

    def __init__(self) -> None:
        self.ordered: dict[str, Ordered] = {}
        self.placed: dict[str, bytes] = {}
        self.money: dict[tuple[str, str], Money] = {}  # by order and id, of this kind
        self.others: dict[str, list[Money]] = {}  # by order, of the other kind

    def of(self, key: str) -> list[Money]:
        """All money of an order."""
        return [x for (order, _), x in self.money.items() if order == key] + self.others.get(key, [])


class MoneyJudge:
    """Judges the files of payments, or of refunds, of one system."""

    def __init__(self, system: str, clock: Clock, spool: Spool, *, answers: bool) -> None:
        """``answers``: whether the partner wants to know what became of each."""
        self._system = system
        self._clock = clock
        self._spool = spool
        self._answers = answers

    async def told(self, read: Read, entry: Taken) -> list[Event | None]:
        """What is told of each payment or refund of a file, ``None`` where nothing is: the last of an order tells all of it.

        Raises:
            Retryable: the spool lacks the file, or does not take what is noted.
        """
        found = await apart(read, entry, self._spool, self._clock)
        known = await self._known(read.kind, found.groups)
        judged, last = Judged(), dict[str, int]()  # which of the file's groups tells of an order
        fresh: set[str] = set()  # orders of which something is news
        for number, why, raw in found.refused:
            self._refuse(entry, judged, Refusal(entry.name, why, number, mapping.shown_line(raw)))
        maker = MoneyMaker(read)
        for count, group in enumerate(found.groups):
            self._judge(maker, read.kind, entry, group, known, judged, last, fresh)
            if count % LOOK_ORDERS == LOOK_ORDERS - 1:
                await self._clock.sleep(0)
        wrong = [answer for answer in judged.answers if answer.result == "refused"]
        if len(wrong) > read.bad_rows_max:
            why = (
                f"{len(wrong)} lines are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, line {wrong[0].line}: "
                f"{wrong[0].reason}"
            )
            judged, last = Judged(), {}
            self._refuse(entry, judged, Refusal(entry.name, why))
        for key, at in last.items():
            judged.told[at] = self._tell(key, known, judged, new=key in fresh)
        self._spool.order(
            judged.taken.values(),
            entry.seq,
            judged.answers if self._answers else (),
            money=judged.money,
            seen=known.ordered,
        )
        return judged.told

    async def _known(self, kind: str, groups: list[Group]) -> Known:
        known = Known()
        for start in range(0, len(groups), LOOK_ORDERS):
            keys = {orders.key_of(group.reference) for group in groups[start : start + LOOK_ORDERS]}
            known.ordered |= self._spool.ordered(keys)
            known.placed |= self._spool.placed(keys)
            for key, money in self._spool.money(keys).items():
                known.money |= {(key, each.id): each for each in money if each.kind == kind}
                known.others[key] = [each for each in money if each.kind != kind]
            await self._clock.sleep(0)
        return known

    def _judge(
        self,
        maker: MoneyMaker,
        kind: str,
        entry: Taken,
        group: Group,
        known: Known,
        judged: Judged,
        last: dict[str, int],
        fresh: set[str],
    ) -> None:
        key, id_ = orders.key_of(group.reference), orders.key_of(group.revision)
        result, why = "taken", ""
        try:
            if group.wrong:
                raise Rejected(group.wrong)
            before = known.money.get((key, id_))
            if before is not None and before.hash != maker.said(group):
                raise Rejected(
                    f"it came before in {before.file} with another content: what was told of money stands, and the next "
                    f"{MONEY[kind]} has an id of its own"
                )
            again = before is not None and before.seq == entry.seq and (before.line == group.line)
            if before is not None and not again:
                result, why = "unchanged", f"as in {before.file}"
            elif key in known.ordered and key not in known.placed:
                raise Rejected(NOT_KEPT)
            else:
                money = before or maker.money(group, kind, entry, self._clock.now_ms())
                if key in known.placed:
                    fact_of(_PLACED.decode(known.placed[key]).order, money)
                    last[key] = len(judged.told)
                else:
                    why = "its order has not come yet"
                if before is None:
                    known.money[key, id_] = money
                    judged.money.append(money)
                    fresh.add(key)
        except Rejected as error:
            refusal = orders.refusal_of(group, entry.name, str(error), MONEY[kind])
            self._refuse(entry, judged, refusal, group)
            return
        judged.told.append(None)
        judged.answers.append(Answer(group.reference, group.revision, group.line, result, why))

    def _tell(self, key: str, known: Known, judged: Judged, *, new: bool) -> Event:
        """An order with its money, as a newer version of it where something of that is news."""
        placed, ordered = _PLACED.decode(known.placed[key]), known.ordered[key]
        version_ms = ordered.version_ms + new
        order, told = with_money(
            msgspec.structs.replace(placed.order, updated_at_ms=version_ms), known.of(key)
        )
        if new:
            judged.taken[key] = dataclasses.replace(ordered, version_ms=version_ms)
        judged.money += told
        moments = [x.received_at_ms for x in order.payments] + [x.created_at_ms for x in order.refunds]
        changed_ms = max(placed.changed_ms, *moments)
        return orders.event_of(
            self._system, msgspec.structs.replace(placed, order=order, changed_ms=changed_ms)
        )

    def _refuse(self, entry: Taken, judged: Judged, refusal: Refusal, group: Group | None = None) -> None:
        same = f"{self._spool.id}:{entry.seq}:{refusal.line}:{refusal.text}"
        judged.told.append(mapping.refusal_event(self._system, refusal, entry.at_ms, same=same))
        reference, revision = (group.reference, group.revision) if group is not None else ("", "")
        judged.answers.append(Answer(reference, revision, refusal.line, "refused", refusal.why))

    # --- what waits for its order ---------------------------------------------------------------------------

    def found(self, read: Read) -> tuple[list[Event], list[Money]]:
        """Orders that have come meanwhile for money that waits, as newer versions; and that money as told once they are.

        An order that comes takes its money along. This finds what two reads at one time have missed.

        Raises:
            Retryable: the spool does not take what is noted.
        """
        waiting = self._spool.waiting_money(read.kind, self._clock.now_ms() + 1)
        keys = {each.key for each in waiting}
        known = Known()
        known.ordered, known.placed = self._spool.ordered(keys), self._spool.placed(keys)
        events, money, judged = [], self._spool.money(known.placed), Judged()
        for key in known.placed:
            placed = _PLACED.decode(known.placed[key])
            if not any(each.state == "waits" and _fits(placed, each) for each in money[key]):
                continue
            known.others[key] = money[key]
            events.append(self._tell(key, known, judged, new=True))
        self._spool.order(judged.taken.values(), 0, (), seen=known.ordered)
        return events, judged.money

    def late(self, read: Read) -> tuple[list[Event], list[Money]]:
        """What has waited too long for its order, for a person; and the same as told to one. It is told with its order all the same."""
        waiting = self._spool.waiting_money(read.kind, self._clock.now_ms() - read.patience_s * 1000)
        placed = self._spool.placed(each.key for each in waiting)
        events = [self._late(read, each, placed) for each in waiting]
        return events, [dataclasses.replace(each, state="parked") for each in waiting]

    def _late(self, read: Read, money: Money, placed: Mapping[str, bytes]) -> Event:
        why = f"its order has not come for {read.patience_s} s (patience_s); it is told with it once it comes"
        if money.key in placed:
            try:
                fact_of(_PLACED.decode(placed[money.key]).order, money)
            except Rejected as error:
                why = str(error)
        what = f"{MONEY[money.kind]} {shown(money.id)} of order {shown(money.key)}"
        refusal = Refusal(money.file, f"{what}: {why}", money.line, money.key)
        same = f"{self._spool.id}:{money.seq}:{money.line}:waits"
        return mapping.refusal_event(self._system, refusal, money.at_ms, same=same)


def _fits(placed: Placed, money: Money) -> bool:
    try:
        fact_of(placed.order, money)
    except Rejected:
        return False
    return True
