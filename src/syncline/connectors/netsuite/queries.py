# ruff: noqa: S608 - put together from constants of our own; every value is a bound parameter
"""The SuiteQL that the Source sends. Values are bound; only lists of placeholders are built.

Tables and columns: contract sheet sections 4 and 5 (NetSuite help section_156414087576, REST API
Browser 2026.1, and the analytics catalogue). NULL columns are absent from an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connectors.netsuite.kits import is_member
from syncline.connectors.netsuite.manifest import NetSuiteSettings

SECONDS = "'YYYY-MM-DD HH24:MI:SS'"
UTC_NOW = "TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP),'YYYY-MM-DD HH24:MI:SS.FF3')"
LOCAL_NOW = f"TO_CHAR(SYSDATE,{SECONDS})"

CLOCK = f"SELECT {UTC_NOW} AS erp_now, {LOCAL_NOW} AS erp_local FROM dual"
CLOCK_LOCAL_ONLY = f"SELECT {LOCAL_NOW} AS erp_now, {LOCAL_NOW} AS erp_local FROM dual"

# Types that move or promise stock, as ``SELECT DISTINCT type FROM transaction`` names them. The
# snapshot proves the list: a type that is missing here is found at the reconcile interval.
TRANSACTION_TYPES = (
    "SalesOrd ItemShip ItemRcpt InvAdjst InvTrnfr TrnfrOrd RtnAuth CashSale CustInvc CashRfnd CustCred PurchOrd VendAuth "
    "VendBill VendCred Build Unbuild WorkOrd WOIssue WOCompl InvCount InvWksht InvDistr BinTrnfr BinWksht StatChng"
).split()
_TYPES = ",".join(f"'{name}'" for name in TRANSACTION_TYPES)

SELLABLE = "'InvtPart','Assembly','Kit','NonInvtPart','Service','OthCharge','GiftCert'"

# Keyset on (lastmodifieddate, id): stamps have whole seconds, so ties at a page's edge are normal.
HEADERS = (
    f"SELECT t.id AS id, t.type AS type, TO_CHAR(t.lastmodifieddate,{SECONDS}) AS lm "
    f"FROM transaction t WHERE t.type IN ({_TYPES}) "
    f"AND (t.lastmodifieddate > TO_DATE(?,{SECONDS}) OR (t.lastmodifieddate = TO_DATE(?,{SECONDS}) AND t.id > ?)) "
    "ORDER BY t.lastmodifieddate, t.id"
)


def changed(types: Sequence[str]) -> str:
    """Documents of some types by the keyset (stamp, id), as ``HEADERS``."""
    names = ",".join(f"'{name}'" for name in types)
    return HEADERS.replace(_TYPES, names)


def documents_of(documents: int, now: str) -> str:
    """The bodies of some documents; parameters: these, then the keyset (document, document, line)."""
    return f"{_BODY.format(now=now)}AND tl.transaction IN ({_marks(documents)}) {_BODY_KEYSET}"


def made_from(orders: int, now: str) -> str:
    """Invoices, deposits and returns made from some orders; parameters: these, then the keyset as of ``documents_of``."""
    return (
        f"{_BODY.format(now=now)}AND t.type IN ('CustInvc','CustDep','RtnAuth') "
        f"AND tl.createdfrom IN ({_marks(orders)}) {_BODY_KEYSET}"
    )


def shipped_from(orders: int, now: str) -> str:
    """Fulfilments of some orders; parameters: these, then the keyset as of ``documents_of``."""
    return f"{_BODY.format(now=now)}AND t.type = 'ItemShip' AND tl.createdfrom IN ({_marks(orders)}) {_BODY_KEYSET}"


def credits_of(invoices: int, now: str) -> str:
    """Credit memos made from some invoices; parameters: these, then the keyset as of ``documents_of``."""
    return f"{_BODY.format(now=now)}AND t.type = 'CustCred' AND tl.createdfrom IN ({_marks(invoices)}) {_BODY_KEYSET}"


# Every document has one main line, which names what it was made from.
_BODY = (
    "SELECT tl.transaction AS txn, tl.id AS line, t.type AS type, t.status AS status, t.externalid AS externalid, "
    f"TO_CHAR(t.lastmodifieddate,{SECONDS}) AS lm, t.currency AS currency, t.foreigntotal AS total, "
    "t.foreignamountunpaid AS unpaid, tl.createdfrom AS createdfrom, {now} AS erp_now "
    "FROM transactionline tl JOIN transaction t ON t.id = tl.transaction WHERE tl.mainline = 'T' "
)
_BODY_KEYSET = "AND (tl.transaction > ? OR (tl.transaction = ? AND tl.id > ?)) ORDER BY tl.transaction, tl.id"

LOCATIONS = "SELECT l.id AS id, l.name AS name FROM location l WHERE l.isinactive = 'F' ORDER BY l.id"
LEVELS_COUNT = "SELECT COUNT(*) AS n FROM aggregateitemlocation"
# Stamps are compared with what the record says in UTC, so one that has just been made will do.
NEWEST_ORDER = (
    f"SELECT t.id AS id, TO_CHAR(t.lastmodifieddate,{SECONDS}) AS lm FROM transaction t WHERE t.type = 'SalesOrd' "
    "AND t.id = (SELECT MAX(o.id) FROM transaction o WHERE o.type = 'SalesOrd')"
)
NEWEST = f"SELECT TO_CHAR(MAX(t.lastmodifieddate),{SECONDS}) AS lm FROM transaction t"

_LEVEL = (
    "SELECT l.item AS item, l.location AS location, i.itemid AS sku, l.quantityonhand AS onhand, "
    "l.quantityavailable AS available, l.quantitycommitted AS committed, {now} AS erp_now "
    "FROM aggregateitemlocation l JOIN item i ON i.id = l.item "
)
_LEVEL_KEYSET = "AND (l.item > ? OR (l.item = ? AND l.location > ?)) ORDER BY l.item, l.location"


def _marks(count: int) -> str:
    return ",".join("?" * count)


def levels_of(items: int, now: str) -> str:
    """Levels of some items, everywhere; parameters: the items, then the keyset (item, item, location)."""
    return f"{_LEVEL.format(now=now)}WHERE l.item IN ({_marks(items)}) {_LEVEL_KEYSET}"


def all_levels(now: str) -> str:
    """Every level of active items; parameters: the keyset (item, item, location)."""
    return f"{_LEVEL.format(now=now)}WHERE i.isinactive = 'F' {_LEVEL_KEYSET}"


def all_items(now: str) -> str:
    """Everything that can be sold; parameter: the last id."""
    return (
        f"SELECT i.id AS id, i.itemid AS sku, i.displayname AS title, i.itemtype AS type, "
        f"TO_CHAR(i.lastmodifieddate,{SECONDS}) AS lm, {now} AS erp_now "
        f"FROM item i WHERE i.isinactive = 'F' AND i.itemtype IN ({SELLABLE}) AND i.id > ? ORDER BY i.id"
    )


def all_products(columns: Sequence[str], now: str) -> str:
    """Everything that can be sold, children of a matrix item behind their parent; parameter: the last product's id.

    The settings have checked that ``columns`` are names; they come back as ``f0``, ``f1`` ... as a person sees them.
    """
    more = "".join(f", BUILTIN.DF(i.{column}) AS f{n}" for n, column in enumerate(columns))
    root = "CASE WHEN i.matrixtype = 'CHILD' THEN i.parent ELSE i.id END"
    return (
        f"SELECT {root} AS root, i.id AS id, i.itemid AS sku, i.displayname AS title, i.description AS description, "
        f"i.upccode AS barcode, i.matrixtype AS matrixtype{more}, {now} AS erp_now "
        f"FROM item i WHERE i.isinactive = 'F' AND i.itemtype IN ({SELLABLE}) AND {root} > ? ORDER BY {root}, i.id"
    )


def _prices(now: str) -> str:
    return (
        "SELECT p.item AS item, i.itemid AS sku, p.pricelevel AS level, p.quantity AS quantity, "
        f"p.unitprice AS price, p.currency AS currency, {now} AS erp_now "
        "FROM pricing p JOIN item i ON i.id = p.item WHERE i.isinactive = 'F' "
    )


def _customer_prices(now: str) -> str:
    return (
        "SELECT c.customer AS customer, c.item AS item, i.itemid AS sku, c.level AS level, c.price AS price, "
        f"c.currency AS currency, p.unitprice AS levelprice, {now} AS erp_now "
        "FROM customeritempricing c JOIN item i ON i.id = c.item "
        "LEFT JOIN pricing p ON p.item = c.item AND p.pricelevel = c.level AND p.currency = c.currency "
        "AND p.quantity = 0 WHERE i.isinactive = 'F' "
    )


def prices_of(items: int, levels: int, now: str) -> str:
    """What some levels say of some items; parameters: the items, then the levels."""
    return (
        f"{_prices(now)}AND p.item IN ({_marks(items)}) AND p.pricelevel IN ({_marks(levels)}) "
        "ORDER BY p.item, p.pricelevel, p.currency, p.quantity"
    )


def customer_prices_of(items: int, customers: int, now: str) -> str:
    """What some customers have agreed on for some items; parameters: the items, then the customers."""
    return (
        f"{_customer_prices(now)}AND c.item IN ({_marks(items)}) AND c.customer IN ({_marks(customers)}) "
        "ORDER BY c.customer, c.item, c.currency"
    )


def all_prices(now: str) -> str:
    """What the price levels say of every active item, breaks and currencies; parameters: the keyset (item, item, level)."""
    return (
        f"{_prices(now)}"
        "AND (p.item > ? OR (p.item = ? AND p.pricelevel > ?)) "
        "ORDER BY p.item, p.pricelevel, p.currency, p.quantity"
    )


def all_customer_prices(now: str) -> str:
    """Every customer's own prices of active items; parameters: the keyset (customer, customer, item).

    A row names a price, or the price level at which the customer buys the item.
    """
    return (
        f"{_customer_prices(now)}"
        "AND (c.customer > ? OR (c.customer = ? AND c.item > ?)) "
        "ORDER BY c.customer, c.item, c.currency"
    )


def listed_items(fields: Sequence[str], places: int) -> str:
    """Everything that can be sold, with what is available; parameters: the places, then the last id.

    The caller has checked that ``fields`` are names of columns; they come back as ``f0``, ``f1`` ...
    """
    more = "".join(f", i.{field} AS f{n}" for n, field in enumerate(fields))
    groups = "".join(f", i.{field}" for field in fields)
    at = f" AND l.location IN ({_marks(places)})" if places else ""
    return (
        "SELECT i.id AS id, i.itemid AS sku, i.displayname AS title, i.upccode AS barcode, "
        f"SUM(l.quantityavailable) AS available{more} "
        f"FROM item i LEFT JOIN aggregateitemlocation l ON l.item = i.id{at} "
        f"WHERE i.isinactive = 'F' AND i.itemtype IN ({SELLABLE}) AND i.id > ? "
        f"GROUP BY i.id, i.itemid, i.displayname, i.upccode{groups} ORDER BY i.id"
    )


def listed_customers(fields: Sequence[str]) -> str:
    """Every active customer; parameter: the last id.

    The caller has checked that ``fields`` are names of columns; they come back as ``f0``, ``f1`` ...
    """
    more = "".join(f", c.{field} AS f{n}" for n, field in enumerate(fields))
    return (
        "SELECT c.id AS id, c.externalid AS externalid, c.companyname AS companyname, c.firstname AS firstname, "
        f"c.lastname AS lastname, c.email AS email{more} "
        "FROM customer c WHERE c.isinactive = 'F' AND c.id > ? ORDER BY c.id"
    )


def orders_with(values: Sequence[tuple[str, int]]) -> str:
    """Sales orders by columns, each with how many values are asked for; parameters: the values in order, then the last id.

    The caller has checked that they are names of columns; they come back as ``f0``, ``f1`` ...
    """
    shown = "".join(f", t.{field} AS f{n}" for n, (field, _) in enumerate(values))
    wanted = " OR ".join(f"t.{field} IN ({_marks(count)})" for field, count in values)
    return (
        "SELECT t.id AS id, t.status AS status, t.foreigntotal AS total, t.externalid AS externalid"
        f"{shown} FROM transaction t WHERE t.type = 'SalesOrd' AND ({wanted}) AND t.id > ? ORDER BY t.id"
    )


def all_customers(now: str) -> str:
    """Every customer, inactive ones too; parameter: the last id."""
    return (
        "SELECT c.id AS id, c.entityid AS entityid, c.externalid AS externalid, c.companyname AS companyname, "
        "c.isperson AS isperson, c.firstname AS firstname, c.lastname AS lastname, c.email AS email, c.phone AS phone, "
        "c.isinactive AS isinactive, c.currency AS currency, c.terms AS terms, c.pricelevel AS pricelevel, "
        f"c.vatregnumber AS taxid, {now} AS erp_now FROM customer c WHERE c.id > ? ORDER BY c.id"
    )


# What belongs to customers; parameters: the last customer, then the keyset (customer, customer, id).
CUSTOMER_CONTACTS = (
    "SELECT r.company AS customer, p.id AS id, p.firstname AS firstname, p.lastname AS lastname, p.email AS email, "
    "p.phone AS phone, p.title AS title, r.role AS role FROM companycontactrelationship r "
    "JOIN contact p ON p.id = r.contact WHERE p.isinactive = 'F' AND r.company <= ? "
    "AND (r.company > ? OR (r.company = ? AND p.id > ?)) ORDER BY r.company, p.id"
)
CUSTOMER_ADDRESSES = (
    "SELECT b.entity AS customer, b.internalid AS id, b.label AS label, b.defaultbilling AS defaultbilling, "
    "b.defaultshipping AS defaultshipping, a.addressee AS addressee, a.addr1 AS addr1, a.addr2 AS addr2, a.city AS city, "
    "a.state AS state, a.zip AS zip, a.country AS country, a.addrphone AS addrphone FROM customeraddressbook b "
    "JOIN customeraddressbookentityaddress a ON a.nkey = b.addressbookaddress WHERE b.entity <= ? "
    "AND (b.entity > ? OR (b.entity = ? AND b.internalid > ?)) ORDER BY b.entity, b.internalid"
)


def lines_of(transactions: int, now: str, *, kits: str) -> str:
    """Item lines with their document's state, read in one statement so that one stamp fits both.

    Parameters: the transactions, then the keyset (transaction, transaction, line). ``kits``: the columns that tell of each line
    whether it is part of a kit that another line stands for.
    """
    return (
        "SELECT tl.transaction AS txn, tl.id AS line, t.type AS type, t.status AS status, "
        f"t.externalid AS externalid, t.entity AS entity, TO_CHAR(t.lastmodifieddate,{SECONDS}) AS lm, tl.item AS item, "
        f"i.itemid AS sku, i.itemtype AS itemtype, {kits}tl.location AS location, tl.quantity AS quantity, "
        "tl.quantityshiprecv AS done, tl.quantitycommitted AS committed, tl.quantitybackordered AS backordered, "
        "tl.isclosed AS isclosed, tl.isinventoryaffecting AS moves, tl.createdfrom AS createdfrom, "
        f"{now} AS erp_now FROM transactionline tl JOIN transaction t ON t.id = tl.transaction "
        f"JOIN item i ON i.id = tl.item WHERE tl.transaction IN ({_marks(transactions)}) "
        "AND tl.mainline = 'F' AND tl.taxline = 'F' "
        "AND (tl.transaction > ? OR (tl.transaction = ? AND tl.id > ?)) ORDER BY tl.transaction, tl.id"
    )


def orders_of(items: int, *, waiting: bool) -> str:
    """Sales orders with units of some items, or of any where there are none, that have not left, or of these those that wait for stock.

    Parameters: the items, then the keyset (order, order, item).
    """
    which = "tl.quantitybackordered > 0" if waiting else "ABS(tl.quantity) > tl.quantityshiprecv"
    some = f"AND tl.item IN ({_marks(items)}) " if items else ""
    return (
        "SELECT DISTINCT tl.transaction AS txn, tl.item AS item "
        "FROM transactionline tl JOIN transaction t ON t.id = tl.transaction "
        f"WHERE t.type = 'SalesOrd' AND tl.mainline = 'F' AND tl.isclosed = 'F' {some}"
        f"AND {which} AND (tl.transaction > ? OR (tl.transaction = ? AND tl.item > ?)) ORDER BY tl.transaction, tl.item"
    )


def members_of(kits: int) -> str:
    """What some kits are made of; parameters: the kits' names, then the keyset (kit, kit, line)."""
    return (
        "SELECT k.id AS kit, k.itemid AS name, m.itemid AS sku, m.itemtype AS itemtype, km.quantity AS quantity, "
        "km.linenumber AS line FROM kititemmember km JOIN item k ON k.id = km.parentitem JOIN item m ON m.id = km.item "
        f"WHERE k.itemid IN ({_marks(kits)}) AND (k.id > ? OR (k.id = ? AND km.linenumber > ?)) "
        "ORDER BY k.id, km.linenumber"
    )


def units_of(items: int) -> str:
    """The type of units of some items, and the unit in which they are sold; parameters: the items."""
    return (
        "SELECT i.id AS id, i.unitstype AS unitstype, i.saleunit AS saleunit FROM item i "
        f"WHERE i.unitstype IS NOT NULL AND i.id IN ({_marks(items)}) ORDER BY i.id"
    )


# The units of a type, 650 at the most (section_N2212143); parameter: the type.
UNITS = (
    "SELECT u.internalid AS id, u.unitname AS name, u.conversionrate AS rate, u.baseunit AS base "
    "FROM unitstypeuom u WHERE u.unitstype = ? ORDER BY u.internalid"
)
ITEMS_COUNT = "SELECT COUNT(i.id) AS n FROM item i"
WITH_UNITS = "SELECT COUNT(i.id) AS n FROM item i WHERE i.unitstype IS NOT NULL"
# Items that are sold in another unit than the one in which they are counted; as many as a person can look at.
SOLD_OTHERWISE = (
    "SELECT TOP 20 i.itemid AS sku, u.unitname AS unit, u.conversionrate AS rate FROM item i "
    "JOIN unitstypeuom u ON u.internalid = i.saleunit AND u.unitstype = i.unitstype "
    f"WHERE i.isinactive = 'F' AND i.itemtype IN ({SELLABLE}) AND u.baseunit = 'F' "
    "ORDER BY CASE WHEN u.conversionrate < 1 THEN 0 ELSE 1 END, i.itemid"
)

_WITH_CREDIT = "c.isinactive = 'F' AND (c.creditlimit IS NOT NULL OR c.creditholdoverride = 'ON')"
# Every active customer with a limit or a hold; parameter: the last id. The names of balances are those of the analytics
# catalogue (``balancesearch`` where the record says ``balance``).
CREDIT = (
    "SELECT c.id AS id, c.currency AS currency, c.creditlimit AS creditlimit, c.creditholdoverride AS held, "
    "c.balancesearch AS balance, c.overduebalancesearch AS overdue, c.unbilledorderssearch AS unbilled, c.terms AS terms "
    f"FROM customer c WHERE {_WITH_CREDIT} AND c.id > ? ORDER BY c.id"
)
# How many invoices of such a customer are open, when the oldest of them is due, and the account's own date; parameters: behind
# which customer, and up to which. One without a date that it is due by is not overdue. No name of a column that tells the days
# is certain (the record has ``daysOverdue``), those of invoices are.
OPEN_INVOICES = (
    "SELECT t.entity AS customer, COUNT(t.id) AS invoices, TO_CHAR(MIN(t.duedate),'YYYY-MM-DD') AS due, "
    "TO_CHAR(CURRENT_DATE,'YYYY-MM-DD') AS today FROM transaction t JOIN customer c ON c.id = t.entity "
    f"WHERE t.type = 'CustInvc' AND t.foreignamountunpaid > 0 AND {_WITH_CREDIT} AND t.entity > ? AND t.entity <= ? "
    "GROUP BY t.entity ORDER BY t.entity"
)


def tracking_of(transactions: int) -> str:
    """Tracking numbers of fulfilments; parameters: the transactions, then the keyset (transaction, transaction, number)."""
    return (
        "SELECT m.transaction AS txn, n.id AS id, n.trackingnumber AS number FROM trackingnumbermap m "
        f"JOIN trackingnumber n ON n.id = m.trackingnumber WHERE m.transaction IN ({_marks(transactions)}) "
        "AND (m.transaction > ? OR (m.transaction = ? AND n.id > ?)) ORDER BY m.transaction, n.id"
    )


def letter(status: object) -> str:
    """A status code: ``B``, whether the account renders ``B`` or ``SalesOrd:B``."""
    return str(status or "").rpartition(":")[2].strip()


def counts_for_stock(row: Mapping[str, Any], settings: NetSuiteSettings) -> bool:
    """Whether a line stands for goods: it has units, and is neither a carrier of tax or discount nor part of a kit."""
    goods = row.get("quantity") is not None and not is_member(row)
    return goods and str(row.get("item")) not in settings.amount_items


# Orders by the references that they carry. Every transaction has a main line without an item, so one that lost
# all its lines is found as well.
_ORDER = "t.id AS id, t.externalid AS externalid, t.otherrefnum AS number, t.status AS status, t.foreigntotal AS total"
_ORDER_LINES = (
    f"SELECT {_ORDER}, tl.id AS line, tl.item AS item, i.itemid AS sku, {{kits}}tl.quantity AS quantity, "
    "tl.quantityshiprecv AS done, tl.isclosed AS isclosed FROM transaction t "
    "JOIN transactionline tl ON tl.transaction = t.id LEFT JOIN item i ON i.id = tl.item "
    "WHERE t.type = 'SalesOrd' AND tl.taxline = 'F' "
)
_ORDER_KEYSET = "AND (t.id > ? OR (t.id = ? AND tl.id > ?)) ORDER BY t.id, tl.id"
# Parameters: the pattern of the references, the least local time of creation, the last id.
BOOKED = (
    f"SELECT {_ORDER} FROM transaction t WHERE t.type = 'SalesOrd' AND t.externalid LIKE ? "
    f"AND t.createddate >= TO_DATE(?,{SECONDS}) AND t.id > ? ORDER BY t.id"
)


def booked_by_reference(references: int, kits: str) -> str:
    """Sales orders by their external ids; parameters: those, then the keyset (order, order, line). ``kits``: as of ``lines_of``."""
    return f"{_ORDER_LINES.format(kits=kits)}AND t.externalid IN ({_marks(references)}) {_ORDER_KEYSET}"


def booked_by_id(orders: int, kits: str) -> str:
    """Sales orders by the account's own ids; parameters: those, then the keyset."""
    return f"{_ORDER_LINES.format(kits=kits)}AND t.id IN ({_marks(orders)}) {_ORDER_KEYSET}"


def booked_by_hand(numbers: int, kits: str) -> str:
    """Sales orders without an external id by the number that a buyer knows; parameters: numbers, then the keyset."""
    return f"{_ORDER_LINES.format(kits=kits)}AND t.externalid IS NULL AND t.otherrefnum IN ({_marks(numbers)}) {_ORDER_KEYSET}"
