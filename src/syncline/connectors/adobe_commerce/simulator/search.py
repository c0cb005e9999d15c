"""``searchCriteria``: filters, order and paging as the vendor has them.

Contract section 3: filters inside a group are alternatives, groups hold together; asking past the last page gives the last
page again; where limits are switched on, a page has 20 rows if none is asked for and 300 at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline.connectors.adobe_commerce.simulator.errors import ApiError, internal, required

PAGE_DEFAULT, PAGE_MAX = 20, 300
_KEY = re.compile(r"searchCriteria\[(\w+)\]((?:\[\w+\])*)|search_criteria\[(\w+)\]((?:\[\w+\])*)")
_NAMES = {
    "filter_groups": "filter_groups",
    "filterGroups": "filter_groups",
    "sortOrders": "sort_orders",
    "sort_orders": "sort_orders",
    "pageSize": "page_size",
    "page_size": "page_size",
    "currentPage": "current_page",
    "current_page": "current_page",
}
_CONDITIONS = frozenset(
    "eq neq gt gteq lt lteq in nin like nlike from to null notnull moreq finset nfinset".split()
)
Row = Mapping[str, Any]


class Criteria:
    """One parsed search."""

    def __init__(
        self,
        query: Sequence[tuple[str, str]],
        *,
        limited: bool,
        note: Callable[[str], None],
        needed: bool = True,
        also: Callable[[Row], Row] | None = None,
        empty: frozenset[str] = frozenset(),
    ) -> None:
        self._also, self._empty = also, empty
        given: dict[str, Any] = {}
        named = False
        for key, value in query:
            if not key.startswith(("searchCriteria", "search_criteria")):
                continue
            named = True
            match = _KEY.fullmatch(key)
            if match is None:
                continue  # a bare `searchCriteria` asks for everything
            name = _NAMES.get(match[1] or match[3])
            if name is None:
                note("unknown_field")
                owner = "Magento\\Framework\\Api\\SearchCriteriaInterface"
                raise no_accessor(match[1] or match[3], owner)
            steps = re.findall(r"\[(\w+)\]", match[2] or match[4] or "")
            _put(given, [name, *steps], value)
        if not named and needed:
            raise required("searchCriteria")
        self.groups = [_filters(group) for group in _listed(given.get("filter_groups"))]
        self.orders = [_order(one) for one in _listed(given.get("sort_orders"))]
        self.size = _whole(given.get("page_size"), "page_size")
        if limited:
            if self.size is not None and self.size > PAGE_MAX:
                raise ApiError(400, "Maximum SearchCriteria pageSize is %max", {"max": PAGE_MAX})
            self.size = self.size or PAGE_DEFAULT
        self.page = _whole(given.get("current_page"), "current_page") or 1

    def told(self) -> dict[str, Any]:
        """As the answer repeats it; what was not given is left out."""
        found: dict[str, Any] = {
            "filter_groups": [
                {
                    "filters": [
                        dict(zip(("field", "value", "condition_type"), (f, v, c), strict=True))
                        for f, c, v in group
                    ]
                }
                for group in self.groups
            ]
        }
        if self.orders:
            found["sort_orders"] = [
                {"field": field, "direction": "DESC" if descending else "ASC"}
                for field, descending in self.orders
            ]
        if self.size:
            found |= {"page_size": self.size}
        return found | {"current_page": self.page}

    def apply(self, rows: Iterable[Row]) -> tuple[list[Row], int]:
        """The rows of the page, and how many there are on all pages."""
        found = [
            row
            for row in rows
            if all(any(self._fits(row, f) for f in group) for group in self.groups if group)
        ]
        for field, descending in reversed(self.orders):
            found.sort(key=lambda row: _sortable(self._value(row, field)), reverse=descending)
        total = len(found)
        if not self.size:
            return found, total
        last = max(1, -(-total // self.size))
        page = min(max(1, self.page), last)
        return found[(page - 1) * self.size : page * self.size], total

    def _value(self, row: Row, field: str) -> Any:
        if self._also is None:
            if field not in row and field not in self._empty:
                raise internal()  # the database says so, and production shops hide its words
            return row.get(field)
        more = self._also(row)
        if field not in row and field not in more:
            raise ApiError(400, "Invalid attribute name: %1", [field])
        return more[field] if field in more else row[field]

    def _fits(self, row: Row, one: tuple[str, str, str]) -> bool:
        return _fits(self._value(row, one[0]), one[1], one[2])


def no_accessor(name: str, owner: str) -> ApiError:
    """A property that a data object does not have (Magento/Framework/Reflection/NameFinder).

    It is a LogicException there. Which status it ends in differs by patch level; 400 is what the vendor calls right.
    """
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return ApiError(400, f'Property "{camel}" does not have accessor method "get{camel}" in class "{owner}".')


def _put(into: dict[str, Any], steps: Sequence[str], value: str) -> None:
    for step in steps[:-1]:
        into = into.setdefault(step, {})
        if not isinstance(into, dict):
            raise ApiError(400, "Invalid search criteria")
    into[steps[-1]] = value


def _listed(given: Any) -> list[Any]:
    return list(given.values()) if isinstance(given, dict) else []


def _filters(group: Any) -> list[tuple[str, str, str]]:
    found = []
    for one in _listed(group.get("filters") if isinstance(group, dict) else None):
        field, value = one.get("field"), one.get("value", "")
        # Both spellings of this key work in the vendor's own samples.
        condition = one.get("condition_type", one.get("conditionType", "eq"))
        if not field:
            raise required("field")
        if condition not in _CONDITIONS:
            raise ApiError(400, "Invalid condition type %1", [condition])
        found.append((field, condition, value))
    return found


def _order(one: Any) -> tuple[str, bool]:
    field, direction = one.get("field", ""), str(one.get("direction", "DESC")).upper()
    if direction not in {"ASC", "DESC"}:
        words = "The sort order has to be specified as %1 for ascending order or %2 for descending order."
        raise ApiError(400, words, ["ASC", "DESC"])
    return field, direction == "DESC"


def _whole(given: Any, name: str) -> int | None:
    if given is None:
        return None
    if not str(given).isascii() or not str(given).isdigit():
        raise ApiError(
            400,
            'The "%1" value\'s type is invalid. The "%2" type was expected. Verify and try again.',
            [given, "int"],
        )
    return int(given)


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, 0) if value is None else (1, value)


def _fits(value: Any, condition: str, text: str) -> bool:
    if condition in {"null", "notnull"}:
        return (value is None) == (condition == "null")
    if value is None:
        return False
    if isinstance(value, tuple):  # several at once, such as the categories of a product
        if condition in {"neq", "nin", "nlike", "nfinset"}:
            return all(_fits(one, condition, text) for one in value)
        return any(_fits(one, condition, text) for one in value)
    if condition in {"in", "nin", "finset", "nfinset"}:
        held = any(_same(value, part) for part in text.split(","))
        return held == (condition in {"in", "finset"})
    if condition in {"like", "nlike"}:
        pattern = re.escape(text).replace("%", ".*").replace("_", ".")
        return bool(re.fullmatch(pattern, str(value), re.IGNORECASE)) == (condition == "like")
    if condition in {"eq", "neq"}:
        return _same(value, text) == (condition == "eq")
    left, right = _pair(value, text)
    return bool(
        {"gt": left > right, "lt": left < right}.get(condition, False)
        or (condition in {"gteq", "from", "moreq"} and left >= right)
        or (condition in {"lteq", "to"} and left <= right)
    )


def _same(value: Any, text: str) -> bool:
    left, right = _pair(value, text)
    if isinstance(left, str):
        # The usual collation of the database tells neither case nor trailing spaces apart.
        return left.casefold().rstrip() == str(right).casefold().rstrip()
    return bool(left == right)


def _pair(value: Any, text: str) -> tuple[Any, Any]:
    if isinstance(value, str):
        return value, text
    try:
        return Decimal(value), Decimal(text)
    except InvalidOperation:
        return Decimal(value), Decimal(0)  # the database casts what is no number to 0
