"""Customers that an ERP leaves: one wide row for each company, or several rows that together say everything of it.

Each row may tell of the company, of one of its people, and of one of its addresses. What several rows say of the same they
have to say alike, as the rows of a joined table do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeVar

from syncline.connectors.files.dialect import shown
from syncline.connectors.files.kinds import PLACE_PARTS
from syncline.connectors.files.mapping import KEY_CHARS_MAX
from syncline.connectors.files.stated import AtLine, Line, Stated, StatedRows
from syncline.model.copying import replace
from syncline.model.customers import Company, Contact, Site
from syncline.model.errors import Rejected

PERSON_PARTS = tuple("first_name last_name email phone title role".split())
MAIN, BILL, SHIP = "main", "bill", "ship"  # keys of addresses that have none of their own
KEY_BYTES = 8
COUNTRY = re.compile(r"(?:[A-Z]{2})?")

Part = TypeVar("Part", Contact, Site)


class CompanyRows(StatedRows):
    """Makes companies."""

    personal = True

    def key_of(self, values: Sequence[str]) -> str:
        """The company."""
        return self._key("company", values)

    def record(self, lines: Sequence[Line]) -> Stated[object]:
        """A company with everybody who acts for it, and its addresses."""
        key = self.key_of(lines[0].values)
        name = self.alike("name", lines)
        if not name:
            raise Rejected("field name: no row says how the company is called")
        currency, person = self.alike("currency", lines), self.alike("person", lines)
        company = Company(
            key,
            name,
            self.alike("number", lines) or key,
            self.alike("status", lines) not in self._read.inactive,
            self.alike("external_id", lines),
            self.alike("tax_id", lines),
            self.alike("terms", lines),
            self.alike("group", lines),
            self.iso(currency),
            self.alike("email", lines),
            self.alike("phone", lines),
            self.means_yes("person", person),
            self._parts(lines, self._contacts),
            self._parts(lines, self._sites),
        )
        return self.stated(key, company, lines)

    @staticmethod
    def _parts(lines: Sequence[Line], of: Callable[[Sequence[str]], Sequence[Part]]) -> tuple[Part, ...]:
        """Everybody, or every address, of all rows, each once, in the order of their keys."""
        found: dict[str, tuple[int, Part]] = {}
        for number, values in lines:
            try:
                parts = of(values)
            except Rejected as error:
                raise AtLine(number, str(error)) from error
            for part in parts:
                first, known = found.setdefault(part.key, (number, part))
                if known != part:
                    raise AtLine(number, f"{shown(part.key)} is said to be another in line {first}")
        return tuple(found[key][1] for key in sorted(found))

    def _contacts(self, values: Sequence[str]) -> Sequence[Contact]:
        """Whom a row tells of: by a key of their own, or by what their e-mail comes to where no column has one.

        Keys of people stand in reasons and differences, so no e-mail is one.
        """
        said = {part: self._get(f"contact_{part}", values) for part in PERSON_PARTS}
        if not any(said.values()) and not self._get("contact", values):
            return ()
        if "contact" in self._at:
            return (Contact(self._part_key("contact", values), **said),)
        email = said["email"].lower().encode()
        return (Contact(blake2b(email, digest_size=KEY_BYTES).hexdigest(), **said),) if email else ()

    def _sites(self, values: Sequence[str]) -> Sequence[Site]:
        """The addresses that a row tells of: one with a key, and those that are for invoices and for goods."""
        found = []
        if (place := self._place("site", values)) is not None:
            alone = "site" not in self._at  # a company's only one
            key = MAIN if alone else self._part_key("site", values)
            uses = {
                use: self.yes(f"site_{use}", values) if f"site_{use}" in self._at else alone
                for use in ("billing", "shipping")
            }
            found.append(replace(place, key=key, label=self._get("site_label", values), **uses))
        bill, ship = self._place(BILL, values), self._place(SHIP, values)
        if bill is not None:
            found.append(replace(bill, key=BILL, billing=True, shipping=bill == ship))
        if ship is not None and bill != ship:
            found.append(replace(ship, key=SHIP, shipping=True))
        return found

    def _place(self, prefix: str, values: Sequence[str]) -> Site | None:
        """An address without a key; ``None``: nothing is said of one."""
        said = {part: self._get(f"{prefix}_{part}", values) for part in PLACE_PARTS}
        if not any(said.values()) and not self._get(prefix, values):
            return None
        if not COUNTRY.fullmatch(said["country"]):
            raise Rejected(
                f"field {prefix}_country: {shown(said['country'])} is no country (ISO 3166-1 alpha-2)"
            )
        return replace(Site(""), **said)

    def _part_key(self, field: str, values: Sequence[str]) -> str:
        text = self._get(field, values)
        if not text or len(text) > KEY_CHARS_MAX:
            raise Rejected(f"field {field}: {shown(text)} is no key")
        return text
