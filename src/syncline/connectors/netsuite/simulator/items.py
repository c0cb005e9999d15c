"""What people inside the ERP do to items besides their prices: columns of the account's own, matrix items, deletions.

``parent`` and ``matrixtype`` (``PARENT``, ``CHILD``): contract sheet section 5, which marks matrix fields unsure.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncline.connectors.netsuite.simulator.state import Account, Unit


class Items:
    """Acts at once and synchronously; mixed into the simulator."""

    account: Account

    if TYPE_CHECKING:

        def add_item(
            self,
            sku: str,
            title: str,
            base_price: Decimal | str | None,
            *,
            kind: str = "InvtPart",
            fields: Mapping[str, Any] | None,
        ) -> int: ...

    def define_item_column(self, name: str) -> None:
        """Define a custom field of items, such as ``custitem_colour``."""
        if not name.startswith("custitem") or not name.isidentifier():
            raise ValueError(f"{name} is no custom field of items")
        self.account.later(f"ALTER TABLE item ADD COLUMN {name} TEXT")

    def fill_item(self, sku: str, **columns: str | None) -> None:
        """Fill custom fields of an item; ``None`` empties one."""
        item = self.account.item_by_sku[sku]
        item.modified_ms = self.account.clock.now_ms()
        self.account.touch_item(item)
        for name, text in columns.items():
            self.account.item_columns.setdefault(item.id, {})[name] = text
            # The name was checked when the column was defined, or there is none and the database says so.
            self.account.later(f"UPDATE item SET {name} = ? WHERE id = ?", text, item.id)  # noqa: S608

    def make_matrix(
        self, sku: str, children: Mapping[str, Mapping[str, str]], price: Decimal | str = "10"
    ) -> None:
        """Add a matrix item: the parent, and children by SKU with their custom fields, which are their options."""
        parent = self.add_item(sku, sku, price, fields={"matrixType": "PARENT"})
        for child, columns in children.items():
            self.add_child(parent, child, columns, price)

    def add_child(
        self, parent: int, sku: str, columns: Mapping[str, str], price: Decimal | str = "10"
    ) -> None:
        """Add a child of a matrix item, by the parent's internal id."""
        self.add_item(sku, sku, price, fields={"matrixType": "CHILD", "parent": parent})
        self.fill_item(sku, **columns)

    def add_units_type(self, name: str, base: str, units: Mapping[str, Decimal | int]) -> dict[str, int]:
        """Define a type of units: the base unit, and how many of it each other one is. Their internal ids, by name."""
        account = self.account
        if not account.units_on:
            raise ValueError("The feature Multiple Units of Measure is off.")
        number = len(account.units_types) + 1
        account.units_types[number] = name
        account.later("INSERT INTO unitstype VALUES(?,?,'F')", number, name)
        made = {}
        for unit, rate in {base: 1, **units}.items():
            at = account.take("unit")
            made[unit] = at
            account.units[at] = Unit(at, number, unit, Decimal(rate), unit == base)
            account.later(
                "INSERT INTO unitstypeuom VALUES(?,?,?,?,?,?,?,?)",
                *(at, number, unit, f"{unit}s", unit, unit, float(rate), "T" if unit == base else "F"),
            )
        return made

    def measure(self, sku: str, *, stock: int, purchase: int, sale: int) -> None:
        """Give an item its type of units, for good, and the units in which it is kept, bought and sold."""
        item, units = self.account.item_by_sku[sku], self.account.units
        if item.units_type is not None or len({units[u].type for u in (stock, purchase, sale)}) != 1:
            raise ValueError(f"{sku} cannot have these units.")
        item.units_type = units[sale].type
        item.stock_unit, item.purchase_unit, item.sale_unit = stock, purchase, sale
        self.account.touch_item(item)

    def add_kit(
        self,
        sku: str,
        title: str,
        base_price: Decimal | str | None,
        members: Mapping[str, int],
        *,
        fields: Mapping[str, Any] | None = None,
    ) -> int:
        """Add a kit (``kits``): the SKUs of its members, each with how many one takes. Its internal id.

        It can be fulfilled unless ``fields`` say otherwise. What it is made of does not change afterwards here; how the
        product treats kits of kits on transactions is not documented, so there are none.
        """
        made = [(self.account.item_by_sku[member], each) for member, each in members.items()]
        if not made or any(one.members or each < 1 for one, each in made):
            raise ValueError(f"{sku} needs members, at least one of each, and no kits among them.")
        number = self.add_item(
            sku, title, base_price, kind="Kit", fields={"isFulfillable": True, **(fields or {})}
        )
        self.account.items[number].members = {one.id: each for one, each in made}
        self.account.touch_item(self.account.items[number])
        return number

    def deactivate_item(self, sku: str, *, inactive: bool = True) -> None:
        """Make an item inactive, which is how it ends, or active again."""
        item = self.account.item_by_sku[sku]
        item.fields["isInactive"] = inactive
        item.modified_ms = self.account.clock.now_ms()
        self.account.touch_item(item)

    # -- truth --------------------------------------------------------------------------------

    def item_columns(self, sku: str) -> dict[str, str | None]:
        """The custom fields of an item as they are."""
        return self.account.item_columns.get(self.account.item_by_sku[sku].id, {})

    def item_active(self, sku: str) -> bool:
        """Whether an item is active."""
        return not self.account.item_by_sku[sku].fields.get("isInactive")

    def item_description(self, sku: str) -> str:
        """Its sales description."""
        return str(self.account.item_by_sku[sku].fields.get("salesDescription") or "")

    def item_title(self, sku: str) -> str:
        """Its display name."""
        return self.account.item_by_sku[sku].title
