"""SuiteQL: a strict gate in front of the mirror.

Only what the documents and public queries show is let through; everything that SQLite would accept
and the product would not (``LIMIT``, ``rowid``, pragmas, double-quoted strings, foreign functions)
is refused with the product's wording.
"""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import apsw
import msgspec

from syncline.connectors.netsuite.simulator import sqlfunctions
from syncline.connectors.netsuite.simulator.errors import ApiError, bad_query
from syncline.connectors.netsuite.simulator.mirror import Mirror
from syncline.connectors.netsuite.simulator.paging import Paging
from syncline.connectors.netsuite.simulator.sqlformats import DateFormatError, plain
from syncline.connectors.netsuite.simulator.sqlgrammar import Statement, rewrite
from syncline.connectors.netsuite.simulator.state import Account

ROWS_MAX = 100_000
STATEMENTS_MAX = 1000

_NAME = re.compile(r"[a-z_][a-z0-9_$#]*")


class SuiteQL:
    """Runs queries against one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._mirror = Mirror(account)
        self._db = self._mirror.db
        sqlfunctions.register(account, self._db)

    def flush(self) -> None:
        """Bring the tables up to date before a query does."""
        self._mirror.flush()

    def query(self, body: bytes, page: Paging, self_url: str) -> bytes:
        """Answer ``POST /query/v1/suiteql``.

        Raises:
            ApiError: the query is refused.
        """
        try:
            request = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ApiError(400, "INVALID_CONTENT", "Invalid content in the request body.") from error
        text = request.get("q")
        if not isinstance(text, str) or not text.strip():
            raise ApiError(400, "INVALID_PARAMETER", "Parameter q is required.", param="q")
        params = request.get("params", [])
        if not isinstance(params, list) or any(isinstance(p, dict | list) for p in params):
            raise ApiError(
                400, "INVALID_PARAMETER", "Parameter params must be an array of values.", param="params"
            )
        if unknown := sorted(set(request) - {"q", "params"}):
            raise ApiError(400, "INVALID_PARAMETER", f"Unknown property {unknown[0]}.", param=unknown[0])
        rows, total = self._run(text, params, page.limit, page.offset)
        return msgspec.json.encode(page.envelope(self_url, rows, min(total, ROWS_MAX)))

    def _run(
        self,
        text: str,
        params: list[Any],
        limit: int,
        offset: int,
    ) -> tuple[list[dict[str, Any]], int]:
        statement = self._statements.get(text)
        if statement is None:
            statement = rewrite(text)
            self._statements[text] = statement
            if len(self._statements) > STATEMENTS_MAX:
                self._statements.popitem(last=False)
        if len(params) != statement.params:
            raise bad_query("Search error occurred: Invalid number of parameters.")
        self._mirror.flush(customers=statement.customers)
        bindings: dict[str, Any] = {
            f"p{n}": ("T" if p else "F") if isinstance(p, bool) else p for n, p in enumerate(params, 1)
        }
        if statement.timed:
            bindings["ns_date"], bindings["ns_stamp"] = sqlfunctions.now(self._account)
        # Rows past the cap cannot be reached with any offset (NS:section_156414087576).
        wanted = max(0, min(limit, ROWS_MAX - offset))
        db = self._db
        try:
            cursor = db.cursor()
            cursor.execute(f"{statement.sql} LIMIT {wanted + 1} OFFSET {offset}", bindings)
            try:
                described = cursor.getdescription()
            except apsw.ExecutionCompleteError:
                total = 0
                if offset:
                    total = self._count(statement, bindings)
                return [], total
            names = _names((str(name).lower() for name, _ in described), statement.quoted)
            dates = [
                declared == "DATE" or at in statement.dates for at, (_, declared) in enumerate(described)
            ]
            fetched = cursor.fetchall()
            rows = [self._render(names, dates, row) for row in fetched[:wanted]]
            total = offset + len(rows)
            if len(fetched) > wanted:
                total = self._count(statement, bindings)
        except apsw.SQLError as error:
            raise _explain(str(error), statement.sources) from error
        except DateFormatError as error:
            raise bad_query(f"Search error occurred: {error}.") from error
        except (apsw.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise bad_query("Search error occurred: Invalid or unsupported search.") from error
        return rows, total

    def _count(self, statement: Statement, bindings: dict[str, Any]) -> int:
        # The statement has passed the gate: it is a single SELECT on the mirror's tables.
        row = next(self._db.execute(f"SELECT count(*) FROM ({statement.sql})", bindings))  # noqa: S608
        return int(row[0])

    @staticmethod
    def _render(names: list[str], dates: list[bool], row: tuple[Any, ...]) -> dict[str, Any]:
        # Values arrive as strings and NULL columns are absent (public clients rely on both; the
        # second is unsure).
        item: dict[str, Any] = {"links": []}
        for name, date, value in zip(names, dates, row, strict=True):
            if value in (None, ""):
                continue
            if date and isinstance(value, str):
                # An unformatted date shows in the account's preference, without its time.
                item[name] = f"{int(value[5:7])}/{int(value[8:10])}/{value[:4]}"
            else:
                item[name] = plain(value)
        return item


def _explain(message: str, sources: dict[str, str]) -> ApiError:
    """The wordings are those of live answers that public clients keep."""
    if found := re.search(r"no such column: (\S+)", message):
        alias, _, name = found[1].replace('"', "").rpartition(".")
        if alias in sources:
            return bad_query(
                f"Search error occurred: Field '{name}' for record '{sources[alias]}' was not found."
            )
        known = ", ".join(f"{name}={table}" for name, table in sources.items())
        return bad_query(
            f"Search error occurred: Unknown identifier '{alias or name}'. Available identifiers are: {{{known}}}."
        )
    if found := re.search(r"no such table: (\S+)", message):
        return bad_query(f"Invalid search type: {found[1]}.")
    return bad_query("Search error occurred: Invalid or unsupported search.")


def _names(shown: Iterable[str], quoted: frozenset[str]) -> list[str]:
    """The columns' names. What is no column and was given no name is ``expr1``, ``expr2`` … (as public clients record)."""
    count = itertools.count(1)
    return [name if _NAME.fullmatch(name) or name in quoted else f"expr{next(count)}" for name in shown]
