"""Collection listings: ``GET /{type}?q=…`` in the part of its language that clients use."""

from __future__ import annotations

import re
from typing import Any

from syncline.connectors.netsuite.simulator.errors import ApiError
from syncline.connectors.netsuite.simulator.state import Account

_LIST_FILTER = re.compile(
    r'\s*(\w+)\s+(IS|EQUAL|CONTAIN|START_WITH|ON_OR_AFTER)\s+"?([^"]*)"?\s*', re.IGNORECASE
)


def matching(account: Account, record: str, text: str | None) -> list[int]:
    """The ids of the records that a collection listing returns, oldest first."""
    if record == "customer":
        rows: list[Any] = list(account.customers.values())
    elif record == "inventoryItem":
        rows = [i for i in account.items.values() if i.stocked]
    elif record == "location":
        rows = list(account.places.values())
    else:
        rows = [t for t in account.txns.values() if t.record == record]
    if not text:
        return [row.id for row in rows]
    for clause in re.split(r"\s+AND\s+", text):
        found = _LIST_FILTER.fullmatch(clause)
        if found is None:
            raise ApiError(400, "INVALID_PARAMETER", "Invalid search query.", param="q")
        name, operator, value = found[1], found[2].upper(), found[3]
        rows = [row for row in rows if _matches(account, row, name, operator, value)]
    return [row.id for row in rows]


def _matches(account: Account, row: Any, name: str, operator: str, value: str) -> bool:
    if operator == "ON_OR_AFTER":
        # A date in the user's format preference, without a time (NS:section_1545222128).
        found = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", value)
        if name != "lastModifiedDate" or found is None:
            raise ApiError(400, "INVALID_PARAMETER", "Invalid search query.", param="q")
        bound = f"{found[3]}-{int(found[1]):02d}-{int(found[2]):02d}"
        return account.local(row.modified_ms)[:10] >= bound
    own: dict[str, Any] = {"id": row.id}
    own["externalId"] = getattr(row, "external_id", None)
    for extra in ("sku", "tranid", "name"):
        if hasattr(row, extra):
            own[{"sku": "itemId", "tranid": "tranId", "name": "name"}[extra]] = getattr(row, extra)
    have = own.get(name, getattr(row, "fields", {}).get(name))
    if have is None:
        return False
    left, right = str(have).casefold(), value.casefold()
    if operator == "CONTAIN":
        return right in left
    return left.startswith(right) if operator == "START_WITH" else left == right
