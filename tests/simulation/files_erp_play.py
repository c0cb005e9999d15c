"""An ERP that exchanges files, and Adobe Commerce, played with faults and kills; it exports in full by night, and news by day."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.elsewhere_play import Play

from syncline.connectors.files import CONNECTOR as FILES
from syncline.connectors.files import FilesSettings
from syncline.connectors.files.declared import Read
from syncline.connectors.files.simulator import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator, Office
from syncline.connectors.files.simulator.office import EXPORT_S, HEADERS
from syncline.ports import Opening, System
from syncline.simulate.sides.exchange import STAMPED, columns

FULL_EVERY_S = 3_600.0
NEWS_EVERY_S = 900.0
FIELDS = {
    "prices": "sku for code minimum price currency starts ends",
    "customers": (
        "company name status tax_id terms contact contact_first_name contact_last_name contact_email contact_phone "
        "contact_role site site_line1 site_city site_postcode site_country site_phone site_billing"
    ),
    "credit": "account limit balance open_orders status currency",
}
MORE: dict[str, dict[str, Any]] = {
    "prices": {
        "day_format": "%d.%m.%Y",
        "whom": {"A": "base", "C": "customer", "G": "group", "P": "promotion"},
    },
    "customers": {"inactive": ("closed",)},
    "credit": {"held": ("STOP",)},
}


def reads(kind: str) -> tuple[Read, Read]:
    """A full file of a kind, and its news."""
    told: dict[str, Any] = {
        "kind": kind,
        "columns": columns(FIELDS[kind].split(), HEADERS[kind].split(";")),
        "lead_s": round(EXPORT_S) + 1,
        **STAMPED,
        **MORE[kind],
    }
    full = Read(path=kind, pattern=f"{kind.upper()}_*.csv", scope="full", **told)
    return full, Read(path=f"{kind}-news", pattern="NEWS_*.csv", scope="delta", **told)


class FilesPlay(Play):
    """One seed. ``kind`` is what the office tells; ``news``: not only in full."""

    kind = ""
    news = True

    def make_erp(self) -> None:
        self.erp = ObjectStoreSimulator(clock=self.clock, rng=Random(self.rng.getrandbits(64)))
        self.apps.register(ORIGIN, self.erp)
        self.office = Office(self.erp, self.clock, self.erp.ledger.breach, Random(self.rng.getrandbits(64)))
        self.folder = tempfile.mkdtemp(prefix="files-erp-")

    def open_erp(self, opening: Callable[[Any], Opening]) -> System:
        settings = FilesSettings(
            folder=f"s3://{self.erp.bucket}",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/spool",
            reads=reads(self.kind),
            **self.erp_more,
        )
        return FILES.open(opening(settings))

    async def play(self) -> list[str]:
        await self.office.export(self.kind)
        office = self.office
        ways = [(office.export, FULL_EVERY_S), *([(office.news, NEWS_EVERY_S)] if self.news else [])]
        told = [self.loop.create_task(self.tell(*each)) for each in ways]
        found = await super().play()
        for task in told:
            task.cancel()
        return found

    async def tell(self, leave: Callable[[str], Any], every_s: float) -> None:
        while True:
            await self.clock.sleep(self.rng.uniform(0.5, 1.0) * every_s)
            await leave(self.kind)

    def run(self) -> list[str]:
        try:
            return super().run()
        finally:
            shutil.rmtree(self.folder)


__all__ = ["FilesPlay", "reads"]
