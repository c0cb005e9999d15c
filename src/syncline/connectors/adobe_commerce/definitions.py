"""What attributes a shop has: their codes, their kinds, and the values that can be chosen.

All of them are read at once and remembered for a while, for a shop has some hundred and changes them seldom
(``GET products/attributes``, admin-schema-2.4.9.yaml). An attribute with values to choose from takes the number of a value, and
the ERP knows its label. A label that the shop does not have is added where that is configured: it compares labels without
regard to case (magento2: Eav/Model/Entity/Attribute/OptionManagement), so one that differs in nothing else is named and refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.wire import Found
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock
from syncline.sdk.oauth1 import escape

PATH = "products/attributes"
PAGE = 100
PAGES_MAX = 50
KEPT_S = 900.0  # so long definitions are believed; a label that is missing has them read sooner
ANEW_S = 30.0  # but not sooner than this after the last reading
CHOSEN = frozenset({"select", "boolean"})  # one of some values
SEVERAL = "multiselect"  # any of them, with commas between
SHOWN = CHOSEN | {"text", "textarea"}  # what is read as it was written; numbers and dates get another form
_CODE = re.compile(r"[^a-z0-9_]+")
CODE_MAX = 60


class Option(Struct, frozen=True):
    """One value that can be chosen; the first of most attributes is empty."""

    value: str | int = ""
    label: str | None = None


class Definition(Struct, frozen=True):
    """One attribute of products."""

    attribute_id: int
    attribute_code: str
    frontend_input: str | None = None
    options: tuple[Option, ...] = ()
    default_frontend_label: str | None = None

    def value_of(self, label: str) -> str | None:
        """The value with a label, in exactly these letters."""
        wanted = label.strip()
        return next((str(one.value) for one in self.options if (one.label or "").strip() == wanted), None)

    def label_of(self, value: Any) -> str:
        """What people read for a value; "" for one that is no value any more."""
        found = next((one.label for one in self.options if str(one.value) == str(value)), None)
        return (found or "").strip()

    def alike(self, label: str) -> str:
        """A label that differs from this one in case only; "" if there is none."""
        wanted = label.strip().upper()
        labels = ((one.label or "").strip() for one in self.options)
        return next((one for one in labels if one.upper() == wanted), "")


class Definitions:
    """The attributes of one shop."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._codes = settings.attributes
        self._creates = settings.create_options
        self._known: dict[str, Definition] = {}
        self._read_s: float | None = None

    def code_of(self, name: str) -> str:
        """The code under which the shop has what the ERP calls so: as configured, or made of the name."""
        return self._codes.get(name) or _CODE.sub("_", name.lower())[:CODE_MAX]

    def names(self) -> Mapping[str, str]:
        """What the ERP calls each attribute whose code is configured."""
        return {code: name for name, code in self._codes.items()}

    async def all(self) -> Mapping[str, Definition]:
        """Every attribute by its code.

        Raises:
            Throttled, Retryable, Rejected, AuthExpired: as for any reading.
        """
        if self._read_s is None or self._clock.monotonic() - self._read_s > KEPT_S:
            await self._read()
        return self._known

    async def option_of(self, name: str) -> Definition:
        """The attribute that variants differ in.

        Raises:
            Rejected: the shop has none of that name from whose values can be chosen.
        """
        code = self.code_of(name)
        found = (await self.all()).get(code) or (await self.anew()).get(code)
        if found is None or found.frontend_input != "select":
            what = "no attribute" if found is None else "no list of values in"
            raise Rejected(
                f"{name}: the shop has {what} {code}; make it there as a dropdown with global scope, in the attribute set "
                f"of new products, or name another code in attributes"
            )
        return found

    async def value(self, code: str, text: str) -> str:
        """What is written for a text in an attribute: the text, or the numbers of the values that it names.

        Raises:
            Rejected: the shop does not offer that value.
        """
        found = (await self.all())[code]
        if not text.strip():
            return ""
        if found.frontend_input in CHOSEN:
            return await self._chosen(found, text)
        if found.frontend_input == SEVERAL:
            parts = [part for part in text.split(",") if part.strip()]
            return ",".join(sorted({await self._chosen(found, part) for part in parts}))
        return text

    async def _chosen(self, definition: Definition, label: str) -> str:
        value = definition.value_of(label)
        code = definition.attribute_code
        if value is None:
            definition = (await self.anew()).get(code, definition)
            value = definition.value_of(label)
        if value is None and (other := definition.alike(label)):
            raise Rejected(f"{code}: the shop writes {label.strip()!r} as {other!r}; make them the same")
        if value is None and self._creates and definition.frontend_input != "boolean":
            path = f"{PATH}/{escape(code)}/options"
            self._read_s = None  # whatever becomes of the call, what was read is not all there is
            await self._client.post(path, {"option": {"label": label.strip()}}, Any)
            await self._read()
            value = self._known.get(code, definition).value_of(label)
        if value is None:
            raise Rejected(
                f"{code}: the shop does not offer {label.strip()!r}; add it to the attribute there, or set create_options"
            )
        return value

    async def anew(self) -> Mapping[str, Definition]:
        """Every attribute by its code, read again unless that was done a moment ago.

        Raises:
            Throttled, Retryable, Rejected, AuthExpired: as for any reading.
        """
        if self._read_s is None or self._clock.monotonic() - self._read_s > ANEW_S:
            await self._read()
        return self._known

    async def _read(self) -> None:
        began_s = self._clock.monotonic()
        known: dict[str, Definition] = {}
        after = 0
        for _ in range(PAGES_MAX):
            search = Search(
                size=PAGE,
                fields="attribute_id,attribute_code,frontend_input,default_frontend_label,options[label,value]",
            )
            search.where(("attribute_id", "gt", str(after))).order("attribute_id")
            found = await self._client.get(PATH, search.pairs(), Found[Definition])
            known |= {one.attribute_code: one for one in found.items}
            if found.total_count <= len(found.items):
                self._known, self._read_s = known, began_s
                return
            if not found.items or found.items[-1].attribute_id <= after:
                raise Retryable("the shop's pages of attributes lead in circles")
            after = found.items[-1].attribute_id
        raise Retryable(f"reading attributes did not end after {PAGES_MAX} pages")
