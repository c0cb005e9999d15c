"""The test bench of files that hold prices: each record is two rows, which stand apart."""

from __future__ import annotations

from msgspec.structs import replace as declared
from tests.connectors.files_bench import STOCK, FilesBench

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Column
from syncline.connectors.files.manifest import capabilities_of
from syncline.connectors.files.mapping import SEP
from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.pricing import Price

PRICES = declared(
    STOCK,
    kind="prices",
    path="prices",
    pattern="PRICES_*.csv",
    lead_s=0,
    columns=tuple(Column(name, name=name) for name in ("sku", "list", "minimum", "price")),
)


class PricesBench(FilesBench):
    """A partner who leaves what one list says of its goods: a price, and another from five on."""

    facts = replace(FilesBench.facts, delta="prices", kind=Kind.PRICE)
    connector = replace(
        CONNECTOR, capabilities=capabilities_of(FilesSettings(folder="", spool="", reads=(PRICES,)))
    )

    def settings(self) -> FilesSettings:
        return declared(super().settings(), reads=(PRICES,), writes=())

    def _leave(self) -> None:
        self._files += 1
        first = [f"{self._named(key)},1,{price}" for key, price in self.rows.items()]
        more = [f"{self._named(key)},5,1.{price}" for key, price in self.rows.items()]
        body = "\r\n".join(["sku,list,minimum,price", *first, *more]).encode()
        self.simulator.put(f"exchange/prices/PRICES_{self._files:05d}.csv", body)

    @staticmethod
    def _named(key: str) -> str:
        return key.replace(f"{SEP}list:", ",")

    def add(self, count: int = 1) -> list[str]:
        keys = []
        for _ in range(count):
            self._made += 1
            keys.append(f"SKU-{self._made}{SEP}list:MAIN")
            self.rows[keys[-1]] = "10"
        self._leave()
        return keys

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, Price)
        first, more = change.value.entries
        assert f"{more.amount}" == f"1.{first.amount}", "both are of one file"
        return int(first.amount)


__all__ = ["PricesBench"]
