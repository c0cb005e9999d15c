"""Rows as the API shows them: stored fields, sums worked out at this moment, stamps, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncline.connectors.business_central.simulator.odata import Query
from syncline.connectors.business_central.simulator.schema import ENTITIES, Entity
from syncline.connectors.business_central.simulator.state import ZERO, Company, Record

# Several pages over one table: our extension shows more of shipments, the product itself of customers.
TABLES = {
    "shipments": "salesShipments",
    "shipmentLines": "salesShipmentLines",
    "customerFinancialDetails": "customers",
}

# Ids that stand for a code beside them.
NAMED = {
    "unitOfMeasureId": ("unitsOfMeasure", "unitOfMeasureCode"),
    "baseUnitOfMeasureId": ("unitsOfMeasure", "baseUnitOfMeasureCode"),
    "currencyId": ("currencies", "currencyCode"),  # of the company's own there is none
}


class Views:
    """Renders one company."""

    def __init__(self, company: Company) -> None:
        self._company = company

    def rows(self, entity: Entity) -> Iterable[Record]:
        """All rows behind an entity set."""
        if entity.name == "changeMarks":
            return (self._mark(),)
        if entity.name == "companyInformation":
            return (self._information(),)
        return self._company.tables[TABLES.get(entity.name, entity.name)].values()

    def children(self, name: str, parent: Record) -> Iterable[Record]:
        """The rows behind a navigation of a record."""
        table = TABLES.get(name, name)
        if (table, parent.id) in self._company.lines:
            return self._company.children(table, parent.id)
        if table.endswith("Lines"):
            return ()
        fields = ("itemId", "journalId")
        return (
            x
            for x in self._company.tables[table].values()
            if any(x.values.get(each) == parent.id for each in fields)
        )

    def _mark(self) -> Record:
        """The single row of marks: every write here is a whole transaction, so none is under way."""
        # The id is constant: the page has one row.
        return Record("00000000-0000-4000-a000-000000000001", {}, 0, self._company.version)

    def _information(self) -> Record:
        """The single row about the company itself; the currency is that of its general ledger."""
        company = self._company
        told = {"displayName": company.name, "currencyCode": company.currency}
        return Record("00000000-0000-4000-a000-000000000002", told, 0, 0)

    def values(self, entity: Entity, record: Record) -> dict[str, Any]:
        """Every field of a row."""
        held = record.values
        shown: dict[str, Any] = {"id": record.id}
        for name, field in entity.fields.items():
            if name == "id":
                continue
            if name == "lastModifiedDateTime":
                shown[name] = self._company.iso(record.modified_ms)
            elif name == "rowVersion":
                shown[name] = record.version
            elif name == "asOf":
                shown[name] = self._company.now()
            elif name in NAMED:
                table, code = NAMED[name]
                found = self._company.find(table, "code", held.get(code, ""))
                shown[name] = field.empty if found is None else found.id
            else:
                shown[name] = held.get(name, field.empty)
        self._sums(entity.name, record, shown)
        return shown

    def _sums(self, name: str, record: Record, shown: dict[str, Any]) -> None:
        company = self._company
        if name == "items":
            number = shown["number"]
            shown["inventory"] = sum(
                (level.inventory for key, level in company.levels.items() if key[0] == number), ZERO
            )
        elif name == "stockLevels":
            level = company.level((shown["itemNumber"], shown["variantCode"], shown["locationCode"]))
            shown["inventory"], shown["quantityOnSalesOrder"] = level.inventory, level.on_orders
        elif name == "changeMarks":
            shown["minimumActiveRowVersion"] = company.version + 1
        elif name in ("customers", "customerFinancialDetails"):
            field = "balanceDue" if name == "customers" else "balance"
            shown[field] = sum(
                (
                    x.values["remainingAmount"]
                    for x in company.tables["salesInvoices"].values()
                    if x.values["customerId"] == record.id
                ),
                ZERO,
            )
            if name == "customerFinancialDetails":
                shown["overdueAmount"] = sum(
                    (
                        x.values["remainingAmount"]
                        for x in company.tables["salesInvoices"].values()
                        if x.values["customerId"] == record.id and x.values["dueDate"] < company.today()
                    ),
                    ZERO,
                )

    def render(
        self, entity: Entity, record: Record, query: Query, shown: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One row as a body: chosen fields, its version, and what is expanded."""
        values = self.values(entity, record) if shown is None else shown
        chosen = query.select or tuple(entity.fields)
        body: dict[str, Any] = {"@odata.etag": record.etag}
        body.update((name, values[name]) for name in entity.fields if name in chosen)
        for name, inner in query.expand.items():
            body[name] = self._expanded(entity, record, name, inner)
        return body

    def _expanded(self, entity: Entity, record: Record, name: str, query: Query) -> Any:
        if name in entity.one:
            target, field = entity.one[name]
            found = self._company.tables[target].get(record.values[field])
            return None if found is None else self.render(ENTITIES[target], found, query)
        child = ENTITIES[name]
        rows = []
        for row in self.children(name, record):
            shown = self.values(child, row)
            if query.where is None or query.where(shown):
                rows.append(self.render(child, row, query, shown))
        return rows
