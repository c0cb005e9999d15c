"""What a channel's events told of a SKU's number is found in the log, and its echoes of our writes are known as such."""

from __future__ import annotations

import json

import pytest
from tests.web.support import MINUTE, Client, make_site

from syncline.engine import told as module
from syncline.engine.inquiry import explain, search
from syncline.model.change import Change, Event, Kind, Via
from syncline.model.errors import Rejected
from syncline.model.records import ChannelLevel

SKU = "TEE-RED-M"  # written to 20 at L1, nine minutes ago


@pytest.fixture
async def site():
    made = await make_site()
    source = made.engine.systems["shop"].source

    def decode(logged):
        if logged.event.topic != "level":
            raise Rejected("no level")
        body = json.loads(logged.event.body)
        value = ChannelLevel(body["item"], body["at"], body["number"])
        at_ms = logged.event.occurred_at_ms
        return [Change(Kind.LEVEL, f"{value.stock_id} {value.location}", at_ms, 0, at_ms, value)]

    source.decode = decode
    return made


async def tell(site, number, *, ago_ms=0, at="L1", item="s0", via=Via.EVENT, topic="level", count=1):
    now_ms = site.clock.now_ms() - ago_ms
    body = json.dumps({"item": item, "at": at, "number": number}).encode()
    events = [
        Event("shop", topic, f"{number} {now_ms} {at} {item} {n} {via}", via, now_ms, body)
        for n in range(count)
    ]
    await site.store.append(events, received_at_ms=now_ms)


async def lines(site) -> list[tuple[str, str]]:
    (life,) = await search(site.engine, SKU)
    return [(moment.what, moment.detail) for moment in life.moments if moment.what.startswith("Told")]


async def test_an_echo_of_our_own_write_is_shown_as_one(site):
    await tell(site, 20, ago_ms=8 * MINUTE)
    assert await lines(site) == [("Told 20 at L1", "the echo of our own write")]
    why = (await explain(site.engine, SKU, "shop"))[0]
    assert why.locations[0].last_told == "told 20 by itself: the echo of our own write"
    assert why.locations[0].last_told_at_ms == site.clock.now_ms() - 8 * MINUTE
    assert (why.locations[1].last_told, why.locations[1].last_told_at_ms) == ("", None)


async def test_another_number_is_no_echo_nor_is_one_from_before_the_write(site):
    await tell(site, 20, ago_ms=30 * MINUTE)
    await tell(site, 18)
    assert await lines(site) == [
        ("Told 20 at L1", "not what we had written last"),
        ("Told 18 at L1", "not what we had written last"),
    ]


async def test_only_what_this_channel_told_by_itself_of_this_sku_is_shown(site):
    await tell(site, 20, item="s1")
    await tell(site, 20, via=Via.READ)
    await tell(site, 20, topic="orders")
    assert await lines(site) == []


async def test_the_log_is_looked_through_so_far_and_no_further(site, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 10)
    monkeypatch.setattr(module, "BACK_MAX", 30)
    await tell(site, 20, ago_ms=5 * MINUTE)
    await tell(site, 7, item="s1", count=29)
    assert len(await lines(site)) == 1
    await tell(site, 8, item="s1")
    assert await lines(site) == []
    await tell(site, 19, count=40)
    assert len(await lines(site)) == module.TOLD_MAX


async def test_the_page_and_the_api_tell_it(site):
    await tell(site, 20, ago_ms=8 * MINUTE)
    reader = Client(site.app, site.tokens["viewer"])
    answer = (await reader.get(f"/v1/explain?sku={SKU}&channel=shop")).json()
    assert answer[0]["locations"][0]["last_told"] == "told 20 by itself: the echo of our own write"
    page = await reader.get(f"/search?q={SKU}")
    assert "told 20 by itself: the echo of our own write" in page.text
    assert "Told 20 at L1" in page.text
