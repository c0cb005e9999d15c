"""The test bench of a partner who leaves its products as files, of which several rows make one."""

from __future__ import annotations

from dataclasses import replace as with_facts

from tests.connectors.files_bench import ITEMS, STATUS, FilesBench

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Column, Read
from syncline.connectors.files.manifest import capabilities_of
from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.products import Product

PRODUCTS = Read(
    kind="products",
    path="products",
    pattern="PRODUCTS_*.csv",
    scope="full",
    complete="rename",
    columns=(
        Column("product", name="STYLE"),
        Column("sku", name="ITEM"),
        Column("option.Size", name="SIZE"),
        Column("title", name="NAME"),
        Column("image", name="PICTURE"),
        Column("image_position", name="NO"),
    ),
)


class ProductsBench(FilesBench):
    """A partner with a small catalog: two sizes and an image of everything. The records are products, and their titles are numbers."""

    facts = with_facts(FilesBench.facts, delta="products", kind=Kind.PRODUCT)
    connector = replace(
        CONNECTOR,
        capabilities=capabilities_of(FilesSettings(folder="", spool="", reads=(PRODUCTS, ITEMS, STATUS))),
    )

    def settings(self) -> FilesSettings:
        return replace(super().settings(), reads=(PRODUCTS, ITEMS, STATUS))

    def _leave(self) -> None:
        self._files += 1
        lines = ["STYLE,ITEM,SIZE,NAME,PICTURE,NO"]
        for key, title in self.rows.items():
            place = "first" if title == "some" else "1"
            lines += [
                f"{key},,,,https://images.example.com/{key}.png,{place}",
                f"{key},{key}-M,M,{title},,",
                f"{key},{key}-L,L,,,",
            ]
        name = f"exchange/products/PRODUCTS_{self._files:05d}.csv"
        self.simulator.put(name, "\r\n".join(lines).encode())

    def add(self, count: int = 1) -> list[str]:
        keys = []
        for _ in range(count):
            self._made += 1
            keys.append(f"STYLE-{self._made}")
            self.rows[keys[-1]] = "10"
        self._leave()
        return keys

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, Product)
        assert len(change.value.variants) == 2
        return int(change.value.title)
