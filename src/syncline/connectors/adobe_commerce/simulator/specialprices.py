"""Mass service of special prices: what a product costs for a time, for everybody, in place of its base price.

Judged row by row as base and tier prices are (magento2: Catalog/Model/Product/Price/SpecialPriceStorage and
ResourceModel/Product/Price/SpecialPrice). In Magento Open Source they are three attributes of the product, of which a save that leaves
dates out keeps those that were there. In Adobe Commerce (``staging``) each is a scheduled update
(developer.adobe.com/commerce/webapi/rest/modules/catalog/catalog-pricing): it has to begin later than now, and no two of a product may
overlap. Assumed: its words, that such a call fails as a whole, that a deletion names a schedule by its dates, and that dates are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncline.connectors.adobe_commerce.simulator.errors import ApiError
from syncline.connectors.adobe_commerce.simulator.prices import PRICED

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

Row = dict[str, Any]
TAKEN = PRICED | {"bundle"}
DAY_MS = 86_400_000
_ROW = "Row ID: SKU = %SKU, Store ID: %storeId, Price From: %priceFrom, Price To: %priceTo."
_NO_PRODUCT = f"The product that was requested doesn't exist. Verify the product and try again. {_ROW}"
_NOT_GLOBAL = f"Could not change non global Price when price scope is global. {_ROW}"
_NO_STORE = f"Requested store is not found. {_ROW}"
_NO_PRICE = f"Invalid attribute Price = %price. {_ROW}"
_NO_DATE = f"Invalid attribute %label = %priceTo. {_ROW}"


@dataclass(frozen=True, slots=True)
class Special:
    """A special price of a product; "" leaves a side open."""

    sku: str
    price: float
    begins: str = ""
    ends: str = ""

    def holds(self, now_ms: int) -> bool:
        """Whether it is in force. The day on which it ends is its last (Framework/Stdlib/DateTime/Timezone::isScopeDateInInterval)."""
        if self.begins and _ms(self.begins) > now_ms:
            return False
        return not self.ends or now_ms < _ms(self.ends) + DAY_MS


def save(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/special-price``."""
    fit, problems = _sorted_out(state, rows)
    if state.staging:
        _schedule(state, fit)
        return problems
    for row in fit:
        before = next((one for one in state.specials if one.sku == row["sku"]), Special("", 0.0))
        state.specials = [one for one in state.specials if one.sku != row["sku"]]
        dates = row.get("price_from") or before.begins, row.get("price_to") or before.ends
        state.specials.append(Special(row["sku"], row["price"], *dates))
        state.price_log.append((row["sku"], "special", 1.0, row["price"]))
    return problems


def told(state: ShopState, skus: list[str]) -> list[Row]:
    """``POST /V1/products/special-price-information``; what the service does not take is left out."""
    return [
        {
            "price": one.price,
            "store_id": 0,
            "sku": one.sku,
            **({"price_from": one.begins} if one.begins else {}),
            **({"price_to": one.ends} if one.ends else {}),
        }
        for one in state.specials
        if one.sku in skus and _taken(state, one.sku)
    ]


def delete(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/special-price-delete``: with its dates, whatever price and dates the row names."""
    fit, problems = _sorted_out(state, rows)
    for row in fit:
        at = row["sku"], row.get("price_from") or "", row.get("price_to") or ""
        state.specials = [
            one
            for one in state.specials
            if one.sku != row["sku"] or (state.staging and (one.sku, one.begins, one.ends) != at)
        ]
    return problems


def selling_minor(state: ShopState, sku: str) -> int:
    """What a product is sold for now: the lower of its base price and a special price that is in force."""
    prices = [
        round(one.price * 100) for one in state.specials if one.sku == sku and one.holds(state.clock.now_ms())
    ]
    return min([state.products[sku].price_minor, *prices])


def _schedule(state: ShopState, rows: list[Row]) -> None:
    made: list[Special] = []
    for row in rows:
        begins, ends = row.get("price_from") or "", row.get("price_to") or ""
        if not begins:
            raise ApiError(
                400, "The Start Time for Future Update needs to be selected. Select and try again."
            )
        if _ms(begins) <= state.clock.now_ms():
            raise ApiError(
                400, "The Future Update Start Time is invalid. It can't be earlier than the current time."
            )
        for other in (*state.specials, *made):
            apart = (other.ends and other.ends < begins) or (ends and ends < other.begins)
            if other.sku == row["sku"] and not apart:
                raise ApiError(
                    400,
                    "Future Update already exists in this time range. Set a different range and try again.",
                )
        made.append(Special(row["sku"], row["price"], begins, ends))
    state.specials += made


def _sorted_out(state: ShopState, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    fit: list[Row] = []
    problems: list[Row] = []
    for row in rows:
        wrong = _wrong(state, row)
        problems += wrong
        if not wrong:
            fit.append(row)
    return fit, problems


def _wrong(state: ShopState, row: Row) -> list[Row]:
    price, store = row.get("price"), row.get("store_id")
    found: list[Row] = []
    if not _taken(state, row.get("sku", "")):
        found.append(_problem(_NO_PRODUCT, row))
    if store != 0:
        found.append(_problem(_NOT_GLOBAL, row))
    if store not in (0, 1):
        found.append(_problem(_NO_STORE, row))
    if price is None or price < 0:
        found.append(_problem(_NO_PRICE, row, price))
    for label, name in (("Price From", "price_from"), ("Price To", "price_to")):
        if row.get(name) and not _is_moment(row[name]):
            found.append(_problem(_NO_DATE, row, label))
    return found


def _problem(message: str, row: Row, *first: Any) -> Row:
    values = (*first, *(row.get(name) for name in ("sku", "store_id", "price_from", "price_to")))
    texts = [None if x is None else f"{x:g}" if isinstance(x, float) else str(x) for x in values]
    return {"message": message, "parameters": texts}


def _taken(state: ShopState, sku: str) -> bool:
    return sku in state.products and state.products[sku].type_id in TAKEN


def _is_moment(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").strftime("%Y-%m-%d %H:%M:%S") == text  # noqa: DTZ007
    except ValueError:
        return False


def _ms(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()) * 1000
