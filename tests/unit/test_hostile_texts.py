"""Texts that somebody else chooses are read in time that grows with their length, and not with its square."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.test_files_products import PRODUCTS, WIDE, leave, made, row

from syncline.connectors.files.declared import Column
from syncline.connectors.netsuite.products import ProductRow, product_of
from syncline.mapping.customers import CustomerRules, carded
from syncline.model.customers import Company, Contact

pytestmark = pytest.mark.timeout(40)  # the square takes minutes
BLANKS = " " * 60_000


def test_names_of_assortments_in_a_cell(desks):
    desk = desks(replace(PRODUCTS, columns=tuple(Column(name, name=name) for name in WIDE.split())))
    leave(
        desk,
        row(WIDE, product="MUG", title="Mug", sku="M", status="1", assortments=f"a{BLANKS}b"),
        fields=WIDE,
    )
    assert made(desk).assortments == (f"a{BLANKS}b",)


def test_names_of_assortments_in_a_field():
    told = ProductRow("1", "Mug", "", (("M", "", ()),), {"assortments": f"a{BLANKS}b ,\x05 c"}, 1, 1)
    assert product_of(told, ["assortments"]).assortments == (f"a{BLANKS}b", "c")


@pytest.mark.parametrize("address", [f"a@{'.' * 60_000}@", f"a@{'b.' * 30_000} \x00 c", f"{'a' * 60_000}@"])
def test_addresses(address):
    company = Company("1", "Acme", contacts=(Contact("1", email=address), Contact("2", email="b@c.d")))
    rules = CustomerRules(roles={"*": "buyer"})
    assert [one.key for one in carded(company, rules).card.contacts] == ["2"]
