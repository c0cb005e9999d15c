"""Products that an ERP leaves: one wide row for each variant, or several rows that together say everything of a product.

Rows of one product have its key in common; without one a row is a product of its own. Each row may tell of the product, of one
of its variants, of one image, attribute or assortment, and of its texts in one language. What several rows say of the same
they have to say alike, as the rows of a joined table do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader, shown
from syncline.connectors.files.spool import Taken
from syncline.connectors.files.stated import NO, YES, AtLine, Line, Stated, StatedRows
from syncline.model.errors import Rejected
from syncline.model.products import Product, ProductStatus, Variant, Wording, fetchable

TEXTS = ("title", "description")
ASSORTMENTS = re.compile("[,;|]")  # between several names in one cell
POSITION_MAX = 10_000
WORDS = {
    **dict.fromkeys(YES, ProductStatus.ACTIVE),
    **dict.fromkeys(NO - {""}, ProductStatus.ARCHIVED),
    **{status.value: status for status in ProductStatus},
}


class ProductRows(StatedRows):
    """Makes products."""

    def __init__(
        self, read: Read, reader: Reader, taken: Taken, changed_ms: int, *, physical: bool = False
    ) -> None:
        super().__init__(read, reader, taken, changed_ms, physical=physical)
        self._owners: dict[str, str] = {}  # of SKUs in this file: the first product that names each
        self._rivals: defaultdict[str, set[str]] = defaultdict(set)  # and others that do
        self._options = self._named("option.")
        self._option_names = self._named("option_name.")
        self._attributes = self._named("attribute.")
        self._images = sorted(self._named("image."), key=int)
        self._translations = [name.split(".", 1) for name in self._named("translation.")]

    def _named(self, prefix: str) -> list[str]:
        """What columns with a prefix are called behind it, in their order."""
        return [name.removeprefix(prefix) for name in self._reader.fields if name.startswith(prefix)]

    def key_of(self, values: Sequence[str]) -> str:
        """The product; a row that names none is one by itself."""
        return self._key("product" if self._get("product", values) else "sku", values)

    def check(self, values: Sequence[str]) -> None:
        """Note whose a SKU is."""
        if sku := self._get("sku", values):
            key = self.key_of(values)
            if self._owners.setdefault(sku, key) != key:
                self._rivals[sku].add(key)

    def record(self, lines: Sequence[Line]) -> Stated[object]:
        """A product with all of its variants."""
        key = self.key_of(lines[0].values)
        own = [line for line in lines if not self._language(line)]
        rows = self._sold(key, lines, own)
        status = self._status(own, rows)
        variants, options = self._variants(own, rows)
        product = Product(
            key,
            self.alike("title", own) if "title" in self._at else key,
            variants,
            options,
            status,
            self.alike("description", own) if "description" in self._at else None,
            self.alike("category", own) if "category" in self._at else None,
            self._attributes_of(own),
            self._images_of(own),
            self._translated(lines),
            self._assortments(own),
        )
        return self.stated(key, product, lines)

    # --- variants ---------------------------------------------------------------------------------------

    def _sold(self, key: str, lines: Sequence[Line], own: Sequence[Line]) -> dict[str, list[Line]]:
        """The rows of each SKU.

        Raises:
            Rejected, AtLine: there is none, or one is of two products.
        """
        rows: dict[str, list[Line]] = {}
        for line in own:
            if sku := self._sku_of(line, key):
                rows.setdefault(sku, []).append(line)
        for line in lines:
            sku = self._get("sku", line.values)
            if sku and sku not in rows:
                raise AtLine(line.number, f"field sku: {shown(sku)} stands in rows of other languages only")
        if not rows:
            raise Rejected("field sku: no row says what can be bought")
        return rows

    def _variants(
        self, own: Sequence[Line], rows: dict[str, list[Line]]
    ) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
        """Everything that can be bought, and the names of what it differs in.

        Raises:
            AtLine: two cannot be told apart.
        """
        said = {sku: self._option_values(some) for sku, some in rows.items()}
        names = [name for name in self._order_of(own) if any(name in values for values in said.values())]
        found: list[Variant] = []
        taken: dict[tuple[str, ...], str] = {}
        for sku, some in rows.items():
            missing = next((name for name in names if name not in said[sku]), None)
            if missing is not None:
                raise AtLine(some[0].number, f"option {shown(missing)}: {shown(sku)} has no value of it")
            values = tuple(said[sku][name] for name in names)
            other = taken.setdefault(values, sku)
            if other != sku:
                raise AtLine(some[0].number, f"{shown(sku)} differs from {shown(other)} in no option")
            found.append(Variant(sku, values, self.alike("barcode", some)))
        return tuple(found), tuple(names)

    def _sku_of(self, line: Line, key: str) -> str:
        """The SKU of a row; "" where it tells of no variant."""
        sku = self._get("sku", line.values)
        if not sku:
            return ""
        try:
            sku = self._key("sku", line.values)
        except Rejected as error:
            raise AtLine(line.number, str(error)) from error
        if sku in self._rivals:
            other = min({self._owners[sku], *self._rivals[sku]} - {key})
            raise AtLine(line.number, f"field sku: {shown(sku)} is of product {shown(other)} as well")
        return sku

    def _option_values(self, lines: Sequence[Line]) -> dict[str, str]:
        """What the rows of one SKU say of its options, by name."""
        found: dict[str, tuple[int, str]] = {}
        for number, values in lines:
            for name, value in self._pairs(Line(number, values)):
                first, known = found.setdefault(name, (number, value))
                if known != value:
                    raise AtLine(
                        number,
                        f"option {shown(name)}: {shown(value)} here, and {shown(known)} in line {first}",
                    )
        return {name: value for name, (_, value) in found.items()}

    def _pairs(self, line: Line) -> Iterator[tuple[str, str]]:
        """The options of one row, with names of columns or of cells."""
        for name in self._options:
            if value := self._get(f"option.{name}", line.values):
                yield name, value
        for n in self._option_names:
            name, value = (self._get(f"option_{what}.{n}", line.values) for what in ("name", "value"))
            if value and not name:
                raise AtLine(
                    line.number, f"field option_value.{n}: {shown(value)} of an option without a name"
                )
            if value:
                yield name, value

    def _order_of(self, lines: Sequence[Line]) -> list[str]:
        """The names of the options, in the order of their columns; the same in every row."""
        if not self._option_names:
            return self._options
        return list(
            dict.fromkeys(
                name
                for n in sorted(self._option_names)
                for line in lines
                if (name := self._get(f"option_name.{n}", line.values))
            )
        )

    # --- what concerns all of a product -------------------------------------------------------------------

    def _status(self, lines: Sequence[Line], rows: dict[str, list[Line]]) -> ProductStatus:
        """Whether it is sold; of variants that are not while others are, ``rows`` loses those.

        A row without a SKU says it of all, and what of it has ended there is not sold whatever its variants say.

        Raises:
            Rejected, AtLine: rows of the same say otherwise, or nothing is said of a variant.
        """
        if "status" not in self._at:
            return ProductStatus.ACTIVE
        whole = self._word([line for line in lines if not self._get("sku", line.values)])
        if whole not in (None, ProductStatus.ACTIVE):
            return whole
        said = {sku: self._word(some) or whole for sku, some in rows.items()}
        told = {status for status in said.values() if status is not None}
        if not told:
            raise Rejected(f"field status: '' is no status: use {', '.join(ProductStatus)}, 1 or 0")
        if len(told) == 1:
            return told.pop()
        for sku, status in said.items():
            if status is None:
                raise AtLine(
                    rows[sku][0].number, f"field status: nothing is said of {shown(sku)}, and others differ"
                )
        kept = ProductStatus.ACTIVE if ProductStatus.ACTIVE in told else ProductStatus.DRAFT
        for sku, status in said.items():
            if status is not kept:
                del rows[sku]
        return kept

    def _word(self, lines: Sequence[Line]) -> ProductStatus | None:
        """What some rows say alike of a status; ``None``: nothing."""
        text = self.alike("status", lines)
        if not text:
            return None
        if text in self._read.ended:
            return ProductStatus.ARCHIVED
        if text in self._read.drafts:
            return ProductStatus.DRAFT
        if self._read.ended or self._read.drafts:
            return ProductStatus.ACTIVE
        if text.lower() not in WORDS:
            at = next(line.number for line in lines if self._get("status", line.values))
            words = ", ".join(ProductStatus)
            raise AtLine(at, f"field status: {shown(text)} is no status: use {words}, 1 or 0")
        return WORDS[text.lower()]

    def _attributes_of(self, lines: Sequence[Line]) -> dict[str, str] | None:
        """By name. One of a column that is empty is told as empty; one that no row names is not told."""
        if "attribute" not in self._at:
            return {name: self.alike(f"attribute.{name}", lines) for name in self._attributes} or None
        found: dict[str, tuple[int, str]] = {}
        for number, values in lines:
            name, text = self._get("attribute", values), self._get("attribute_value", values)
            if not name and text:
                raise AtLine(number, f"field attribute_value: {shown(text)} of an attribute without a name")
            first, known = found.setdefault(name, (number, text)) if name else (number, text)
            if known != text:
                raise AtLine(
                    number, f"attribute {shown(name)}: {shown(text)} here, and {shown(known)} in line {first}"
                )
        return {name: found[name][1] for name in sorted(found)}

    def _images_of(self, lines: Sequence[Line]) -> tuple[str, ...] | None:
        """Addresses, the first one first."""
        fields = [*"image images".split(), *(f"image.{n}" for n in self._images)]
        fields = [name for name in fields if name in self._at]
        if not fields:
            return None
        for number, values in lines:
            for name in fields:
                for address in self._get(name, values).split():
                    if not fetchable(address):
                        raise AtLine(
                            number,
                            f"field {name}: {shown(address)} is no address; it must begin with https://",
                        )
        found = (
            self._by_position(lines) if "image" in fields else [self.alike(name, lines) for name in fields]
        )
        return tuple(dict.fromkeys(address for text in found for address in text.split()))

    def _by_position(self, lines: Sequence[Line]) -> list[str]:
        at: dict[int, tuple[int, str]] = {}
        for number, values in lines:
            address = self._get("image", values)
            if not address:
                continue
            try:
                position = self._number("image_position", values)
                if position % 1 or not 0 <= position <= POSITION_MAX:
                    raise Rejected(f"field image_position: {shown(str(position))} is no place in a row")
            except Rejected as error:
                raise AtLine(number, str(error)) from error
            first, known = at.setdefault(int(position), (number, address))
            if known != address:
                raise AtLine(
                    number, f"field image_position: {position:f} is that of another image in line {first}"
                )
        return [at[position][1] for position in sorted(at)]

    def _assortments(self, lines: Sequence[Line]) -> tuple[str, ...] | None:
        """The names under which some customers see it, of all rows or in one cell."""
        if "assortment" in self._at:
            names = {text for _, values in lines if (text := self._get("assortment", values))}
            return tuple(sorted(names))
        if "assortments" not in self._at:
            return None
        told = map(str.strip, ASSORTMENTS.split(self.alike("assortments", lines)))
        return tuple(filter(None, dict.fromkeys(told)))

    # --- languages ----------------------------------------------------------------------------------------

    def _language(self, line: Line) -> str:
        """The language of a row that tells nothing but texts; "" for the product's own."""
        language = self._get("language", line.values)
        return "" if language == self._read.own_language else language

    def _translated(self, lines: Sequence[Line]) -> dict[str, Wording]:
        rows: dict[str, list[Line]] = {}
        for line in lines:
            if language := self._language(line):
                rows.setdefault(language, []).append(line)
        found = {
            language: {name: text for name in TEXTS if (text := self.alike(name, some))}
            for language, some in rows.items()
        }
        for language, name in self._translations:
            if text := self.alike(f"translation.{language}.{name}", lines):
                found.setdefault(language, {})[name] = text
        return {language: Wording(found[language]) for language in sorted(found) if found[language]}
