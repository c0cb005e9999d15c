"""Products from a partner who exchanges files to a Shopify shop, under faults and kills: full lists and changes between them.

What is right is said here from the books of both sides.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.simulation import files_play
from tests.simulation.files_articles import CHANGED, LANGUAGE, PRICES, TRADE, WHOLE, Authors
from tests.simulation.files_play import START_MS, Play

from syncline.connectors.files.comparing import ComparedRecords
from syncline.connectors.files.products import ProductRows
from syncline.connectors.files.simulator.partner import Article
from syncline.connectors.files.source import FilesSource
from syncline.engine.apply import full_states
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.copying import replace as copied
from syncline.model.products import EVERYTHING, ProductRules, ProductStatus
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

FOREIGN = "SHOP-OWN"
GOODS = 10


class Articles(Authors, Play):
    """One seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = replace(self.settings, reads=(WHOLE, CHANGED, PRICES), writes=(), untold=())
        self.begin()
        self.everywhere = self.skus
        self.shop.locales.add(LANGUAGE)
        self.online = self.shop.add_publication("Online")
        self.trading = self.shop.add_publication("Trade")
        self.shop.add_product(FOREIGN, "Our own", Decimal("5.00"), {self.places[0][1]: 3})
        for sku in self.skus:  # the shop has these already
            self.enter(Article(sku, sku, {"": sku}))
        for n in range(GOODS):
            self.make(f"NEW-{n}")

    def listed(self):
        return self.shop.state.skus

    def routes(self) -> Routes:
        often = {"poll_interval_ms": 120_000, "guard_cut_share": Decimal(1)}
        shown = {str(self.online): (EVERYTHING,), str(self.trading): (TRADE,)}
        products = ProductRules(locales={LANGUAGE: LANGUAGE}, assortments=shown)
        prices = PriceRules((ChannelList(OWN, ("base",), self.shop.currency),), decimals=2)
        return Routes(
            [
                Route(Flow.CATALOG, "erp", "shop", 600_000, products=products, **often),
                Route(Flow.PRICES, "erp", "shop", 600_000, prices=prices, **often),
            ]
        )

    async def nights(self) -> None:
        while True:
            await self.clock.sleep(self.rng.uniform(30, 120))
            if self.rng.random() < 0.5:
                self.leave_prices()
            self.partner.leave_articles(every=self.rng.random() < 0.4)

    async def trade(self) -> None:
        ends = self.clock.monotonic() + files_play.TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(self.rng.expovariate(1 / 30.0))
            self.trade_on()

    # --- what is right ------------------------------------------------------------------------------

    def differences(self) -> list[str]:
        found = [problem for x in self.partner.articles.values() for problem in self.wrong(x)]
        for article in self.gone.values():
            live = [sku for sku in article.items.values() if self.status(sku) not in ("", "ARCHIVED")]
            found += [f"{article.name} was struck from the list, and is still sold"] if live else []
        return [*found, *self.never()]

    def status(self, sku: str) -> str:
        return self.shop.product_of(sku).status if sku in self.shop.state.skus else ""

    def wrong(self, article: Article) -> list[str]:
        name, skus = article.name, list(article.items.values())
        if not article.sold:
            live = [sku for sku in skus if self.status(sku) not in ("", "ARCHIVED")]
            return [f"{name} is still sold"] if live else []
        if missing := [sku for sku in skus if sku not in self.shop.state.skus]:
            return [f"{name}: {missing} are not there"]
        product = self.shop.product_of(skus[0])
        texts = {where: text for where, (text, _) in product.translations.items()}
        material = product.metafields.get(("custom", "material"), ("", None))[1]
        told = [
            ("status", product.status, "ACTIVE"),
            ("title", product.title, article.title),
            ("text", product.description, article.text),
            ("group", product.product_type, article.group),
            ("material", material or "", article.material),
            ("pictures", list(product.images), article.pictures),
            ("translation", texts.get((LANGUAGE, "title")), article.words.get(LANGUAGE)),
            ("online", self.online in product.publications, True),
            ("trade", self.trading in product.publications, TRADE in article.seen_by),
            ("products", len({self.shop.product_of(sku).id for sku in skus}), 1),
        ]
        return [f"{name}: {what} is {is_!r} and not {right!r}" for what, is_, right in told if is_ != right]

    def never(self) -> list[str]:
        """What must not have happened at any time."""
        own = self.shop.product_of(FOREIGN)
        log = self.shop.state.product_log
        free = sum(status == "ACTIVE" and not priced for *_, status, priced in log)
        said = {title: n for titles in self.said.values() for n, title in enumerate(titles)}
        backward, at = 0, {}
        for _, number, title, _, _ in log:
            backward += said.get(title, 0) < at.get(number, 0)
            at[number] = max(at.get(number, 0), said.get(title, 0))
        doubled = Counter(variant.sku for variant in self.shop.state.variants.values() if variant.sku)
        told = (
            (sum(number == own.id for _, number, *_ in log), "times the shop's own product was touched"),
            (self.shop.ledger.effects["variant_deleted"], "variants deleted"),
            (doubled.total() - len(doubled), "SKUs made twice"),
            (free, "products sold for nothing"),
            (backward, "titles that went back"),
        )
        return [f"{count} {what}" for count, what in told if count]


@pytest.mark.parametrize(
    ("number", "more"),
    [(1, {}), (2, {"local": True}), (3, {"restored": True})],
    ids=["", "local", "restored"],
)
def test_products_agree_after_faults_and_kills(number, more):
    play = Articles(number, **more)
    assert play.play() == []
    assert play.changes.total() > 20 and len(play.changes) > 5, "nothing to check"
    assert {"ACTIVE", "DRAFT", "ARCHIVED"} <= {status for *_, status, _ in play.shop.state.product_log}


def test_a_list_that_would_end_most_of_the_catalog_waits_for_a_person():
    class Guarded(Articles):
        def routes(self) -> Routes:
            return Routes([copied(route, guard_cut_share=Decimal("0.3")) for route in super().routes().all])

    play = Guarded(1, goods=30)  # of fewer a list may lack whatever it likes
    told: list[object] = []

    async def story() -> None:
        play.store = SqliteStore.open(":memory:", now_ms=START_MS)
        play.open()
        play.loop.create_task(play.shop.run())
        play.leave_prices()
        play.partner.leave_articles()
        await play.clock.sleep(1_200.0)
        told.append(play.differences())
        whole = dict(play.partner.articles)
        for name in list(whole)[:20]:
            del play.partner.articles[name]
        play.partner.leave_articles()
        await play.clock.sleep(1_200.0)
        parked = await play.store.read("parked_open", after=0, limit=20)
        told.append([(row[2], row[4]) for row in parked])
        sold = {play.status(sku) for article in whole.values() for sku in article.items.values()}
        told.append(sold)
        play.partner.articles = whole
        play.partner.leave_articles()
        await play.clock.sleep(1_200.0)
        told.append(await play.store.read("parked_open", after=0, limit=20))
        told.append(play.differences())

    play.tell(story())
    assert told == [[], [("vanished_states", "states_vanished")], {"ACTIVE"}, [], []]


# --- connectors and engines with one mistake each -----------------------------------------------------


def never_sees_that_a_product_was_struck(patch):
    async def nothing(self, system):
        return None

    patch.setattr(full_states.FullStateReads, "judge", nothing)


def forgets_to_say_what_is_there(patch):
    page = FilesSource._page
    patch.setattr(FilesSource, "_page", lambda self, *args: (page(self, *args)[0], ()))


def takes_what_is_called_alike_for_the_same(patch):
    told = ComparedRecords.told

    def hasty(self):
        same = {key: group.digest for key, group in self._groups.groups.items() if key in self._before}
        self._before = same
        return told(self)

    patch.setattr(ComparedRecords, "told", hasty)


def takes_every_language_for_its_own(patch):
    patch.setattr(ProductRows, "_language", lambda self, line: "")


def sees_no_row_that_ends_it(patch):
    patch.setattr(ProductRows, "_status", lambda self, lines, rows: ProductStatus.ACTIVE)


def takes_pictures_as_they_stand(patch):
    def found(self, lines):
        return [text for _, values in lines if (text := self._get("image", values))]

    patch.setattr(ProductRows, "_by_position", found)


@pytest.mark.parametrize(
    "mutant",
    [
        never_sees_that_a_product_was_struck,
        forgets_to_say_what_is_there,
        takes_what_is_called_alike_for_the_same,
        takes_every_language_for_its_own,
        sees_no_row_that_ends_it,
        takes_pictures_as_they_stand,
    ],
    ids=lambda one: one.__name__,
)
def test_the_books_catch(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(files_play, "AGREE_S_MAX", 1_200.0)  # a mutant never agrees; no need to wait
    assert any(Articles(number, kills=0).play() for number in (1, 2, 3))
