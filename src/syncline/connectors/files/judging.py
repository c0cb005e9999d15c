"""What a file of orders amounts to, beside what came before of the same orders; and the files that answer it.

Which orders of a file are taken is noted in the spool before any is told. A read that begins again, after a death or a
restore, tells the same at the same places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import structlog

from syncline.connectors.files import mapping, orders
from syncline.connectors.files.declared import Read, Write
from syncline.connectors.files.dialect import Writer, shown
from syncline.connectors.files.intake import Ends, header_of, kept, lines
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.mapping import Refusal
from syncline.connectors.files.orders import Group, OrderMaker, Orders, Placed
from syncline.connectors.files.paid import with_money
from syncline.connectors.files.sold import Answer, Money, Ordered
from syncline.connectors.files.spool import Spool, Taken
from syncline.model.change import Event
from syncline.model.errors import Conflict, Rejected, Retryable
from syncline.ports import Clock, Folder

LOOK_ROWS, LOOK_ORDERS = 10_000, 2_000  # between two looks at what else is to be done
REASON_CHARS_MAX = 500

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Judged:
    """A file of orders: for each an event or nothing, in the order of its lines; what is taken; and what is answered."""

    told: list[Event | None] = field(default_factory=list)
    taken: dict[str, Ordered] = field(default_factory=dict)
    placed: dict[str, bytes] = field(default_factory=dict)
    money: list[Money] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


async def apart(read: Read, entry: Taken, spool: Spool, clock: Clock) -> Orders:
    """The orders of a file, or what it tells of them, as far as they can be taken apart.

    Raises:
        Retryable: the spool lacks the file.
    """
    path = kept(read, spool, entry)
    try:
        found = Orders(read, header_of(read, path))
        for count, line in enumerate(lines(read, path, Ends())):
            found.add(line)
            if count % LOOK_ROWS == LOOK_ROWS - 1:
                await clock.sleep(0)
    except OSError as error:
        raise Retryable(f"the spool lacks {entry.name}: {error.strerror}") from error
    return found


class Judge:
    """Judges the files of orders of one system."""

    def __init__(
        self, system: str, clock: Clock, spool: Spool, dialect: str, *, answers: bool, paid: bool = False
    ) -> None:
        """``answers``: whether the partner wants to know what became of each order; ``paid``: whether money has files of its own."""
        self._paid = paid
        self._money: dict[str, list[Money]] = {}
        self._kept: set[str] = set()  # orders whose content is at hand when money of theirs comes
        self._system = system
        self._answers = answers
        self._clock = clock
        self._spool = spool
        self._dialect = dialect

    async def told(self, read: Read, entry: Taken) -> list[Event | None]:
        """What is told of each order of a file, ``None`` where nothing is; its places are the same whenever it is asked.

        Raises:
            Retryable: the spool lacks the file, or does not take what is noted.
        """
        found = await apart(read, entry, self._spool, self._clock)
        judged = Judged()
        for number, why, raw in found.refused:
            self._refuse(entry, judged, Refusal(entry.name, why, number, mapping.shown_line(raw)))
        maker = OrderMaker(read)
        before: dict[str, Ordered] = {}
        for start in range(0, len(found.groups), LOOK_ORDERS):
            keys = [orders.key_of(group.reference) for group in found.groups[start : start + LOOK_ORDERS]]
            before |= self._spool.ordered(keys)
            if self._paid:
                self._money |= self._spool.money(keys)
                self._kept |= self._spool.placed(keys).keys()
            await self._clock.sleep(0)
        newest = _newest(maker, found.groups)
        for count, group in enumerate(found.groups):
            self._judge(maker, entry, group, before, newest, judged)
            if count % LOOK_ORDERS == LOOK_ORDERS - 1:
                await self._clock.sleep(0)
        wrong = [answer for answer in judged.answers if answer.result == "refused"]
        if len(wrong) > read.bad_rows_max:
            why = (
                f"{len(wrong)} lines or orders are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, line "
                f"{wrong[0].line}: {wrong[0].reason}"
            )
            judged = Judged()
            self._refuse(entry, judged, Refusal(entry.name, why))
        self._spool.order(
            judged.taken.values(),
            entry.seq,
            judged.answers if self._answers else (),
            placed=judged.placed,
            money=judged.money,
            at_ms=self._clock.now_ms(),
            seen=before,
        )
        return judged.told

    def _judge(
        self,
        maker: OrderMaker,
        entry: Taken,
        group: Group,
        before: Mapping[str, Ordered],
        newest: Mapping[str, int],
        judged: Judged,
    ) -> None:
        key = orders.key_of(group.reference)
        known = judged.taken.get(key) or before.get(key)
        try:
            if group.wrong:
                raise Rejected(group.wrong)
            rank, hash_ = maker.rank(group), maker.hash(group)
            # The very revision of the very file: it is being told again, at the version that it had.
            again = (
                known is not None and (known.seq, known.rank) == (entry.seq, rank) and key not in judged.taken
            )
            if rank is not None and rank < newest.get(key, rank):
                result, why = "older", "the file has a newer one"
            elif again:
                result, why = "taken", ""
            else:
                result, why = self._against(known, group, rank, hash_)
            # What came before money had files of its own is told once more, so that it is kept.
            anew = result == "unchanged" and self._paid and key not in self._kept
            if result != "taken" and not anew:
                judged.told.append(None)
                judged.answers.append(self._answer(group, result, why))
                return
            placed_ms = known.placed_ms if known is not None else entry.stamp_ms
            after_ms = 0 if known is None else known.version_ms - (1 if again else 0)
            order, changed_ms = maker.order(group, entry.stamp_ms, placed_ms=placed_ms, after_ms=after_ms)
        except Rejected as error:
            refusal = orders.refusal_of(group, entry.name, str(error))
            self._refuse(entry, judged, refusal, group)
            return
        judged.taken[key] = Ordered(
            key,
            group.reference,
            rank,
            hash_,
            self._dialect,
            order.updated_at_ms,
            order.placed_at_ms,
            entry.seq,
            entry.name,
            order.number,
            f"{order.total:f}",
            int(order.cancelled_at_ms is not None),
        )
        placed = Placed(order, changed_ms, entry.seq, entry.name, group.line)
        if self._paid:
            judged.placed[key] = msgspec.json.encode(placed)
            order, told = with_money(order, self._money.get(key, ()))
            judged.money += told
            placed = msgspec.structs.replace(placed, order=order)
        judged.told.append(orders.event_of(self._system, placed))
        judged.answers.append(self._answer(group, result, why))

    def _against(self, known: Ordered | None, group: Group, rank: int | None, hash_: str) -> tuple[str, str]:
        """What an order is beside what was taken of it: taken, unchanged or older, and why.

        Raises:
            Rejected: it cannot be told.
        """
        if known is None:
            return "taken", ""
        if known.name != group.reference:
            raise Rejected(
                f"it differs from {shown(known.name)} in {known.file} by nothing but case; ERPs would take both for one"
            )
        if known.hash == hash_:
            return "unchanged", f"as in {known.file}"
        if rank is None or known.rank is None:
            raise Rejected(
                f"it came before in {known.file} with another content, and nothing says which is newer: declare a column "
                "of the field revision or updated_at"
            )
        if rank < known.rank:
            return "older", f"a newer one came in {known.file}"
        if rank == known.rank:
            if (
                known.dialect != self._dialect
            ):  # other columns are read now, and nothing else is known to differ
                return "unchanged", f"the revision of {known.file}"
            raise Rejected(
                f"this revision came before in {known.file} with another content: give it a higher one"
            )
        return "taken", ""

    def _refuse(self, entry: Taken, judged: Judged, refusal: Refusal, group: Group | None = None) -> None:
        same = f"{self._spool.id}:{entry.seq}:{refusal.line}:{refusal.text}"
        judged.told.append(mapping.refusal_event(self._system, refusal, entry.at_ms, same=same))
        reference, revision = (group.reference, group.revision) if group is not None else ("", "")
        judged.answers.append(Answer(reference, revision, refusal.line, "refused", refusal.why))

    @staticmethod
    def _answer(group: Group, result: str, why: str) -> Answer:
        return Answer(group.reference, group.revision, group.line, result, why)


def _newest(maker: OrderMaker, groups: list[Group]) -> dict[str, int]:
    """The highest rank that a file has of each order: only that one is told."""
    found: dict[str, int] = {}
    for group in groups:
        try:
            rank = None if group.wrong else maker.rank(group)
        except Rejected:
            continue  # it is refused when its turn comes
        if rank is not None:
            key = orders.key_of(group.reference)
            found[key] = max(rank, found.get(key, rank))
    return found


class Acknowledgements:
    """Answers every file of orders with one of ours: what became of each order in it.

    A file of answers is whole and has a name of its own. It may appear again under that name, with the same content, where
    the process ended in between and the partner has taken it away already.
    """

    def __init__(self, settings: FilesSettings, spool: Spool, folder: Folder) -> None:
        self._write = settings.write("acknowledgements")
        self._spool = spool
        self._folder = folder

    def begin(self, stream: str, told: int) -> None:
        """From where on files are answered: those that were told before anybody wanted answers are not."""
        if self._write is not None and self._spool.answered(stream) is None:
            self._spool.answer(stream, told)

    async def answer(self, stream: str, told: int) -> None:
        """Answer every file of a stream up to a number.

        Raises:
            Throttled, Retryable, OutcomeUnknown, AuthExpired: go on later.
        """
        if self._write is None:
            return
        while True:
            after = self._spool.answered(stream) or 0
            waiting = [entry for entry in self._spool.after(stream, after) if entry.seq <= told]
            if not waiting:
                return
            for entry in waiting:
                await self._one(self._write, entry)
                self._spool.answer(stream, entry.seq)

    async def _one(self, write: Write, entry: Taken) -> None:
        answers = self._spool.answers(entry.seq)
        if entry.state != "accepted":
            answers = [
                Answer("", "", 0, "refused" if entry.state == "rejected" else "unchanged", entry.reason)
            ]
        elif not answers:
            answers = [Answer("", "", 0, "taken", "it has no orders")]
        rows = [
            {
                "reference": each.reference,
                "revision": each.revision,
                "result": each.result,
                "reason": each.reason[:REASON_CHARS_MAX],
                "file": entry.name,
                "line": each.line,
                "stamp": entry.at_ms,
            }
            for each in answers
        ]
        body = _body(write, rows)
        name = f"{write.prefix}-{entry.seq:08d}{write.suffix}"
        for each, content in ((name, body), *(((name + write.sentinel, b""),) if write.sentinel else ())):
            await self._folder.stage(write.path, each, content)
            try:
                await self._folder.publish(write.path, each, content)
            except Conflict:
                continue  # it is there


def _body(write: Write, rows: list[dict[str, object]]) -> bytes:
    """The file. What of a row does not fit into it, whose columns the partner chose, is left out of that row."""
    writer = Writer(write)
    told: list[bytes] = []
    for row in rows:
        short = {name: row[name] for name in ("reference", "result")}
        for fits in (row, short, {**short, "reference": ""}):
            try:
                told.append(writer.line(fits))
            except Rejected:  # why may quote a cell
                log.warning("an answer does not fit", action="answer_cut", file=row["file"], line=row["line"])
            else:
                break
    return writer.whole(told)
