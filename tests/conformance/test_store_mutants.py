"""Every test of the Store suite is worth its place: for each there is a broken store that it catches.

A mutant is the SQLite store with one thing wrong. It names the tests that must fail on it; every other
test must pass, so a test that fails for no reason of its own shows as well.
"""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from functools import cache

import apsw
import pytest
from tests.conformance import privacy_mutants, retired_mutants

from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite.store import Append, connect, migrate
from syncline.testing.store import StoreConformance
from syncline.testing.store_tools import T0


@cache
def empty_database():
    connection = connect(":memory:")
    migrate(connection, T0)
    return connection.serialize("main")


class Whole(SqliteStore):
    """The store as it is, except that it can be opened again on what it had committed."""

    changed = None
    """The one statement that a mutant changed, if that is all that is wrong with it."""

    @classmethod
    def empty(cls):
        connection = apsw.Connection(":memory:")
        connection.deserialize("main", empty_database())
        return cls(connection)

    def again(self):
        self.rollback()  # what a process leaves behind that ends here
        data = self._connection.serialize("main")
        self._connection.close()
        connection = apsw.Connection(":memory:")
        connection.deserialize("main", data)
        return type(self)(connection)


class Emptied:
    """A database that is as new for each test, and whose statements stay compiled: that is most of what a test takes."""

    def __init__(self, connection):
        self.connection = connection
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'"
            ).fetchall()
        ]
        self._empty = [f"DELETE FROM {name}" for name in tables]
        self._fill = []
        for name in tables:
            for row in connection.execute(f"SELECT * FROM {name}").fetchall():
                self._fill.append((f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row))

    @property
    def is_open(self):
        try:
            return self.connection.in_transaction in (True, False)
        except apsw.ConnectionClosedError:
            return False

    def as_new(self):
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        with self.connection:
            for text in self._empty:
                self.connection.execute(text)
            for text, row in self._fill:
                self.connection.execute(text, row)
        return self.connection


def suite_on(mutant):
    class Suite(StoreConformance):
        def __init__(self):
            self.free = []  # databases of tests before

        @asynccontextmanager
        async def store(self):
            if self.free:
                emptied = self.free.pop()
                self.current = mutant(emptied.as_new())
            else:
                self.current = mutant.empty()
                emptied = Emptied(self.current._connection)
            try:
                yield self.current
            finally:
                if self.current._connection is emptied.connection and emptied.is_open:
                    self.free.append(emptied)
                else:  # it was opened again
                    await self.current.close()

        async def reopen(self, store):
            self.current = store.again()
            return self.current

    return Suite()


def all_tests():
    return [
        name
        for name, _ in inspect.getmembers(StoreConformance, inspect.isfunction)
        if name.startswith("test_")
    ]


# --- ways to break it ------------------------------------------------------------------------------


def says(statement, old, new):
    """A store with one statement changed."""

    class Mutant(Whole):
        def __init__(self, connection):
            super().__init__(connection)
            assert old in self._queries[statement], f"{statement} does not say {old!r} any more"
            self._queries[statement] = self._queries[statement].replace(old, new)

    Mutant.changed = statement
    return Mutant


def instead(statement, sql):
    """A store with another statement in a statement's place."""

    class Mutant(Whole):
        def __init__(self, connection):
            super().__init__(connection)
            self._queries[statement] = sql

    Mutant.changed = statement
    return Mutant


def table(old, new, *names):
    """A store with a table made differently."""

    class Mutant(Whole):
        @classmethod
        def empty(cls):
            store = super().empty()
            for name in names:
                ((made,),) = store._connection.execute(
                    "SELECT sql FROM sqlite_schema WHERE name = ?", (name,)
                )
                assert old in made
                store._connection.execute(f"DROP TABLE {name}")
                store._connection.execute(made.replace(old, new))
            return store

    return Mutant


def trigger(name, old, new):
    """A store with a trigger made differently."""

    class Mutant(Whole):
        @classmethod
        def empty(cls):
            store = super().empty()
            ((made,),) = store._connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,))
            assert old in made
            store._connection.execute(f"DROP TRIGGER {name}")
            store._connection.execute(made.replace(old, new))
            return store

    return Mutant


class AnswersBeforeItCommits(Whole):
    def begin(self):
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        super().begin()

    def commit(self):
        pass


class ForgetsGuards(Whole):
    def write_rows(self, writes):
        return super().write_rows([replace(write, guard=False) for write in writes])


class DoesOnlyWhatItTells(Whole):
    """Takes what nobody asks about for what nobody wants."""

    def write_rows(self, writes):
        return super().write_rows([replace(write, rows=write.rows if write.told else []) for write in writes])


class GuardsOnlyWhatItTells(Whole):
    """Silent statements do not say how many rows they touched."""

    def write_rows(self, writes):
        return super().write_rows([replace(write, guard=write.guard and write.told) for write in writes])


class GuardsOnlyTheFirstRow(Whole):
    def write_rows(self, writes):
        return super().write_rows([
            replace(write, rows=write.rows[:1]) if write.guard else write for write in writes
        ])  # fmt: skip


class GuardsOnlyWhatFollows(Whole):
    async def write(self, *writes):
        results = []
        for write in writes:
            results += await super().write(write)
        return results


class CommitsEachStatement(Whole):
    """As with autocommit; only guards are looked at before."""

    async def write(self, *writes):
        guards = [write for write in writes if write.guard]
        self.begin()
        try:
            self.write_rows(guards)
        finally:
            self.rollback()
        results = []
        for write in writes:
            results += await super().write(write)
        return results


class LeavesOutEmptyResults(Whole):
    def write_rows(self, writes):
        results = super().write_rows(writes)
        return [rows for rows in results if rows] if len(writes) > 2 else results


class RunsStatementsBackwards(Whole):
    def write_rows(self, writes):
        guards = [write for write in writes if write.guard]
        rest = [write for write in writes if not write.guard]
        if len({write.statement for write in rest}) == len(rest):
            return super().write_rows(writes)
        return super().write_rows([*rest[::-1], *guards])[::-1]


class Appends(Whole):
    """A store that says what it does wrong with one ``append``."""

    def append_rows(self, appends):
        return [self.append_one(append.events, append.received_at_ms, append.cursor) for append in appends]

    def append_one(self, events, received_at_ms, cursor):
        return super().append_rows([Append(events, received_at_ms, cursor)])[0]


class DropsTheCursor(Appends):
    def append_one(self, events, received_at_ms, cursor):
        return super().append_one(events, received_at_ms, None)


class DropsTheCursorOfAnEmptyPage(Appends):
    def append_one(self, events, received_at_ms, cursor):
        return super().append_one(events, received_at_ms, cursor if events else None)


class MovesTheCursorFirst(Whole):
    async def append(self, events, *, received_at_ms, cursor=None):
        if cursor is not None and cursor.covers_ms < 2**62:
            await super().append([], received_at_ms=received_at_ms, cursor=cursor)
        return await super().append(events, received_at_ms=received_at_ms, cursor=cursor)


class CommitsEachEvent(Whole):
    async def append(self, events, *, received_at_ms, cursor=None):
        offsets = []
        for event in events:
            offsets += await super().append([event], received_at_ms=received_at_ms)
        await super().append([], received_at_ms=received_at_ms, cursor=cursor)
        return offsets


class NeverKnowsAnEvent(Appends):
    def append_one(self, events, received_at_ms, cursor):
        offsets = []
        for event in events:
            self._connection.execute("DELETE FROM event_seen")
            offsets += super().append_one([event], received_at_ms, None)
        return offsets + super().append_one([], received_at_ms, cursor)


class KnowsAnEventOnlyInItsBucket(Appends):
    kept = 0

    def append_one(self, events, received_at_ms, cursor):
        bucket = received_at_ms // (16 * 86_400_000)
        self._connection.execute("DELETE FROM event_seen WHERE bucket < ?", (bucket - self.kept,))
        return super().append_one(events, received_at_ms, cursor)


class KnowsAnEventOnlyInTwoBuckets(KnowsAnEventOnlyInItsBucket):
    kept = 1


class KnowsAnEventForEver(Appends):
    def append_one(self, events, received_at_ms, cursor):
        rows = list(self._connection.execute("SELECT DISTINCT digest FROM event_seen"))
        bucket = received_at_ms // (16 * 86_400_000)
        marker = "INSERT OR IGNORE INTO event_seen (bucket, digest) VALUES (?, ?)"
        self._connection.executemany(marker, [(bucket, digest) for (digest,) in rows])
        return super().append_one(events, received_at_ms, cursor)


class TakesOneSystemForAnother(Appends):
    def append_one(self, events, received_at_ms, cursor):
        offsets = super().append_one(
            [replace(event, system="shop") for event in events], received_at_ms, cursor
        )
        new = [(event.system, offset) for event, offset in zip(events, offsets, strict=True) if offset]
        self._connection.executemany('UPDATE event SET system = ? WHERE "offset" = ?', new)
        return offsets


class WastesOffsetsOnDuplicates(Appends):
    def append_one(self, events, received_at_ms, cursor):
        offsets = []
        for event in events:
            offsets += super().append_one([event], received_at_ms, cursor)
            if offsets[-1] is None:
                self._connection.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'event'")
        return offsets


class GivesOutOffsetsAgain(Appends):
    def append_one(self, events, received_at_ms, cursor):
        newest = 'SELECT coalesce(max("offset"), 0) FROM event'
        self._connection.execute(f"UPDATE sqlite_sequence SET seq = ({newest}) WHERE name = 'event'")
        return super().append_one(events, received_at_ms, cursor)


class ShowsTheNewestEventLate(Whole):
    """As a sequence does under concurrency: a number becomes visible after a higher one was."""

    asked = 0

    def event_rows(self, after, limit):
        self.asked += 1
        rows = super().event_rows(after, limit)
        return rows[1:] if len(rows) > 2 and rows[0].offset % 9 == 5 and self.asked > 3 else rows


class ReadsFromTheOffsetOn(Whole):
    def event_rows(self, after, limit):
        return super().event_rows(after - 1 if after > 2 else after, limit)


class ForgetsTheLimit(Whole):
    def event_rows(self, after, limit):
        return super().event_rows(after, 100)


class TrimsBodies(Whole):
    def event_rows(self, after, limit):
        return [
            replace(one, event=replace(one.event, body=one.event.body[:500_000]))
            for one in super().event_rows(after, limit)
        ]


class StripsText(Whole):
    def write_rows(self, writes):
        def strip(value):
            return value.strip("\ufeff") if isinstance(value, str) else value

        return super().write_rows(
            [
                replace(w, rows=[{name: strip(value) for name, value in row.items()} for row in w.rows])
                for w in writes
            ],
        )


class RewritesJson(Whole):
    def write_rows(self, writes):
        def compact(value):
            return value.replace("1.10", "1.1") if isinstance(value, str) and value.startswith("{") else value

        return super().write_rows(
            [
                replace(w, rows=[{name: compact(value) for name, value in row.items()} for row in w.rows])
                for w in writes
            ],
        )


class CountsInFloats(Whole):
    def write_rows(self, writes):
        def blur(value):
            return int(float(value)) if isinstance(value, int) and 2**53 < abs(value) < 2**54 else value

        return super().write_rows(
            [
                replace(w, rows=[{name: blur(value) for name, value in row.items()} for row in w.rows])
                for w in writes
            ],
        )


class RefusesNulOnlyHalfway(Whole):
    async def write(self, *writes):
        if any("\0" in str(row.get("sku")) for write in writes for row in write.rows):
            await super().write(replace(writes[0], rows=writes[0].rows[:1]))
            raise Rejected("NUL")
        return await super().write(*writes)


class BreaksWhenClosedTwice(Whole):
    closed = 0

    async def close(self):
        self.closed += 1
        await super().close()
        if self.closed == 2:
            raise RuntimeError("closed already")


class LooksAtTheClock(Whole):
    """Leases expire by the machine's own time, here one that stands still."""

    def write_rows(self, writes):
        return super().write_rows([
            replace(w, rows=[{**row, "now_ms": T0} for row in w.rows]) if w.statement == "lease_take" else w
            for w in writes
        ])  # fmt: skip


class MakesUpWhatItFinishes(Whole):
    def write_rows(self, writes):
        for write in writes:
            if write.statement == "delivery_finish":
                row = {"route": "", "changed_at_ms": 0, "deliver_by_ms": 0}
                super().write_rows(
                    [replace(write, statement="delivery_fact", rows=[{**row, **r} for r in write.rows])]
                )
        return super().write_rows(writes)


class SpoilsTheNextAppend(Whole):
    """A failing append takes with it whoever comes next, as a careless group commit would."""

    spoiled = False

    async def append(self, events, *, received_at_ms, cursor=None):
        if self.spoiled and cursor is None and len(events) == 1:
            self.spoiled = False
            raise RuntimeError("spoiled by another")
        try:
            return await super().append(events, received_at_ms=received_at_ms, cursor=cursor)
        except Exception:
            self.spoiled = len(events) == 1 and cursor is None
            raise


OPEN = "'available', 'scheduled', 'retryable'"
WAITS = "(state IN ('available', 'scheduled') OR state = 'retryable')"
UNDER_WAY = "(state IN ('available', 'scheduled') OR state IN ('retryable', 'running'))"
NOT_OVER = "state <> 'completed' AND state <> 'superseded' AND state <> 'cancelled'"
OF_UNSEEN = "INDEXED BY binding_unseen ON b.system = :system AND b.kind = 'stock' AND "
BROKEN = {
    "answers before it commits": AnswersBeforeItCommits,
    "forgets guards": ForgetsGuards,
    "does only what it tells": DoesOnlyWhatItTells,
    "guards only what it tells": GuardsOnlyWhatItTells,
    "guards only the first row": GuardsOnlyTheFirstRow,
    "guards only what follows": GuardsOnlyWhatFollows,
    "commits each statement": CommitsEachStatement,
    "leaves out empty results": LeavesOutEmptyResults,
    "runs statements backwards": RunsStatementsBackwards,
    "drops the cursor": DropsTheCursor,
    "drops the cursor of an empty page": DropsTheCursorOfAnEmptyPage,
    "moves the cursor first": MovesTheCursorFirst,
    "commits each event": CommitsEachEvent,
    "never knows an event": NeverKnowsAnEvent,
    "knows an event only in its bucket": KnowsAnEventOnlyInItsBucket,
    "knows an event only in two buckets": KnowsAnEventOnlyInTwoBuckets,
    "knows an event for ever": KnowsAnEventForEver,
    "takes one system for another": TakesOneSystemForAnother,
    "wastes offsets on duplicates": WastesOffsetsOnDuplicates,
    "shows the newest event late": ShowsTheNewestEventLate,
    "gives out offsets again": GivesOutOffsetsAgain,
    "reads from the offset on": ReadsFromTheOffsetOn,
    "forgets the limit": ForgetsTheLimit,
    "trims bodies": TrimsBodies,
    "strips text": StripsText,
    "rewrites JSON": RewritesJson,
    "counts in floats": CountsInFloats,
    "refuses a NUL halfway": RefusesNulOnlyHalfway,
    "breaks when closed twice": BreaksWhenClosedTwice,
    "spoils the next append": SpoilsTheNextAppend,
    "looks at the clock": LooksAtTheClock,
    "lets a cursor cover less": says("cursor_put", "max(cursor.covers_ms, excluded.covers_ms)", "excluded.covers_ms"),
    "lets progress go back": says("progress_put", 'WHERE excluded."offset" >= progress."offset"', "WHERE 1"),
    "lets progress stand still only once": says("progress_put", ">= progress", "> progress"),
    "forgets the end of the log": says("log_end", 'coalesce(max("offset"), 0)', "count(*) - 1"),
    "gives a lease to everybody": says("lease_take", "lease.expires_at_ms <= :now_ms", "1"),
    "gives a lease a moment late": says("lease_take", "lease.expires_at_ms <= :now_ms", "lease.expires_at_ms < :now_ms"),
    "refuses an own lease": says("lease_take", "OR lease.owner = excluded.owner", ""),
    "keeps the fence": says("lease_take", "lease.fence + 1", "lease.fence"),
    "renews nothing": says("lease_renew", ":now_ms + :ttl_ms", "expires_at_ms"),
    "renews for a former owner": says("lease_renew", "AND owner = :owner AND fence = :fence", ""),
    "drops for a former owner": says("lease_drop", "AND owner = :owner AND fence = :fence", ""),
    "drops nothing": says("lease_drop", "expires_at_ms = 0", "expires_at_ms = expires_at_ms"),
    "checks the owner but not the fence": says("lease_check", "AND fence = :fence", ""),
    "ignores the version": says("record_put", "WHERE (excluded.version, excluded.tiebreak) >", "WHERE 1 OR (1, 1) >"),
    "ignores the tiebreak": says(
        "record_put", "(excluded.version, excluded.tiebreak) > (record.version, record.tiebreak)",
        "excluded.version > record.version",
    ),
    "replaces a record by its equal": says("record_put", "tiebreak) > (record", "tiebreak) >= (record"),
    "keeps a record's old hash": says("record_put", "hash = excluded.hash,", ""),
    "mixes up kinds": says("records_get", "AND kind = :kind", ""),
    "counts records without their system": says("record_count", "GROUP BY system, kind", "GROUP BY kind"),
    "pages records by their case": says("records_after", "ORDER BY key", "ORDER BY key COLLATE NOCASE"),
    "finds stock by the beginning": says("stock_of_skus", "s.value || char(32)", "s.value || char(127)"),
    "explains what was missed before": says("held_explain", "(:until_ms <= asked_ms)", "1"),
    "explains by the beginning": says("held_explain", ":until_ms <= asked_ms", ":moved_at_ms <= asked_ms"),
    "explains nothing at the last moment": says("held_explain", ":until_ms <= asked_ms", ":until_ms < asked_ms"),
    "reads nothing again": says("held_explain", "asked_ms < :until_ms THEN 1", "asked_ms < :until_ms THEN stale"),
    "reads again without need": says("held_explain", "unseen > 0 AND :by > 0", ":by > 0"),
    "reads again for nothing": says("held_explain", "AND :by > 0", ""),
    "reads again what came later": says("held_explain", "AND :moved_at_ms <= asked_ms", ""),
    "reads again what was explained": says("held_explain", "AND asked_ms < :until_ms THEN", "THEN"),
    "believes a reading that missed too little": says("held_explain", "AND :by > unseen AND", "AND 0 AND"),
    "believes no reading that missed enough": says("held_explain", ":by > unseen AND", ":by >= unseen AND"),
    "reads again whatever missed nothing": says("held_explain", "unseen > 0 AND :by > unseen", ":by > unseen"),
    "reads again what more moved after": says("held_explain", "AND :until_ms <= asked_ms THEN 1", "THEN 1"),
    "forgets when it asked": says("held_seen", "asked_ms = excluded.asked_ms,", ""),
    "believes that it asked when it was answered": says("held_asked", "SET asked_ms = :asked_ms", "SET asked_ms = asked_ms"),
    "lowers any reading": says("held_asked", "AND asked_ms = :now_ms", ""),
    "keeps what vanished in its place": says("record_put", "vanished_ms = 0,", "vanished_ms = record.vanished_ms,"),
    "keeps what is gone": says("record_put", "gone = 0", "gone = record.gone"),
    "sees and forgets": says("record_seen", "max(seen_ms, :seen_ms)", "seen_ms"),
    "sees ever less": says("record_seen", "max(seen_ms, :seen_ms)", ":seen_ms"),
    "sees what vanished without a word": says("record_seen", "vanished_ms = 0", "vanished_ms = vanished_ms"),
    "sees all kinds at once": says("record_seen", "AND kind = :kind", ""),
    "counts orders as figures": says("read_places", "AND kind = 'stock'", ""),
    "counts the figures of others": says("read_places", "system = :system AND", ""),
    "counts places from the key on": says("read_places", "key > :after", "key >= :after"),
    "counts all places at once": says("read_places", "LIMIT :limit", ""),
    "counts what was told a moment late": says("read_places", ">= :began_ms", "> :began_ms"),
    "counts only what is new": says("read_places", "max(observed_at_ms, seen_ms)", "observed_at_ms"),
    "counts nothing as known": says("read_places", "vanished_ms > 0 AS known", "0 AS known"),
    "says how far each place goes": says("read_places", "max(max(key)) OVER ()", "max(key)"),
    "lacks what was told just then": says("read_absent", "< :began_ms", "<= :began_ms"),
    "lacks what was seen": says("read_absent", "max(observed_at_ms, seen_ms)", "observed_at_ms"),
    "lacks what it lacked before": says("read_absent", "AND vanished_ms = 0", ""),
    "lacks all kinds": says("read_absent", "AND kind = :kind", ""),
    "lacks what others have": says("read_absent", "system = :system AND", ""),
    "lacks from the key on": says("read_absent", "key > :after", "key >= :after"),
    "lacks without end": says("read_absent", "LIMIT :limit", ""),
    "marks what was told just then": says("record_vanish", "< :began_ms", "<= :began_ms"),
    "marks what was seen": says("record_vanish", "AND max(observed_at_ms, seen_ms) < :began_ms", ""),
    "marks again": says("record_vanish", "AND vanished_ms = 0", ""),
    "marks all kinds": says("record_vanish", "AND kind = :kind", ""),
    "takes away what is there": says("record_gone", "AND vanished_ms > 0", ""),
    "takes away again": says("record_gone", "AND gone = 0", ""),
    "takes away all kinds": says("record_gone", "AND kind = :kind", ""),
    "lists what is there as vanished": says("vanished", "AND vanished_ms > 0", ""),
    "lists what vanished of all kinds": says("vanished", "AND kind = :kind", ""),
    "lists what vanished elsewhere": says("vanished", "system = :system AND", ""),
    "lists what vanished from the key on": says("vanished", "key > :after", "key >= :after"),
    "lists what vanished without end": says("vanished", "LIMIT :limit", ""),
    "finds what is there among what vanished": says("vanished_among", "AND r.vanished_ms > 0", ""),
    "finds all kinds among what vanished": says("vanished_among", "AND r.kind = :kind", ""),
    "finds others' among what vanished": says("vanished_among", "r.system = :system AND", ""),
    "keeps the first doubt": says("doubted_put", "version = excluded.version,", ""),
    "keeps the first body doubted": says("doubted_put", ", body = excluded.body", ""),
    "finds doubts by the beginning": says("doubted_of_skus", "s.value || char(32)", "s.value || char(127)"),
    "finds others' doubts": says("doubted_of_skus", "d.system = :system", "1"),
    "begins with others' doubts": says("doubted_first", "WHERE system = :system", ""),
    "begins with all doubts": says("doubted_first", "LIMIT :limit", ""),
    "drops others' doubts": says("doubted_drop", "system = :system AND", ""),
    "drops all doubts": says("doubted_drop", "AND key = :key", ""),
    "finds unseen units by the beginning": says("unseen_of_skus", "s.value || char(32)", "s.value || char(127)"),
    "finds units that came back as unseen": says(
        "unseen_of_skus", f"{OF_UNSEEN}b.unseen > 0", "ON b.system = :system AND b.kind = 'stock' AND b.unseen <> 0"
    ),
    "finds every number as unseen": says(
        "unseen_of_skus", f"{OF_UNSEEN}b.unseen > 0", "ON b.system = :system AND b.kind = 'stock' AND b.unseen >= 0"
    ),
    "finds what another channel lost": says("unseen_of_skus", "b.system = :system", "b.system > ''"),
    "finds bindings by the beginning": says("bindings_of_skus", "s.value || char(32)", "s.value || char(127)"),
    "finds orders among items": says("orders_numbered", "kind = 'order' AND", ""),
    "lets a binding's version fall": says("binding_put", "max(binding.version, excluded.version)", "excluded.version"),
    "keeps a binding's revision": says("binding_put", "rev = binding.rev + 1,", ""),
    "is sure of an order that is under way": says("binding_unsure", "hash = :hash", "hash = hash || ''"),
    "is unsure of every order": says("binding_unsure", "AND key = :key", "AND :key = :key"),
    "is unsure of other systems' orders": says("binding_unsure", "system = :system AND", ":system = :system AND"),
    "is unsure of an order's money": says("binding_unsure", "kind = :kind AND", ":kind = :kind AND"),
    "pages bindings from the key on": says("bindings_after", "key > :after", "key >= :after"),
    "limits no bindings": says("bindings_external", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "takes the first look for a loss": says("held_seen", "VALUES (:system, 'stock', :key, :held, 0", "VALUES (:system, 'stock', :key, :held, 1"),
    "takes an unknown number for none": says("held_seen", "WHEN binding.held IS NULL THEN 0", "WHEN binding.held IS NULL THEN 1"),
    "shifts an unknown number": says("held_shift", "AND held IS NOT NULL", ""),
    "forgets units that came back": says("held_seen", "max(binding.unseen", "max(0, binding.unseen"),
    "counts a return twice": says("held_shift", "- min(max(-unseen, 0), max(:by, 0))", ""),
    "forgets unseen units at the next look": says("held_seen", "binding.unseen + binding.held", "binding.held"),
    "explains held units first": says(
        "held_explain", "held = held - :by + min(max(unseen, 0) * (:until_ms <= asked_ms), :by)", "held = held - :by"
    ),
    "trusts what was sent before": says("demand_sent", "AND erp_quantity >", "AND 0 AND erp_quantity >"),
    "raises what was sent": says("demand_sent", "AND erp_quantity >", "AND erp_quantity <>"),
    "sends one location's units to all": says("demand_sent", "AND v.value ->> 1 = location), 0)", "), 0)"),
    "sends one order's units to all": says("demand_sent", "AND order_key = :order_key", "AND :order_key = :order_key"),
    "keeps what was held before": says("demand_sent", "erp_before = min(erp_before,", "erp_before = max(erp_before,"),
    "leaves what was sent settled": says("demand_sent", "settled = 0", "settled = settled"),
    "believes a first reading": says("held_explain", "first_read_ms + 5000 THEN 1", "first_read_ms + 5000 THEN stale"),
    "believes a first reading of returns": says("held_shift", "first_read_ms + 5000 THEN 1", "first_read_ms + 5000 THEN stale"),
    "believes no reading": says("held_explain", ":moved_at_ms < first_read_ms + 5000 THEN 1", "1 THEN 1"),
    "doubts no order": says("held_explain", "THEN doubt + :by", "THEN doubt + 0 * :by"),
    "doubts orders always": says("held_explain", ":moved_at_ms < first_read_ms + 5000 THEN doubt", "1 THEN doubt"),
    "doubts no return": says("held_shift", "THEN doubt_back - :by", "THEN doubt_back + 0 * :by"),
    "doubts returns always": says(
        "held_shift", ":moved_at_ms < first_read_ms + 5000\n                      THEN doubt_back", "1 THEN doubt_back"
    ),
    "doubts what is explained": says(
        "held_explain", "doubt + :by - min(max(unseen, 0) * (:until_ms <= asked_ms), :by)", "doubt + :by"
    ),
    "doubts returns that were seen": says("held_shift", "doubt_back - :by + min(max(-unseen, 0), max(:by, 0))", "doubt_back - :by"),
    "keeps its doubts": says("held_seen", "doubt = 0, doubt_back = 0", "doubt = binding.doubt, doubt_back = binding.doubt_back"),
    "resolves no doubt of orders": says("held_seen", "+ binding.doubt, 0", ", 0"),
    "resolves no doubt of returns": says("held_seen", "+ binding.doubt_back", ""),
    "takes the last reading for the first": says("held_seen", "ELSE binding.first_read_ms", "ELSE excluded.first_read_ms"),
    "takes no reading for the first": says("held_seen", "THEN excluded.first_read_ms", "THEN binding.first_read_ms"),
    "trusts a reading that had an order to decide": says("held_seen", "OR binding.doubt <> 0", ""),
    "trusts a reading that had a return to decide": says("held_seen", "OR binding.doubt_back <> 0", ""),
    "trusts a reading before which too much may be explained": says("held_seen", "OR binding.credited <> 0", ""),
    "takes what is set aside for ordered": says("held_seen", "min(u.units + binding.credited * (binding.aside > 0), binding.aside)", "u.units"),
    "takes ordered units for set aside": says("held_seen", "min(u.units + binding.credited * (binding.aside > 0), binding.aside)", "binding.aside"),
    "takes all that was explained for set aside": says("held_seen", "min(u.units + binding.credited * (binding.aside > 0), binding.aside)", "u.units + binding.credited"),
    "is told of nothing by what is not set aside": says("held_seen", " * (binding.aside > 0)", ""),
    "sets aside what later orders explained": says("held_explain", ":moved_at_ms < first_read_ms + 5000 THEN credited", "1 THEN credited"),
    "remembers no order that explained": says("held_explain", "THEN credited + min", "THEN credited + 0 * min"),
    "remembers no return that explained": says("held_shift", "THEN credited + min", "THEN credited + 0 * min"),
    "sets aside what later returns explained": says("held_shift", ":moved_at_ms < first_read_ms + 5000 THEN credited", "1 THEN credited"),
    "sets aside all that came back": says("held_shift", "credited + min(max(unseen, 0), max(:by, 0))", "credited + max(:by, 0)"),
    "sets aside all that is missing": says("held_shift", "credited + min(max(unseen, 0), max(:by, 0))", "credited + max(unseen, 0)"),
    "remembers orders that explained for ever": says("held_seen", "credited = 0", "credited = binding.credited"),
    "forgets what is set aside": says("held_aside", "    aside = :aside", "    aside = aside + 0 * :aside"),
    "misses nothing of what is set aside beside others": says("held_aside", "max(unseen - max(aside - :aside, 0), :aside)", "unseen"),
    "misses for ever what was set aside beside others": says("held_aside", " - max(aside - :aside, 0)", ""),
    "misses only what is set aside": says("held_aside", "max(unseen - max(aside - :aside, 0), :aside)", ":aside"),
    "misses what is set aside where we write": says("held_aside", "confirmed_at_ms < :ours_ms", ":ours_ms = :ours_ms"),
    "sets aside in spite of a newer revision": says("held_aside", "OR rev = :rev", "OR 1"),
    "sets aside exactly or not": says("held_aside", "NOT :exact AND ", ":exact = :exact AND "),
    "sets aside in doubt of orders": says("held_aside", "doubt = 0 AND doubt_back", "doubt_back"),
    "sets aside in doubt of returns": says("held_aside", "AND doubt_back = 0 ", ""),
    "sets aside where too much may be explained": says("held_aside", " AND credited = 0", ""),
    "never sets aside what was overtaken": says("held_aside", "NOT :exact AND ", ":exact = 2 AND "),
    "sets aside everywhere": says("held_aside", "AND key = :key", "AND :key = :key"),
    "sets aside on every system": says("held_aside", "system = :system AND", ":system = :system AND"),
    "sets aside what was never read": says("held_aside", "AND held IS NOT NULL", ""),
    "explains without a new revision": says("held_explain", ", rev = rev + 1", ""),
    "shifts without a new revision": says("held_shift", ", rev = rev + 1", ""),
    "believes a blind write": says("held_blind", "first_read_ms = :until_ms", "first_read_ms = first_read_ms"),
    "believes that a blind write lowered nothing": says("held_blind", "min(:by, 0)", "0"),
    "believes that a blind write raised nothing": says("held_blind", "max(:by, 0)", "0"),
    "writes blindly without a new revision": says("held_blind", "rev = rev + 1", "rev = rev"),
    "believes a reading that was overtaken": says("held_seen", "OR binding.rev = :rev", "OR 1"),
    "believes what was overtaken exactly or not": says("held_seen", "NOT :exact AND ", ":exact = :exact AND "),
    "believes what was overtaken in doubt of orders": says("held_seen", "AND binding.doubt = 0 AND", "AND"),
    "believes what was overtaken in doubt of returns": says("held_seen", "AND binding.doubt_back = 0 ", ""),
    "believes what was overtaken where too much may be explained": says("held_seen", " AND binding.credited = 0", ""),
    "never believes what was overtaken": says("held_seen", "NOT :exact AND ", ":exact = 2 AND "),
    "counts a write twice": says("held_written", "held = held + :by", "held = held + 2 * :by"),
    "keeps a refuted number": says("held_refuted", "stale = 1", "stale = 0"),
    "never believes a number again": says("held_seen", "stale = 0", "stale = binding.stale"),
    "lets unseen units go with the number": says("unseen_release", "unseen = 0", "unseen = 0, held = held - unseen"),
    "lists what is not unseen": says("unseen", "AND unseen > 0", ""),
    "sets the first number again": says("held_first", "WHERE binding.held IS NULL", ""),
    "sets no first number": says("held_first", "SET held = excluded.held,", "SET"),
    "counts a first number as read": says("held_first", ":held, 0, :now_ms", ":held, 1, :now_ms"),
    "takes no first number for a reading": says("held_first", ":now_ms, :now_ms)", ":now_ms, 0)"),
    "takes no first number of a binding for a reading": says(
        "held_first", "first_read_ms = excluded.first_read_ms", "first_read_ms = 0"
    ),
    "looks at every order's number again": says("heard_again", "AND b.unseen > 0", ""),
    "looks at numbers that fell again": says("heard_again", "AND b.held <> heard.number", ""),
    "looks again later than was said": says("heard_again", "AND check_ms = 0", ""),
    "looks at what misses units elsewhere": says("heard_again", "AND b.key = heard.key", ""),
    "looks at what misses units on another system": says("heard_again", "b.system = heard.system", "1"),
    "looks again at all numbers of a system": says("heard_again", "AND key = :key", "AND :key = :key"),
    "looks again at a number of all systems": says("heard_again", "system = :system", ":system = :system"),
    "looks at nothing again": says("heard_again", "SET check_ms = :check_ms", "SET check_ms = 0 * :check_ms"),
    "believes what was told late": says("heard_put", "WHERE excluded.stamp_ms >= heard.stamp_ms", ""),
    "keeps the first word of a moment": says("heard_put", "excluded.stamp_ms >= heard", "excluded.stamp_ms > heard"),
    "keeps the number that was told first": says("heard_put", "number = excluded.number,", ""),
    "keeps the stamp that was told first": says("heard_put", "stamp_ms = excluded.stamp_ms,", ""),
    "keeps when it was first to be looked at": says("heard_put", ", check_ms = excluded.check_ms", ""),
    "compares with what was refuted": says("heard_get", "CASE WHEN b.stale THEN NULL ELSE b.held END", "b.held"),
    "compares with nothing": says("heard_get", "AND b.held IS NOT NULL", ""),
    "hears what others told": says("heard_get", "h.system = b.system AND", ""),
    "knows what others hold": says("heard_get", "b.system = :system AND", "(b.system = :system OR 1) AND"),
    "takes every open delivery for a write under way": says("heard_get", "AND d.state = 'running'", ""),
    "takes a reading for a write": says("heard_get", "AND d.operation = 'set_stock'", ""),
    "takes another's write for its own": says("heard_get", "AND d.key = b.key", ""),
    "looks at every number": says("heard_checks", "h.check_ms > 0", "1"),
    "looks at numbers in any order": says("heard_checks", "ORDER BY h.check_ms", "ORDER BY -h.check_ms"),
    "looks at what was refuted": says("heard_checks", "CASE WHEN b.stale THEN NULL ELSE b.held END", "b.held"),
    "forgets to look at what was not read": says("heard_checks", "LEFT JOIN", "JOIN"),
    "limits no looks": says("heard_checks", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "looks at a number for ever": says("heard_checked", "check_ms = 0 WHERE", "check_ms = check_ms WHERE"),
    "has looked at what was told since": says("heard_checked", "AND stamp_ms = :stamp_ms", "AND :stamp_ms = :stamp_ms"),
    "has looked at what is to be looked at later": says("heard_checked", "AND check_ms = :check_ms", "AND :check_ms = :check_ms"),
    "has looked at the numbers of others": says("heard_checked", "system = :system AND", ":system = :system AND"),
    "has looked at all numbers": says("heard_checked", "AND key = :key", "AND :key = :key"),
    "keeps settled demand settled": says("demand_want", ", settled = 0", ""),
    "keeps known demand settled": says("demand_known", "erp_quantity = :quantity, settled = 0", "erp_quantity = :quantity"),
    "settles by any figure": says("demand_settle", "AND erp_quantity = :erp_quantity", ""),
    "settles any quantity": says("demand_settle", "AND quantity = :quantity", ""),
    "believes its own answer over the ERP": says("demand_known", "OR erp_stamp_ms IS NULL", "OR 1"),
    "lets nobody raise what the ERP told": says("demand_known", ":erp_stamp_ms IS NOT NULL OR", ""),
    "lets no answer lower what the ERP told": says("demand_known", "OR erp_quantity >= :quantity", "OR erp_quantity = :quantity"),
    "keeps an answer's moment out": says("demand_known", "OR erp_quantity >= :quantity", "OR erp_quantity > :quantity"),
    "takes no answer": says("demand_known", "OR erp_stamp_ms IS NULL", ""),
    "forgets the quantity before": says("demand_known", "min(erp_before, erp_quantity)", "erp_before"),
    "takes later stamps": says("demand_known", "coalesce(our_stamp_ms, :our_stamp_ms)", "coalesce(:our_stamp_ms, our_stamp_ms)"),
    "keeps stamps of another quantity": says("demand_known", "ELSE :our_stamp_ms END", "ELSE coalesce(:our_stamp_ms, our_stamp_ms) END"),
    "believes what it learned first": says("velocity_put", "DO UPDATE SET state = excluded.state", "DO UPDATE SET state = velocity.state"),
    "tells the demand of others": says("velocity_get", "WHERE key IN", "WHERE key NOT NULL OR key IN"),
    "shows settled demand": says("demand_open", "AND d.settled = 0", ""),
    "forgets since when it was sold": says("demand_sold", ">= :since_ms", ">= min(:since_ms, 0)"),
    "sells for others": says("demand_sold", "d.channel = :channel AND", ":channel = :channel AND"),
    "gives back what is taken": says("demand_untaken", "sum(d.quantity - d.taken)", "sum(d.quantity)"),
    "mixes up channels": says("demand_of_orders", "channel = :channel AND", ":channel = :channel AND"),
    "keeps the newest change": says("dirty_mark", "min(dirty.changed_at_ms, excluded.changed_at_ms)", "max(dirty.changed_at_ms, excluded.changed_at_ms)"),
    "marks without counting": says("dirty_mark", "seq = dirty.seq + 1", "seq = dirty.seq"),
    "forgets until when marks wait": says("dirty", "not_before_ms <= :now_ms", ":now_ms IS NOT NULL"),
    "defers what was marked meanwhile": says("dirty_defer", "AND seq = :seq", "AND :seq = :seq"),
    "defers until the last moment": says("dirty_next", "min(not_before_ms)", "max(not_before_ms)"),
    "finds a moment where nothing waits": says("dirty_next", "WHERE not_before_ms > 0", ""),
    "takes an attempt for a newer one": says("attempt_put", "SET result = excluded.result", "SET generation = excluded.generation, result = excluded.result"),
    "mixes up attempts": says("attempts_of", "WHERE intent = :intent", "WHERE :intent NOT NULL"),
    "marks for later what is due": says("dirty_mark_later", "min(dirty.not_before_ms, excluded.not_before_ms)", "excluded.not_before_ms"),
    "marks for later without counting": says("dirty_mark_later", "seq = dirty.seq + 1", "seq = dirty.seq"),
    "marks for later what changed last": says("dirty_mark_later", "min(dirty.changed_at_ms, excluded.changed_at_ms)", "max(dirty.changed_at_ms, excluded.changed_at_ms)"),
    "waits in spite of a new mark": says("dirty_mark", "not_before_ms = 0", "not_before_ms = dirty.not_before_ms"),
    "waits in spite of a newer stamp": says("dirty_mark_waiting", "not_before_ms = 0", "not_before_ms = dirty.not_before_ms"),
    "marks where no demand waits": says("dirty_mark_waiting", " AND settled = 0", ""),
    "marks where there is no demand": says("dirty_mark_waiting", "WHERE EXISTS (SELECT 1 FROM demand WHERE sku = :sku AND settled = 0)", "WHERE 1"),
    "marks newer stamps without counting": says("dirty_mark_waiting", "seq = dirty.seq + 1", "seq = dirty.seq"),
    "keeps the newest stamp": says("dirty_mark_waiting", "min(dirty.changed_at_ms, excluded.changed_at_ms)", "max(dirty.changed_at_ms, excluded.changed_at_ms)"),
    "clears a mark made meanwhile": says("dirty_done", "AND seq = :seq", ""),
    "touches what nobody wants": says("delivery_touch", "WHERE :wanted", "WHERE 1"),
    "does not look at the binding": says("delivery_touch", "AND key = :key), 0) <> :rev", "AND key = :key), 0) <> :rev AND 0"),
    "wakes ended deliveries": says("delivery_touch", f"AND {UNDER_WAY}", ""),
    "leaves open deliveries alone": says("delivery_touch", UNDER_WAY, "state = 'running'"),
    "leaves running deliveries alone": says("delivery_touch", UNDER_WAY, f"state IN ({OPEN})"),
    "interrupts a running delivery": says("delivery_touch", "WHEN delivery.state = 'running' THEN 'running' ELSE 'available'", "WHEN 0 THEN '' ELSE 'available'"),
    "touches without a new generation": says("delivery_touch", "generation = delivery.generation + 1", "generation = delivery.generation"),
    "keeps the route": says("delivery_touch", "route = excluded.route", "route = delivery.route"),
    "lets a deadline move back": says("delivery_touch", "THEN min(delivery.deliver_by_ms, excluded.deliver_by_ms)", "THEN excluded.deliver_by_ms"),
    "keeps the deadline of an ended delivery": says("delivery_touch", "ELSE excluded.deliver_by_ms END", "ELSE delivery.deliver_by_ms END"),
    "touches past a backoff": says("delivery_touch", "WHEN delivery.state = 'retryable' THEN delivery.not_before_ms", "WHEN 0 THEN 0"),
    "puts off what waits": says("delivery_touch", "THEN min(delivery.not_before_ms, excluded.not_before_ms)", "THEN excluded.not_before_ms"),
    "forgets attempts": says("delivery_touch", "IN ('retryable', 'running') THEN delivery.attempts ELSE 0", "IN ('running') THEN delivery.attempts ELSE 0"),
    "keeps attempts": says("delivery_touch", "IN ('retryable', 'running') THEN delivery.attempts ELSE 0 END", "IN ('x') THEN 0 ELSE delivery.attempts END"),
    "takes the last change during a call": says("delivery_touch", "THEN min(delivery.next_changed_at_ms, excluded.first_changed_at_ms)", "THEN excluded.first_changed_at_ms"),
    "makes a new delivery wait": says("delivery_touch", "SELECT :system, :operation, :key, :route, 'available'", "SELECT :system, :operation, :key, :route, 'scheduled'"),
    "counts no attempt": says("delivery_run", "attempts = attempts + 1", "attempts = attempts"),
    "runs what is parked": says("delivery_run", "'retryable', 'running')", "'retryable', 'running', 'parked')"),
    "takes over an earlier call's changes": says("delivery_run", "next_changed_at_ms = 0,", ""),
    "supersedes what has changed": says("delivery_finish", "NOT IN ('completed', 'superseded')", "<> 'completed'"),
    "remembers only the quantity just before": says("demand_known", "min(erp_before, erp_quantity)", "erp_quantity"),
    "forgets what was settled": says("demand_settle", ", erp_before = erp_quantity", ""),
    "completes what has changed": says("delivery_finish", "generation = :generation OR :state NOT IN ('completed', 'superseded')", "1"),
    "counts a deadline from the old change": says("delivery_finish", "deliver_by_ms + next_changed_at_ms - first_changed_at_ms", "deliver_by_ms"),
    "fails into availability": says("delivery_finish", "OR :state NOT IN ('completed', 'superseded')", ""),
    "moves the deadline of a failure": says("delivery_finish", ":state IN ('completed', 'superseded') AND", ""),
    "forgets the reason": says("delivery_finish", "reason = :reason", "reason = ''"),
    "counts what does not count": says("delivery_finish", "attempts = attempts - :uncounted", "attempts = attempts + 0 * :uncounted"),
    "finishes every key": says("delivery_finish", "AND operation = :operation AND key = :key", "AND operation = :operation AND :key = :key"),
    "makes up what it finishes": MakesUpWhatItFinishes,
    "delivers a fact twice": says("delivery_fact", "DO NOTHING", "DO UPDATE SET state = 'available'"),
    "hastens what runs": says("delivery_hasten", WAITS, f"state IN ({OPEN}, 'running', 'completed')"),
    "puts off what it should hasten": says("delivery_hasten", "AND not_before_ms > :now_ms", ""),
    "releases only what is parked": says("delivery_release", "state IN ('parked', 'retryable', 'completed', 'superseded', 'cancelled')", "state = 'parked'"),
    "releases with its attempts": says("delivery_release", "attempts = 0,", ""),
    "cancels what is open": says("delivery_cancel", "AND state = 'parked'", f"AND state IN ('parked', {OPEN})"),
    "forgets what was running": says("deliveries_pending", "state <> 'parked'", "state NOT IN ('parked', 'running')"),
    "takes up what is parked": says("deliveries_pending", " AND state <> 'parked'", ""),
    "counts what has ended": says("delivery_counts", "state <> 'completed' AND ", ""),
    "sums up what is on time as late": says("delivery_summary", "deliver_by_ms < :now_ms", "deliver_by_ms <= :now_ms"),
    "mixes up operations": says("deliveries_range", "AND operation = :operation", "AND :operation = :operation"),
    "sums up the lags of all routes": says("lag_totals", "route = :route", ":route = :route"),
    "finds the lags of any moment": says("lags_at", "AND l.delivered_at_ms = m.value", ""),
    "finds deliveries before the beginning": says("deliveries_like", "key >= :from", ":from = :from"),
    "forgets an unfinished intent": says("intents_unfinished", "finished_at_ms IS NULL", "finished_at_ms IS NULL AND id > '1'"),
    "shows finished intents": says("intents_unfinished", "AND finished_at_ms IS NULL", ""),
    "starts an intent over": says("intent_put", "SET started_at_ms = intent.started_at_ms", "SET items = excluded.items, started_at_ms = excluded.started_at_ms"),
    "keeps an attempt's first result": says("attempt_put", "result = excluded.result,", ""),
    "times an attempt by its result": says("attempt_put", "result = excluded.result,", "result = excluded.result, at_ms = excluded.at_ms,"),
    "keeps the first reason parked": says("parked_put", "reason = excluded.reason,", ""),
    "counts resolved entries": says("parked_count", "WHERE resolved_at_ms IS NULL", ""),
    "counts what is resolved by kind": says("parked_groups", "WHERE resolved_at_ms IS NULL", ""),
    "tells the newest of a kind": says("parked_groups", "min(", "max("),
    "resolves again and again": says("parked_resolve", "AND resolved_at_ms IS NULL", ""),
    "edits what is resolved": says("parked_edit", "AND resolved_at_ms IS NULL", ""),
    "keeps the first verdict": says("trace_put", "SET verdict = excluded.verdict", "SET verdict = trace.verdict"),
    "sums up lags of all time": says("lag_totals", "AND delivered_at_ms >= :since", "AND :since = :since"),
    "shows the oldest lags": says("lags", "ORDER BY delivered_at_ms DESC, id DESC", "ORDER BY id"),
    "shows the first of the audit": says("audit_last", "ORDER BY id DESC", "ORDER BY id"),
    "ends a session for longer each time": says("session_end", "DO NOTHING", "DO UPDATE SET ends_at_ms = excluded.ends_at_ms"),
    "forgets a session before its end": says("forget_sessions", "<= :now_ms", "<= :now_ms + 9"),
    "remembers a session past its end": says("forget_sessions", "<=", "<"),
    "takes any ended session for this one": says("session_ended", "hash = :hash", ":hash = :hash"),
    "keeps an account's role": says("account_put", "role = excluded.role,", ""),
    "forgets what was not applied": says("forget_events", ":applied", "(:applied + 9)"),
    "forgets young events": says("forget_events", ":before", "(:before + 2)"),
    "forgets the bucket itself": says("forget_seen", ":bucket", "(:bucket + 1)"),
    "forgets young lags": says("forget_lags", ":before", "(:before + 1)"),
    "forgets young traces": says("forget_traces", ":before", "(:before + 1)"),
    "forgets intents with attempts": says("forget_intents", "AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.intent = intent.id)", ""),
    "forgets attempts of unfinished intents": says("forget_attempts", "i.finished_at_ms < :before", "coalesce(i.finished_at_ms, 0) < :before"),
    "gets stuck on intents without attempts": instead(
        "forget_attempts",
        "DELETE FROM attempt WHERE intent IN"
        " (SELECT id FROM intent WHERE finished_at_ms < :before ORDER BY id LIMIT :limit) RETURNING key",
    ),
    "forgets parked deliveries": says("forget_deliveries", "'cancelled')", "'cancelled', 'parked')"),
    "forgets young deliveries": says("forget_deliveries", ":before", "(:before + 1)"),
    "opens a shelf twice": says("shelf_open", "DO NOTHING", "DO UPDATE SET stale = 1"),
    "opens a shelf full": says("shelf_open", "0, 0, 1, 1", "0, 0, 0, 1"),
    "stores a number of yesterday": says("shelf_put", "AND rev = :rev", "AND :rev = :rev"),
    "leaves a number fresh": says("shelf_stale", "stale = 1,", ""),
    "makes a number stale without a new revision": says("shelf_stale", ", rev = rev + 1", ""),
    "holds from a stale number": says("hold_put", "AND stale = 0", ""),
    "holds more than there is": says("hold_put", ">= :quantity", ">= 0 * :quantity"),
    "holds all but the last": says("hold_put", ">= :quantity", "> :quantity"),
    "counts every pool together": says("hold_put", "WHERE sku = :sku AND pool = :pool AND stale", "WHERE sku = :sku AND :pool = :pool AND stale"),
    "counts every SKU together": says("hold_put", "WHERE sku = :sku AND pool = :pool AND stale", "WHERE :sku = :sku AND pool = :pool AND stale"),
    "counts holds that ended": trigger("hold_ended", "held - old.quantity", "held - 0 * old.quantity"),
    "counts nothing that is held": trigger("hold_taken", "held + new.quantity", "held + 0 * new.quantity"),
    "counts nothing that is held again": trigger("hold_renewed", "held + new.quantity", "held + 0 * new.quantity"),
    "counts what is held in every pool": trigger("hold_taken", "AND pool = new.pool", ""),
    "counts what is held of every SKU": trigger("hold_taken", "sku = new.sku AND", ""),
    "gives back what is held in every pool": trigger("hold_ended", "AND pool = old.pool", ""),
    "gives back what is held of every SKU": trigger("hold_ended", "sku = old.sku AND", ""),
    "holds again in every pool": trigger("hold_renewed", "AND pool = new.pool", ""),
    "holds again of every SKU": trigger("hold_renewed", "sku = new.sku AND", ""),
    "counts again what is confirmed": trigger("hold_renewed", "old.state NOT IN ('open', 'confirmed') AND", ""),
    "gives back what is confirmed": trigger("hold_ended", "AND new.state NOT IN ('open', 'confirmed')", ""),
    "gives back what has ended": trigger("hold_ended", "AND old.state IN ('open', 'confirmed')", ""),
    "lets a hold end by the clock": says("hold_put", "free - held", "free - held + (SELECT coalesce(sum(quantity), 0) FROM hold WHERE sku = :sku AND pool = :pool AND state = 'open' AND expires_at_ms <= :now_ms)"),
    "takes a reference twice": says("hold_put", "DO NOTHING", "DO UPDATE SET quantity = excluded.quantity, expires_at_ms = excluded.expires_at_ms"),
    "refuses a line that gets nothing": says("hold_put", "WHERE :quantity = 0 OR", "WHERE"),
    "is bound by another channel's pool": says("hold_put", "OR :binds = 0", ""),
    "is bound by another channel's pool later": says("hold_renew", "OR binds = 0", ""),
    "shows what is over as held": says("shelves", "sum(h.quantity), 0)", "sum(0 * h.quantity), 0)"),
    "confirms what is over": says("hold_confirm", "AND expires_at_ms > :now_ms)", ")"),
    "confirms what was given back": says("hold_confirm", "state = 'open' AND", "state <> 'confirmed' AND"),
    "puts the end off at each confirmation": says("hold_confirm", "THEN expires_at_ms ELSE :expires_at_ms END", "THEN :expires_at_ms ELSE :expires_at_ms END"),
    "changes a hold's order": says("hold_confirm", "AND (order_key = '' OR :order_key = '' OR order_key = :order_key)", ""),
    "never learns a hold's order": says("hold_confirm", "THEN :order_key ELSE", "THEN order_key ELSE"),
    "releases what has ended": says("hold_release", "AND state IN ('open', 'confirmed')", ""),
    "releases no confirmed hold": says("hold_release", "state IN ('open', 'confirmed')", "state = 'open'"),
    "ends holds early": says("hold_lapse", "expires_at_ms <= :now_ms", "expires_at_ms <= :now_ms + 1"),
    "ends holds late": says("hold_lapse", "expires_at_ms <= :now_ms", "expires_at_ms < :now_ms"),
    "ends confirmed holds unasked": says("hold_lapse", "AND (state = 'open' OR :firm)", ""),
    "ends no confirmed hold": says("hold_lapse", "(state = 'open' OR :firm)", "state = 'open' AND :firm = :firm"),
    "ends the holds of every SKU": says("hold_lapse", "sku = :sku AND", ":sku = :sku AND"),
    "takes again what was never over": says("hold_renew", "AND state = 'expired'", ""),
    "takes again without counting": says("hold_renew", ">= quantity", ">= 0"),
    "takes again from a stale number": says("hold_renew", "AND stale = 0", ""),
    "counts a hold for two orders": says("hold_replace", "channel = :channel AND", ":channel = :channel AND"),
    "replaces every hold without an order": says("hold_replace", "AND order_key <> ''", ""),
    "replaces a hold twice": says("hold_replace", "AND state IN ('open', 'confirmed')", ""),
    "finds the holds of any channel": says("holds_of_orders", "channel = :channel AND", ":channel = :channel AND"),
    "replaces a hold by no order": says("hold_meet", "AND EXISTS (SELECT 1 FROM demand AS d WHERE d.channel = hold.channel AND d.order_key = :order_key)", ""),
    "replaces a hold by another channel's order": says("hold_meet", "d.channel = hold.channel AND", ""),
    "replaces what was released": says("hold_meet", "AND state <> 'released'", ""),
    "finds holds that have no order yet": says("holds_met", "AND d.order_key = hold.order_key", ""),
    "finds what met its order before": says("holds_met", "state IN ('open', 'confirmed') AND", ""),
    "holds for ever": says("holds_of_skus", "WHERE h.state = 'confirmed' OR h.expires_at_ms > :now_ms", "WHERE :now_ms = :now_ms"),
    "forgets confirmed holds": says("holds_of_skus", "h.state = 'confirmed' OR", ""),
    "tells of what was released": says("holds_of_skus", "AND h.state IN ('open', 'confirmed')", ""),
    "finds what is over late": says("holds_due", "expires_at_ms <= :now_ms", "expires_at_ms < :now_ms"),
    "finds what is over in any order": says("holds_due", "ORDER BY expires_at_ms, reference", "ORDER BY reference"),
    "finds what has ended as next": says("hold_next", "WHERE state IN ('open', 'confirmed')", ""),
    "forgets open holds": says("forget_holds", "state NOT IN ('open', 'confirmed') AND", ""),
    "forgets young holds": says("forget_holds", ":before", "(:before + 1)"),
    "keeps the first class": says("standing_put", "velocity = excluded.velocity", "velocity = standing.velocity"),
    "keeps since when it was slow": says("standing_put", "slow_since_ms = excluded.slow_since_ms", "slow_since_ms = coalesce(excluded.slow_since_ms, standing.slow_since_ms)"),
    "keeps the first buffers": says("standing_put", "buffers = excluded.buffers", "buffers = standing.buffers"),
    "tells every standing": says("standing_get", "WHERE sku IN", "WHERE sku NOT NULL OR sku IN"),
    "drops every standing": says("standing_drop", "WHERE sku = :sku", "WHERE sku = :sku OR EXISTS (SELECT 1 FROM standing WHERE sku = :sku)"),
    "keeps the first survey of an hour": says("survey_put", "body = excluded.body", "body = survey.body"),
    "tells the surveys of others": says("surveys", "subject = :subject AND", ":subject = :subject AND"),
    "tells surveys before the first": says("surveys", "AND at_ms >= :since", "AND :since = :since"),
    "tells surveys oldest first": says("surveys", "at_ms DESC", "at_ms"),
    "forgets young surveys": says("forget_surveys", ":before", "(:before + 1)"),
    "forgets how old a mark is": says("state_mark", "min(state_mark.changed_at_ms, excluded.changed_at_ms)", "excluded.changed_at_ms"),
    "does not count marks": says("state_mark", "state_mark.seq + 1", "state_mark.seq"),
    "leaves a mark waiting": says("state_mark", "not_before_ms = 0", "not_before_ms = state_mark.not_before_ms"),
    "computes contents before their moment": says("state_marks", "not_before_ms <= :now_ms", ":now_ms = :now_ms"),
    "computes contents after their moment": says("state_marks", "not_before_ms <= :now_ms", "not_before_ms < :now_ms"),
    "computes the newest content first": says("state_marks", "BY changed_at_ms", "BY changed_at_ms DESC"),
    "computes contents route by route": says("state_marks", "BY changed_at_ms, route, key", "BY route, key"),
    "takes what waits for marked": says("state_marked", "not_before_ms <= :now_ms", ":now_ms = :now_ms"),
    "takes what is due for waiting": says("state_marked", "not_before_ms <= :now_ms", "not_before_ms < :now_ms"),
    "takes another route's for marked": says("state_marked", "route = :route AND", ":route = :route AND"),
    "wakes for a moment that is there": says("state_next", "> :now_ms", ">= :now_ms"),
    "wakes for the last moment": says("state_next", "min(", "max("),
    "defers a content that was marked meanwhile": says("state_defer", "AND seq = :seq", "AND :seq = :seq"),
    "defers what another route marked": says("state_defer", "route = :route AND", ":route = :route AND"),
    "keeps how old a deferred mark was": says("state_defer", "changed_at_ms = :until_ms, ", ""),
    "ends what was marked meanwhile": says("state_done", "AND seq = :seq", "AND :seq = :seq"),
    "ends what another route marked": says("state_done", "route = :route AND", ":route = :route AND"),
    "keeps the first content": says("content_put", "body = excluded.body", "body = content.body"),
    "keeps the first fingerprint": says("content_put", "hash = excluded.hash", "hash = content.hash"),
    "keeps when a content was first told": says("content_put", "confirmed_at_ms = excluded.confirmed_at_ms", "confirmed_at_ms = content.confirmed_at_ms"),
    "is sure of what is under way": says("content_unsure", "hash = ''", "hash = hash"),
    "is unsure of everything": says("content_unsure", "AND key = :key", "AND :key = :key"),
    "is unsure of other channels": says("content_unsure", "system = :system AND", ":system = :system AND"),
    "is unsure of other kinds": says("content_unsure", "kind = :kind AND", ":kind = :kind AND"),
    "tells contents of other channels": says("contents_get", "system = :system AND", ":system = :system AND"),
    "tells contents of other kinds": says("contents_get", "kind = :kind AND", ":kind = :kind AND"),
    "tells records of other sources": says("states_get", "system = :system AND", ":system = :system AND"),
    "tells records of other kinds": says("states_get", "kind = :kind AND", ":kind = :kind AND"),
    "tells what is gone as if it were there": says("states_get", "body, gone", "body, 0"),
    "tells parked work of other systems": says("parked_of", "system = :system AND", ":system = :system AND"),
    "tells parked work of other kinds": says("parked_of", "operation IN (SELECT value FROM json_each(:operations))", ":operations <> ''"),
    "tells what was decided as parked": says("parked_of", "resolved_at_ms IS NULL AND", ""),
    "tells parked work in the order of its numbers": says("parked_of", "ORDER BY parked_at_ms, id", "ORDER BY id"),
    "tells parked work without a limit": says("parked_of", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "tells late work of other systems": says("deliveries_late", "system = :system AND", ":system = :system AND"),
    "tells late work of other routes": says("deliveries_late", "route = :route AND", ":route = :route AND"),
    "tells what is due now as late": says("deliveries_late", "< :now_ms", "<= :now_ms"),
    "tells what is parked as late": says("deliveries_late", "AND state <> 'parked'", ""),
    "tells nothing late that is under way": says("deliveries_late", "state <> 'parked'", "state NOT IN ('parked', 'running')"),
    "tells late work by its keys": says("deliveries_late", "ORDER BY deliver_by_ms, operation, key", "ORDER BY key"),
    "tells late work without a limit": says("deliveries_late", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "tells differences at other routes": says("differences_at", "route = :route AND", ":route = :route AND"),
    "tells differences at other records": says("differences_at", "key IN (SELECT value FROM json_each(:keys))", ":keys <> ''"),
    "tells differences that are gone": says("differences_at", "AND closed_at_ms IS NULL", ""),
    "tells differences in any order": says("differences_at", "ORDER BY key, cause", "ORDER BY cause DESC, key"),
    "lists holds that ended": says("holds_open", "state IN ('open', 'confirmed') AND", ""),
    "lists only open holds": says("holds_open", "state IN ('open', 'confirmed')", "state = 'open'"),
    "lists a hold for each pool": says("holds_open", "AND main = 1", ""),
    "lists the holds of other channels": says("holds_open", "channel = :channel)", ":channel = :channel)"),
    "lists the holds of other SKUs": says("holds_open", "sku = :sku)", ":sku = :sku)"),
    "lists holds in any order": says("holds_open", "ORDER BY expires_at_ms, reference", "ORDER BY reference"),
    "sums up holds that ended": says("holds_summary", "state IN ('open', 'confirmed') AND", ""),
    "sums up each pool": says("holds_summary", "AND main = 1", ""),
    "declares again what is so already": says("mode_begin", "DO NOTHING", "DO UPDATE SET actor = excluded.actor"),
    "ends what is over": says("mode_end", "AND until_ms IS NULL", ""),
    "ends every mode of a subject": says("mode_end", "AND mode = :mode", "AND :mode = :mode"),
    "tells what is over first": says("modes", "until_ms IS NOT NULL, ", ""),
    "tells the oldest mode first": says("modes", "id DESC", "id"),
    "tells apart what was in time": says("lags_apart", "kept = 0 AND EXISTS", "EXISTS"),
    "tells apart by the modes of others": says("lags_apart", "subject IN (:route, :sink)", "subject IN (:route, :sink, 'erp')"),
    "tells nothing apart by its sink": says("lags_apart", "subject IN (:route, :sink)", "subject IN (:route) AND :sink = :sink"),
    "tells apart what had landed": says("lags_apart", "since_ms < delivered_at_ms", "since_ms <= delivered_at_ms"),
    "tells apart what changed afterwards": says("lags_apart", "until_ms > delivered_at_ms - lag_ms", "until_ms >= delivered_at_ms - lag_ms"),
    "tells nothing apart while it lasts": says("lags_apart", "until_ms IS NULL OR", ""),
    "tells the longest of all": says("lags_apart", "CASE WHEN apart THEN 0 ELSE lag_ms END", "lag_ms"),
    "tells apart the lags of all routes": says("lags_apart", "WHERE route = :route", "WHERE :route = :route"),
    "tells apart the lags of all time": says("lags_apart", "AND delivered_at_ms >= :since", "AND :since = :since"),
    "tells apart what is due": says("late_apart", "deliver_by_ms < :now_ms", "deliver_by_ms <= :now_ms"),
    "tells apart what changed when it was over": says("late_apart", "first_changed_at_ms < :before", "first_changed_at_ms <= :before"),
    "tells apart what has ended": says(
        "late_apart",
        f" INDEXED BY delivery_open\nWHERE system = :system AND {NOT_OVER}",
        "\nWHERE system = :system",
    ),
    "tells apart what is parked": says("late_apart", "AND state <> 'parked'", ""),
    "tells nothing apart that runs": says("late_apart", "state <> 'parked'", "state NOT IN ('parked', 'running')"),
    "tells apart what other routes have late": says("late_apart", "route = :route", ":route = :route"),
    "tells apart what other systems have late": says("late_apart", "system = :system", ":system = :system"),
    "learns what is ours": says("held_learned", "AND confirmed_at_ms < :ours_ms", "AND :ours_ms = :ours_ms"),
    "keeps what an order may explain": says("held_learned", "THEN :held - held ELSE", "THEN 0 ELSE"),
    "explains more than fell": says("held_learned", "AND held + unseen", "AND held + unseen + 1"),
    "explains by what is less": says("held_learned", "BETWEEN held AND", "BETWEEN held - 1 AND"),
    "explains by what is in doubt": says("held_learned", "AND doubt = 0 AND doubt_back = 0 AND :held", "AND :held"),
    "explains without a doubt": says("held_learned", "stale = 1 AND doubt = 0", "doubt = 0"),
    "learns in spite of a newer revision": says("held_learned", "OR rev = :rev", "OR 1"),
    "learns exactly or not": says("held_learned", "NOT :exact AND ", ":exact = :exact AND "),
    "learns in doubt of orders": says("held_learned", "AND doubt = 0 AND doubt_back = 0 AND credited", "AND doubt_back = 0 AND credited"),
    "learns in doubt of returns": says("held_learned", "AND doubt_back = 0 AND credited", "AND credited"),
    "learns where too much may be explained": says("held_learned", " AND credited = 0", ""),
    "never learns what was overtaken": says("held_learned", "NOT :exact AND ", ":exact = 2 AND "),
    "forgets what fell before": says("held_learned", "max(unseen - CASE", "max(0 - CASE"),
    "keeps what came back": says("held_learned", "ELSE 0 END, 0)", "ELSE 0 END, -99)"),
    "keeps the doubt of what came back": says("held_learned", "doubt_back = 0, ", ""),
    "believes what it learns at once": says("held_learned", ", first_read_ms = :now_ms", ""),
    "learns for every system": says("held_learned", "system = :system", ":system = :system"),
    "takes any record's origin": says("record_origins", "r.system = :system AND r.kind = :kind", ":system = :kind OR r.kind > ''"),
    "knows no record without its event": says("record_origins", "LEFT JOIN", "JOIN"),
    "counts the lines of holds": says("holds_summary", "count(DISTINCT reference)", "count(reference)"),
    "keeps what an adoption read first": says("adoption_put", "body = excluded.body", "body = adoption.body"),
    "tells what was read of other systems": says("adoption_after", "system = :system AND", ":system = :system AND"),
    "tells what was read of other kinds": says("adoption_after", "kind = :kind AND", ":kind = :kind AND"),
    "tells what was read from the first again": says("adoption_after", "AND key > :after", "AND :after = :after"),
    "tells what was read in any order": says("adoption_after", "ORDER BY key LIMIT", "ORDER BY key DESC LIMIT"),
    "forgets what was read of other systems": says("forget_adoption", "a.system = :system AND", ":system = :system AND"),
    "forgets what was read of other kinds": says("forget_adoption", "AND a.kind = :kind", "AND :kind = :kind"),
    "forgets all that was read at once": says("forget_adoption", "LIMIT :limit", "LIMIT :limit + 9"),
    "keeps the first state of a proof": says("proof_put", "state = excluded.state", "state = proof.state"),
    "keeps a proof running": says("proof_put", "ended_at_ms = excluded.ended_at_ms", "ended_at_ms = proof.ended_at_ms"),
    "keeps the first place of a proof": says("proof_put", "position = excluded.position", "position = proof.position"),
    "keeps the first rows of a proof": says("proof_put", "rows = excluded.rows", "rows = proof.rows"),
    "keeps the first body of a proof": says("proof_put", "body = excluded.body", "body = proof.body"),
    "lets a proof begin anew": says("proof_put", "SET state", "SET started_at_ms = excluded.started_at_ms, state"),
    "tells every proof": says("proof_get", "id = :id", "(id = :id OR EXISTS (SELECT 1 FROM proof WHERE id <> :id))"),
    "tells the proofs of others": says("proofs", "route = :route AND", ":route = :route AND"),
    "tells proofs before the first": says("proofs", "AND started_at_ms >= :since", "AND :since = :since"),
    "tells proofs oldest first": says("proofs", "started_at_ms DESC, id DESC", "started_at_ms, id"),
    "limits no proofs": says("proofs", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "forgets young proofs": says("forget_proofs", ":before", "(:before + 1)"),
    "forgets proofs that run": says("forget_proofs", "AND state <> 'running'", ""),
    "forgets proofs without a limit": says("forget_proofs", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "keeps the first words of a difference": says("difference_put", "detail = excluded.detail", "detail = difference.detail"),
    "keeps the first units of a difference": says("difference_put", "units = excluded.units", "units = difference.units"),
    "keeps the first subject of a difference": says("difference_put", "subject = excluded.subject", "subject = difference.subject"),
    "keeps the first proof of a difference": says("difference_put", "proof = excluded.proof", "proof = difference.proof"),
    "keeps when a difference was seen first": says("difference_put", "seen_at_ms = excluded.seen_at_ms", "seen_at_ms = difference.seen_at_ms"),
    "counts no finding again": says("difference_put", "difference.times + 1", "difference.times"),
    "keeps a difference closed": says("difference_put", "closed_at_ms = NULL", "closed_at_ms = difference.closed_at_ms"),
    "forgets that somebody decided": says("difference_put", "IN ('waiting', 'declined')", "IN ('waiting')"),
    "forgets that somebody has to decide": says("difference_put", "IN ('waiting', 'declined')", "IN ('declined')"),
    "remembers what was decided of another": says("difference_put", "difference.closed_at_ms IS NULL AND difference.state", "difference.state"),
    "remembers who decided of another": says("difference_put", "decided_by = CASE WHEN difference.closed_at_ms IS NULL", "decided_by = CASE WHEN 1"),
    "forgets who decided": says("difference_put", "THEN difference.decided_by ELSE", "THEN '' ELSE"),
    "remembers when another began": says("difference_put", "first_at_ms = CASE WHEN difference.closed_at_ms IS NULL", "first_at_ms = CASE WHEN 1"),
    "forgets when a difference began": says("difference_put", "THEN difference.first_at_ms ELSE", "THEN excluded.first_at_ms ELSE"),
    "closes what was found": says("difference_gone", "AND proof <> :proof", "AND :proof = :proof"),
    "closes the differences of others": says("difference_gone", "route = :route AND", ":route = :route AND"),
    "closes differences twice": says("difference_gone", "AND closed_at_ms IS NULL", ""),
    "decides twice": says("difference_decide", "AND state = 'waiting'", "AND state <> 'named'"),
    "decides what does not wait": says("difference_decide", "AND state = 'waiting'", "AND state <> 'declined'"),
    "decides what is gone": says("difference_decide", "AND closed_at_ms IS NULL", ""),
    "decides for every cause": says("difference_decide", "AND cause = :cause", "AND :cause = :cause"),
    "decides for every route": says("difference_decide", "route = :route", ":route = :route"),
    "decides in nobody's name": says("difference_decide", ", decided_by = :by", ""),
    "finds the differences of others": says("differences_of", "route = :route AND", ":route = :route AND"),
    "finds differences that went": says("differences_of", "AND closed_at_ms IS NULL", ""),
    "finds other differences": says("differences_of", "AND key IN (SELECT value FROM json_each(:keys))", "AND :keys = :keys"),
    "lists differences that went": says("differences_open", "closed_at_ms IS NULL AND", ""),
    "lists the differences of others": says("differences_open", "route = :route AND", ":route = :route AND"),
    "lists differences of every state": says("differences_open", "state = :state)", ":state = :state)"),
    "lists differences of every cause": says("differences_open", "cause = :cause)", ":cause = :cause)"),
    "lists differences without a limit": says("differences_open", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "counts differences that went": says("difference_counts", "WHERE closed_at_ms IS NULL", ""),
    "counts the last of a kind as the first": says("difference_counts", "min(first_at_ms)", "max(first_at_ms)"),
    "forgets young differences": says("forget_differences", ":before", "(:before + 1)"),
    "forgets differences without a limit": says("forget_differences", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "loses every binding of a key": says("binding_lost", "AND kind = :kind", "AND :kind = :kind"),
    "loses bindings everywhere": says("binding_lost", "system = :system AND", ":system = :system AND"),
    "loses every binding of a kind": says("binding_lost", "AND key = :key", "AND :key = :key"),
    "keeps the id of what is lost": says("binding_lost", "external_id = '', ", ""),
    "keeps the version of what is lost": says("binding_lost", "version = 0, ", ""),
    "keeps what was sent to what is lost": says("binding_lost", "hash = '', ", ""),
    "keeps the revision of what is lost": says("binding_lost", "rev = rev + 1", "rev = rev"),
    "tells every mark": says("dirty_of", "WHERE sku IN (SELECT value FROM json_each(:skus))", "WHERE :skus = :skus"),
    "lets a routing be said anew": says("routing_put", "DO NOTHING", "DO UPDATE SET body = excluded.body"),
    "tells the routing of other channels": says("routings", "channel = :channel AND", ":channel = :channel AND"),
    "tells the routing of all orders": says("routings", "order_key IN (SELECT value FROM json_each(:orders))", ":orders = :orders"),
    "tells routings order by order in any order": says("routings", "ORDER BY order_key, ", "ORDER BY order_key DESC, "),
    "tells routings by their ids": says("routings", "ORDER BY order_key, at_ms, id", "ORDER BY order_key, id"),
    "tells routings of one moment backwards": says("routings", "at_ms, id", "at_ms, id DESC"),
    "gives an order again": says("routing_give", "DO NOTHING", "DO UPDATE SET at_ms = excluded.at_ms"),
    "counts what others were given": says("routing_load", "system = :system AND", ":system = :system AND"),
    "counts what was given before": says("routing_load", "at_ms >= :day_ms", "at_ms >= :day_ms - 1"),
    "counts too few of a day": says("routing_load", "at_ms >= :day_ms", "at_ms > :day_ms"),
    "counts too few of an hour": says("routing_load", "at_ms >= :hour_ms", "at_ms > :hour_ms"),
    "counts too many of an hour": says("routing_load", "at_ms >= :hour_ms", "at_ms >= :hour_ms - 1"),
    "counts locations in any order": says("routing_load", "ORDER BY location", "ORDER BY location DESC"),
    "forgets what was just given": says("forget_given", "at_ms < :before", "at_ms <= :before"),
    "forgets gifts without a limit": says("forget_given", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "places demand of another version": says("demand_place", "version = :version AND", ":version = :version AND"),
    "places demand of another tiebreak": says("demand_place", "AND tiebreak = :tiebreak", "AND :tiebreak = :tiebreak"),
    "places demand by any record": says("demand_place", "kind = 'order' AND", ""),
    "places demand by another channel's order": says("demand_place", "system = :channel AND", ""),
    "places demand by any order": says("demand_place", "key = :order_key AND", "key <> '' AND"),
    "forgets what was taken where demand is placed": says("demand_place", "SET quantity", "SET taken = excluded.taken, quantity"),
    "leaves demand where it is": says("demand_place", "quantity = excluded.quantity", "quantity = demand.quantity"),
    "leaves placed demand settled": says("demand_place", ", settled = 0", ""),
    "tells recent orders of others": says("orders_recent", "system = :system AND", ":system = :system AND"),
    "tells recent records of any kind": says("orders_recent", "kind = 'order' AND", ""),
    "tells old orders": says("orders_recent", "changed_at_ms >= :since_ms", "changed_at_ms >= :since_ms - 1"),
    "tells too few recent orders": says("orders_recent", "changed_at_ms >= :since_ms", "changed_at_ms > :since_ms"),
    "tells the oldest orders first": says("orders_recent", "changed_at_ms DESC", "changed_at_ms"),
    "tells orders of one moment in any order": says("orders_recent", "DESC, key", "DESC, key DESC"),
    "tells recent orders without a limit": says("orders_recent", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "alters a mapping": says("mapping_put", "DO NOTHING", "DO UPDATE SET text = excluded.text"),
    "tells any mapping": says("mapping_get", "WHERE number = :number", "WHERE number >= :number"),
    "tells the oldest mapping first": says("mappings", "DESC", ""),
    "tells mappings without a limit": says("mappings", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "takes more credit than there is": says("credit_take", ":room - :amount >=", ":room - :amount + 1 >="),
    "leaves the last of a credit": says("credit_take", ":room - :amount >=", ":room - :amount >"),
    "takes credit by the claims of all accounts": says("credit_take", "c.account = :account AND", ":account = :account AND"),
    "takes credit by the claims of all systems": says("credit_take", "c.system = :system AND", ":system = :system AND"),
    "takes credit beside confirmed approvals": says("credit_take", "c.state IN ('open', 'confirmed', 'ordered')", "c.state IN ('open', 'ordered')"),
    "takes credit beside open approvals": says("credit_take", "c.state IN ('open', 'confirmed', 'ordered')", "c.state IN ('confirmed', 'ordered')"),
    "takes credit beside orders": says("credit_take", "c.state IN ('open', 'confirmed', 'ordered')", "c.state IN ('open', 'confirmed')"),
    "takes credit beside what has ended": says("credit_take", "c.state IN ('open', 'confirmed', 'ordered')", "c.state <> ''"),
    "counts orders twice": says("credit_take", "c.our_stamp_ms BETWEEN 1 AND :contains_ms", "c.our_stamp_ms > :contains_ms + 99999"),
    "takes orders as contained too soon": says("credit_take", "BETWEEN 1 AND :contains_ms", "BETWEEN 1 AND :contains_ms + 1"),
    "takes orders as contained that nobody confirmed": says("credit_take", "BETWEEN 1 AND", "BETWEEN 0 AND"),
    "bounds what has no bounds": says("credit_take", ":bounded = 0 OR", ""),
    "takes credit by other figures": says("credit_take", "AND r.version = :version", "AND r.version >= :version"),
    "takes credit by figures that are gone": says("credit_take", "AND r.gone = 0", ""),
    "takes credit by another account's figures": says("credit_take", "r.key = :account", ":account <> ''"),
    "takes credit by another system's figures": says("credit_take", "r.system = :system AND", ""),
    "takes credit by any record": says("credit_take", "r.kind = 'credit' AND", ""),
    "takes credit again": says("credit_take", "WHERE credit_claim.state = 'expired'", ""),
    "takes nothing anew": says("credit_take", "WHERE credit_claim.state = 'expired'", "WHERE 0"),
    "keeps the account of what expired": says("credit_take", "account = excluded.account, ", ""),
    "keeps the amount of what expired": says("credit_take", "amount = excluded.amount, ", ""),
    "keeps the end of what expired": says("credit_take", "expires_at_ms = excluded.expires_at_ms, ", ""),
    "ends approvals too soon": says("credit_lapse", "<= :now_ms", "<= :now_ms + 1"),
    "ends approvals too late": says("credit_lapse", "<= :now_ms", "< :now_ms"),
    "ends approvals of all accounts": says("credit_lapse", "account = :account AND", ":account = :account AND"),
    "ends approvals of all systems": says("credit_lapse", "system = :system AND", ":system = :system AND"),
    "ends approvals again": says("credit_lapse", "state IN ('open', 'confirmed', 'ordered') AND", ""),
    "never ends confirmed approvals": says("credit_lapse", "state <> 'ordered'", "state = 'open'"),
    "ends orders as if they were approvals": says("credit_lapse", "AND state <> 'ordered'", ""),
    "locks no account twice": says("credit_lock", "DO UPDATE SET seq = credit_account.seq + 1", "DO NOTHING"),
    "reads an account with claims on others": says("credit_account", "c.account = :account", ":account = :account"),
    "reads an account with claims in other systems": says("credit_account", "c.system = :system AND", ""),
    "reads an account with what has ended": says("credit_account", "c.state IN ('open', 'confirmed', 'ordered')", "c.state <> ''"),
    "reads an account by any record": says("credit_account", "r.kind = 'credit' AND", ""),
    "reads an account by when it was told": says("credit_account", "max(r.observed_at_ms, r.seen_ms)", "r.observed_at_ms"),
    "reads an account by when it was seen": says("credit_account", "max(r.observed_at_ms, r.seen_ms)", "r.seen_ms"),
    "reads an account by any cursor": says("credit_account", "u.system = 'syncline'", "u.system <> 'syncline'"),
    "reads an account without a limit": says("credit_account", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "tells claims in any order": says("credit_claims", "ORDER BY account, reference", "ORDER BY reference DESC"),
    "tells claims in other systems": says("credit_claims", "system = :system AND", ":system = :system AND"),
    "tells claims that have ended": says("credit_claims", "state IN ('open', 'confirmed', 'ordered')", "state <> ''"),
    "tells claims on others": says("credit_claims", "account IN (SELECT value FROM json_each(:accounts))", ":accounts <> ''"),
    "tells orders of other channels as ours": says("credit_of_orders", "channel = :channel AND", ":channel = :channel AND"),
    "tells orders of other systems as ours": says("credit_of_orders", "AND system = :system", "AND :system = :system"),
    "tells orders by what was released": says("credit_of_orders", "AND state <> 'released'", ""),
    "tells orders without a name": says("credit_of_orders", "order_key <> '' AND", ""),
    "tells accounts of orders in any order": says("credit_of_orders", "ORDER BY order_key, created_at_ms, reference", "ORDER BY order_key DESC, created_at_ms DESC, reference DESC"),
    "tells approvals of an order in any order": says("credit_of_orders", "created_at_ms, ", ""),
    "confirms what has expired": says("credit_confirm", "state = 'open' AND expires_at_ms > :now_ms", "state <> 'released'"),
    "confirms at the very end": says("credit_confirm", "expires_at_ms > :now_ms", "expires_at_ms >= :now_ms"),
    "confirms approvals for another order": says("credit_confirm", "OR order_key = :order_key)", "OR 1)"),
    "confirms approvals for no order": says("credit_confirm", ":order_key = '' OR ", ""),
    "prolongs what is confirmed": says("credit_confirm", "CASE WHEN state = 'confirmed' THEN expires_at_ms ELSE :expires_at_ms END", ":expires_at_ms"),
    "forgets which order is confirmed": says("credit_confirm", "CASE WHEN order_key = '' THEN :order_key ELSE order_key END", "order_key"),
    "confirms every approval": says("credit_confirm", "reference = :reference AND", ":reference <> '' AND"),
    "gives credit back again": says("credit_release", " AND state IN ('open', 'confirmed')", ""),
    "gives no confirmed credit back": says("credit_release", "state IN ('open', 'confirmed')", "state = 'open'"),
    "gives all credit back": says("credit_release", "reference = :reference AND", ":reference <> '' AND"),
    "keeps what was owed first": says("credit_ordered", "amount = excluded.amount, ", ""),
    "keeps the currency that was owed first": says("credit_ordered", ", currency = excluded.currency", ""),
    "asks for every order to be confirmed again": says("credit_ordered", "our_stamp_ms = CASE WHEN excluded.amount > credit_claim.amount THEN 0", "our_stamp_ms = CASE WHEN 1 THEN 0"),
    "keeps the stamp of an order that grew": says("credit_ordered", "THEN 0 ELSE credit_claim.our_stamp_ms", "THEN credit_claim.our_stamp_ms ELSE credit_claim.our_stamp_ms"),
    "keeps the version of an order that grew": says("credit_ordered", "THEN excluded.version ELSE", "THEN credit_claim.version ELSE"),
    "leaves an order settled that grew": says("credit_ordered", "THEN 'ordered' ELSE", "THEN credit_claim.state ELSE"),
    "opens every order again": says("credit_ordered", "ELSE credit_claim.state END", "ELSE 'ordered' END"),
    "replaces approvals of other orders": says("credit_replace", "order_key IN (:order_key, :number) AND", ":order_key <> :number AND"),
    "replaces approvals by key only": says("credit_replace", "order_key IN (:order_key, :number)", "order_key = :order_key"),
    "replaces approvals of other channels": says("credit_replace", "channel = :channel AND", ":channel = :channel AND"),
    "replaces approvals without a name": says("credit_replace", "AND order_key <> ''", ""),
    "leaves what expired as it is": says("credit_replace", "('open', 'confirmed', 'expired')", "('open', 'confirmed')"),
    "replaces what was given back": says("credit_replace", "('open', 'confirmed', 'expired')", "('open', 'confirmed', 'expired', 'released')"),
    "replaces what it is asked for": says("credit_replace", "AND reference <> :reference", "AND :reference <> ''"),
    "forgets the key of what replaced": says("credit_replace", ", order_key = :order_key", ""),
    "meets records that are no orders": says("credit_met", "o.kind = 'order' AND", ""),
    "meets orders of other channels": says("credit_met", "o.system = c.channel AND", ""),
    "meets orders for what has ended": says("credit_met", "c.state IN ('open', 'confirmed', 'ordered') AND", ""),
    "meets orders that were met": says("credit_met", "AND c.state <> 'ordered'", ""),
    "meets orders for other systems": says("credit_met", "c.system = :system AND", ":system = :system AND"),
    "meets no confirmed approvals": says("credit_met", "c.state <> 'ordered'", "c.state = 'open'"),
    "meets orders in any order": says("credit_met", "ORDER BY +c.reference", "ORDER BY c.reference DESC"),
    "meets orders without a limit": says("credit_met", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    "accepts orders that the source does not have": says("credit_accept", ":accepted = 0 OR EXISTS", "1 OR EXISTS"),
    "accepts orders by an old version": says("credit_accept", "b.version >= credit_claim.version", "b.version >= 0"),
    "accepts orders by any binding": says("credit_accept", "b.kind = 'order' AND", ""),
    "accepts orders by other systems": says("credit_accept", "b.system = credit_claim.system AND", ""),
    "accepts orders by other orders": says("credit_accept", "b.key = :binding", ":binding <> ''"),
    "accepts an order later each time": says("credit_accept", "WHEN our_stamp_ms = 0 THEN :now_ms ELSE our_stamp_ms", "ELSE :now_ms"),
    "keeps accepting an order that is not": says("credit_accept", "CASE WHEN :accepted = 0 THEN 0 WHEN", "CASE WHEN"),
    "leaves an order settled that the source dropped": says("credit_accept", "CASE WHEN :accepted = 0 THEN 'ordered' ELSE state END", "state"),
    "accepts approved orders for any account": says("credit_accept", "OR NOT EXISTS", "OR 1 OR NOT EXISTS"),
    "accepts no order for another account": says("credit_accept", "OR NOT EXISTS", "OR 0 AND NOT EXISTS"),
    "takes approvals at other channels for ours": says("credit_accept", "a.channel = credit_claim.channel AND", ""),
    "takes approvals of other orders for ours": says("credit_accept", "a.order_key = credit_claim.order_key", "1"),
    "takes approvals on other accounts for ours": says("credit_accept", "AND a.account = credit_claim.account", ""),
    "takes approvals that were given back for ours": says("credit_accept", "AND a.state = 'replaced'", ""),
    "accepts only orders whose account is told": says("credit_accept", ":account IN ('', credit_claim.account)", ":account = credit_claim.account"),
    "moves orders that the source has": says("credit_ordered", "our_stamp_ms = 0 THEN excluded.account", "our_stamp_ms >= 0 THEN excluded.account"),
    "never moves an order": says("credit_ordered", "our_stamp_ms = 0 THEN excluded.account", "our_stamp_ms < 0 THEN excluded.account"),
    "accepts approvals": says("credit_accept", "AND state IN ('ordered', 'contained')", ""),
    "settles too soon": says("credit_settle", "BETWEEN 1 AND :contains_ms", "BETWEEN 1 AND :contains_ms + 1"),
    "looks to settle too soon": says("credit_settling", "BETWEEN 1 AND :contains_ms", "BETWEEN 1 AND :contains_ms + 1"),
    "settles what nobody confirmed": says("credit_settle", "BETWEEN 1 AND", "BETWEEN 0 AND"),
    "looks to settle what nobody confirmed": says("credit_settling", "BETWEEN 1 AND", "BETWEEN 0 AND"),
    "never settles what is paid": says("credit_settle", "amount = 0 OR", ""),
    "never looks to settle what is paid": says("credit_settling", "amount = 0 OR", ""),
    "settles by figures that were not read": says("credit_settle", ">= :judged_ms", ">= :judged_ms - 1"),
    "looks to settle by figures that were not read": says("credit_settling", ">= :judged_ms", ">= :judged_ms - 1"),
    "settles by figures that are gone": says("credit_settle", "AND r.gone = 0", ""),
    "looks to settle by figures that are gone": says("credit_settling", "AND r.gone = 0", ""),
    "settles by figures that were told only": says("credit_settle", "max(r.observed_at_ms, r.seen_ms)", "r.observed_at_ms"),
    "looks to settle by figures that were told only": says("credit_settling", "max(r.observed_at_ms, r.seen_ms)", "r.observed_at_ms"),
    "settles by figures that were seen only": says("credit_settle", "max(r.observed_at_ms, r.seen_ms)", "r.seen_ms"),
    "looks to settle by figures that were seen only": says("credit_settling", "max(r.observed_at_ms, r.seen_ms)", "r.seen_ms"),
    "settles by any record": says("credit_settle", "r.kind = 'credit'", "r.kind <> ''"),
    "looks to settle by any record": says("credit_settling", "r.kind = 'credit'", "r.kind <> ''"),
    "settles by other systems' figures": says("credit_settle", "r.system = credit_claim.system AND", ""),
    "looks to settle by other systems' figures": says("credit_settling", "r.system = credit_claim.system AND", ""),
    "settles by other accounts' figures": says("credit_settle", "r.key = credit_claim.account AND", ""),
    "looks to settle by other accounts' figures": says("credit_settling", "r.key = credit_claim.account AND", ""),
    "settles every account": says("credit_settle", "account = :account AND state", ":account = :account AND state"),
    "looks to settle what is settled": says("credit_settling", "AND state = 'ordered'", ""),
    "looks to settle accounts twice": says("credit_settling", "DISTINCT ", ""),
    "looks to settle in no order": says("credit_settling", "ORDER BY account", "ORDER BY account DESC"),
    "looks to settle without a limit": says("credit_settling", "LIMIT :limit", "LIMIT :limit + 99"),
    "settles everywhere": says("credit_settle", "WHERE system = :system AND", "WHERE :system = :system AND"),
    "looks to settle everywhere": says("credit_settling", "WHERE system = :system AND", "WHERE :system = :system AND"),
    "forgets claims that count": says("forget_claims", "state NOT IN ('open', 'confirmed', 'ordered') AND", ""),
    "forgets young claims": says("forget_claims", "< :before", "<= :before"),
    "forgets claims without a limit": says("forget_claims", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
}  # fmt: skip


class WipesRecords(Whole):
    async def wipe(self):
        await super().wipe()
        self._connection.execute("DELETE FROM record")


BROKEN |= {name: says(*change) for name, change in privacy_mutants.CHANGES.items()}
BROKEN |= {name: says(*change) for name, change in retired_mutants.CHANGES.items()}
BROKEN["wipes records"] = WipesRecords

# --- what catches them ------------------------------------------------------------------------------

# Mutant: the tests that fail on it, without their "test_". Every other test passes.
ENDED_SESSIONS = (
    "ends a session for longer each time",
    "forgets a session before its end",
    "remembers a session past its end",
    "takes any ended session for this one",
)
CAUGHT_BY = {
    "remembers no return that explained": [
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
    ],
    "sets aside what later returns explained": [
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
    ],
    "sets aside all that came back": [
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
    ],
    "sets aside all that is missing": [
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
    ],
    **{name: ["a_session_that_was_ended_stays_so_until_it_would_be_over"] for name in ENDED_SESSIONS},
    "declares again what is so already": [
        "a_mode_begins_once_ends_once_and_what_is_over_stays",
    ],
    "ends what is over": [
        "a_mode_begins_once_ends_once_and_what_is_over_stays",
    ],
    "ends every mode of a subject": [
        "a_mode_begins_once_ends_once_and_what_is_over_stays",
    ],
    "tells what is over first": [
        "what_holds_is_told_before_what_is_over",
    ],
    "tells the oldest mode first": [
        "a_mode_begins_once_ends_once_and_what_is_over_stays",
    ],
    "tells apart what was in time": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells apart by the modes of others": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells nothing apart by its sink": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells apart what had landed": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells apart what changed afterwards": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells nothing apart while it lasts": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells the longest of all": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells apart the lags of all routes": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells apart the lags of all time": [
        "lags_are_told_apart_if_their_change_waited_for_a_pause",
    ],
    "tells apart what is due": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "tells apart what changed when it was over": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "tells apart what has ended": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "tells apart what is parked": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "takes up what is parked": [
        "pending_deliveries_are_found_again_after_a_restart",
    ],
    "tells nothing apart that runs": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "tells apart what other routes have late": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "tells apart what other systems have late": [
        "what_is_late_is_told_apart_by_when_it_changed",
    ],
    "learns what is ours": [
        "a_number_that_others_write_is_learned_and_nothing_fell",
    ],
    "learns in spite of a newer revision": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "a_number_that_others_write_is_learned_and_nothing_fell",
    ],
    "forgets what fell before": [
        "a_number_that_others_write_is_learned_and_nothing_fell",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "keeps what came back": [
        "what_came_back_unseen_is_no_debt_of_a_number_that_others_write",
    ],
    "keeps the doubt of what came back": [
        "a_number_that_others_write_is_learned_and_nothing_fell",
    ],
    "believes what it learns at once": [
        "a_number_that_others_write_is_learned_and_nothing_fell",
    ],
    "learns for every system": [
        "a_number_that_others_write_is_learned_and_nothing_fell",
    ],
    "takes any record's origin": [
        "a_record_knows_by_what_it_came",
    ],
    "knows no record without its event": [
        "a_record_knows_by_what_it_came",
    ],
    "answers before it commits": [
        "what_was_accepted_is_there_after_a_restart",
    ],
    "forgets guards": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
        "a_guard_counts_every_row",
        "a_guard_that_fails_undoes_the_statements_before_it",
        "lines_are_taken_together_or_not_at_all",
        "what_need_not_be_told_is_done_all_the_same",
    ],
    "does only what it tells": [
        "what_need_not_be_told_is_done_all_the_same",
    ],
    "guards only what it tells": [
        "what_need_not_be_told_is_done_all_the_same",
    ],
    "guards only the first row": [
        "a_guard_counts_every_row",
        "lines_are_taken_together_or_not_at_all",
        "what_is_held_is_known_from_first_to_last",
    ],
    "guards only what follows": [
        "a_guard_that_fails_undoes_the_statements_before_it",
        "a_transaction_that_fails_changes_nothing",
        "what_need_not_be_told_is_done_all_the_same",
    ],
    "commits each statement": [
        "a_transaction_that_fails_changes_nothing",
    ],
    "leaves out empty results": [
        "a_transaction_returns_the_rows_of_each_statement",
        "several_at_once_cannot_use_the_last_of_a_credit",
    ],
    "runs statements backwards": [
        "a_statement_sees_what_the_one_before_it_wrote",
    ],
    "drops the cursor": [
        "a_cursor_moves_with_its_events",
        "a_cursor_never_covers_less_than_before",
        "an_append_that_fails_leaves_no_trace",
        "what_was_accepted_is_there_after_a_restart",
    ],
    "drops the cursor of an empty page": [
        "a_cursor_moves_with_its_events",
        "a_cursor_never_covers_less_than_before",
    ],
    "moves the cursor first": [
        "an_append_that_fails_leaves_no_trace",
    ],
    "commits each event": [
        "an_append_that_fails_leaves_no_trace",
    ],
    "never knows an event": [
        "a_known_event_id_is_refused_and_takes_no_offset",
        "an_event_id_is_known_for_32_days",
        "old_buckets_of_event_ids_are_forgotten",
        "one_event_id_arriving_many_times_at_once_is_one_event",
        "what_was_accepted_is_there_after_a_restart",
    ],
    "knows an event only in its bucket": [
        "an_event_id_is_known_for_32_days",
        "old_buckets_of_event_ids_are_forgotten",
    ],
    "knows an event only in two buckets": [
        "an_event_id_is_known_for_32_days",
        "old_buckets_of_event_ids_are_forgotten",
    ],
    "knows an event for ever": [
        "an_event_id_is_forgotten_in_the_end",
        "old_buckets_of_event_ids_are_forgotten",
    ],
    "takes one system for another": [
        "an_event_is_read_back_as_it_came",
        "one_event_id_of_two_systems_is_two_events",
    ],
    "wastes offsets on duplicates": [
        "a_cursor_moves_with_its_events",
        "a_cursor_never_covers_less_than_before",
        "a_known_event_id_is_refused_and_takes_no_offset",
        "what_was_accepted_is_there_after_a_restart",
    ],
    "shows the newest event late": [
        "a_reader_misses_nothing_while_many_append",
    ],
    "gives out offsets again": [
        "offsets_of_forgotten_events_are_not_given_out_again",
    ],
    "reads from the offset on": [
        "a_reader_misses_nothing_while_many_append",
        "reading_starts_after_an_offset_and_stops_at_the_limit",
    ],
    "forgets the limit": [
        "reading_starts_after_an_offset_and_stops_at_the_limit",
    ],
    "trims bodies": [
        "an_event_is_read_back_as_it_came",
    ],
    "strips text": [
        "awkward_text_is_kept_exactly",
    ],
    "rewrites JSON": [
        "json_bodies_keep_every_byte",
    ],
    "counts in floats": [
        "integers_of_64_bits_are_exact",
    ],
    "refuses a NUL halfway": [
        "a_nul_in_text_is_kept_or_refused",
    ],
    "breaks when closed twice": [
        "closing_twice_does_no_harm",
    ],
    "spoils the next append": [
        "an_append_that_fails_takes_nobody_with_it",
    ],
    "looks at the clock": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
        "a_lease_is_free_once_it_has_expired_by_the_time_passed_in",
        "renewing_keeps_a_lease",
    ],
    "lets a cursor cover less": [
        "a_cursor_never_covers_less_than_before",
    ],
    "lets progress go back": [
        "progress_never_goes_back",
    ],
    "lets progress stand still only once": [
        "progress_never_goes_back",
    ],
    "forgets the end of the log": [
        "reading_starts_after_an_offset_and_stops_at_the_limit",
    ],
    "gives a lease to everybody": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
        "a_lease_is_free_once_it_has_expired_by_the_time_passed_in",
        "renewing_keeps_a_lease",
        "two_workers_never_hold_one_lease",
    ],
    "gives a lease a moment late": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
        "a_lease_is_free_once_it_has_expired_by_the_time_passed_in",
        "renewing_keeps_a_lease",
    ],
    "refuses an own lease": [
        "taking_an_own_lease_again_raises_the_fence",
    ],
    "keeps the fence": [
        "a_dropped_lease_is_free_at_once",
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
        "a_lease_is_free_once_it_has_expired_by_the_time_passed_in",
        "renewing_keeps_a_lease",
        "taking_an_own_lease_again_raises_the_fence",
        "two_workers_never_hold_one_lease",
    ],
    "renews nothing": [
        "renewing_keeps_a_lease",
    ],
    "renews for a former owner": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
    ],
    "drops for a former owner": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
    ],
    "drops nothing": [
        "a_dropped_lease_is_free_at_once",
    ],
    "checks the owner but not the fence": [
        "a_former_owner_can_neither_write_nor_renew_nor_drop",
        "a_guard_that_fails_undoes_the_statements_before_it",
    ],
    "ignores the version": [
        "only_a_newer_version_replaces_a_record",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "ignores the tiebreak": [
        "only_a_newer_version_replaces_a_record",
    ],
    "replaces a record by its equal": [
        "only_a_newer_version_replaces_a_record",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "keeps a record's old hash": [
        "a_newer_record_replaces_every_column",
    ],
    "mixes up kinds": [
        "records_are_kept_apart_by_system_and_kind",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "counts records without their system": [
        "records_are_kept_apart_by_system_and_kind",
    ],
    "pages records by their case": [
        "records_are_paged_in_the_order_of_their_bytes",
    ],
    "finds stock by the beginning": [
        "stock_is_found_by_sku_and_not_by_its_beginning",
    ],
    "explains what was missed before": [
        "a_reading_is_as_old_as_the_question",
        "an_order_explains_nothing_that_was_missed_before_it",
        "what_an_order_may_explain_is_read_again",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "explains by the beginning": [
        "what_an_order_may_explain_is_read_again",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "explains nothing at the last moment": [
        "a_reading_is_as_old_as_the_question",
        "an_order_explains_nothing_that_was_missed_before_it",
        "an_order_explains_unseen_units_first",
        "what_an_order_may_explain_is_read_again",
        "what_is_explained_is_not_in_doubt",
        "what_was_set_aside_before_the_first_look_is_unseen",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "reads nothing again": [
        "what_an_order_may_explain_is_read_again",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "reads again without need": [
        "what_an_order_may_explain_is_read_again",
    ],
    "reads again for nothing": [
        "what_an_order_may_explain_is_read_again",
    ],
    "reads again what came later": [
        "what_an_order_may_explain_is_read_again",
    ],
    "reads again what was explained": [
        "an_order_explains_unseen_units_first",
        "what_an_order_may_explain_is_read_again",
    ],
    "believes a reading that missed too little": [
        "an_order_explains_unseen_units_first",
    ],
    "believes no reading that missed enough": [
        "an_order_explains_unseen_units_first",
    ],
    "reads again whatever missed nothing": [
        "the_first_reading_is_the_first_that_was_read",
    ],
    "reads again what more moved after": [
        "what_an_order_may_explain_is_read_again",
    ],
    "forgets when it asked": [
        "a_reading_is_as_old_as_the_question",
        "an_order_explains_nothing_that_was_missed_before_it",
        "an_order_explains_unseen_units_first",
        "what_an_order_may_explain_is_read_again",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "believes that it asked when it was answered": [
        "a_reading_is_as_old_as_the_question",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "lowers any reading": [
        "a_reading_is_as_old_as_the_question",
    ],
    "keeps what vanished in its place": [
        "only_what_vanished_can_be_gone",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "keeps what is gone": [
        "only_what_vanished_can_be_gone",
    ],
    "sees and forgets": [
        "an_account_is_read_whole",
        "orders_in_judged_figures_are_settled_until_they_are_not",
        "places_are_counted_in_pieces",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "sees ever less": [
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "sees what vanished without a word": [
        "places_are_counted_in_pieces",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "sees all kinds at once": [
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "counts orders as figures": [
        "places_are_counted_in_pieces",
    ],
    "counts the figures of others": [
        "places_are_counted_in_pieces",
    ],
    "counts places from the key on": [
        "places_are_counted_in_pieces",
    ],
    "counts all places at once": [
        "places_are_counted_in_pieces",
    ],
    "counts what was told a moment late": [
        "places_are_counted_in_pieces",
    ],
    "counts only what is new": [
        "places_are_counted_in_pieces",
    ],
    "counts nothing as known": [
        "places_are_counted_in_pieces",
    ],
    "says how far each place goes": [
        "places_are_counted_in_pieces",
    ],
    "lacks what was told just then": [
        "what_a_full_read_lacks_is_what_was_not_told_since_it_began",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "lacks what was seen": [
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "lacks what it lacked before": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "lacks all kinds": [
        "what_a_full_read_lacks_is_what_was_not_told_since_it_began",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "lacks what others have": [
        "what_a_full_read_lacks_is_what_was_not_told_since_it_began",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
    ],
    "lacks from the key on": [
        "what_a_full_read_lacks_is_what_was_not_told_since_it_began",
    ],
    "lacks without end": [
        "what_a_full_read_lacks_is_what_was_not_told_since_it_began",
    ],
    "marks what was told just then": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "marks what was seen": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "marks again": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "marks all kinds": [
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "takes away what is there": [
        "only_what_vanished_can_be_gone",
    ],
    "takes away again": [
        "only_what_vanished_can_be_gone",
    ],
    "takes away all kinds": [
        "only_what_vanished_can_be_gone",
    ],
    "lists what is there as vanished": [
        "only_what_vanished_can_be_gone",
        "what_is_seen_again_is_there_although_it_says_nothing_newer",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "lists what vanished of all kinds": [
        "only_what_vanished_can_be_gone",
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "lists what vanished elsewhere": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "lists what vanished from the key on": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "lists what vanished without end": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "finds what is there among what vanished": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "finds all kinds among what vanished": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "finds others' among what vanished": [
        "what_vanished_is_marked_once_until_it_is_told_again",
    ],
    "keeps the first doubt": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "keeps the first body doubted": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "finds doubts by the beginning": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "finds others' doubts": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "begins with others' doubts": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "begins with all doubts": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "drops others' doubts": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "drops all doubts": [
        "what_is_doubted_is_kept_as_it_was_read_last",
    ],
    "finds unseen units by the beginning": [
        "unseen_units_are_found_by_sku_and_not_by_its_beginning",
    ],
    "finds units that came back as unseen": [
        "unseen_units_are_found_by_sku_and_not_by_its_beginning",
    ],
    "finds every number as unseen": [
        "unseen_units_are_found_by_sku_and_not_by_its_beginning",
    ],
    "finds what another channel lost": [
        "unseen_units_are_found_by_sku_and_not_by_its_beginning",
    ],
    "finds bindings by the beginning": [
        "stock_is_found_by_sku_and_not_by_its_beginning",
    ],
    "finds orders among items": [
        "orders_are_found_by_their_number",
    ],
    "lets a binding's version fall": [
        "a_binding_remembers_the_newest_version_sent",
    ],
    "is sure of an order that is under way": [
        "what_is_being_written_again_is_no_longer_known_and_nothing_else_is_forgotten",
    ],
    "is unsure of every order": [
        "what_is_being_written_again_is_no_longer_known_and_nothing_else_is_forgotten",
    ],
    "is unsure of other systems' orders": [
        "what_is_being_written_again_is_no_longer_known_and_nothing_else_is_forgotten",
    ],
    "is unsure of an order's money": [
        "what_is_being_written_again_is_no_longer_known_and_nothing_else_is_forgotten",
    ],
    "keeps a binding's revision": [
        "a_binding_remembers_the_newest_version_sent",
    ],
    "pages bindings from the key on": [
        "bindings_are_paged_by_key",
    ],
    "limits no bindings": [
        "bindings_are_paged_by_key",
    ],
    "takes the first look for a loss": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
        "a_number_that_others_write_is_learned_and_nothing_fell",
        "a_reading_is_as_old_as_the_question",
        "a_reading_that_was_overtaken_changes_nothing",
        "a_refuted_number_is_unknown_until_it_is_read_again",
        "a_shift_moves_what_is_held_and_nothing_else",
        "a_write_moves_what_is_held_by_its_difference",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "an_order_explains_nothing_that_was_missed_before_it",
        "an_order_explains_unseen_units_first",
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
        "stock_is_found_by_sku_and_not_by_its_beginning",
        "the_first_look_at_a_channel_explains_itself",
        "units_that_vanish_are_unseen_until_they_come_back",
        "unseen_units_are_found_by_sku_and_not_by_its_beginning",
        "unseen_units_are_listed_and_can_be_let_go",
        "what_a_blind_write_may_have_undone_is_in_doubt",
        "what_a_channel_told_is_kept_until_it_tells_something_newer",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
        "what_an_order_may_explain_is_read_again",
        "what_came_back_unseen_is_no_debt_of_a_number_that_others_write",
        "what_is_explained_is_not_in_doubt",
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_was_told_stands_beside_what_is_known",
    ],
    "takes an unknown number for none": [
        "a_binding_without_a_number_has_lost_nothing",
        "the_first_reading_is_the_first_that_was_read",
    ],
    "shifts an unknown number": [
        "a_binding_without_a_number_has_lost_nothing",
    ],
    "forgets units that came back": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "a_shift_moves_what_is_held_and_nothing_else",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "units_that_vanish_are_unseen_until_they_come_back",
        "what_came_back_unseen_is_no_debt_of_a_number_that_others_write",
        "what_is_explained_is_not_in_doubt",
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
    ],
    "counts a return twice": [
        "a_shift_moves_what_is_held_and_nothing_else",
        "what_is_explained_is_not_in_doubt",
    ],
    "forgets unseen units at the next look": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "a_number_that_others_write_is_learned_and_nothing_fell",
        "an_order_explains_nothing_that_was_missed_before_it",
        "units_that_vanish_are_unseen_until_they_come_back",
        "what_an_order_may_explain_is_read_again",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "explains held units first": [
        "a_reading_is_as_old_as_the_question",
        "an_order_explains_nothing_that_was_missed_before_it",
        "an_order_explains_unseen_units_first",
        "what_an_order_may_explain_is_read_again",
        "what_is_explained_is_not_in_doubt",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "trusts what was sent before": [
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "raises what was sent": [
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "sends one location's units to all": [
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "sends one order's units to all": [
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "keeps what was held before": [
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "leaves what was sent settled": [
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "believes a first reading": [
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once",
        "the_first_reading_is_the_first_that_was_read",
        "what_a_blind_write_may_have_undone_is_in_doubt",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "believes no reading": [
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "an_order_explains_unseen_units_first",
        "the_first_reading_is_the_first_that_was_read",
        "what_a_blind_write_may_have_undone_is_in_doubt",
        "what_an_order_may_explain_is_read_again",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "believes a first reading of returns": [
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "a_number_that_others_write_is_learned_and_nothing_fell",
    ],
    "doubts no order": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "doubts orders always": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "doubts no return": [
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "what_is_explained_is_not_in_doubt",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "doubts returns always": [
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "a_refuted_number_is_unknown_until_it_is_read_again",
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
    ],
    "doubts what is explained": [
        "what_is_explained_is_not_in_doubt",
    ],
    "doubts returns that were seen": [
        "what_is_explained_is_not_in_doubt",
    ],
    "keeps its doubts": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
    ],
    "resolves no doubt of orders": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once",
    ],
    "resolves no doubt of returns": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
    ],
    "takes the last reading for the first": [
        "an_order_explains_unseen_units_first",
        "the_first_reading_is_the_first_that_was_read",
        "what_an_order_may_explain_is_read_again",
    ],
    "takes no reading for the first": [
        "an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once",
        "the_first_reading_is_the_first_that_was_read",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "trusts a reading that had an order to decide": [
        "an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "trusts a reading that had a return to decide": [
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "trusts a reading before which too much may be explained": [
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "is told of nothing by what is not set aside": [
        "what_is_explained_is_not_in_doubt",
    ],
    "takes what is set aside for ordered": [
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "takes ordered units for set aside": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "a_shift_moves_what_is_held_and_nothing_else",
        "an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts",
        "units_that_vanish_are_unseen_until_they_come_back",
        "what_came_back_unseen_is_no_debt_of_a_number_that_others_write",
        "what_is_explained_is_not_in_doubt",
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "takes all that was explained for set aside": [
        "an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once",
        "what_is_explained_is_not_in_doubt",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "sets aside what later orders explained": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "remembers no order that explained": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "remembers orders that explained for ever": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "forgets what is set aside": [
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "misses nothing of what is set aside beside others": [
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
    ],
    "misses for ever what was set aside beside others": [
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
    ],
    "misses only what is set aside": [
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
    ],
    "misses what is set aside where we write": [
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
        "what_is_still_set_aside_did_not_come_back_with_an_order_from_before",
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "sets aside in spite of a newer revision": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
    ],
    "sets aside everywhere": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "sets aside on every system": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "sets aside what was never read": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
    ],
    "explains without a new revision": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "what_was_set_aside_before_the_first_look_is_unseen",
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "a_reading_that_was_overtaken_changes_nothing",
        "an_order_explains_unseen_units_first",
    ],
    "shifts without a new revision": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "a_first_reading_that_may_contain_a_return_heard_later_is_not_believed",
        "a_number_that_others_write_is_learned_and_nothing_fell",
        "a_refuted_number_is_unknown_until_it_is_read_again",
        "a_shift_moves_what_is_held_and_nothing_else",
    ],
    "believes a blind write": [
        "what_a_blind_write_may_have_undone_is_in_doubt",
    ],
    "believes that a blind write lowered nothing": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
    ],
    "believes that a blind write raised nothing": [
        "a_blind_write_of_which_nobody_knows_is_in_doubt_itself",
    ],
    "writes blindly without a new revision": [
        "what_a_blind_write_may_have_undone_is_in_doubt",
    ],
    "sets aside exactly or not": [
        "what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more",
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "sets aside in doubt of orders": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "sets aside in doubt of returns": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "sets aside where too much may be explained": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "never sets aside what was overtaken": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "learns exactly or not": [
        "a_number_that_others_write_is_learned_and_nothing_fell",
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "learns in doubt of orders": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "learns in doubt of returns": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "learns where too much may be explained": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "never learns what was overtaken": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "believes what was overtaken exactly or not": [
        "a_reading_that_was_overtaken_changes_nothing",
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "believes what was overtaken in doubt of orders": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "believes what was overtaken in doubt of returns": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "believes what was overtaken where too much may be explained": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "never believes what was overtaken": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
    ],
    "believes a reading that was overtaken": [
        "an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt",
        "a_reading_that_was_overtaken_changes_nothing",
    ],
    "counts a write twice": [
        "a_first_reading_that_may_contain_an_order_heard_later_is_not_believed",
        "a_write_moves_what_is_held_by_its_difference",
    ],
    "keeps a refuted number": [
        "what_was_told_stands_beside_what_is_known",
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
        "a_refuted_number_is_unknown_until_it_is_read_again",
    ],
    "never believes a number again": [
        "a_refuted_number_is_unknown_until_it_is_read_again",
        "what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too",
    ],
    "lets unseen units go with the number": [
        "unseen_units_are_listed_and_can_be_let_go",
    ],
    "lists what is not unseen": [
        "unseen_units_are_listed_and_can_be_let_go",
    ],
    "sets the first number again": [
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "sets no first number": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "counts a first number as read": [
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "takes no first number for a reading": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "takes no first number of a binding for a reading": [
        "what_is_still_set_aside_was_not_explained_by_an_order_from_before",
        "what_was_set_aside_before_the_first_look_is_unseen",
    ],
    "looks at every order's number again": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks at numbers that fell again": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks again later than was said": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks at what misses units elsewhere": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks at what misses units on another system": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks again at all numbers of a system": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks again at a number of all systems": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "looks at nothing again": [
        "a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing",
    ],
    "believes what was told late": [
        "what_a_channel_told_is_kept_until_it_tells_something_newer",
    ],
    "keeps the first word of a moment": [
        "what_a_channel_told_is_kept_until_it_tells_something_newer",
    ],
    "keeps the number that was told first": [
        "what_a_channel_told_is_kept_until_it_tells_something_newer",
    ],
    "keeps the stamp that was told first": [
        "what_a_channel_told_is_kept_until_it_tells_something_newer",
    ],
    "keeps when it was first to be looked at": [
        "what_a_channel_told_is_kept_until_it_tells_something_newer",
    ],
    "compares with what was refuted": [
        "what_was_told_stands_beside_what_is_known",
    ],
    "compares with nothing": [
        "what_was_told_stands_beside_what_is_known",
    ],
    "hears what others told": [
        "what_was_told_stands_beside_what_is_known",
    ],
    "knows what others hold": [
        "what_was_told_stands_beside_what_is_known",
    ],
    "takes every open delivery for a write under way": [
        "a_write_under_way_is_told",
    ],
    "takes a reading for a write": [
        "a_write_under_way_is_told",
    ],
    "takes another's write for its own": [
        "a_write_under_way_is_told",
    ],
    "looks at every number": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "looks at numbers in any order": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "looks at what was refuted": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "forgets to look at what was not read": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "limits no looks": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "looks at a number for ever": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "has looked at what was told since": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "has looked at what is to be looked at later": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "has looked at the numbers of others": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "has looked at all numbers": [
        "numbers_to_be_looked_at_come_in_order_and_are_looked_at_once",
    ],
    "keeps settled demand settled": [
        "settled_demand_opens_again_when_it_changes",
    ],
    "keeps known demand settled": [
        "settled_demand_opens_again_when_it_changes",
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
    ],
    "believes its own answer over the ERP": [
        "what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call",
    ],
    "lets nobody raise what the ERP told": [
        "what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call",
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
    ],
    "lets no answer lower what the ERP told": [
        "what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call",
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
    ],
    "keeps an answer's moment out": [
        "what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call",
    ],
    "takes no answer": [
        "settled_demand_opens_again_when_it_changes",
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
    ],
    "settles by any figure": [
        "demand_is_settled_only_by_the_figures_it_was_computed_from",
    ],
    "settles any quantity": [
        "demand_is_settled_only_by_the_figures_it_was_computed_from",
    ],
    "forgets the quantity before": [
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
    ],
    "takes later stamps": [
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
    ],
    "keeps stamps of another quantity": [
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
        "what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call",
    ],
    "believes what it learned first": [
        "what_is_learned_of_demand_replaces_what_was_known",
    ],
    "tells the demand of others": [
        "what_is_learned_of_demand_replaces_what_was_known",
    ],
    "shows settled demand": [
        "demand_is_settled_only_by_the_figures_it_was_computed_from",
        "settled_demand_opens_again_when_it_changes",
        "the_erp_holds_at_most_what_it_was_last_sent",
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "forgets since when it was sold": [
        "what_a_channel_sold_and_has_not_taken_is_summed",
    ],
    "sells for others": [
        "what_a_channel_sold_and_has_not_taken_is_summed",
    ],
    "gives back what is taken": [
        "what_a_channel_sold_and_has_not_taken_is_summed",
    ],
    "mixes up channels": [
        "demand_is_open_until_it_is_settled",
    ],
    "keeps the newest change": [
        "a_mark_keeps_the_oldest_change_and_counts",
        "a_mark_made_meanwhile_stays",
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "marks without counting": [
        "a_mark_keeps_the_oldest_change_and_counts",
        "a_mark_made_meanwhile_stays",
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
        "a_statement_sees_what_the_one_before_it_wrote",
    ],
    "forgets until when marks wait": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "defers what was marked meanwhile": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "defers until the last moment": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "finds a moment where nothing waits": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "takes an attempt for a newer one": [
        "an_attempt_keeps_the_generation_that_it_was_made_for",
    ],
    "mixes up attempts": [
        "an_attempt_keeps_the_generation_that_it_was_made_for",
    ],
    "marks for later what is due": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "marks for later without counting": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "marks for later what changed last": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "waits in spite of a new mark": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "waits in spite of a newer stamp": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
    ],
    "marks where no demand waits": ["a_newer_stamp_marks_only_where_demand_waits"],
    "marks where there is no demand": ["a_newer_stamp_marks_only_where_demand_waits"],
    "marks newer stamps without counting": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
        "a_newer_stamp_marks_only_where_demand_waits",
    ],
    "keeps the newest stamp": [
        "a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark",
        "a_newer_stamp_marks_only_where_demand_waits",
    ],
    "clears a mark made meanwhile": [
        "a_mark_made_meanwhile_stays",
        "a_transaction_returns_the_rows_of_each_statement",
    ],
    "touches what nobody wants": [
        "an_unwanted_delivery_is_made_only_if_the_binding_moved",
        "an_unwanted_touch_leaves_an_ended_delivery_alone",
    ],
    "does not look at the binding": [
        "an_unwanted_delivery_is_made_only_if_the_binding_moved",
    ],
    "wakes ended deliveries": [
        "an_unwanted_touch_leaves_an_ended_delivery_alone",
    ],
    "leaves open deliveries alone": [
        "an_unwanted_touch_reaches_an_open_delivery",
    ],
    "leaves running deliveries alone": [
        "an_unwanted_touch_reaches_an_open_delivery",
    ],
    "interrupts a running delivery": [
        "a_touch_makes_anything_but_a_running_delivery_available",
        "of_several_changes_during_a_call_the_first_sets_the_deadline",
    ],
    "touches without a new generation": [
        "a_touch_makes_anything_but_a_running_delivery_available",
        "an_unwanted_touch_reaches_an_open_delivery",
        "changes_from_before_a_call_do_not_count_as_made_during_it",
        "completing_an_older_generation_leaves_work_to_do",
        "failing_an_older_generation_keeps_its_state_and_deadline",
        "of_several_changes_during_a_call_the_first_sets_the_deadline",
    ],
    "keeps the route": [
        "a_touch_makes_anything_but_a_running_delivery_available",
    ],
    "lets a deadline move back": [
        "a_touch_keeps_the_earliest_deadline_of_an_open_delivery",
        "changes_from_before_a_call_do_not_count_as_made_during_it",
        "completing_an_older_generation_leaves_work_to_do",
        "failing_an_older_generation_keeps_its_state_and_deadline",
        "of_several_changes_during_a_call_the_first_sets_the_deadline",
    ],
    "keeps the deadline of an ended delivery": [
        "a_touch_sets_a_new_deadline_for_an_ended_delivery",
    ],
    "touches past a backoff": [
        "a_touch_may_bring_a_delivery_forward_but_not_past_its_backoff",
    ],
    "puts off what waits": [
        "a_touch_may_bring_a_delivery_forward_but_not_past_its_backoff",
    ],
    "forgets attempts": [
        "a_touch_forgets_attempts_except_of_a_failing_delivery",
    ],
    "keeps attempts": [
        "a_touch_forgets_attempts_except_of_a_failing_delivery",
    ],
    "takes the last change during a call": [
        "of_several_changes_during_a_call_the_first_sets_the_deadline",
    ],
    "makes a new delivery wait": [
        "a_wanted_delivery_is_made_available",
        "an_unwanted_delivery_is_made_only_if_the_binding_moved",
        "deliveries_are_found_by_the_beginning_of_their_key",
    ],
    "counts no attempt": [
        "a_call_that_does_not_count_is_taken_back",
        "a_touch_forgets_attempts_except_of_a_failing_delivery",
        "finishing_says_what_became_of_it",
        "running_counts_an_attempt_and_only_from_open_states",
        "what_is_late_is_told_the_longest_first",
    ],
    "runs what is parked": [
        "running_counts_an_attempt_and_only_from_open_states",
    ],
    "takes over an earlier call's changes": [
        "changes_from_before_a_call_do_not_count_as_made_during_it",
    ],
    "supersedes what has changed": [
        "completing_an_older_generation_leaves_work_to_do",
    ],
    "remembers only the quantity just before": [
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
        "what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call",
    ],
    "forgets what was settled": [
        "the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps",
        "the_erp_holds_at_most_what_it_was_last_sent",
    ],
    "completes what has changed": [
        "changes_from_before_a_call_do_not_count_as_made_during_it",
        "completing_an_older_generation_leaves_work_to_do",
        "of_several_changes_during_a_call_the_first_sets_the_deadline",
    ],
    "counts a deadline from the old change": [
        "completing_an_older_generation_leaves_work_to_do",
        "of_several_changes_during_a_call_the_first_sets_the_deadline",
    ],
    "fails into availability": [
        "failing_an_older_generation_keeps_its_state_and_deadline",
    ],
    "moves the deadline of a failure": [
        "failing_an_older_generation_keeps_its_state_and_deadline",
    ],
    "forgets the reason": [
        "finishing_says_what_became_of_it",
        "what_is_late_is_told_the_longest_first",
    ],
    "counts what does not count": [
        "a_call_that_does_not_count_is_taken_back",
    ],
    "finishes every key": [
        "deliveries_are_counted_by_route_and_state",
        "pending_deliveries_are_found_again_after_a_restart",
        "what_is_late_is_told_apart_by_when_it_changed",
        "what_is_late_is_told_the_longest_first",
    ],
    "makes up what it finishes": [
        "finishing_what_does_not_exist_changes_nothing",
    ],
    "delivers a fact twice": [
        "a_fact_is_delivered_once",
    ],
    "hastens what runs": [
        "hastening_brings_open_deliveries_forward_only",
    ],
    "puts off what it should hasten": [
        "hastening_brings_open_deliveries_forward_only",
    ],
    "releases only what is parked": [
        "releasing_makes_a_delivery_start_over",
    ],
    "releases with its attempts": [
        "releasing_makes_a_delivery_start_over",
    ],
    "cancels what is open": [
        "only_a_parked_delivery_can_be_cancelled",
    ],
    "forgets what was running": [
        "pending_deliveries_are_found_again_after_a_restart",
    ],
    "counts what has ended": [
        "deliveries_are_counted_by_route_and_state",
    ],
    "sums up what is on time as late": [
        "deliveries_are_counted_by_route_and_state",
    ],
    "mixes up operations": [
        "deliveries_are_found_by_the_beginning_of_their_key",
    ],
    "sums up the lags of all routes": [
        "lags_are_summed_up_by_route",
    ],
    "finds the lags of any moment": [
        "lags_are_found_by_their_moment",
    ],
    "finds deliveries before the beginning": [
        "deliveries_are_found_by_the_beginning_of_their_key",
    ],
    "forgets an unfinished intent": [
        "an_intent_is_unfinished_until_its_result_is_written",
        "an_intent_written_twice_stays_as_it_was",
    ],
    "shows finished intents": [
        "an_intent_is_unfinished_until_its_result_is_written",
        "attempts_are_forgotten_after_their_intent_and_in_full",
    ],
    "starts an intent over": [
        "an_intent_written_twice_stays_as_it_was",
    ],
    "keeps an attempt's first result": [
        "an_attempt_gets_its_result_later",
    ],
    "times an attempt by its result": [
        "an_attempt_gets_its_result_later",
    ],
    "keeps the first reason parked": [
        "one_entry_is_open_for_each_thing_parked",
    ],
    "counts resolved entries": [
        "a_resolved_entry_stays_and_a_new_one_opens",
    ],
    "counts what is resolved by kind": [
        "parked_work_is_counted_by_kind_with_its_oldest",
    ],
    "tells the newest of a kind": [
        "parked_work_is_counted_by_kind_with_its_oldest",
    ],
    "resolves again and again": [
        "a_resolved_entry_stays_and_a_new_one_opens",
    ],
    "edits what is resolved": [
        "only_an_open_entry_can_be_edited",
    ],
    "keeps the first verdict": [
        "traces_tell_what_became_of_a_fact",
    ],
    "sums up lags of all time": [
        "lags_are_summed_up_by_route",
    ],
    "shows the oldest lags": [
        "lags_are_summed_up_by_route",
    ],
    "shows the first of the audit": [
        "the_audit_keeps_its_order",
    ],
    "keeps an account's role": [
        "accounts_are_put_and_dropped",
    ],
    "forgets what was not applied": [
        "only_old_events_that_were_applied_are_forgotten",
    ],
    "forgets young events": [
        "only_old_events_that_were_applied_are_forgotten",
    ],
    "forgets the bucket itself": [
        "old_buckets_of_event_ids_are_forgotten",
    ],
    "forgets young lags": [
        "old_lags_and_traces_are_forgotten",
    ],
    "forgets young traces": [
        "old_lags_and_traces_are_forgotten",
    ],
    "forgets intents with attempts": [
        "attempts_are_forgotten_after_their_intent_and_in_full",
    ],
    "forgets attempts of unfinished intents": [
        "attempts_are_forgotten_after_their_intent_and_in_full",
    ],
    "gets stuck on intents without attempts": [
        "attempts_are_forgotten_after_their_intent_and_in_full",
    ],
    "forgets parked deliveries": [
        "only_deliveries_that_ended_are_forgotten",
    ],
    "forgets young deliveries": [
        "only_deliveries_that_ended_are_forgotten",
    ],
    "opens a shelf twice": [
        "a_number_before_holds_is_stale_until_it_is_computed",
    ],
    "opens a shelf full": [
        "a_number_before_holds_is_stale_until_it_is_computed",
    ],
    "stores a number of yesterday": [
        "a_number_is_stored_only_if_nothing_changed_since_it_was_read",
    ],
    "leaves a number fresh": [
        "a_number_is_stored_only_if_nothing_changed_since_it_was_read",
        "nothing_is_taken_from_a_number_that_is_stale_or_missing",
        "an_expired_hold_is_taken_again_only_from_what_is_left",
    ],
    "makes a number stale without a new revision": [
        "a_number_is_stored_only_if_nothing_changed_since_it_was_read",
    ],
    "holds from a stale number": [
        "nothing_is_taken_from_a_number_that_is_stale_or_missing",
    ],
    "holds more than there is": [
        "a_hold_is_taken_only_from_what_is_left",
        "lines_are_taken_together_or_not_at_all",
        "pools_and_skus_are_counted_apart",
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
    ],
    "holds all but the last": [
        "a_confirmed_hold_stays_until_somebody_decides",
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
        "a_hold_is_released_once",
        "a_hold_is_taken_only_from_what_is_left",
        "a_second_confirmation_moves_nothing_but_may_name_the_order_once",
        "lines_are_taken_together_or_not_at_all",
        "pools_and_skus_are_counted_apart",
    ],
    "counts every pool together": [
        "pools_and_skus_are_counted_apart",
    ],
    "counts every SKU together": [
        "pools_and_skus_are_counted_apart",
    ],
    "counts holds that ended": [
        "a_confirmed_hold_stays_until_somebody_decides",
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
        "an_expired_hold_is_taken_again_only_from_what_is_left",
        "an_order_replaces_its_hold",
        "what_is_held_is_known_from_first_to_last",
    ],
    "counts nothing that is held": [
        "a_confirmed_hold_stays_until_somebody_decides",
        "a_hold_counts_in_another_channels_pool_without_being_bound_by_it",
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
        "a_hold_is_taken_only_from_what_is_left",
        "an_expired_hold_is_taken_again_only_from_what_is_left",
        "an_order_replaces_its_hold",
        "lines_are_taken_together_or_not_at_all",
        "pools_and_skus_are_counted_apart",
        "what_is_held_is_known_from_first_to_last",
    ],
    "counts nothing that is held again": [
        "what_is_held_is_known_from_first_to_last",
    ],
    "counts what is held in every pool": [
        "pools_and_skus_are_counted_apart",
        "what_is_held_is_known_from_first_to_last",
    ],
    "counts what is held of every SKU": [
        "pools_and_skus_are_counted_apart",
        "what_is_held_is_known_from_first_to_last",
    ],
    "gives back what is held in every pool": [
        "what_is_held_is_known_from_first_to_last",
    ],
    "gives back what is held of every SKU": [
        "what_is_held_is_known_from_first_to_last",
    ],
    "holds again in every pool": [
        "what_is_held_is_known_from_first_to_last",
    ],
    "holds again of every SKU": [
        "what_is_held_is_known_from_first_to_last",
    ],
    "counts again what is confirmed": [
        "a_confirmed_hold_stays_until_somebody_decides",
        "what_is_held_is_known_from_first_to_last",
    ],
    "gives back what is confirmed": [
        "a_confirmed_hold_stays_until_somebody_decides",
        "what_is_held_is_known_from_first_to_last",
    ],
    "gives back what has ended": [
        "what_is_held_is_known_from_first_to_last",
    ],
    "lets a hold end by the clock": [
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
    ],
    "takes a reference twice": [
        "a_reference_is_taken_once",
    ],
    "refuses a line that gets nothing": [
        "nothing_is_taken_from_a_number_that_is_stale_or_missing",
        "an_expired_hold_is_taken_again_only_from_what_is_left",
    ],
    "is bound by another channel's pool": [
        "a_hold_counts_in_another_channels_pool_without_being_bound_by_it",
    ],
    "is bound by another channel's pool later": [
        "a_hold_counts_in_another_channels_pool_without_being_bound_by_it",
    ],
    "shows what is over as held": [
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
    ],
    "confirms what is over": [
        "a_confirmed_hold_stays_until_somebody_decides",
    ],
    "confirms what was given back": [
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
        "a_hold_is_released_once",
    ],
    "puts the end off at each confirmation": [
        "a_second_confirmation_moves_nothing_but_may_name_the_order_once",
    ],
    "changes a hold's order": [
        "a_second_confirmation_moves_nothing_but_may_name_the_order_once",
    ],
    "never learns a hold's order": [
        "a_second_confirmation_moves_nothing_but_may_name_the_order_once",
    ],
    "releases what has ended": [
        "a_hold_is_released_once",
        "what_is_held_is_known_from_first_to_last",
    ],
    "releases no confirmed hold": [
        "a_hold_is_released_once",
        "what_is_held_is_known_from_first_to_last",
    ],
    "ends holds early": [
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
        "a_confirmed_hold_stays_until_somebody_decides",
    ],
    "ends holds late": [
        "a_confirmed_hold_stays_until_somebody_decides",
        "a_hold_counts_in_another_channels_pool_without_being_bound_by_it",
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
        "a_hold_is_released_once",
        "an_expired_hold_is_taken_again_only_from_what_is_left",
        "what_is_held_is_known_from_first_to_last",
    ],
    "ends confirmed holds unasked": [
        "a_confirmed_hold_stays_until_somebody_decides",
    ],
    "ends no confirmed hold": [
        "a_confirmed_hold_stays_until_somebody_decides",
    ],
    "ends the holds of every SKU": [
        "a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone",
    ],
    "takes again what was never over": [
        "an_expired_hold_is_taken_again_only_from_what_is_left",
    ],
    "takes again without counting": [
        "an_expired_hold_is_taken_again_only_from_what_is_left",
    ],
    "takes again from a stale number": [
        "an_expired_hold_is_taken_again_only_from_what_is_left",
    ],
    "counts a hold for two orders": [
        "an_order_replaces_its_hold",
    ],
    "replaces every hold without an order": [
        "an_order_replaces_its_hold",
    ],
    "replaces a hold twice": [
        "an_order_replaces_its_hold",
    ],
    "finds the holds of any channel": [
        "an_order_replaces_its_hold",
    ],
    "replaces a hold by no order": [
        "an_order_that_came_first_replaces_its_hold_at_once",
    ],
    "replaces a hold by another channel's order": [
        "an_order_that_came_first_replaces_its_hold_at_once",
    ],
    "replaces what was released": [
        "an_order_that_came_first_replaces_its_hold_at_once",
    ],
    "finds holds that have no order yet": [
        "holds_whose_order_is_there_are_found",
    ],
    "finds what met its order before": [
        "holds_whose_order_is_there_are_found",
    ],
    "holds for ever": [
        "what_is_held_of_a_sku_is_told_line_by_line",
    ],
    "forgets confirmed holds": [
        "what_is_held_of_a_sku_is_told_line_by_line",
    ],
    "tells of what was released": [
        "what_is_held_of_a_sku_is_told_line_by_line",
    ],
    "finds what is over late": [
        "what_is_over_is_found_oldest_first",
    ],
    "finds what is over in any order": [
        "what_is_over_is_found_oldest_first",
    ],
    "finds what has ended as next": [
        "what_is_over_is_found_oldest_first",
    ],
    "forgets open holds": [
        "only_holds_that_ended_are_forgotten",
    ],
    "forgets young holds": [
        "only_holds_that_ended_are_forgotten",
    ],
    "keeps the first class": [
        "a_standing_is_replaced_whole_and_dropped",
    ],
    "keeps since when it was slow": [
        "a_standing_is_replaced_whole_and_dropped",
    ],
    "keeps the first buffers": [
        "a_standing_is_replaced_whole_and_dropped",
    ],
    "tells every standing": [
        "a_standing_is_replaced_whole_and_dropped",
    ],
    "drops every standing": [
        "a_standing_is_replaced_whole_and_dropped",
    ],
    "keeps the first survey of an hour": [
        "surveys_are_told_newest_first_and_forgotten_by_time",
    ],
    "tells the surveys of others": [
        "surveys_are_told_newest_first_and_forgotten_by_time",
    ],
    "tells surveys before the first": [
        "surveys_are_told_newest_first_and_forgotten_by_time",
    ],
    "tells surveys oldest first": [
        "surveys_are_told_newest_first_and_forgotten_by_time",
    ],
    "forgets young surveys": [
        "surveys_are_told_newest_first_and_forgotten_by_time",
    ],
    "forgets how old a mark is": [
        "contents_are_computed_oldest_change_first_and_each_once",
    ],
    "does not count marks": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
        "contents_are_computed_oldest_change_first_and_each_once",
        "what_is_marked_again_meanwhile_is_not_done",
    ],
    "leaves a mark waiting": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "computes contents before their moment": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "computes contents after their moment": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "computes the newest content first": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
        "contents_are_computed_oldest_change_first_and_each_once",
    ],
    "computes contents route by route": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
        "contents_are_computed_oldest_change_first_and_each_once",
    ],
    "takes what waits for marked": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "takes what is due for waiting": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "takes another route's for marked": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "wakes for a moment that is there": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "wakes for the last moment": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "defers a content that was marked meanwhile": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "defers what another route marked": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "keeps how old a deferred mark was": [
        "a_mark_waits_for_its_moment_unless_something_changes_before",
    ],
    "ends what was marked meanwhile": [
        "what_is_marked_again_meanwhile_is_not_done",
    ],
    "ends what another route marked": [
        "what_is_marked_again_meanwhile_is_not_done",
    ],
    "keeps the first content": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "keeps the first fingerprint": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "keeps when a content was first told": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "is sure of what is under way": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "is unsure of everything": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "is unsure of other channels": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "is unsure of other kinds": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "tells contents of other channels": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "tells contents of other kinds": [
        "a_content_is_what_was_told_last_and_may_be_in_doubt",
    ],
    "tells records of other sources": [
        "records_are_told_with_whether_they_are_gone",
    ],
    "tells records of other kinds": [
        "records_are_told_with_whether_they_are_gone",
    ],
    "tells what is gone as if it were there": [
        "records_are_told_with_whether_they_are_gone",
    ],
    "tells parked work of other systems": [
        "what_is_parked_is_told_by_what_was_to_be_done",
    ],
    "tells parked work of other kinds": [
        "what_is_parked_is_told_by_what_was_to_be_done",
    ],
    "tells what was decided as parked": [
        "what_is_parked_is_told_by_what_was_to_be_done",
    ],
    "tells parked work in the order of its numbers": [
        "what_is_parked_is_told_by_what_was_to_be_done",
    ],
    "tells parked work without a limit": [
        "what_is_parked_is_told_by_what_was_to_be_done",
    ],
    "tells late work of other systems": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells late work of other routes": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells what is due now as late": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells what is parked as late": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells nothing late that is under way": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells late work by its keys": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells late work without a limit": [
        "what_is_late_is_told_the_longest_first",
    ],
    "tells differences at other routes": [
        "differences_are_told_of_some_records_until_they_are_gone",
    ],
    "tells differences at other records": [
        "differences_are_told_of_some_records_until_they_are_gone",
    ],
    "tells differences that are gone": [
        "differences_are_told_of_some_records_until_they_are_gone",
    ],
    "tells differences in any order": [
        "differences_are_told_of_some_records_until_they_are_gone",
    ],
    "lists holds that ended": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "lists only open holds": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "lists a hold for each pool": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "lists the holds of other channels": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "lists the holds of other SKUs": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "lists holds in any order": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "sums up holds that ended": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "sums up each pool": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "counts the lines of holds": [
        "open_holds_are_listed_by_their_end_and_summed_up_by_channel",
    ],
    "keeps what an adoption read first": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "tells what was read of other systems": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "tells what was read of other kinds": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "tells what was read from the first again": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "tells what was read in any order": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "forgets what was read of other systems": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "forgets what was read of other kinds": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "forgets all that was read at once": [
        "what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind",
    ],
    "keeps the first state of a proof": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "keeps a proof running": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "keeps the first place of a proof": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "keeps the first rows of a proof": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "keeps the first body of a proof": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "lets a proof begin anew": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "tells every proof": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "tells the proofs of others": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "tells proofs before the first": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "tells proofs oldest first": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
        "proofs_that_ended_are_forgotten_by_time",
    ],
    "limits no proofs": [
        "a_proof_is_kept_up_to_date_and_told_newest_first",
    ],
    "forgets young proofs": [
        "proofs_that_ended_are_forgotten_by_time",
    ],
    "forgets proofs that run": [
        "proofs_that_ended_are_forgotten_by_time",
    ],
    "forgets proofs without a limit": [
        "proofs_that_ended_are_forgotten_by_time",
    ],
    "keeps the first words of a difference": [
        "a_difference_found_again_is_the_same_one",
    ],
    "keeps the first units of a difference": [
        "a_difference_found_again_is_the_same_one",
    ],
    "keeps the first subject of a difference": [
        "a_difference_found_again_is_the_same_one",
    ],
    "keeps the first proof of a difference": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "keeps when a difference was seen first": [
        "a_difference_found_again_is_the_same_one",
        "differences_are_told_of_some_records_until_they_are_gone",
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "counts no finding again": [
        "a_difference_found_again_is_the_same_one",
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "keeps a difference closed": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "forgets that somebody decided": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "forgets that somebody has to decide": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "remembers what was decided of another": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "remembers who decided of another": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "forgets who decided": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "remembers when another began": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "forgets when a difference began": [
        "a_difference_found_again_is_the_same_one",
        "differences_are_told_of_some_records_until_they_are_gone",
    ],
    "closes what was found": [
        "differences_are_told_of_some_records_until_they_are_gone",
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "closes the differences of others": [
        "differences_are_listed_by_state_and_cause_and_counted",
        "differences_are_told_of_some_records_until_they_are_gone",
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "closes differences twice": [
        "differences_that_went_are_forgotten_by_time",
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "decides twice": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "decides what does not wait": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "decides what is gone": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "decides for every cause": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "decides for every route": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "decides in nobody's name": [
        "what_a_person_has_to_decide_waits_and_stands",
    ],
    "finds the differences of others": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "finds differences that went": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "finds other differences": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "lists differences that went": [
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "lists the differences of others": [
        "differences_are_listed_by_state_and_cause_and_counted",
        "what_a_whole_proof_did_not_find_is_gone",
    ],
    "lists differences of every state": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "lists differences of every cause": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "lists differences without a limit": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "counts differences that went": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "counts the last of a kind as the first": [
        "differences_are_listed_by_state_and_cause_and_counted",
    ],
    "forgets young differences": [
        "differences_that_went_are_forgotten_by_time",
    ],
    "forgets differences without a limit": [
        "differences_that_went_are_forgotten_by_time",
    ],
    "loses every binding of a key": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "loses bindings everywhere": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "loses every binding of a kind": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "keeps the id of what is lost": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "keeps the version of what is lost": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "keeps what was sent to what is lost": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "keeps the revision of what is lost": [
        "a_binding_is_lost_and_can_be_made_again",
    ],
    "tells every mark": [
        "which_of_some_skus_are_marked",
    ],
    "lets a routing be said anew": [
        "what_was_said_about_an_orders_routing_is_kept_and_told_in_order",
    ],
    "tells the routing of other channels": [
        "what_was_said_about_an_orders_routing_is_kept_and_told_in_order",
    ],
    "tells the routing of all orders": [
        "what_was_said_about_an_orders_routing_is_kept_and_told_in_order",
    ],
    "tells routings order by order in any order": [
        "what_was_said_about_an_orders_routing_is_kept_and_told_in_order",
    ],
    "tells routings by their ids": [
        "what_was_said_about_an_orders_routing_is_kept_and_told_in_order",
    ],
    "tells routings of one moment backwards": [
        "what_was_said_about_an_orders_routing_is_kept_and_told_in_order",
    ],
    "gives an order again": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "counts what others were given": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "counts what was given before": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "counts too few of a day": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "counts too few of an hour": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "counts too many of an hour": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "counts locations in any order": [
        "an_order_counts_once_for_a_location_from_when_it_was_first_given",
    ],
    "forgets what was just given": [
        "whom_orders_were_given_to_is_forgotten_after_a_while",
    ],
    "forgets gifts without a limit": [
        "whom_orders_were_given_to_is_forgotten_after_a_while",
    ],
    "places demand of another version": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "places demand of another tiebreak": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "places demand by any record": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "places demand by another channel's order": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "places demand by any order": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "forgets what was taken where demand is placed": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "leaves demand where it is": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "leaves placed demand settled": [
        "demand_is_placed_only_while_its_order_is_what_it_was_computed_from",
    ],
    "tells recent orders of others": [
        "the_newest_orders_are_told_first",
    ],
    "tells recent records of any kind": [
        "the_newest_orders_are_told_first",
    ],
    "tells old orders": [
        "the_newest_orders_are_told_first",
    ],
    "tells too few recent orders": [
        "the_newest_orders_are_told_first",
    ],
    "tells the oldest orders first": [
        "the_newest_orders_are_told_first",
    ],
    "tells orders of one moment in any order": [
        "the_newest_orders_are_told_first",
    ],
    "tells recent orders without a limit": [
        "the_newest_orders_are_told_first",
    ],
    "keeps what an order may explain": [
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "explains more than fell": [
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "explains by what is less": [
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "explains by what is in doubt": [
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "explains without a doubt": [
        "what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write",
    ],
    "alters a mapping": [
        "a_version_of_the_mapping_is_added_once_and_never_altered",
    ],
    "tells any mapping": [
        "a_version_of_the_mapping_is_added_once_and_never_altered",
    ],
    "tells the oldest mapping first": [
        "a_version_of_the_mapping_is_added_once_and_never_altered",
    ],
    "tells mappings without a limit": [
        "a_version_of_the_mapping_is_added_once_and_never_altered",
    ],
    "takes more credit than there is": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "leaves the last of a credit": [
        "an_approval_is_given_back_once",
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "takes credit by the claims of all accounts": [
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "takes credit by the claims of all systems": [
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "takes credit beside confirmed approvals": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "takes credit beside open approvals": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
        "credit_is_taken_while_there_is_room_and_whole",
        "several_at_once_cannot_use_the_last_of_a_credit",
    ],
    "takes credit beside orders": [
        "orders_count_until_the_figures_contain_them",
    ],
    "takes credit beside what has ended": [
        "an_approval_is_given_back_once",
    ],
    "counts orders twice": [
        "orders_count_until_the_figures_contain_them",
    ],
    "takes orders as contained too soon": [
        "orders_count_until_the_figures_contain_them",
    ],
    "takes orders as contained that nobody confirmed": [
        "orders_count_until_the_figures_contain_them",
    ],
    "bounds what has no bounds": [
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "takes credit by other figures": [
        "credit_is_taken_by_the_figures_that_were_judged_and_no_others",
    ],
    "takes credit by figures that are gone": [
        "credit_is_taken_by_the_figures_that_were_judged_and_no_others",
    ],
    "takes credit by another account's figures": [
        "credit_is_taken_by_the_figures_that_were_judged_and_no_others",
    ],
    "takes credit by another system's figures": [
        "credit_is_taken_by_the_figures_that_were_judged_and_no_others",
    ],
    "takes credit by any record": [
        "credit_is_taken_by_the_figures_that_were_judged_and_no_others",
    ],
    "takes credit again": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "takes nothing anew": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "keeps the account of what expired": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "keeps the amount of what expired": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "keeps the end of what expired": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "ends approvals too soon": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "ends approvals too late": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "ends approvals of all accounts": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "ends approvals of all systems": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "ends approvals again": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "ends orders as if they were approvals": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
    ],
    "never ends confirmed approvals": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "locks no account twice": [
        "an_accounts_row_is_there_to_be_locked",
    ],
    "reads an account with claims on others": [
        "an_account_is_read_whole",
    ],
    "reads an account with claims in other systems": [
        "an_account_is_read_whole",
    ],
    "reads an account with what has ended": [
        "an_account_is_read_whole",
    ],
    "reads an account by any record": [
        "an_account_is_read_whole",
    ],
    "reads an account by when it was told": [
        "an_account_is_read_whole",
    ],
    "reads an account by when it was seen": [
        "an_account_is_read_whole",
    ],
    "reads an account by any cursor": [
        "an_account_is_read_whole",
    ],
    "reads an account without a limit": [
        "an_account_is_read_whole",
    ],
    "tells claims in any order": [
        "an_account_is_read_whole",
        "claims_that_are_over_are_forgotten_after_a_while",
        "credit_is_taken_while_there_is_room_and_whole",
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "tells claims in other systems": [
        "an_account_is_read_whole",
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "tells claims that have ended": [
        "a_reference_takes_once_and_anew_when_it_has_expired",
        "an_account_is_read_whole",
        "an_approval_is_given_back_once",
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "tells claims on others": [
        "an_account_is_read_whole",
        "an_order_takes_what_is_owed_for_it_now",
        "credit_is_taken_while_there_is_room_and_whole",
    ],
    "tells orders of other channels as ours": [
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "tells orders of other systems as ours": [
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "tells orders by what was released": [
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "tells orders without a name": [
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "tells accounts of orders in any order": [
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "tells approvals of an order in any order": [
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "confirms what has expired": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "confirms at the very end": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "confirms approvals for another order": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "confirms approvals for no order": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "prolongs what is confirmed": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "forgets which order is confirmed": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
    ],
    "confirms every approval": [
        "an_approval_is_confirmed_in_time_and_for_one_order",
        "an_order_takes_the_place_of_its_approvals",
    ],
    "gives credit back again": [
        "an_approval_is_given_back_once",
    ],
    "gives no confirmed credit back": [
        "an_approval_is_given_back_once",
    ],
    "gives all credit back": [
        "an_account_is_read_whole",
        "an_approval_is_given_back_once",
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
        "an_order_takes_the_place_of_its_approvals",
        "approvals_meet_orders_that_came_before_their_names",
        "claims_that_are_over_are_forgotten_after_a_while",
        "whose_credit_an_order_takes_is_known_by_its_approval_or_itself",
    ],
    "keeps what was owed first": [
        "an_order_takes_what_is_owed_for_it_now",
    ],
    "keeps the currency that was owed first": [
        "an_order_takes_what_is_owed_for_it_now",
    ],
    "asks for every order to be confirmed again": [
        "an_order_takes_what_is_owed_for_it_now",
    ],
    "keeps the stamp of an order that grew": [
        "an_order_takes_what_is_owed_for_it_now",
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "keeps the version of an order that grew": [
        "an_order_takes_what_is_owed_for_it_now",
    ],
    "leaves an order settled that grew": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "opens every order again": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "replaces approvals of other orders": [
        "an_order_takes_the_place_of_its_approvals",
    ],
    "replaces approvals by key only": [
        "an_order_takes_the_place_of_its_approvals",
    ],
    "replaces approvals of other channels": [
        "an_order_takes_the_place_of_its_approvals",
    ],
    "replaces approvals without a name": [
        "an_order_takes_the_place_of_its_approvals",
    ],
    "leaves what expired as it is": [
        "an_order_takes_the_place_of_its_approvals",
    ],
    "replaces what was given back": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
        "an_order_takes_the_place_of_its_approvals",
    ],
    "forgets the key of what replaced": [
        "an_order_takes_the_place_of_its_approvals",
    ],
    "meets records that are no orders": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets orders of other channels": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets orders for what has ended": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets orders for other systems": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets orders that were met": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets no confirmed approvals": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets orders in any order": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "meets orders without a limit": [
        "approvals_meet_orders_that_came_before_their_names",
    ],
    "accepts orders that the source does not have": [
        "an_order_takes_what_is_owed_for_it_now",
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "accepts orders by an old version": [
        "an_order_takes_what_is_owed_for_it_now",
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "accepts orders by any binding": [
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "accepts orders by other systems": [
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "accepts orders by other orders": [
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "accepts an order later each time": [
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "keeps accepting an order that is not": [
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "leaves an order settled that the source dropped": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "accepts approved orders for any account": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "accepts no order for another account": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "takes approvals at other channels for ours": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "takes approvals of other orders for ours": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "takes approvals on other accounts for ours": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "takes approvals that were given back for ours": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "accepts only orders whose account is told": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
    ],
    "moves orders that the source has": [
        "an_order_takes_what_is_owed_for_it_now",
    ],
    "never moves an order": [
        "an_order_takes_what_is_owed_for_it_now",
    ],
    "accepts approvals": [
        "the_source_holds_an_order_once_it_tells_so_of_its_newest_version",
    ],
    "looks to settle too soon": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle what nobody confirmed": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "never looks to settle what is paid": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
    ],
    "looks to settle by figures that were not read": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle by figures that are gone": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle by figures that were told only": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle by figures that were seen only": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle by any record": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle by other systems' figures": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle by other accounts' figures": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle everywhere": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles every account": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
    ],
    "looks to settle what is settled": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
    ],
    "looks to settle accounts twice": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "looks to settle in no order": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
    ],
    "looks to settle without a limit": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles too soon": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles what nobody confirmed": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "never settles what is paid": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by figures that were not read": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by figures that are gone": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by figures that were told only": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by figures that were seen only": [
        "accounts_with_anything_to_settle_are_told_and_settled_one_by_one",
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by any record": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by other systems' figures": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles by other accounts' figures": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "settles everywhere": [
        "orders_in_judged_figures_are_settled_until_they_are_not",
    ],
    "forgets claims that count": [
        "claims_that_are_over_are_forgotten_after_a_while",
    ],
    "forgets young claims": [
        "claims_that_are_over_are_forgotten_after_a_while",
    ],
    "forgets claims without a limit": [
        "claims_that_are_over_are_forgotten_after_a_while",
    ],
    "replaces what it is asked for": [
        "an_approved_order_counts_until_the_source_has_it_for_the_account",
        "an_order_takes_the_place_of_its_approvals",
    ],
}


CAUGHT_BY |= privacy_mutants.CAUGHT
CAUGHT_BY |= retired_mutants.CAUGHT
CAUGHT_BY["wipes records"] = ["wiping_leaves_everything_that_is_there"]
CAUGHT_BY |= {name: [*CAUGHT_BY[name], test] for name, test in privacy_mutants.ALSO.items()}
CAUGHT_BY |= {name: [*CAUGHT_BY[name], test] for name, test in retired_mutants.ALSO.items()}


def test_every_mutant_says_what_catches_it_and_every_test_catches_one():
    assert CAUGHT_BY.keys() == BROKEN.keys()
    caught = {f"test_{name}" for names in CAUGHT_BY.values() for name in names}
    assert caught == set(all_tests())


async def fails(suite, test):
    async with suite.store():
        pass  # a mutant that cannot even be opened proves nothing
    try:
        await getattr(suite, test)()
    except apsw.SQLError:
        raise  # nor does one whose statement cannot be run
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 (whatever a broken store leads to)
        return True
    return False


@pytest.mark.parametrize("test", all_tests())
async def test_the_whole_store_passes(test):
    assert not await fails(suite_on(Whole), test)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_mutant_is_caught(name):
    suite = suite_on(BROKEN[name])
    assert [test for test in CAUGHT_BY[name] if not await fails(suite, f"test_{test}")] == []


USED = {}


async def statements_of(test):
    """The statements that a test runs on a store that does as it should."""
    if test not in USED:
        used = USED[test] = set()

        class Listened(dict):
            def __getitem__(self, statement):
                used.add(statement)
                return super().__getitem__(statement)

        class Listening(Whole):
            def __init__(self, connection):
                super().__init__(connection)
                self._queries, self._silent = Listened(self._queries), Listened(self._silent)

        assert not await fails(suite_on(Listening), test)
    return USED[test]


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
async def test_a_mutant_is_caught_by_nothing_else(name):
    mutant = BROKEN[name]
    suite = suite_on(mutant)
    others = [test for test in all_tests() if test.removeprefix("test_") not in CAUGHT_BY[name]]
    if mutant.changed:  # a test that never runs the statement cannot tell
        others = [test for test in others if mutant.changed in await statements_of(test)]
    assert [test for test in others if await fails(suite, test)] == []
