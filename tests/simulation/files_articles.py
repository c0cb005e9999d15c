"""People at a partner who exchanges files, who change what it sells: any play of products has them.

They rename articles, give them other texts, pictures and groups, add colours, end articles and sell them again, strike them from the
list, and say who may see them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from random import Random

from msgspec.structs import replace

from syncline.connectors.files.declared import Column, Read
from syncline.connectors.files.simulator import Partner
from syncline.connectors.files.simulator.partner import ARTICLE_COLUMNS, Article, Place
from syncline.simulate.sides.exchange import STAMPED, columns

FIELDS = "product sku option.Colour language title description category status attribute.material image image_position assortment"
WHOLE = Read(
    kind="products",
    path="articles",
    pattern="ARTICLES_*.csv",
    scope="full",
    lead_s=30,
    ended=("ended",),
    columns=columns(FIELDS.split(), ARTICLE_COLUMNS),
    **STAMPED,
)
CHANGED = replace(WHOLE, pattern="CHANGED_*.csv", scope="delta")
PRICES = Read(
    kind="prices",
    path="prices",
    pattern="PRICES_*.csv",
    scope="full",
    columns=(Column("sku", name="ITEM"), Column("price", name="PRICE")),
    **STAMPED,
)
COLOURS = ("red", "green", "blue")
LANGUAGE, TRADE = "de", "trade"
PICTURES = "https://images.example.com/{}/{}.png"


class Authors:
    """What they do, and what they have said so far. ``everywhere`` are those that the shop had before."""

    rng: Random
    partner: Partner
    place: Place
    everywhere: Collection[str] = ()

    def begin(self) -> None:
        self.said: dict[str, list[str]] = {}
        self.gone: dict[str, Article] = {}
        self.changes: Counter[str] = Counter()

    def listed(self) -> Collection[str]:
        """SKUs that the shop has."""
        raise NotImplementedError

    def enter(self, article: Article) -> None:
        self.said.setdefault(article.name, [article.title])
        if self.said[article.name][-1] != article.title:
            self.said[article.name].append(article.title)
        self.partner.write_up(article)

    def make(self, name: str) -> None:
        items = (
            {colour: f"{name}-{colour}" for colour in COLOURS[:2]} if self.rng.random() < 0.5 else {"": name}
        )
        pictures = [PICTURES.format(name, n) for n in range(self.rng.randint(0, 3))]
        self.enter(Article(name, name, items, f"All about {name}", "Shelf 1", "wool", pictures))

    def trade_on(self) -> None:
        article = self.rng.choice(list(self.partner.articles.values()))
        act = self.rng.choice(
            ("rename", "rename", "describe", "grow", "end", "show", "make", "strike", "back")
        )
        n = len(self.said[article.name])
        there = set(article.items.values()) & set(self.listed())
        if act == "rename":
            article.title = f"{article.name} no. {n}"
            article.words = {LANGUAGE: f"{article.title} (de)"}
        elif act == "describe":
            number = self.changes.total()
            article.text, article.group = f"Text {number}", f"Shelf {number % 5}"
            article.material = f"Stuff {number}"
            article.pictures = [*article.pictures, PICTURES.format(article.name, f"{number}x")]
        elif act == "grow" and "" not in article.items and len(article.items) < len(COLOURS):
            colour = COLOURS[len(article.items)]
            article.items[colour] = f"{article.name}-{colour}"
        elif (
            act == "end" and there
        ):  # what ends before anybody was told of it is not known to have been there
            article.sold = not article.sold
        elif act == "show":
            article.seen_by ^= {TRADE}
        elif act == "make":
            self.make(f"NEW-{len(self.said)}")
        elif act == "strike" and there and article.name not in self.everywhere:
            self.gone[article.name] = self.partner.articles.pop(article.name)
        elif act == "back" and self.gone:
            _, article = self.gone.popitem()
        else:
            return
        self.changes[act] += 1
        if act != "strike":
            self.enter(article)

    def leave_prices(self) -> None:
        items = [item for article in self.partner.articles.values() for item in article.items.values()]
        rows = ["ITEM;PRICE", *(f"{item};7,50" for item in items)]
        stamp = self.partner._stamp()
        self.place.put(f"prices/PRICES_{stamp}.csv", "\r\n".join([*rows, ""]).encode("cp1252"))
