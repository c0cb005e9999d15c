"""Products from a partner who exchanges files to Adobe Commerce, under faults and kills, through the shop's queue and beside it.

What is right is said here from the books of both sides.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any

import pytest
from tests.simulation.elsewhere_play import CURRENCY, SKUS, Play
from tests.simulation.files_articles import CHANGED, PRICES, TRADE, WHOLE, Authors

from syncline.connectors.files import CONNECTOR as FILES
from syncline.connectors.files import FilesSettings
from syncline.connectors.files.products import ProductRows
from syncline.connectors.files.simulator import (
    ACCESS_KEY,
    ORIGIN,
    SECRET_KEY,
    ObjectStoreSimulator,
    Partner,
)
from syncline.connectors.files.simulator.partner import Article
from syncline.engine.routes import Route
from syncline.model.change import Flow
from syncline.model.products import EVERYTHING, ProductRules, image_mark
from syncline.ports import Request, Response, System, Transport
from syncline.pricing.rules import OWN, ChannelList, PriceRules

pytestmark = pytest.mark.simulation

SOLD = 1


class Pictures(Transport):
    """Somebody's web server."""

    async def send(self, request: Request) -> Response:
        return Response(200, {}, b"\x89PNG\r\n\x1a\n" + request.url.encode())


class Shelves(Authors, Play):
    """One seed."""

    shop_more = MappingProxyType(
        {
            "category_root": 2,
            "create_categories": True,
            "create_options": True,
            "image_hosts": ("images.example.com",),
        }
    )

    def __init__(self, seed: int, *, faults: bool = True, kills: int = 3) -> None:
        super().__init__(seed, faults=faults, kills=kills)
        self.begin()
        self.everywhere = SKUS
        self.shown = self.shop.add_shared_catalog()
        self.trading = self.shop.add_shared_catalog()
        self.shop.add_select("colour")
        self.material = self.shop.add_select("material")
        self.outside = Pictures()
        for sku in SKUS:
            self.enter(Article(sku, sku, {"": sku}))
        for n in range(6):
            self.make(f"NEW-{n}")

    def make_erp(self) -> None:
        self.erp = self.place = ObjectStoreSimulator(clock=self.clock, rng=Random(self.rng.getrandbits(64)))
        self.apps.register(ORIGIN, self.erp)
        self.partner = Partner(self.erp, self.clock, self.erp.ledger.breach)
        self.folder = tempfile.mkdtemp(prefix="files-shelves-")

    def open_erp(self, opening: Any) -> System:
        settings = FilesSettings(
            folder=f"s3://{self.erp.bucket}",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/spool",
            reads=(WHOLE, CHANGED, PRICES),
        )
        return FILES.open(opening(settings))

    def listed(self) -> Collection[str]:
        return self.shop.state.products

    def routes(self) -> list[Route]:
        prices = PriceRules((ChannelList(OWN, ("base",), CURRENCY),), decimals=2)
        shown = {str(self.shown): (EVERYTHING,), str(self.trading): (TRADE,)}
        often = {"poll_interval_ms": 900_000, "guard_cut_share": Decimal(1)}
        return [
            Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=prices, **often),
            Route(Flow.CATALOG, "erp", "shop", 3_600_000, products=ProductRules(assortments=shown), **often),
        ]

    def act(self) -> None:
        for _ in range(self.rng.choice((1, 1, 4))):
            self.trade_on()

    async def nights(self) -> None:
        while True:
            self.leave_prices()
            self.partner.leave_articles(every=self.rng.random() < 0.4)
            await self.clock.sleep(self.rng.uniform(300, 1_800))

    async def play(self) -> list[str]:
        nights = self.loop.create_task(self.nights())
        found = await super().play()
        nights.cancel()
        return found

    def run(self) -> list[str]:
        try:
            return super().run()
        finally:
            shutil.rmtree(self.folder)

    # --- what is right ------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        found = [problem for x in self.partner.articles.values() for problem in self.wrong(x)]
        return found + [
            f"{name} was struck from the list, and is still sold" for name in self.gone if self.sells(name)
        ]

    def sells(self, name: str) -> bool:
        there = self.shop.state.products.get(name)
        return there is not None and there.status == SOLD

    def wrong(self, article: Article) -> list[str]:
        name, products = article.name, self.shop.state.products
        there = products.get(name)
        if not article.sold:
            return [f"{name} is still sold"] if self.sells(name) else []
        if there is None:
            return [f"{name} is not there"]
        shelf = {self.shop.state.categories[number].name for number in there.categories}
        material = there.attributes.get("material")
        catalogs = self.shop.state.shared_catalogs
        told = [
            ("status", there.status, SOLD),
            ("title", there.name, article.title),
            ("text", there.attributes.get("description") or "", article.text),
            ("group", not article.group or article.group in shelf, True),
            ("material", self.material.options[int(material)] if material else "", article.material),
            ("pictures", [one["file"] for one in there.media], list(map(_file, article.pictures))),
            ("shown", name in catalogs[self.shown], True),
            ("trade", name in catalogs[self.trading], TRADE in article.seen_by),
            (
                "variants",
                self.variants(article),
                {x for x in article.items.values() if "" not in article.items},
            ),
        ]
        return [f"{name}: {what} is {is_!r} and not {right!r}" for what, is_, right in told if is_ != right]

    def variants(self, article: Article) -> set[str]:
        """SKUs that it holds and that can be bought."""
        links = set(self.shop.state.products[article.name].links)
        held = [one for one in self.shop.state.products.values() if one.entity_id in links]
        return {one.sku for one in held if one.status == SOLD}

    async def at_last(self) -> list[str]:
        log = self.shop.state.product_log
        free = sum(status == SOLD and not priced for _, _, status, priced in log)
        return [f"{free} products sold for nothing"] if free else []


def _file(address: str) -> str:
    return f"/s/l/sl-{image_mark(address)}.png"


@pytest.mark.parametrize("number", [1, 2])
def test_products_agree_after_faults_and_kills(number):
    play = Shelves(number)
    assert play.run() == []
    assert play.changes.total() > 20 and len(play.changes) > 5, "nothing to check"
    assert any(product.type_id == "configurable" for product in play.shop.state.products.values())
    assert any(name.startswith("bulk") for name in play.shop.ledger.calls_by_operation)


def test_a_connector_that_loses_variants_is_caught(monkeypatch):
    variants = ProductRows._variants

    def first(self, own, rows):
        found, options = variants(self, own, rows)
        return found[:1], options

    monkeypatch.setattr(ProductRows, "_variants", first)
    monkeypatch.setattr(Shelves, "agree_s_max", 3_600.0)
    assert Shelves(1, kills=0, faults=False).run()
