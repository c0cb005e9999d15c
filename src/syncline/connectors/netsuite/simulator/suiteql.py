"""SuiteQL: a strict gate in front of the mirror.

Only what the documents and public queries show is let through; everything that SQLite would accept
and the product would not (``LIMIT``, ``rowid``, pragmas, double-quoted strings, foreign functions)
is refused with the product's wording.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import apsw
import msgspec

from syncline.connectors.netsuite.simulator import sqlfunctions
from syncline.connectors.netsuite.simulator.errors import ApiError, bad_query
from syncline.connectors.netsuite.simulator.mirror import Mirror
from syncline.connectors.netsuite.simulator.state import Account

PAGE_MAX = 1000
ROWS_MAX = 100_000
STATEMENTS_MAX = 1000

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>'(?:[^']|'')*')|(?P<quoted>"[^"]*")|(?P<number>\d+(?:\.\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_$]*)|(?P<param>\?)|(?P<op><>|!=|<=|>=|\|\||[-+*/=<>(),.])""",
    re.VERBOSE,
)
_FUNCTIONS = frozenset(
    (
        "upper lower trim ltrim rtrim substr length nvl coalesce count sum min max avg abs round to_char to_date "
        "to_timestamp trunc sys_extract_utc concat nullif to_number greatest least replace instr df"
    ).split(),
)
_KEYWORDS = frozenset(
    (
        "select distinct all from where and or not in is null like between exists case when then else end as on join "
        "inner left right full outer cross group by having order asc desc union intersect minus over partition"
    ).split(),
)
_FORBIDDEN = frozenset(
    "rowid oid _rowid_ limit offset pragma glob regexp match indexed collate with recursive values".split(),
)
_RENAMED = {"nvl": "ifnull", "greatest": "max", "least": "min"}
# The database takes the time once for a whole statement, so it is bound as a parameter.
_NOW = {
    "sysdate": ":ns_date",
    "current_date": ":ns_date",
    "systimestamp": ":ns_stamp",
    "current_timestamp": ":ns_stamp",
}
# ``(c > X OR (c = Y AND ...`` is the keyset idiom. SQLite would scan the whole index for it; the
# implied bound lets it seek. The meaning does not change.
_DATE = r"(?::p\d+|'[^']*'|to_(?:date|timestamp)\((?:[^()]*)\))"
_KEYSET = re.compile(
    rf"(?<!not )(?<!not)\(\s*((?:\w+\s*\.\s*)?\w+)\s*>\s*({_DATE})\s+or\s+\(\s*\1\s*=\s*({_DATE})\s+and\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    params: int
    timed: bool
    customers: bool  # whether it reads what they owe


class SuiteQL:
    """Runs queries against one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._statements: OrderedDict[str, _Statement] = OrderedDict()
        self._mirror = Mirror(account)
        self._db = self._mirror.db
        sqlfunctions.register(account, self._db)

    def flush(self) -> None:
        """Bring the tables up to date before a query does."""
        self._mirror.flush()

    def query(self, body: bytes, limit: int, offset: int, self_url: str) -> bytes:
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
        if not 1 <= limit <= PAGE_MAX:
            raise ApiError(400, "INVALID_PARAMETER", "The limit must be between 1 and 1000.", param="limit")
        if offset < 0 or offset % limit:
            raise ApiError(
                400,
                "INVALID_PARAMETER",
                "The offset must be divisible by the limit.",
                param="offset",
            )
        rows, total = self._run(text, params, limit, offset)
        total = min(total, ROWS_MAX)
        more = offset + len(rows) < total
        links = [{"rel": "self", "href": f"{self_url}?limit={limit}&offset={offset}"}]
        if offset:
            links.append({"rel": "prev", "href": f"{self_url}?limit={limit}&offset={offset - limit}"})
        if more:
            links.append({"rel": "next", "href": f"{self_url}?limit={limit}&offset={offset + limit}"})
        return msgspec.json.encode(
            {
                "links": links,
                "count": len(rows),
                "hasMore": more,
                "items": rows,
                "offset": offset,
                "totalResults": total,
            },
        )

    def _run(
        self,
        text: str,
        params: list[Any],
        limit: int,
        offset: int,
    ) -> tuple[list[dict[str, Any]], int]:
        statement = self._statements.get(text)
        if statement is None:
            statement = self._rewrite(text)
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
            names = [str(name).lower() for name, _ in described]
            dates = [declared == "DATE" for _, declared in described]
            fetched = cursor.fetchall()
            rows = [self._render(names, dates, row) for row in fetched[:wanted]]
            total = offset + len(rows)
            if len(fetched) > wanted:
                total = self._count(statement, bindings)
        except apsw.SQLError as error:
            raise self._explain(str(error)) from error
        except sqlfunctions.DateFormatError as error:
            raise bad_query(f"Search error occurred: {error}.") from error
        except (apsw.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise bad_query("Search error occurred: Invalid or unsupported search.") from error
        return rows, total

    def _count(self, statement: _Statement, bindings: dict[str, Any]) -> int:
        # The statement has passed the gate: it is a single SELECT on the mirror's tables.
        row = next(self._db.execute(f"SELECT count(*) FROM ({statement.sql})", bindings))  # noqa: S608
        return int(row[0])

    @staticmethod
    def _render(names: list[str], dates: list[bool], row: tuple[Any, ...]) -> dict[str, Any]:
        # Values arrive as strings and NULL columns are absent (public clients rely on both; the
        # second is unsure).
        item: dict[str, Any] = {"links": []}
        for name, date, value in zip(names, dates, row, strict=True):
            if value is None:
                continue
            if date:
                # An unformatted date shows in the account's preference, without its time.
                item[name] = f"{int(value[5:7])}/{int(value[8:10])}/{value[:4]}"
            elif type(value) is float and value.is_integer():
                item[name] = str(int(value))
            else:
                item[name] = str(value)
        return item

    def _explain(self, message: str) -> ApiError:
        if found := re.search(r"no such column: (\S+)", message):
            name = found[1].replace('"', "").rpartition(".")[2]
            return bad_query(
                f"Search error occurred: Unknown identifier '{name}'. Available identifiers are: {{}}."
            )
        if found := re.search(r"no such table: (\S+)", message):
            return bad_query(f"Search error occurred: Record '{found[1]}' was not found.")
        return bad_query("Search error occurred: Invalid or unsupported search.")

    def _rewrite(self, text: str) -> _Statement:
        tokens = self._tokens_of(text)
        if not tokens or tokens[0][1].lower() != "select":
            raise bad_query("Search error occurred: Only SELECT statements are supported.")
        out: list[str] = []
        params = 0
        timed = customers = False
        i = 0
        while i < len(tokens):
            kind, value = tokens[i]
            low = value.lower()
            after = tokens[i + 1][1] if i + 1 < len(tokens) else ""
            dotted = bool(out) and out[-1] == "."
            if kind == "param":
                params += 1
                out.append(f":p{params}")
            elif kind == "quoted":
                out.append(f'"{value[1:-1].lower()}"')
            elif kind != "word":
                out.append(value)
            elif low == "builtin" and after == ".":
                i = self._builtin(tokens, i, out)
                continue
            elif low == "fetch":
                i = self._fetch(tokens, i, out)
                continue
            elif after == "(" and low not in _KEYWORDS:
                if low not in _FUNCTIONS:
                    raise bad_query(f"Search error occurred: Unknown function '{value}'.")
                out.append(_RENAMED.get(low, low))
            elif low in _NOW and not dotted:
                if after in ("-", "+"):
                    raise bad_query("Search error occurred: Invalid or unsupported search.")
                timed = True
                out.append(_NOW[low])
            elif low == "minus":
                out.append("except")
            elif low in _FORBIDDEN or low.startswith(("sqlite_", "pragma_")):
                raise bad_query("Search error occurred: Invalid or unsupported search.")
            else:
                customers = customers or low == "customer"
                out.append('"transaction"' if low == "transaction" else low)
            i += 1
        # A dot must not be followed by a space that splits the name.
        sql = " ".join(out).replace(" . ", ".").replace(" ( ", " (").replace("count (", "count(")
        sql = re.sub(r"\b(\w+) \(", lambda m: m[0] if m[1] in _KEYWORDS else f"{m[1]}(", sql)
        sql = re.sub(r"\s+\)", ")", sql)
        sql = _KEYSET.sub(lambda m: f"{m[1]} >= min({m[2]}, {m[3]}) and {m[0]}", sql)
        return _Statement(sql, params, timed, customers)

    @staticmethod
    def _tokens_of(text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise bad_query("Search error occurred: Invalid or unsupported search.")
            at = found.end()
            if found.lastgroup != "space":
                tokens.append((str(found.lastgroup), found[0]))
        return tokens

    @staticmethod
    def _builtin(tokens: list[tuple[str, str]], i: int, out: list[str]) -> int:
        """``BUILTIN.DF(alias.column)``: the display value of a column."""
        words = [t[1].lower() for t in tokens[i : i + 8]]
        if words[2:4] != ["df", "("] or ")" not in words:
            raise bad_query("Search error occurred: Invalid or unsupported search.")
        close = words.index(")")
        inner = words[4:close]
        if not inner or len(inner) not in (1, 3):
            raise bad_query("Search error occurred: Invalid or unsupported search.")
        prefix = f"{inner[0]}." if len(inner) == 3 else ""
        prefix = prefix.replace("transaction.", '"transaction".')
        column = f'"{inner[-1]}"'
        if inner[-1] == "status":
            out.append(f"ns_status({prefix}type,{prefix}{column})")
        else:
            out.append(f"ns_display('{inner[-1]}',{prefix}{column})")
        return i + close + 1

    @staticmethod
    def _fetch(tokens: list[tuple[str, str]], i: int, out: list[str]) -> int:
        words = [t[1].lower() for t in tokens[i : i + 5]]
        if (
            len(words) != 5
            or words[1] not in ("first", "next")
            or not words[2].isdigit()
            or words[3:] != ["rows", "only"]
            or i + 5 != len(tokens)
        ):
            raise bad_query("Search error occurred: Invalid or unsupported search.")
        inner = " ".join(out)
        out[:] = ["select", "*", "from", "(", inner, "limit", words[2], ")"]
        return i + 5
