"""What a marketplace knows of prices, accounts, credit and goods, from the files that it is left, and how it reads them.

It loads files in the order of their names and believes each of them: the rows of an article in a list, of an account, of goods are
all there is of it. A row that makes no sense is a breach, and so is a file that says what a later one said already.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from syncline.connectors.files.simulator.partner import Place

PRICE_COLUMNS = ("ARTICLE", "LIST", "CUR", "FROM", "EACH", "INSTEAD_OF")
ACCOUNT_COLUMNS = tuple(
    "ACCOUNT RECORD NAME ACTIVE VAT PERSON FIRST LAST EMAIL PHONE ROLE SITE STREET TOWN CODE COUNTRY".split()
)
CREDIT_COLUMNS = ("ACCOUNT", "CUR", "FREE", "LIMIT", "BLOCKED", "WHY")
GOODS_COLUMNS = ("GOODS", "ARTICLE", "TITLE", "STATE", "OPTION", "VALUE", "EAN")
TEXT_COLUMNS = ("GOODS", "LANG", "TITLE")
SHELF_COLUMNS = ("GOODS", "SHELF", "SHOWN")
_MONEY = re.compile(r"\d{1,12},\d{2}")
_COUNT = re.compile(r"[1-9]\d{0,8}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
Row = dict[str, str]


@dataclass(slots=True)
class Account:
    """A company that buys there: who may, by e-mail, and its streets."""

    name: str
    active: bool
    vat: str
    people: dict[str, str] = field(default_factory=dict)
    streets: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Goods:
    """Something with a page of its own: its articles, with what they differ in."""

    title: str
    state: str
    articles: dict[str, str] = field(default_factory=dict)


class Wrong(Exception):
    """A row that makes no sense, in words."""


class Books:
    """The books of one marketplace. ``whole`` are the folders in which each file says everything."""

    def __init__(self, place: Place, breach: Callable[[str], None], *, whole: Iterable[str] = ()) -> None:
        self._place = place
        self._breach = breach
        self._whole = frozenset(whole)
        self.listed: set[str] = set()
        self.prices: dict[tuple[str, str], dict[int, Decimal]] = {}
        self.accounts: dict[str, Account] = {}
        self.credit: dict[str, Decimal | None] = {}  # what may be bought; None: anything
        self.goods: dict[str, Goods] = {}
        self.texts: dict[tuple[str, str], str] = {}
        self.shelves: dict[tuple[str, str], bool] = {}
        self.loaded = 0
        self._said: dict[tuple[str, ...], str] = {}  # by which file something was said last

    def load(self) -> None:
        """Take everything that was left."""
        self._each("accounts/", ACCOUNT_COLUMNS, ("ACCOUNT",), self._account, self.accounts.clear)
        self._each("credit/", CREDIT_COLUMNS, ("ACCOUNT",), self._credit, self.credit.clear)
        self._each("goods/", GOODS_COLUMNS, ("GOODS",), self._goods, self.goods.clear)
        self._each("texts/", TEXT_COLUMNS, ("GOODS", "LANG"), self._text, self.texts.clear)
        self._each("shelves/", SHELF_COLUMNS, ("GOODS", "SHELF"), self._shelf, self.shelves.clear)
        self._each("prices/", PRICE_COLUMNS, ("ARTICLE", "LIST"), self._price, self.prices.clear)

    def _each(
        self,
        folder: str,
        columns: tuple[str, ...],
        of: tuple[str, ...],
        take: Callable[[tuple[str, ...], list[Row]], None],
        clear: Callable[[], None],
    ) -> None:
        for key in self._place.keys(folder):
            rows = self._rows(key, columns)
            self.loaded += 1
            if folder in self._whole:
                self._once((folder,), key)
                clear()
            seen: set[tuple[str, ...]] = set()
            for group, some in groupby(rows, itemgetter(*of)):
                name = (group,) if isinstance(group, str) else group
                try:
                    if name in seen or not name[0]:
                        raise Wrong("rows of one thing do not stand together")
                    seen.add(name)
                    self._once((folder, *name), key)
                    take(name, list(some))
                except Wrong as error:
                    self._breach(f"{folder}: {error}")

    def _rows(self, key: str, columns: tuple[str, ...]) -> Iterator[Row]:
        text = self._place.take(key).decode("cp1252")
        if not text.endswith("\r\n"):
            self._breach("a file is cut off")
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";", strict=True)
        if tuple(reader.fieldnames or ()) != columns:
            self._breach(f"{key} has other columns")
            return
        for row in reader:
            if None in row or None in row.values():
                self._breach(f"{key} has a row with more or fewer cells")
            else:
                yield row

    def _once(self, what: tuple[str, ...], file: str) -> None:
        if self._said.get(what, "") >= file:
            self._breach(f"an older file of {what[0]} came after a newer one")
        self._said[what] = file

    # --- what the rows of one thing say -------------------------------------------------------------------

    def _price(self, of: tuple[str, ...], rows: list[Row]) -> None:
        article, price_list = of
        if article not in self.listed:
            raise Wrong("a price of nothing that is sold here")
        if [row["EACH"] for row in rows] == [""]:
            if not price_list:
                raise Wrong("an article without a price of its own")
            self.prices.pop((article, price_list), None)
            return
        found: dict[int, Decimal] = {}
        for row in rows:
            if row["CUR"] != "GBP" or not _COUNT.fullmatch(row["FROM"]):
                raise Wrong("another currency, or no quantity")
            least, each = int(row["FROM"]), _money(row["EACH"])
            if found and least <= max(found):
                raise Wrong("quantities go back")
            if row["INSTEAD_OF"] and _money(row["INSTEAD_OF"]) <= each:
                raise Wrong("it was not higher before")
            found[least] = each
        if min(found) != 1 or (not price_list and len(found) > 1):
            raise Wrong("no price of a single one, or breaks where there are none")
        self.prices[article, price_list] = found

    def _account(self, of: tuple[str, ...], rows: list[Row]) -> None:
        head, *rest = rows
        if head["RECORD"] != "company" or not head["NAME"] or head["ACTIVE"] not in ("0", "1"):
            raise Wrong("an account does not begin with itself")
        account = Account(head["NAME"], head["ACTIVE"] == "1", head["VAT"])
        for row in rest:
            if row["NAME"] != head["NAME"] or row["ACTIVE"]:
                raise Wrong("a row of an account says something else")
            if row["RECORD"] == "contact" and _EMAIL.fullmatch(row["EMAIL"]) and row["ROLE"]:
                if row["EMAIL"] in account.people:
                    raise Wrong("a person twice")
                account.people[row["EMAIL"]] = row["ROLE"]
            elif row["RECORD"] == "site" and row["SITE"]:
                account.streets.append(row["STREET"])
            else:
                raise Wrong("neither a person nor an address")
        self.accounts[of[0]] = account

    def _credit(self, of: tuple[str, ...], rows: list[Row]) -> None:
        (row,) = rows
        if of[0] not in self.accounts:
            raise Wrong("credit of nobody who is known here")
        if row["CUR"] != "GBP" or row["BLOCKED"] not in ("0", "1"):
            raise Wrong("another currency, or blocked by half")
        free = Decimal(row["FREE"].replace(",", ".")) if row["FREE"] else None
        if free is not None and (free < 0 or (row["BLOCKED"] == "1" and free)):
            raise Wrong("less than nothing, or something although it is blocked")
        self.credit[of[0]] = free

    def _goods(self, of: tuple[str, ...], rows: list[Row]) -> None:
        head = rows[0]
        goods = Goods(head["TITLE"], head["STATE"])
        for row in rows:
            same = all(row[name] == head[name] for name in ("TITLE", "STATE", "OPTION"))
            if not same or not row["ARTICLE"] or row["ARTICLE"] in goods.articles:
                raise Wrong("rows of the same goods contradict one another")
            if bool(row["OPTION"]) != bool(row["VALUE"]):
                raise Wrong("a value of no option")
            goods.articles[row["ARTICLE"]] = row["VALUE"]
        if not goods.title or goods.state not in ("active", "draft", "archived"):
            raise Wrong("goods without a title, or in no state")
        if len(goods.articles) > 1 and len(set(goods.articles.values())) < len(goods.articles):
            raise Wrong("articles do not differ")
        self.goods[of[0]] = goods

    def _text(self, of: tuple[str, ...], rows: list[Row]) -> None:
        (row,) = rows
        goods, language = of
        if goods not in self.goods or not re.fullmatch(r"[a-z]{2}", language):
            raise Wrong("texts of no goods, or in no language")
        self.texts[goods, language] = row["TITLE"]

    def _shelf(self, of: tuple[str, ...], rows: list[Row]) -> None:
        (row,) = rows
        if of[0] not in self.goods or row["SHOWN"] not in ("0", "1"):
            raise Wrong("no goods of ours on a shelf")
        self.shelves[of[0], of[1]] = row["SHOWN"] == "1"


def _money(text: str) -> Decimal:
    if not _MONEY.fullmatch(text):
        raise Wrong("no amount as it was agreed")
    return Decimal(text.replace(",", "."))


__all__ = [
    "ACCOUNT_COLUMNS",
    "CREDIT_COLUMNS",
    "GOODS_COLUMNS",
    "PRICE_COLUMNS",
    "SHELF_COLUMNS",
    "TEXT_COLUMNS",
    "Account",
    "Books",
    "Goods",
]
