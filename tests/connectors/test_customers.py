"""Companies at Shopify and at Adobe Commerce: found by declared keys, set to what they should be, never deleted."""

from __future__ import annotations

from random import Random

import pytest

from syncline.connectors.adobe_commerce import CONNECTOR as ADOBE
from syncline.connectors.adobe_commerce import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
from syncline.connectors.adobe_commerce.simulator import companies as adobe_books
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify import ShopifySettings
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.mapping.customers import seen
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.customers import Contact, CustomerCard, Site
from syncline.model.delivery import Item, Result
from syncline.model.errors import OutcomeUnknown
from syncline.model.payloads import PutCustomer
from syncline.model.records import Item as Named
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport
from syncline.testing.bench import Wire

KEY = "107"
KEYS = (("external_id", KEY), ("number", "CUST107"), ("tax_id", "GB107"))


class ShopifyWorld:
    admin, buyer = "Location admin", "Ordering only"
    sites = True

    def __init__(self, loop) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        self.shop = ShopifySimulator(clock=self.clock, rng=Random(1), transport=transport)
        transport.register(f"https://{self.shop.shop}", self.shop)
        settings = ShopifySettings(shop=self.shop.shop, access_token=self.shop.access_token)
        self.wire = Wire(transport)
        self.system = SHOPIFY.open(Opening("shop", settings, self.clock, Random(2), self.wire))
        self.terms = str(self.shop.add_terms("Net 30"))

    def card(self, card: CustomerCard) -> CustomerCard:
        return replace(card, active=None, group=None, phone=None, terms=self.terms)

    def before(self, **known: str) -> str:
        company = self.shop.add_company("Before", known.get("external_id") or None)
        company.locations[0].tax_registration_id = known.get("tax_id")
        return f"gid://shopify/Company/{company.id}"

    def private(self, email: str) -> None:
        self.shop.add_shop_customer(email)

    def rename(self, name: str) -> None:
        self.shop.rename_company(self.shop.company_of(KEY), name)

    def name(self) -> str:
        return self.shop.company_of(KEY).name

    def count(self) -> int:
        return len(self.shop.state.book.companies)

    def emails(self) -> set[str]:
        book = self.shop.company_of(KEY).contacts
        return {self.shop.state.customers[one.customer_id].buyer.email for one in book if one.assignments}

    def people(self) -> int:
        return len(self.shop.company_of(KEY).contacts)


class AdobeWorld:
    admin, buyer = "Company Administrator", "Default User"
    sites = False

    def __init__(self, loop) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        self.shop = AdobeCommerceSimulator(clock=self.clock, rng=Random(1), transport=transport)
        transport.register(self.shop.origin, self.shop)
        held = self.shop.integration
        settings = AdobeCommerceSettings(
            base_url=self.shop.origin,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
        )
        self.wire = Wire(transport)
        self.system = ADOBE.open(Opening("shop", settings, self.clock, Random(2), self.wire))

    def card(self, card: CustomerCard) -> CustomerCard:
        return replace(card, terms=None, sites=None, phone=None, first=card)

    def before(self, **known: str) -> str:
        state = self.shop.state
        admin = adobe_books.create_customer(
            state, {"email": "old@example.com", "firstname": "O", "lastname": "L"}
        )
        given = {
            "company_name": "Before", "company_email": "old@example.com", "street": ["1"], "city": "Leeds",
            "country_id": "GB", "postcode": "LS1", "telephone": "1", "super_user_id": admin.id,
            "customer_group_id": 1, "status": 1, "reseller_id": known.get("external_id", ""),
            "vat_tax_id": known.get("tax_id", ""),
        }  # fmt: skip
        return str(adobe_books.create(state, given)["id"])

    def private(self, email: str) -> None:
        adobe_books.create_customer(self.shop.state, {"email": email, "firstname": "P", "lastname": "V"})

    def _company(self):
        return next(x for x in self.shop.state.companies.values() if x.properties["reseller_id"] == KEY)

    def rename(self, name: str) -> None:
        self._company().properties["company_name"] = name

    def name(self) -> str:
        return self._company().properties["company_name"]

    def count(self) -> int:
        return len(self.shop.state.companies)

    def emails(self) -> set[str]:
        company = self._company()
        if company.properties["status"] != 1:
            return set()
        people = [one for one in self.shop.state.customers.values() if one.company_id == company.id]
        return {one.buyer.email for one in people if one.company_status == 1}

    def people(self) -> int:
        number = self._company().id
        return sum(one.company_id == number for one in self.shop.state.customers.values())


def card_of(world, **more) -> CustomerCard:
    card = CustomerCard(
        name="Acme",
        active=True,
        tax_id="GB107",
        group="2",
        phone="+442079460100",
        contacts=(
            Contact("7", "Anna", "Smith", "anna@example.com", "+442079460001", "Buyer", world.admin),
            Contact("8", "Ben", "Jones", "ben@example.com", "", "", world.buyer),
        ),
        sites=(
            Site("1", "", billing=True, name="Goods in", line1="1 High Street", city="Reading", postcode="RG1", country="GB"),
            Site("2", "Depot", line1="2 Low Road", city="Leeds", postcode="LS1", country="GB", phone="+441132000000"),
        ),
        keys=KEYS,
    )  # fmt: skip
    return world.card(replace(card, **more))


async def put(world, card, external_id="", before=None):
    item = Item(KEY, PutCustomer(KEY, external_id, card, before))
    (outcome,) = await world.system.sink.deliver("put_customer", [item], "key")
    return outcome


def loses(number):
    """Loses the answer to one request, which took effect."""
    sent = 0

    async def between(request, send):
        nonlocal sent
        answer = await send(request)
        sent += 1
        if sent == number:
            raise OutcomeUnknown("the answer was lost")
        return answer

    return between


async def shown(world, external_id):
    part = await world.system.rereads.contents[Kind.CUSTOMER]([""], [Named(KEY, external_id)])
    (row,) = part.rows
    assert row.external_id == external_id
    return row.content


@pytest.fixture(params=[ShopifyWorld, AdobeWorld], ids=["shopify", "adobe_commerce"])
def world(request):
    loop = VirtualLoop(1_772_441_200_000)
    made = request.param(loop)
    made.loop = loop
    yield made
    assert not made.shop.ledger.breaches
    loop.close()


def test_a_company_is_made_with_its_people_and_shows_what_was_written(world):
    async def story():
        card = card_of(world)
        made = await put(world, card)
        assert made.result is Result.DONE, made
        assert len(made.facts["buyers"]) == 2
        assert world.emails() == {"anna@example.com", "ben@example.com"}
        ours = replace(card, first=None)
        assert seen(await shown(world, made.facts["external_id"]), ours) == ours
        calls = world.shop.ledger.calls_by_operation.total()
        again = await put(world, ours, made.facts["external_id"], ours)
        assert again.facts["external_id"] == made.facts["external_id"]
        assert world.shop.ledger.calls_by_operation.total() - calls <= 3  # read, and nothing to be written
        assert world.count() == 1

    world.loop.run_until_complete(story())


def test_whoever_left_may_do_nothing_and_nobody_is_deleted(world):
    async def story():
        card = card_of(world)
        made = await put(world, card)
        external_id = made.facts["external_id"]
        ben = replace(card.contacts[1], email="ben.jones@example.com")
        new = Contact("9", "Cleo", "May", "cleo@example.com", role=world.admin)
        later = replace(card, name="Acme Ltd", contacts=(ben, new), first=None)
        assert (await put(world, later, external_id, replace(card, first=None))).result is Result.DONE
        assert world.name() == "Acme Ltd"
        assert world.emails() == {"ben.jones@example.com", "cleo@example.com"}
        assert world.people() == 3
        assert seen(await shown(world, external_id), later) == later
        nobody = replace(later, contacts=(), active=None if later.active is None else False)
        assert (await put(world, nobody, external_id, later)).result is Result.DONE
        assert world.emails() == set()
        assert (world.count(), world.people()) == (1, 3)
        assert (await put(world, later, external_id, nobody)).result is Result.DONE
        assert world.emails() == {"ben.jones@example.com", "cleo@example.com"}

    world.loop.run_until_complete(story())


def test_at_shopify_a_contact_whose_phone_number_is_gone_keeps_it_and_the_rest_is_written():
    loop = VirtualLoop(1_772_441_200_000)
    world = ShopifyWorld(loop)

    async def story():
        card = card_of(world)
        there = (await put(world, card)).facts["external_id"]
        first = replace(card.contacts[0], phone="", last_name="Silent")
        later = replace(card, contacts=(first, *card.contacts[1:]))
        done = await put(world, later, there, card)
        assert done.result is Result.DONE, done
        buyers = [customer.buyer for customer in world.shop.state.customers.values()]
        (buyer,) = [one for one in buyers if one.email == first.email]
        assert (buyer.last_name, buyer.phone) == ("Silent", card.contacts[0].phone)

    loop.run_until_complete(story())
    loop.close()


@pytest.mark.parametrize("key", ["O'Neil", '5"\\(steel):'])
def test_at_shopify_a_company_is_found_again_whatever_its_key(key):
    loop = VirtualLoop(1_772_441_200_000)
    world = ShopifyWorld(loop)
    there = world.before(external_id=key)

    async def story():
        item = Item(key, PutCustomer(key, "", card_of(world), None))
        (done,) = await world.system.sink.deliver("put_customer", [item], "key")
        assert (done.result, done.facts["external_id"]) == (Result.DONE, there), done
        assert world.count() == 1

    loop.run_until_complete(story())
    loop.close()


@pytest.mark.parametrize("known", [{"external_id": KEY}, {"external_id": "CUST107"}, {"tax_id": "GB107"}])
def test_a_company_from_before_is_found_by_a_declared_key(world, known):
    async def story():
        there = world.before(**known)
        done = await put(world, card_of(world))
        assert (done.result, done.facts["external_id"]) == (Result.DONE, there)
        assert (world.count(), world.name()) == (1, "Acme")
        assert world.emails() == {"anna@example.com", "ben@example.com"}

    world.loop.run_until_complete(story())


def test_another_customers_company_and_an_ambiguous_key_are_refused_with_what_to_do(world):
    async def story():
        world.before(external_id="200", tax_id="GB107")
        refused = await put(world, card_of(world))
        assert refused.result is Result.REJECTED
        assert "'200', so it is another's; correct one of the two, then release this" in refused.message
        assert world.count() == 1

    world.loop.run_until_complete(story())


def test_an_e_mail_that_is_somebody_elses_is_refused_alone_and_never_matched(world):
    async def story():
        world.private("ben@example.com")
        card = card_of(world)
        refused = await put(world, card)
        assert refused.result is Result.REJECTED
        assert "contact 8: its e-mail belongs to somebody" in refused.message
        assert "ben@" not in refused.message
        assert refused.facts["external_id"]
        assert world.emails() == {"anna@example.com"}
        other = replace(card, contacts=(card.contacts[0], replace(card.contacts[1], email="b@example.com")))
        done = await put(world, replace(other, first=None), refused.facts["external_id"])
        assert done.result is Result.DONE
        assert world.emails() == {"anna@example.com", "b@example.com"}

    world.loop.run_until_complete(story())


def test_at_shopify_a_phone_number_that_is_somebody_elses_is_not_called_an_e_mail():
    loop = VirtualLoop(1_772_441_200_000)
    world = ShopifyWorld(loop)

    async def story():
        card = card_of(world)
        first = await put(world, card)
        there = first.facts["external_id"]
        phone, email = card.contacts[0].phone, "carl@example.com"
        other = replace(card.contacts[1], key="9", email=email, phone=phone)
        refused = await put(world, replace(card, contacts=(*card.contacts, other), first=None), there)
        assert "contact 9: its phone number belongs to another" in refused.message
        assert "e-mail" not in refused.message
        world.private(email)
        refused = await put(world, replace(card, contacts=(*card.contacts, other), first=None), there)
        assert "contact 9: its e-mail belongs" in refused.message
        assert "its phone number belongs" in refused.message
        assert phone not in refused.message

    loop.run_until_complete(story())
    loop.close()


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_lost_answer_is_asked_again_and_makes_nothing_twice(world, lost):
    async def story():
        card = card_of(world)
        world.wire.between = loses(lost)
        outcome = await put(world, card)
        for _ in range(4):
            if outcome.result is Result.DONE:
                break
            assert outcome.result in (Result.UNKNOWN, Result.NOT_SENT, Result.RETRY), outcome
            await world.clock.sleep(60)
            outcome = await put(world, card)
        assert outcome.result is Result.DONE
        assert (world.count(), world.people()) == (1, 2)
        assert world.emails() == {"anna@example.com", "ben@example.com"}

    world.loop.run_until_complete(story())


def test_what_others_changed_is_put_back_or_left_as_the_content_says(world):
    async def story():
        card = card_of(world)
        made = await put(world, card)
        ours = replace(card, first=None)
        world.rename("By hand")
        left = await put(world, replace(ours, put_back=False), made.facts["external_id"], ours)
        assert (left.result, world.name()) == (Result.DONE, "By hand")
        assert "overwritten" not in left.facts
        both = await put(world, replace(ours, name="Owner", put_back=False), made.facts["external_id"], ours)
        assert (both.facts["overwritten"], world.name()) == ("name", "Owner")
        world.rename("By hand")
        await put(world, ours, made.facts["external_id"], ours)
        assert world.name() == "Acme"

    world.loop.run_until_complete(story())


def test_what_the_channel_owns_is_given_once(world):
    async def story():
        card = card_of(world)
        first = replace(card, first=None)
        made = await put(world, replace(card, name=None, first=replace(first, sites=card_sites(world))))
        assert made.result is Result.DONE
        assert world.name() == "Acme"
        world.rename("Theirs")
        assert (await put(world, replace(first, name=None), made.facts["external_id"])).result is Result.DONE
        assert world.name() == "Theirs"

    world.loop.run_until_complete(story())


def card_sites(world):
    card = card_of(world)
    return (card.first or card).sites


def test_a_merged_customers_company_passes_to_the_one_that_took_its_place(world):
    async def story():
        there = world.before(external_id="99")
        card = card_of(world, keys=(*KEYS, ("merged", "99")))
        done = await put(world, card, there)
        assert (done.result, done.facts["external_id"]) == (Result.DONE, there)
        assert (world.count(), world.name()) == (1, "Acme")
        assert world.emails() == {"anna@example.com", "ben@example.com"}

    world.loop.run_until_complete(story())


def test_at_shopify_an_address_that_goes_keeps_its_location_and_loses_its_buyers():
    loop = VirtualLoop(1_772_441_200_000)
    world = ShopifyWorld(loop)

    async def story():
        card = card_of(world)
        made = await put(world, card)
        later = replace(card, sites=(replace(card.sites[1], line1="3 New Lane"),))
        assert (await put(world, later, made.facts["external_id"], card)).result is Result.DONE
        places = {one.external_id: one for one in world.shop.company_of(KEY).locations}
        assert set(places) == {"closed-107-1", "107-2"}
        assert places["107-2"].shipping.address1 == "3 New Lane"
        assert places["107-2"].billing.address1 == "3 New Lane"
        held = {
            (a.location.external_id) for one in world.shop.company_of(KEY).contacts for a in one.assignments
        }
        assert held == {"107-2"}
        assert seen(await shown(world, made.facts["external_id"]), later) == later
        refused = await put(world, replace(later, contacts=(replace(card.contacts[0], role="Boss"),)))
        assert (
            "the company has no role 'Boss' in Shopify; there are Location admin, Ordering only"
            in refused.message
        )

    loop.run_until_complete(story())
    loop.close()


def test_at_adobe_commerce_the_last_administrator_stays_and_a_company_needs_an_address():
    loop = VirtualLoop(1_772_441_200_000)
    world = AdobeWorld(loop)

    async def story():
        card = card_of(world)
        bare = replace(card, first=replace(card.first, sites=()))
        refused = await put(world, bare)
        assert "no company without an administrator and an address" in refused.message
        made = await put(world, card)
        kept = await put(world, replace(card, contacts=(), first=None), made.facts["external_id"], card)
        assert kept.result is Result.REJECTED
        assert "keeps a company's last administrator" in kept.message
        buyer = world.shop.state.customers[int(made.facts["buyers"][1])]
        buyer.addresses = [{"id": 5, "city": "Leeds"}]
        moved = replace(card.contacts[1], title="Head of buying")
        await put(
            world, replace(card, contacts=(card.contacts[0], moved), first=None), made.facts["external_id"]
        )
        assert buyer.job_title == "Head of buying"
        assert buyer.addresses == [{"id": 5, "city": "Leeds"}]

    loop.run_until_complete(story())
    loop.close()
