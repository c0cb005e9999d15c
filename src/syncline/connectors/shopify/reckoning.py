"""What is left of an order's lines after refunds, removals and edits. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from syncline.model.copying import replace
from syncline.model.records import ZERO, OrderLine

_CENT = Decimal("0.01")
# Currencies without, or with three, decimals (ISO 4217); all others that Shopify sells in have two.
_WHOLE = frozenset("BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_MILLS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


@dataclass(frozen=True, slots=True)
class Sold:
    """A line as it was sold, before refunds and removals: discount and tax cover every unit ordered."""

    id: str
    sku: str
    title: str
    quantity: int
    current: int
    unit_price: Decimal
    discount: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Units of a line that a refund, a cancellation or an edit took back, and what they had cost.

    ``shipped`` says whether the goods had left before.
    """

    line_id: str
    quantity: int
    restocked: bool
    location: str
    subtotal: Decimal | None
    tax: Decimal | None
    shipped: bool = True


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency."""
    if currency in _WHOLE:
        return Decimal(1)
    return Decimal("0.001") if currency in _MILLS else _CENT


def reckon(
    sold: Sequence[Sold],
    back: Iterable[TakenBack],
    *,
    net_total: Decimal,
    unit: Decimal,
) -> tuple[OrderLine, ...]:
    """Lines for what the buyer still wants.

    Shopify gives discounts and taxes for all units ever ordered. What is left is found by taking off
    what each refund says its units had cost, or else in proportion to the units. Shopify's own current
    total is the judge: the way whose lines add up to ``net_total`` is used, and rounding of at most
    one smallest coin for each reduced line goes into the discount of the last such line.
    """
    taken_back: defaultdict[str, list[TakenBack]] = defaultdict(list)
    for entry in back:
        taken_back[entry.line_id].append(entry)
    reduced = [i for i, line in enumerate(sold) if line.current != line.quantity and line.current]
    first: tuple[OrderLine, ...] = ()
    for stated in (True, False):
        lines = tuple(_line(line, taken_back[line.id], unit, stated=stated) for line in sold)
        first = first or lines
        residual = net_total - sum((line.unit_price * line.quantity - line.discount for line in lines), ZERO)
        if residual == 0:
            return lines
        if reduced and abs(residual) <= unit * len(reduced):
            last = lines[reduced[-1]]
            mended = replace(last, discount=last.discount - residual)
            return tuple(mended if line is last else line for line in lines)
    return first


def _line(sold: Sold, back: list[TakenBack], unit: Decimal, *, stated: bool) -> OrderLine:
    removed = sold.quantity - sold.current
    discount, tax = sold.discount, sold.tax
    if removed > 0:
        known = sum(entry.quantity for entry in back) == removed
        if stated and known and all(entry.subtotal is not None and entry.tax is not None for entry in back):
            net = sold.unit_price * sold.quantity - sold.discount
            net -= sum((entry.subtotal or ZERO for entry in back), ZERO)
            discount = sold.unit_price * sold.current - net
            tax = sold.tax - sum((entry.tax or ZERO for entry in back), ZERO)
        else:
            share = Decimal(sold.current) / sold.quantity
            discount = (sold.discount * share).quantize(unit, ROUND_HALF_UP)
            tax = (sold.tax * share).quantize(unit, ROUND_HALF_UP)
    # Shopify subtracts every ordered unit from `available` and puts back what is restocked; shipping
    # changes committed and on_hand, not available. Units that are gone without any refund naming them were
    # removed by an edit, whose default in the admin is to restock.
    # https://shopify.dev/docs/apps/build/orders-fulfillment/inventory-management-apps
    lost = sum(entry.quantity for entry in back if not entry.restocked)
    return OrderLine(
        id=sold.id,
        sku=sold.sku,
        title=sold.title,
        quantity=Decimal(sold.current),
        unit_price=sold.unit_price,
        discount=discount,
        tax=tax,
        taken=Decimal(min(sold.quantity, sold.current + lost)),
    )


def net_total_of(total: Decimal, shipping: Decimal, tax: Decimal, *, taxes_included: bool) -> Decimal:
    return total - shipping - (ZERO if taxes_included else tax)
