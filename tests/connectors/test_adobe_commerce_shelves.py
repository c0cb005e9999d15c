"""What stands around a product at Adobe Commerce: its attributes, its category, its images, and how they are read again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.adobe_opened import settings
from tests.connectors.adobe_world import World, run

from syncline.connectors.adobe_commerce import CONNECTOR
from syncline.connectors.adobe_commerce.gallery import BYTES_MAX
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import Misconfigured, OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import SetProduct
from syncline.model.products import Goods, ProductStatus, Variant, image_mark
from syncline.model.records import Item as StockedItem
from syncline.ports import Opening, Request, Response, Transport
from syncline.testing.bench import Wire

ACTIVE = ProductStatus.ACTIVE
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
PICTURE, SECOND = "https://images.example.com/a.png", "https://images.example.com/b.png"


class Pictures(Transport):
    """Somebody's web server: an answer or an error for each address."""

    def __init__(self) -> None:
        self.answers: dict[str, Response | Exception] = {}
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request.url)
        assert set(request.headers) == {"accept"}  # no credential goes there
        answer = self.answers.get(request.url, Response(200, {}, PNG))
        if isinstance(answer, Exception):
            raise answer
        return answer


def opened(w: World, **more):
    w.shop.add_product("A", "A", Decimal(3), {"default": 1})
    pictures = Pictures()
    opening = Opening("shop", settings(**more), w.clock, w.shop.rng, w.transport, outside=pictures)
    return CONNECTOR.open(opening), pictures


def product(**more) -> SetProduct:
    return SetProduct("A", Goods((Variant("A"),), (), ACTIVE, "A", **more), {}, ("default",))


async def do(system, payload):
    (outcome,) = await system.sink.deliver("set_product", [Item(payload.key, payload)], "key")
    return outcome


async def shown(w: World, system) -> Goods:
    items = [StockedItem("A", str(w.shop.state.products["A"].entity_id))]
    (row,) = (await system.rereads.contents[Kind.PRODUCT](["goods"], items)).rows
    return row.content


def test_attributes_go_to_their_codes_as_text_or_as_the_number_of_a_value():
    async def story(w: World) -> None:
        w.shop.attributes.add("matl")
        season = w.shop.add_select("season", "Summer", "Winter")
        system, _ = opened(w, attributes={"Material": "matl"})
        told = {"Material": "wool", "Season": "Winter", "Unheard of": "x"}
        assert (await do(system, product(attributes=told))).result is Result.DONE
        there = w.shop.state.products["A"].attributes
        (winter,) = (number for number, label in season.options.items() if label == "Winter")
        assert (there["matl"], there["season"]) == ("wool", str(winter))
        assert "unheard_of" not in there
        saved = w.shop.ledger.calls_by_operation["PUT products/{sku}"]
        assert (await do(system, product(attributes=told))).result is Result.DONE
        assert w.shop.ledger.calls_by_operation["PUT products/{sku}"] == saved
        read = (await shown(w, system)).attributes
        assert (read["Material"], read["season"]) == ("wool", "Winter")

        spring = product(attributes={"Season": "Spring"})
        refused = await do(system, spring)
        assert refused.result is Result.REJECTED
        assert "season: the shop does not offer 'Spring'" in refused.message
        season.options[77] = "Spring"  # somebody adds it: it is seen although the list was read just now
        await w.clock.sleep(60)
        assert (await do(system, spring)).result is Result.DONE
        assert w.shop.state.products["A"].attributes["season"] == "77"
        assert (await do(system, product(attributes={"Season": ""}))).result is Result.DONE
        assert w.shop.state.products["A"].attributes["season"] == ""
        assert not w.shop.ledger.breaches

    run(story)


def test_a_value_that_is_missing_is_added_once_where_that_is_configured():
    async def story(w: World) -> None:
        season = w.shop.add_select("season", "Summer")
        system, _ = opened(w, create_options=True)
        for _ in range(2):
            assert (await do(system, product(attributes={"Season": "Winter"}))).result is Result.DONE
        assert sorted(season.options.values()) == ["Summer", "Winter"]
        assert (await shown(w, system)).attributes["season"] == "Winter"
        await do(system, product(attributes={"Season": "Spring"}))
        await w.clock.sleep(60)
        assert (await shown(w, system)).attributes["season"] == "Spring"  # although it was read before
        refused = await do(system, product(attributes={"Season": "WINTER"}))
        assert refused.result is Result.REJECTED
        assert "make them the same" in refused.message

    run(story)


def test_a_product_moves_from_one_category_to_another_and_keeps_those_of_the_shops_people():
    async def story(w: World) -> None:
        clothes = w.shop.add_category("Clothes")
        shirts = w.shop.add_category("Shirts", clothes)
        sale = w.shop.add_category("Sale")
        system, _ = opened(w, category_root=2)
        there = w.shop.state.products["A"]
        there.categories[sale] = 5
        ids = {"A": (str(there.entity_id), "")}
        first = replace(product(category="Clothes / Shirts"), ids=ids)
        assert (await do(system, first)).result is Result.DONE
        assert there.categories == {sale: 5, shirts: 0}
        assert (await shown(w, system)).category == "\nClothes/Shirts\nSale"
        calls = w.shop.ledger.calls_by_operation.copy()
        moved = replace(product(category="Clothes"), had=first.content)
        assert (await do(system, first)).result is Result.DONE
        assert w.shop.ledger.calls_by_operation - calls == {"GET products": 1}
        assert (await do(system, moved)).result is Result.DONE
        assert there.categories == {sale: 5, clothes: 0}
        missing = await do(system, product(category="Clothes/Socks"))
        assert missing.result is Result.REJECTED
        assert "create_categories" in missing.message
        # Before anything was known to be ours, nothing is taken out.
        assert (await do(system, product(category=""))).result is Result.DONE
        assert there.categories == {sale: 5, clothes: 0}
        assert not w.shop.ledger.breaches

    run(story)


def test_a_path_is_made_where_that_is_configured_and_a_new_product_is_made_in_it():
    async def story(w: World) -> None:
        system, _ = opened(w, category_root=2, create_categories=True, category_separator=">")
        new = replace(product(category="Home > Kitchen"), key="N")
        new = replace(new, content=replace(new.content, variants=(Variant("N"),)))
        assert (await do(system, new)).result is Result.WAIT
        (number,) = w.shop.state.products["N"].categories
        one = w.shop.state.categories[number]
        assert (one.name, w.shop.state.categories[one.parent_id].name) == ("Kitchen", "Home")
        assert (await do(system, product(category="Home > Kitchen"))).result is Result.DONE
        assert len(w.shop.state.categories) == 4

    run(story)


def test_images_are_fetched_once_and_given_as_content_beside_those_that_are_there():
    async def story(w: World) -> None:
        system, pictures = opened(w, image_hosts=("images.example.com",))
        there = w.shop.state.products["A"]
        theirs = {"id": 900, "media_type": "image", "types": [], "file": "/t/h/theirs.png"}
        there.media.append(dict(theirs))
        payload = product(images=(PICTURE, SECOND))
        assert (await do(system, payload)).result is Result.DONE
        assert [one["file"] for one in there.media] == [
            "/t/h/theirs.png",
            f"/s/l/sl-{image_mark(PICTURE)}.png",
            f"/s/l/sl-{image_mark(SECOND)}.png",
        ]
        assert [one["types"] for one in there.media[1:]] == [["image", "small_image", "thumbnail"], []]
        assert (await do(system, payload)).result is Result.DONE
        assert pictures.asked == [PICTURE, SECOND]
        assert (await shown(w, system)).images == (image_mark(PICTURE), image_mark(SECOND))
        # One that the ERP does not name any more stays, and one that was taken away there is added again.
        del there.media[2]
        assert (await do(system, product(images=(SECOND,)))).result is Result.DONE
        assert len(there.media) == 3
        assert there.media[2]["types"] == []
        assert not w.shop.ledger.breaches

    run(story)


def test_what_was_lost_on_the_way_is_there_once():
    async def story(w: World) -> None:
        w.shop.add_product("A", "A", Decimal(3), {"default": 1})
        season, wire, posts = w.shop.add_select("season"), Wire(w.transport), 0

        async def lose_every_second(request, send):
            nonlocal posts
            answer = await send(request)
            posts += request.method == "POST"
            if request.method == "POST" and posts % 2:
                raise OutcomeUnknown("the answer was lost")
            return answer

        wire.between = lose_every_second
        own = settings(
            category_root=2,
            create_categories=True,
            create_options=True,
            image_hosts=("images.example.com",),
        )
        system = CONNECTOR.open(Opening("shop", own, w.clock, w.shop.rng, wire, outside=Pictures()))
        payload = product(category="Home/Kitchen", images=(PICTURE, SECOND), attributes={"Season": "Winter"})
        results = [(await do(system, payload)).result for _ in range(8)]
        assert set(results) == {Result.UNKNOWN, Result.DONE}
        assert results[-1] is Result.DONE
        there = w.shop.state.products["A"]
        assert (len(there.media), len(there.categories), len(season.options)) == (2, 1, 1)
        assert len(w.shop.state.categories) == 4

    run(story)


@pytest.mark.parametrize(
    ("address", "answer", "result", "words"),
    [
        ("https://elsewhere.example.com/a.png", None, Result.REJECTED, "not among image_hosts"),
        ("http://images.example.com/a.png", None, Result.REJECTED, "no plain https address"),
        ("https://me@images.example.com/a.png", None, Result.REJECTED, "no plain https address"),
        ("https://images.example.com:8443/a.png", None, Result.REJECTED, "no plain https address"),
        ("https://images.example.com:x/a.png", None, Result.REJECTED, "no address"),
        (PICTURE, Response(404), Result.REJECTED, "HTTP 404"),
        (PICTURE, Response(302, {"location": "http://127.0.0.1"}), Result.REJECTED, "HTTP 302"),
        (PICTURE, Response(503), Result.NOT_SENT, "HTTP 503"),
        (PICTURE, OutcomeUnknown("gone"), Result.NOT_SENT, "gone"),
        (PICTURE, Retryable("no route"), Result.NOT_SENT, "no route"),
        (PICTURE, Rejected("not of the public internet"), Result.REJECTED, "not of the public internet"),
        (PICTURE, Response(200, {}, b"<svg/>"), Result.REJECTED, "no JPEG, PNG or GIF"),
        (PICTURE, Response(200, {}, PNG + b"\x00" * BYTES_MAX), Result.REJECTED, "more than"),
    ],
)
def test_an_image_that_cannot_be_had_is_said(address, answer, result, words):
    async def story(w: World) -> None:
        system, pictures = opened(w, image_hosts=("images.example.com",))
        if answer is not None:
            pictures.answers[address] = answer
        outcome = await do(system, product(images=(address,)))
        assert (outcome.result, words in outcome.message) == (result, True), outcome
        assert (answer is None) == (not pictures.asked)
        assert not w.shop.state.products["A"].media

    run(story)


def test_without_a_host_that_may_be_asked_images_are_the_shops():
    async def story(w: World) -> None:
        system, pictures = opened(w)
        assert (await do(system, product(images=(PICTURE,)))).result is Result.DONE
        assert not pictures.asked
        assert (await shown(w, system)).images is None

    run(story)


def test_the_check_says_which_names_of_the_catalog_the_shop_does_not_have():
    async def story(w: World) -> None:
        w.shop.add_select("color", "red")
        good, _ = opened(w, attributes={"Colour": "color"}, category_root=2)
        bad, _ = opened(w, attributes={"Colour": "colour"}, category_root=99)
        found = {what: (ok, mend) for what, ok, mend in await good.check()}
        assert found["attributes"] == found["categories below Default Category"] == (True, "")
        found = {what: (ok, mend) for what, ok, mend in await bad.check()}
        assert not found["attributes"][0]
        assert "no attribute colour" in found["attributes"][1]
        assert found["category 99"] == (False, "Adobe Commerce: No such entity with id = 99")

    run(story)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"attributes": {"Size": "Größe"}}, "attributes.Size"),
        ({"attributes": {"Size": "size", "Grösse": "size"}}, "attributes"),
        ({"image_hosts": ("https://images.example.com",)}, "image_hosts"),
        ({"image_hosts": ("10.0.0.1",)}, "image_hosts"),
        ({"category_separator": ""}, "category_separator"),
        ({"category_root": -1}, "category_root"),
    ],
)
def test_settings_that_make_no_sense_are_refused(more, field):
    with pytest.raises(Misconfigured, match=field):
        settings(**more)
