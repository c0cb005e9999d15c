"""SuiteQL's grammar, as far as it is let through, in the words of the mirror's database.

Everything that the mirror would accept and the product would not is refused here. ``ROWNUM``, ``TOP``, ``DECODE``,
``NVL2`` and the arithmetic of dates are what public clients and queries use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from syncline.connectors.netsuite.simulator.errors import bad_query
from syncline.connectors.netsuite.simulator.sqlrules import (
    DATES,
    OF_DATES,
    follow,
    moments,
    sources,
    unsupported,
)

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*[\s\S]*?\*/)|(?P<string>'(?:[^']|'')*')|(?P<quoted>"[^"]*")|(?P<number>\d+(?:\.\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_$]*)|(?P<param>\?)|(?P<op><>|!=|<=|>=|\|\||[-+*/=<>(),.])""",
    re.VERBOSE,
)
_FUNCTIONS = frozenset(
    (
        "upper lower trim ltrim rtrim substr length nvl nvl2 decode coalesce count sum min max avg abs round ceil floor mod "
        "power sign to_char to_date to_timestamp trunc add_months last_day sys_extract_utc concat nullif to_number greatest "
        "least replace instr row_number rank dense_rank median initcap lpad rpad translate ascii chr regexp_instr regexp_replace "
        "regexp_substr months_between next_day acos asin atan atan2 bitand cos cosh exp ln log remainder sin sinh sqrt tan tanh"
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
NOW = {
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

Token = tuple[str, str]  # its kind, and what stands there


@dataclass(frozen=True, slots=True)
class Statement:
    """A query that the mirror can run."""

    sql: str
    params: int
    timed: bool
    customers: bool  # whether it reads what they owe
    quoted: frozenset[str]  # names in quotes
    sources: dict[str, str]  # what is read, by the name that it has in the query
    dates: frozenset[int]  # which columns are moments that were worked out


@dataclass(slots=True)
class _Select:
    """A query, or one in parentheses, while it is read."""

    depth: int
    columns: bool = True  # whether its list of columns is being read
    gathers: bool = False  # whether it groups rows, or leaves out double ones
    most: str = ""  # how many rows of it are wanted


@dataclass(slots=True)
class _Writer:
    tokens: list[Token]
    out: list[str] = field(default_factory=list)
    selects: list[_Select] = field(default_factory=list)
    depth: int = 0
    params: int = 0
    timed: bool = False
    customers: bool = False
    quoted: set[str] = field(default_factory=set)
    i: int = 0

    def word(self, ahead: int = 0) -> str:
        """What stands there, in small letters; "" past the end."""
        at = self.i + ahead
        return self.tokens[at][1].lower() if 0 <= at < len(self.tokens) else ""

    def write(self) -> None:
        while self.i < len(self.tokens):
            self._step()
        while self.selects:
            self._end()

    def _step(self) -> None:
        kind, value = self.tokens[self.i]
        low, after = value.lower(), self.word(1)
        dotted = bool(self.out) and self.out[-1] == "."
        if kind == "param":
            self.out.append(self._param())
        elif kind == "quoted":
            self.out.append(f'"{low[1:-1]}"')
            self.quoted.add(low[1:-1])
        elif kind == "op":
            self._operator(value)
        elif kind != "word":
            self.out.append("null" if value == "''" else value)  # a text of no letters is no value
        elif low == "rownum" and not dotted:
            self._rownum()
        elif low == "builtin" and after == ".":
            self._builtin()
        elif low == "fetch":
            self._fetch()
        elif low in _KEYWORDS and not dotted:
            self._keyword(low)
        elif after == "(" and not dotted:
            if low not in _FUNCTIONS:
                raise bad_query(f"Search error occurred: Unknown function '{value}'.")
            self.out.append(_RENAMED.get(low, low))
        elif low in NOW and not dotted:
            self.timed = True
            self.out.append(NOW[low])
        elif low in _FORBIDDEN or low.startswith(("sqlite_", "pragma_", "ns_")):
            raise unsupported()
        else:
            self.customers = self.customers or low == "customer"
            self.out.append('"transaction"' if low == "transaction" else low)
        self.i += 1

    def _param(self) -> str:
        self.params += 1
        return f":p{self.params}"

    def _operator(self, value: str) -> None:
        if value == "(":
            self.depth += 1
        elif value == ")":
            while self.selects and self.selects[-1].depth == self.depth:
                self._end()
            self.depth -= 1
        elif value in "+-" and (start := self._date_before()) is not None:
            self._days(start, value)
            return
        self.out.append(value)

    def _keyword(self, low: str) -> None:
        select = self.selects[-1] if self.selects and self.selects[-1].depth == self.depth else None
        if low == "select":
            if select is not None:  # the next part of a union
                self._end()
            self.selects.append(_Select(self.depth))
            self.out.append(low)
            if self.word(1) == "top":
                if not self.word(2).isdigit():
                    raise unsupported()
                self.selects[-1].most = self.word(2)
                self.i += 2
            return
        if select is not None:
            select.columns = select.columns and low != "from"
            select.gathers = select.gathers or low in ("group", "distinct")
        self.out.append("except" if low == "minus" else low)

    def _end(self) -> None:
        select = self.selects.pop()
        if select.most:
            self.out += ["limit", select.most]

    # -- the number of a row ----------------------------------------------------------------------

    def _rownum(self) -> None:
        """Among the columns, the row's number before sorting; as a condition, how many rows are wanted at most.

        Which of them, where they are sorted as well, the product does not promise: here it is the first.
        """
        select = self.selects[-1] if self.selects else None
        if select is None or select.depth != self.depth:
            raise unsupported()
        if select.columns:
            self.out.append("row_number() over ()")
            return
        compared, most = self.word(1), self.tokens[self.i + 2 : self.i + 3]
        plain = self.word(-1) in ("where", "and") and self.word(3) in (
            "and",
            "order",
            "union",
            "minus",
            ")",
            "",
        )
        if not plain or select.gathers or self.word(3) == "group" or select.most or not most:
            raise unsupported()
        kind, value = most[0]
        if (
            kind not in ("number", "param")
            or compared not in ("<=", "<", "=")
            or (compared == "=" and value != "1")
        ):
            raise unsupported()
        limit = self._param() if kind == "param" else value
        select.most = f"{limit} - 1" if compared == "<" else limit
        self.out.append("1 = 1")
        self.i += 2

    # -- dates and days ---------------------------------------------------------------------------

    def _date_before(self) -> int | None:
        """Where in what was written the date begins that was written last; ``None`` if it was no date."""
        out = self.out
        if not out:
            return None
        if out[-1] in NOW.values():
            return len(out) - 1
        if out[-1] in DATES:
            return len(out) - 3 if len(out) > 2 and out[-2] == "." else len(out) - 1
        if out[-1] == ")":
            open_ones = 0
            for at in range(len(out) - 1, 0, -1):
                open_ones += (out[at] == ")") - (out[at] == "(")
                if not open_ones:
                    return at - 1 if out[at - 1] in (*OF_DATES, "ns_shift") else None
        return None

    def _days(self, start: int, sign: str) -> None:
        """Days added to a date, or taken from it: a number, a product or a quotient of numbers; or between two dates."""
        kind, value = self.tokens[self.i + 1] if self.i + 1 < len(self.tokens) else ("", "")
        low = value.lower()
        if kind in ("number", "param"):
            amount = [self._param() if kind == "param" else value]
            self.i += 1
            while (
                self.word(1) in ("*", "/")
                and self.tokens[self.i + 2 : self.i + 3][:1]
                and self.tokens[self.i + 2][0] == "number"
            ):
                amount += [
                    self.word(1),
                    f"{self.tokens[self.i + 2][1]}.0" if "." not in self.word(2) else self.word(2),
                ]
                self.i += 2
            self.out[start:] = ["ns_shift", "(", *self.out[start:], ",", f"{sign}1.0", "*", *amount, ")"]
        elif sign == "-" and (low in NOW or low in DATES or (self.word(2) == "." and self.word(3) in DATES)):
            words = 3 if self.word(2) == "." else 1
            right = [self.word(n) for n in range(1, words + 1)]
            self.timed = self.timed or low in NOW
            right = (
                [NOW.get(low, low)]
                if words == 1
                else ['"transaction"' if low == "transaction" else low, *right[1:]]
            )
            self.out[start:] = ["ns_days", "(", *self.out[start:], ",", *right, ")"]
            self.i += words
        else:
            raise unsupported()

    # -- what is the product's own ----------------------------------------------------------------

    def _builtin(self) -> None:
        """``BUILTIN.DF(alias.column)``: the display value of a column; ``BUILTIN.CF``: the column itself."""
        words = [t[1].lower() for t in self.tokens[self.i : self.i + 8]]
        if words[2:3] not in (["df"], ["cf"]) or words[3:4] != ["("] or ")" not in words:
            raise unsupported()
        close = words.index(")")
        inner = words[4:close]
        if not inner or len(inner) not in (1, 3):
            raise unsupported()
        prefix = f"{inner[0]}." if len(inner) == 3 else ""
        prefix = prefix.replace("transaction.", '"transaction".')
        column = f'"{inner[-1]}"'
        if words[2] == "cf":
            self.out.append(f"{prefix}{column}")
        elif inner[-1] == "status":
            self.out.append(f"ns_status({prefix}type,{prefix}{column})")
        else:
            self.out.append(f"ns_display('{inner[-1]}',{prefix}{column})")
        self.i += close

    def _fetch(self) -> None:
        words = [t[1].lower() for t in self.tokens[self.i : self.i + 5]]
        if (
            len(words) != 5
            or words[1] not in ("first", "next")
            or not words[2].isdigit()
            or words[3:] != ["rows", "only"]
            or self.i + 5 != len(self.tokens)
        ):
            raise unsupported()
        while self.selects:
            self._end()
        self.out[:] = ["select", "*", "from", "(", *self.out, ")", "limit", words[2]]
        self.i += 4


def rewrite(text: str) -> Statement:
    """A query in the words of the mirror's database.

    Raises:
        ApiError: the product would refuse it.
    """
    tokens = _tokens_of(text)
    if not tokens or tokens[0][1].lower() != "select":
        raise bad_query("Search error occurred: Only SELECT statements are supported.")
    writer = _Writer(tokens)
    writer.write()
    read, dates = sources(writer.out), moments(writer.out)
    # A dot must not be followed by a space that splits the name.
    sql = " ".join(follow(writer.out)).replace(" . ", ".").replace(" ( ", " (").replace("count (", "count(")
    sql = re.sub(r"\b(\w+) \(", lambda m: m[0] if m[1] in _KEYWORDS else f"{m[1]}(", sql)
    sql = re.sub(r"\s+\)", ")", sql)
    sql = _KEYSET.sub(lambda m: f"{m[1]} >= min({m[2]}, {m[3]}) and {m[0]}", sql)
    if " limit " in sql:  # in parentheses, so that the size of a page does not stand beside it
        sql = f"SELECT * FROM ({sql})"  # noqa: S608 - it has passed the gate
    return Statement(
        sql, writer.params, writer.timed, writer.customers, frozenset(writer.quoted), read, dates
    )


def _tokens_of(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise unsupported()
        at = found.end()
        if found.lastgroup != "space":
            tokens.append((str(found.lastgroup), found[0]))
    return tokens
