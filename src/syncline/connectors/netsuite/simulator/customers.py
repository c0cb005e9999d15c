"""What people inside the ERP do to customers: contacts and addresses, which are tables of their own, and merging.

Columns of ``customeraddressbook`` and ``customeraddressbookentityaddress`` are those of public table references and
queries; ``contact``, ``companycontactrelationship`` and the customer's tax column likewise, and unsure. Merging two
customers leaves one: the other is gone, and nothing in the tables says which one took its place (an assumption).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncline.connectors.netsuite.simulator.state import Account

PRIMARY = -10  # the id of the role "Primary Contact"

SCHEMA = """
CREATE TABLE contact(
  id INTEGER PRIMARY KEY, entityid TEXT, firstname TEXT, lastname TEXT, email TEXT, phone TEXT, title TEXT,
  company INTEGER, isinactive TEXT, lastmodifieddate DATE);
CREATE TABLE companycontactrelationship(company INTEGER, contact INTEGER, role INTEGER,
  PRIMARY KEY(company, contact)) WITHOUT ROWID;
CREATE TABLE customeraddressbook(
  internalid INTEGER PRIMARY KEY, entity INTEGER, label TEXT, defaultbilling TEXT, defaultshipping TEXT,
  addressbookaddress INTEGER);
CREATE INDEX addressbook_entity ON customeraddressbook(entity, internalid);
CREATE TABLE customeraddressbookentityaddress(
  nkey INTEGER PRIMARY KEY, addressee TEXT, addr1 TEXT, addr2 TEXT, city TEXT, state TEXT, zip TEXT, country TEXT,
  addrphone TEXT);
"""


@dataclass(slots=True)
class Person:
    """A contact of a customer."""

    id: int
    customer: int
    fields: dict[str, Any]
    role: int | None
    inactive: bool = False


@dataclass(slots=True)
class Address:
    """One line of an address book."""

    id: int
    customer: int
    fields: dict[str, Any]


class Customers:
    """Acts at once and synchronously; mixed into the simulator."""

    account: Account

    def add_contact(self, customer_id: int, *, role: int | None = None, **fields: str) -> int:
        """Add a contact with the columns of ``contact`` (``firstname``, ``email`` …)."""
        person = Person(self.account.take("contact"), customer_id, dict(fields), role)
        self.account.contacts[person.id] = person
        self._keep_contact(person)
        return person.id

    def edit_contact(self, contact_id: int, *, inactive: bool | None = None, **fields: str) -> None:
        """Edit a contact. This does not move the customer's stamp."""
        person = self.account.contacts[contact_id]
        person.fields.update(fields)
        if inactive is not None:
            person.inactive = inactive
        self._keep_contact(person)

    def add_address(self, customer_id: int, **fields: Any) -> int:
        """Add an address with the columns of both tables (``addr1``, ``label``, ``defaultbilling`` as a bool …)."""
        address = Address(self.account.take("address"), customer_id, dict(fields))
        self.account.addresses[address.id] = address
        self._keep_address(address)
        return address.id

    def edit_address(self, address_id: int, **fields: Any) -> None:
        """Edit an address."""
        address = self.account.addresses[address_id]
        address.fields.update(fields)
        self._keep_address(address)

    def drop_address(self, address_id: int) -> None:
        """Take an address out of its book."""
        self.account.addresses.pop(address_id)
        self.account.later("DELETE FROM customeraddressbook WHERE internalid=?", address_id)
        self.account.later("DELETE FROM customeraddressbookentityaddress WHERE nkey=?", address_id)

    def merge_customers(self, gone: int, into: int) -> None:
        """Merge a customer into another: contacts and addresses move, the record goes."""
        for person in [x for x in self.account.contacts.values() if x.customer == gone]:
            person.customer = into
            self.account.later(
                "DELETE FROM companycontactrelationship WHERE company=? AND contact=?", gone, person.id
            )
            self._keep_contact(person)
        for address in [x for x in self.account.addresses.values() if x.customer == gone]:
            address.customer = into
            address.fields |= {"defaultbilling": False, "defaultshipping": False}
            self._keep_address(address)
        party = self.account.customers.pop(gone)
        if party.external_id is not None:
            self.account.external.pop(("customer", party.external_id.casefold()), None)
        self.account.later("DELETE FROM customer WHERE id=?", gone)

    def _keep_contact(self, person: Person) -> None:
        now = self.account.local(self.account.clock.now_ms())
        names = ("firstname", "lastname", "email", "phone", "title")
        values = [person.fields.get(name) for name in names]
        name = " ".join(str(x) for x in values[:2] if x)
        inactive = "T" if person.inactive else "F"
        self.account.later(
            "INSERT OR REPLACE INTO contact VALUES(?,?,?,?,?,?,?,?,?,?)",
            person.id, name, *values, person.customer, inactive, now,
        )  # fmt: skip
        self.account.later(
            "INSERT OR REPLACE INTO companycontactrelationship VALUES(?,?,?)",
            person.customer,
            person.id,
            person.role,
        )

    def _keep_address(self, address: Address) -> None:
        def mark(name: str) -> str:
            return "T" if address.fields.get(name) else "F"

        self.account.later(
            "INSERT OR REPLACE INTO customeraddressbook VALUES(?,?,?,?,?,?)",
            address.id,
            address.customer,
            address.fields.get("label"),
            mark("defaultbilling"),
            mark("defaultshipping"),
            address.id,
        )
        names = ("addressee", "addr1", "addr2", "city", "state", "zip", "country", "addrphone")
        values = [address.fields.get(name) for name in names]
        self.account.later(
            "INSERT OR REPLACE INTO customeraddressbookentityaddress VALUES(?,?,?,?,?,?,?,?,?)",
            address.id,
            *values,
        )
