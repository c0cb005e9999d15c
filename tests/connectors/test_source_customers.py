"""What customers of NetSuite and of Business Central become: one record with people and addresses, told when it changed."""

from __future__ import annotations

from random import Random

import pytest
from tests.connectors.business_central_opened import World as BcWorld
from tests.connectors.business_central_opened import run as bc_run

from syncline.connectors.business_central import customers as bc_customers
from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.netsuite import customers as netsuite_customers
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, make_certificate
from syncline.model.change import Event, Kind, LoggedEvent, Via
from syncline.model.customers import Company, Contact, Site
from syncline.model.errors import Rejected
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

TERMS = "11111111-2222-4333-8444-555555555555"


async def pulled(source, cursor=None):
    """Companies by key that were told, keys that were only named, and the cursor after."""
    told, present = {}, set()
    async for page in source.poll("customers", cursor):
        cursor = page.cursor
        present |= {key for kind, key in page.present if kind is Kind.CUSTOMER}
        for event in page.events:
            for change in source.decode(LoggedEvent(1, 1, event)):
                assert (change.kind, change.key) == (Kind.CUSTOMER, change.value.key)
                told[change.key] = change.value
    return told, present, cursor


class NetSuiteWorld:
    def __init__(self, loop) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        private_key, public_key, kid = make_certificate()
        self.erp = NetSuiteSimulator(
            clock=self.clock,
            rng=Random(1),
            transport=transport,
            certificates={kid: public_key},
            timezone="Europe/London",
        )
        transport.register(self.erp.origin, self.erp)
        settings = NETSUITE.settings(
            account=self.erp.account_id, client_id="syncline-demo-client", certificate_id=kid, private_key=private_key,
            timezone="Europe/London", web_customer="1", currencies={"GBP": "1"},
        )  # fmt: skip
        self.system = NETSUITE.open(Opening("erp", settings, self.clock, Random(2), transport))


def netsuite(story):
    loop = VirtualLoop(1_772_441_200_000)
    try:
        loop.run_until_complete(story(NetSuiteWorld(loop)))
    finally:
        loop.close()


def test_a_customer_of_netsuite_with_contacts_and_addresses_is_one_record():
    async def story(world):
        erp, source = world.erp, world.system.source
        acme = erp.add_customer(
            "ACME",
            companyName="Acme",
            vatRegNumber="GB1",
            terms={"id": "2"},
            priceLevel={"id": "5"},
            currency={"id": "1"},
        )
        anna = erp.add_contact(
            acme, role=-10, firstname="Anna", lastname="Smith", email="anna@example.com", title="Buyer"
        )
        erp.edit_contact(erp.add_contact(acme, email="left@example.com"), inactive=True)
        home = erp.add_address(
            acme,
            label="HQ",
            addr1="1 High Street",
            city="Reading",
            zip="RG1",
            country="GB",
            defaultbilling=True,
        )
        person = erp.add_customer(
            None, companyName=None, isPerson=True, firstName="Ben", lastName="Jones", isInactive=True
        )
        told, present, cursor = await pulled(source)
        assert present == set()
        assert told[str(acme)] == Company(
            str(acme), "Acme", f"CUST{acme}", external_id="ACME", tax_id="GB1", terms="2", group="5", currency="GBP",
            contacts=(Contact(str(anna), "Anna", "Smith", "anna@example.com", title="Buyer", role="-10"),),
            sites=(Site(str(home), "HQ", billing=True, line1="1 High Street", city="Reading", postcode="RG1", country="GB"),),
        )  # fmt: skip
        assert (told[str(person)].name, told[str(person)].person, told[str(person)].active) == (
            "Ben Jones",
            True,
            False,
        )
        nothing, present, cursor = await pulled(source, cursor)
        assert (nothing, present) == ({}, {str(acme), str(person)})
        erp.edit_contact(anna, title="Head of buying")
        told, present, cursor = await pulled(source, cursor)
        assert told[str(acme)].contacts[0].title == "Head of buying"
        assert present == {str(person)}
        erp.merge_customers(acme, person)
        told, present, _ = await pulled(source, cursor)
        assert [one.key for one in told[str(person)].contacts] == [str(anna)]
        assert str(acme) not in present | set(told)

    netsuite(story)


def test_pages_of_customers_and_of_what_belongs_to_them_are_read_to_their_ends(monkeypatch):
    monkeypatch.setattr(netsuite_customers, "PAGE_MAX", 1000)

    async def story(world):
        erp = world.erp
        many = [erp.add_customer(None, companyName=f"C{n}") for n in range(1_001)]
        for n in range(1_003):
            erp.add_contact(many[0], email=f"p{n}@example.com")
        told, _, cursor = await pulled(world.system.source)
        assert len(told) == 1_001
        assert len(told[str(many[0])].contacts) == 1_003
        assert cursor.covers_ms

    netsuite(story)


def test_a_customer_of_business_central_has_its_own_address_and_one_contact():
    async def story(world: BcWorld) -> None:
        sim = world.sim
        acme = sim.add_customer(
            "C100", "Acme", addressLine1="1 High Street", city="Reading", postalCode="RG1", country="GB",
            email="buying@example.com", phoneNumber="+44 20 7946 0001", taxRegistrationNumber="GB1", paymentTermsId=TERMS,
        )  # fmt: skip
        own = sim.add_customer("WSHOP-C-55", "From an order", type="Person")
        source = world.system.source
        told, _, cursor = await pulled(source)
        assert told[acme] == Company(
            acme, "Acme", "C100", tax_id="GB1", terms=TERMS, currency="GBP", email="buying@example.com",
            phone="+44 20 7946 0001",
            contacts=(Contact("main", "Acme", "Acme", "buying@example.com", "+44 20 7946 0001"),),
            sites=(
                Site(
                    "main", billing=True, shipping=True, name="Acme", line1="1 High Street", city="Reading", postcode="RG1",
                    country="GB", phone="+44 20 7946 0001",
                ),
            ),
        )  # fmt: skip
        assert (told[own].external_id, told[own].person, told[own].sites) == ("shop-c-55", True, ())
        sim.edit_customer("C100", blocked="Ship")
        told, present, cursor = await pulled(source, cursor)
        assert (told, acme in present) == ({}, True)
        sim.edit_customer("C100", blocked="All")
        told, present, _ = await pulled(source, cursor)
        assert told[acme].active is False
        assert own in present

    bc_run(story)


@pytest.mark.parametrize("decode", [netsuite_customers.decode, bc_customers.decode])
@pytest.mark.parametrize("body", [b"[", b'[{"company": 1}]'])
def test_what_cannot_be_understood_is_refused(decode, body):
    with pytest.raises(Rejected, match="cannot be read"):
        decode(LoggedEvent(1, 1, Event("erp", "customer.rows", "x", Via.SNAPSHOT, 0, body)))
