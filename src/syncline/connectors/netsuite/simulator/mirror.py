"""SuiteQL's tables: the account's records mirrored into an in-memory SQLite database.

Python objects are the truth; the mirror is brought up to date only when a query is about to read
it, so a burst of saves costs one write for each record. Column names: contract sheet sections 4 and
5, and the public queries that it cites. ``transactionline.quantity`` of a sales order is negative
(public queries multiply it by -1 or take ``ABS``); ``quantitycommitted``,
``quantitybackordered`` and ``quantityshiprecv`` are positive. A fulfillment has one line for each item
here; the product adds a cost-of-goods line with the opposite sign.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import apsw

from syncline.connectors.netsuite.simulator import kits
from syncline.connectors.netsuite.simulator.customers import SCHEMA as CUSTOMER_SCHEMA
from syncline.connectors.netsuite.simulator.state import Account, Dirty, Item, Party, Txn

SCHEMA = """
CREATE TABLE dual(dummy TEXT);
INSERT INTO dual VALUES('X');
CREATE TABLE "transaction"(
  id INTEGER PRIMARY KEY, type TEXT, recordtype TEXT, tranid TEXT, externalid TEXT COLLATE NOCASE,
  trandate DATE, entity INTEGER, status TEXT, otherrefnum TEXT, memo TEXT, currency INTEGER,
  foreigntotal REAL, foreignamountunpaid REAL, voided TEXT, shipdate DATE, duedate DATE,
  createddate DATE, lastmodifieddate DATE);
CREATE INDEX transaction_modified ON "transaction"(lastmodifieddate, id);
CREATE INDEX transaction_external ON "transaction"(externalid);
CREATE TABLE transactionline(
  "transaction" INTEGER, id INTEGER, uniquekey INTEGER, linesequencenumber INTEGER, mainline TEXT,
  taxline TEXT, item INTEGER, itemtype TEXT, quantity REAL, quantitycommitted REAL,
  quantitybackordered REAL, quantityshiprecv REAL, quantitybilled REAL, rate REAL,
  foreignamount REAL, netamount REAL, location INTEGER, isclosed TEXT, isfullyshipped TEXT,
  isinventoryaffecting TEXT, createdfrom INTEGER, entity INTEGER, memo TEXT, kitcomponent TEXT,
  kitmemberof INTEGER,
  PRIMARY KEY("transaction", id)) WITHOUT ROWID;
CREATE INDEX line_item ON transactionline(item);
CREATE INDEX line_createdfrom ON transactionline(createdfrom) WHERE createdfrom IS NOT NULL;
CREATE INDEX line_waiting ON transactionline(item) WHERE quantitybackordered > 0;
CREATE TABLE previoustransactionlinelink(
  previousdoc INTEGER, previousline INTEGER, previoustype TEXT, nextdoc INTEGER, nextline INTEGER,
  nexttype TEXT, linktype TEXT, PRIMARY KEY(previousdoc, previousline, nextdoc, nextline)) WITHOUT ROWID;
CREATE INDEX link_next ON previoustransactionlinelink(nextdoc);
CREATE VIEW nexttransactionlinelink AS SELECT * FROM previoustransactionlinelink;
CREATE TABLE trackingnumber(id INTEGER PRIMARY KEY, trackingnumber TEXT);
CREATE TABLE trackingnumbermap("transaction" INTEGER, trackingnumber INTEGER,
  PRIMARY KEY("transaction", trackingnumber)) WITHOUT ROWID;
CREATE TABLE item(
  id INTEGER PRIMARY KEY, itemid TEXT, displayname TEXT, description TEXT, itemtype TEXT,
  externalid TEXT COLLATE NOCASE, upccode TEXT, isinactive TEXT, parent INTEGER, matrixtype TEXT,
  createddate DATE, lastmodifieddate DATE);
CREATE INDEX item_modified ON item(lastmodifieddate, id);
CREATE INDEX item_itemid ON item(itemid);
CREATE TABLE kititemmember(parentitem INTEGER, item INTEGER, quantity REAL, linenumber INTEGER,
  PRIMARY KEY(parentitem, linenumber)) WITHOUT ROWID;
CREATE TABLE pricelevel(id INTEGER PRIMARY KEY, name TEXT, isinactive TEXT);
INSERT INTO pricelevel VALUES(1, 'Base Price', 'F');
CREATE TABLE pricing(item INTEGER, pricelevel INTEGER, quantity REAL, unitprice REAL, currency INTEGER,
  PRIMARY KEY(item, pricelevel, quantity, currency)) WITHOUT ROWID;
CREATE TABLE customeritempricing(customer INTEGER, item INTEGER, level INTEGER, price REAL, currency INTEGER,
  PRIMARY KEY(customer, item, currency)) WITHOUT ROWID;
CREATE TABLE customer(
  id INTEGER PRIMARY KEY, entityid TEXT, externalid TEXT COLLATE NOCASE, companyname TEXT, isperson TEXT,
  firstname TEXT, lastname TEXT, email TEXT, phone TEXT, isinactive TEXT, subsidiary INTEGER,
  currency INTEGER, terms INTEGER, pricelevel INTEGER, category INTEGER, creditlimit REAL,
  creditholdoverride TEXT, balancesearch REAL, overduebalancesearch REAL,
  datecreated DATE, lastmodifieddate DATE, unbilledorderssearch REAL, vatregnumber TEXT);
CREATE INDEX customer_modified ON customer(lastmodifieddate, id);
CREATE INDEX customer_external ON customer(externalid);
CREATE TABLE location(id INTEGER PRIMARY KEY, name TEXT, fullname TEXT, isinactive TEXT,
  externalid TEXT COLLATE NOCASE, lastmodifieddate DATE);
CREATE TABLE aggregateitemlocation(
  item INTEGER, location INTEGER, quantityonhand REAL, quantityavailable REAL, quantitycommitted REAL,
  quantityonorder REAL, quantitybackordered REAL, quantityintransit REAL, safetystocklevel REAL,
  PRIMARY KEY(item, location)) WITHOUT ROWID;
CREATE TABLE deletedrecord(deleteddate DATE, type TEXT, recordid INTEGER, name TEXT, deletedby INTEGER,
  context TEXT, iscustomrecord TEXT);
"""

# What the feature Multiple Units of Measure adds. Quantities of lines and levels are in base units either way, and so is
# the price of a line: public queries divide by ``conversionrate`` (or multiply) for those of ``transactionline.units``.
UNITS_SCHEMA = """
CREATE TABLE unitstype(id INTEGER PRIMARY KEY, name TEXT, isinactive TEXT);
CREATE TABLE unitstypeuom(internalid INTEGER PRIMARY KEY, unitstype INTEGER, unitname TEXT, pluralname TEXT,
  abbreviation TEXT, pluralabbreviation TEXT, conversionrate REAL, baseunit TEXT);
ALTER TABLE item ADD COLUMN unitstype INTEGER;
ALTER TABLE item ADD COLUMN stockunit INTEGER;
ALTER TABLE item ADD COLUMN purchaseunit INTEGER;
ALTER TABLE item ADD COLUMN saleunit INTEGER;
ALTER TABLE transactionline ADD COLUMN units INTEGER;
"""

# The planner sees the tables as they look after a year, so that a query runs the same way from the
# first day on and a join starts at the few changed transactions instead of at every line.
STATISTICS = (
    ("transaction", "transaction_modified", "60000 3 1"),
    ("transaction", "transaction_external", "60000 2"),
    ("transactionline", "transactionline", "1100000 20 1"),
    ("transactionline", "line_item", "1100000 300"),
    ("transactionline", "line_createdfrom", "560000 20"),
    ("transactionline", "line_waiting", "200 2"),
    ("previoustransactionlinelink", "link_next", "540000 20"),
    ("previoustransactionlinelink", "previoustransactionlinelink", "540000 20 1 1 1"),
    ("item", "item_modified", "4000 4 1"),
    ("customer", "customer_modified", "5000 2 1"),
)

_TXN_SQL = f'INSERT OR REPLACE INTO "transaction" VALUES({",".join("?" * 18)})'
_LEVEL_SQL = f"INSERT OR REPLACE INTO aggregateitemlocation VALUES({','.join('?' * 9)})"
_CUSTOMER_SQL = f"INSERT OR REPLACE INTO customer VALUES({','.join('?' * 23)})"
_ITEM_COLUMNS = (
    "id itemid displayname description itemtype externalid upccode isinactive parent matrixtype createddate lastmodifieddate"
).split()
_UNIT_COLUMNS = ["unitstype", "stockunit", "purchaseunit", "saleunit"]
_LINE_COLUMNS = 25


def _item_sql(columns: list[str]) -> str:
    """Columns of the account's own stay as they are."""
    return (
        f"INSERT INTO item({','.join(columns)}) VALUES({','.join('?' * len(columns))}) "
        f"ON CONFLICT(id) DO UPDATE SET {','.join(f'{name}=excluded.{name}' for name in columns[1:])}"
    )


class Mirror:
    """The database that queries read."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.db = apsw.Connection(":memory:")
        # A double-quoted name that is no column is an error in the product, not a string.
        self.db.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        self.db.execute("PRAGMA case_sensitive_like=ON")  # as Oracle's is
        self.db.execute(SCHEMA)
        self.db.execute(CUSTOMER_SCHEMA)
        on = account.units_on
        if on:
            self.db.execute(UNITS_SCHEMA)
        self._line_sql = (
            f"INSERT OR REPLACE INTO transactionline VALUES({','.join('?' * (_LINE_COLUMNS + on))})"
        )
        self._item_sql = _item_sql(_ITEM_COLUMNS + (_UNIT_COLUMNS if on else []))
        self.db.execute("ANALYZE")
        self.db.execute("DELETE FROM sqlite_stat1")
        self.db.executemany("INSERT INTO sqlite_stat1 VALUES(?,?,?)", STATISTICS)
        self.db.execute("ANALYZE sqlite_schema")

    def flush(self, *, customers: bool = False) -> None:
        """Bring the tables up to date; what ``customers`` owe only if they are read."""
        account, dirty, db = self._account, self._account.dirty, self.db
        if customers:
            account.add_up()
        if not dirty:
            return
        db.execute("BEGIN")
        rows = [account.txns[i] for i in dirty.txns if i in account.txns]
        db.executemany(_TXN_SQL, (self._txn_row(t) for t in rows))
        db.executemany(self._line_sql, (row for t in rows for row in self._line_rows(t)))
        db.executemany(_LEVEL_SQL, (self._level_row(k) for k in dirty.levels))
        db.executemany(self._item_sql, (self._item_row(account.items[i]) for i in dirty.items))
        for i in dirty.items:
            db.execute("DELETE FROM kititemmember WHERE parentitem = ?", (i,))
            of = account.items[i].members.items()
            rows_of = ((i, member, float(each), n) for n, (member, each) in enumerate(of, 1))
            db.executemany("INSERT INTO kititemmember VALUES(?,?,?,?)", rows_of)
        parties = (account.customers[i] for i in dirty.customers if i in account.customers)
        db.executemany(_CUSTOMER_SQL, (self._customer_row(c) for c in parties))
        # Last, so that rows of a record deleted since its last save go too.
        for sql, values in dirty.writes:
            db.execute(sql, values)
        db.execute("COMMIT")
        account.dirty = Dirty()

    def _txn_row(self, t: Txn) -> tuple[Any, ...]:
        created = self._account.local(t.created_ms)
        unpaid = due = None
        if t.record == "invoice":
            unpaid = float(t.total - t.settled)
            due = f"{t.fields.get('dueDate') or created[:10]} 00:00:00"  # without terms, the day it was made
        shipped = created[:10] + " 00:00:00" if t.record == "itemFulfillment" else None
        return (
            t.id,
            t.kind,
            t.record.lower(),
            t.tranid,
            t.external_id,
            str(t.fields.get("tranDate") or created[:10]) + " 00:00:00",
            t.entity,
            t.status,
            t.fields.get("otherRefNum"),
            t.fields.get("memo"),
            t.currency,
            float(t.total),
            unpaid,
            "F",
            shipped,
            due,
            created,
            self._account.local(t.modified_ms),
        )

    def _line_rows(self, t: Txn) -> list[tuple[Any, ...]]:
        # Every transaction has a main line with id 0 that carries the body.
        rows: list[tuple[Any, ...]] = [
            (
                t.id,
                0,
                -t.id,
                0,
                "T",
                "F",
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                float(t.total),
                float(t.total),
                None,
                "F",
                "F",
                "F",
                t.created_from,
                t.entity,
                None,
                "F",
                None,
            ),
        ]
        on = self._account.units_on
        rows = [(*row, *([None] if on else [])) for row in rows]
        order = t.record == "salesOrder"
        moves = t.record in ("itemFulfillment", "itemReceipt", "inventoryAdjustment", "inventoryTransfer")
        for n, line in enumerate(t.all_lines, 1):
            item = self._account.items[line.item]
            stocked = item.stocked
            says = stocked or (bool(line.members) and self._account.kits_tell)
            committed, backordered = kits.told(self._account, line)
            quantity = None if line.quantity is None else t.sign * line.quantity
            amount = t.sign * float(line.amount)
            rows.append(
                (
                    t.id,
                    line.number,
                    line.unique_key,
                    n,
                    "F",
                    "F",
                    line.item,
                    item.kind,
                    quantity,
                    committed if order and says else None,
                    backordered if order and says else None,
                    line.done if item.sent else None,
                    line.billed if item.sent else None,
                    None if line.rate is None else float(line.rate / self._account.rate_of(line.unit)),
                    amount,
                    amount,
                    line.location,
                    "T" if line.closed else "F",
                    "T" if line.quantity is not None and line.done >= line.quantity else "F",
                    "T" if moves and stocked else "F",
                    t.created_from,
                    t.entity,
                    line.memo,
                    "F" if line.member_of is None else "T",
                    line.member_of,
                    *([line.unit] if on else []),
                ),
            )
        return rows

    def _level_row(self, key: tuple[int, int]) -> tuple[Any, ...]:
        s = self._account.levels[key]
        # safetystocklevel here is unsure: the product keeps it per item and location, the column's
        # table was not found in a primary source.
        return (*key, s.on_hand, s.on_hand - s.committed, s.committed, 0, s.backordered, 0, s.safety)

    def _item_row(self, i: Item) -> tuple[Any, ...]:
        return (
            i.id,
            i.sku,
            i.title,
            i.fields.get("description" if i.kind == "Kit" else "salesDescription"),
            i.kind,
            i.external_id,
            i.fields.get("upcCode"),
            "T" if i.fields.get("isInactive") else "F",
            i.fields.get("parent"),
            i.fields.get("matrixType"),
            self._account.local(i.created_ms),
            self._account.local(i.modified_ms),
            *((i.units_type, i.stock_unit, i.purchase_unit, i.sale_unit) if self._account.units_on else ()),
        )

    def _customer_row(self, c: Party) -> tuple[Any, ...]:
        f = c.fields

        def ref(name: str) -> int | None:
            value = f.get(name)
            return (
                int(value["id"]) if isinstance(value, dict) and str(value.get("id", "")).isdigit() else None
            )

        def number(name: str) -> float | None:
            return None if f.get(name) is None else float(f[name])

        def amount(name: str, since: Decimal) -> float | None:
            return (
                None if f.get(name) is None and not since else float(Decimal(str(f.get(name) or 0)) + since)
            )

        owed = self._account.balances.of(c.id)

        return (
            c.id,
            f.get("entityId"),
            c.external_id,
            f.get("companyName"),
            "T" if f.get("isPerson") else "F",
            f.get("firstName"),
            f.get("lastName"),
            f.get("email"),
            f.get("phone"),
            "T" if f.get("isInactive") else "F",
            ref("subsidiary"),
            ref("currency"),
            ref("terms"),
            ref("priceLevel"),
            ref("category"),
            number("creditLimit"),
            (f.get("creditHoldOverride") or {}).get("id"),
            amount("balance", owed.balance),
            number("overdueBalance"),
            self._account.local(c.created_ms),
            self._account.local(c.modified_ms),
            amount("unbilledOrders", owed.unbilled),
            f.get("vatRegNumber"),
        )
