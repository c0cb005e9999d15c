"""The shops and ERPs that a world can be played with, by the name of their connector with a hyphen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from syncline.model.errors import Misconfigured
from syncline.simulate.sides.adobe_commerce import AdobeCommerceSide
from syncline.simulate.sides.business_central import BusinessCentralSide
from syncline.simulate.sides.files import FilesSide
from syncline.simulate.sides.market import MarketSide
from syncline.simulate.sides.netsuite import NetSuiteSide
from syncline.simulate.sides.ports import ErpSide, Place, ShopSide
from syncline.simulate.sides.shopify import ShopifySide

SHOPS: Mapping[str, type[ShopifySide | AdobeCommerceSide | MarketSide]] = {
    "shopify": ShopifySide,
    "adobe-commerce": AdobeCommerceSide,
    "files": MarketSide,
}
ERPS: Mapping[str, type[NetSuiteSide | BusinessCentralSide | FilesSide]] = {
    "netsuite": NetSuiteSide,
    "business-central": BusinessCentralSide,
    "files": FilesSide,
}

T = TypeVar("T")


def chosen(kinds: Mapping[str, T], name: str, option: str) -> T:
    """What is called so.

    Raises:
        Misconfigured: nothing is; names the option and what there is.
    """
    if name not in kinds:
        raise Misconfigured(f"{option} {name}: there is no such simulator; there are {', '.join(kinds)}")
    return kinds[name]


__all__ = ["ERPS", "SHOPS", "ErpSide", "Place", "ShopSide", "chosen"]
