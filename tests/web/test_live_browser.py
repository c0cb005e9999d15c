"""What moves on a page while somebody looks, in a real browser: cards that open, silence, and marked text."""

from __future__ import annotations

import re
import threading

import pytest
from tests.web import support
from tests.web.support import MINUTE, make_site, park_message, park_order
from tests.web.test_browser import Server, browser, log_in, page  # noqa: F401 (fixtures)

from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.ports import Write

pytestmark = pytest.mark.browser


async def make_large_site(clock):
    """Two ERPs and a dozen shops: more routes than have open cards."""
    systems, routes = support.make_systems, support.make_routes
    shops = [f"shop{n}" for n in range(12)]

    def more_systems(clock):
        erp, shop = systems(clock)
        return [erp, shop, *(replace(shop, name=name) for name in shops)]

    def more_routes():
        return Routes(
            [
                *routes().all,
                *(
                    Route(
                        Flow.INVENTORY,
                        "erp",
                        name,
                        5 * MINUTE,
                        locations={"1": "L1"},
                        poll_interval_ms=MINUTE,
                    )
                    for name in shops
                ),
            ]
        )

    support.make_systems, support.make_routes = more_systems, more_routes
    try:
        return await make_site(clock)
    finally:
        support.make_systems, support.make_routes = systems, routes


@pytest.fixture
def server(request):
    running = Server(getattr(request, "param", make_site))
    yield running
    if running._thread.is_alive():
        running.stop()


@pytest.mark.parametrize("server", [make_large_site], indirect=True)
def test_of_many_routes_only_the_card_that_is_opened_is_filled(page, server):  # noqa: F811
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    assert page.locator("details.route").count() == 15
    assert (
        page.locator("details.route").first.inner_text().startswith("Orders")
    )  # it needs a look; the others do not
    assert page.locator("details.route[open]").count() == 1
    last = page.locator("details.route").last
    assert last.locator("svg.strip").count() == 0
    last.locator("summary.route-head").focus()
    page.keyboard.press("Enter")
    last.get_by_text("Nothing landed in the last hour.").wait_for()
    last.get_by_text("Source confirmed whole").wait_for()
    page.goto("/?open=all")
    assert page.locator("details.route svg.strip").count() == 15


@pytest.mark.parametrize("server", [make_large_site], indirect=True)
def test_a_problem_leads_to_the_card_of_its_route(page, server):  # noqa: F811
    log_in(page, server)
    page.get_by_role("link", name=re.compile("came too late in the last hour")).click()
    page.wait_for_url(re.compile("#route-1$"))
    card = page.locator("#route-1")
    card.locator("summary.route-head").click()
    assert not card.get_by_text("Worst case").is_visible()
    page.goto("/#route-5")
    page.locator("#route-5").get_by_text("Worst case").wait_for()


def test_a_line_that_falls_silent_is_told_with_the_age_of_what_is_shown(page, server):  # noqa: F811
    page.clock.install()
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    lost = page.get_by_text("No connection: what this page shows is")
    assert not lost.is_visible()
    go_on = threading.Event()
    server.loop.call_soon_threadsafe(go_on.wait, 30)  # the server hangs; the line stays up
    page.clock.fast_forward(150_000)
    lost.get_by_text("2 min").wait_for()
    page.get_by_text("reconnecting").wait_for()
    go_on.set()
    lost.wait_for(state="hidden", timeout=15_000)
    page.get_by_text("live", exact=True).wait_for()


def test_marked_text_can_be_copied_while_the_page_lives_and_is_caught_up_with(page, server):  # noqa: F811
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    part = page.locator('[data-part="route-2"]')
    part.get_by_text("22 changes").wait_for()
    # Found and marked in one turn of the page: in between its part may be drawn anew.
    page.evaluate(
        """() => {
            const all = [...document.querySelectorAll('[data-part="route-2"] *')];
            getSelection().selectAllChildren(all.find((each) => each.textContent.trim() === "22 changes"));
        }"""
    )
    assert "22 changes" in page.evaluate("getSelection().toString()")
    now = server.site.clock.now_ms()
    row = {"route": "order_status:erp->shop", "key": "x", "lag_ms": 900, "kept": 1, "now_ms": now}
    server.do(server.site.store.write(Write("lag_put", [row])))
    server.do(park_message(server.site.engine))
    page.locator('[data-part="parked-count"]').get_by_text("1").wait_for(timeout=8_000)  # the rest goes on
    assert "22 changes" in page.evaluate("getSelection().toString()")
    page.evaluate("getSelection().removeAllRanges()")
    part.get_by_text("23 changes").wait_for(timeout=8_000)


def test_a_part_that_was_left_with_the_focus_in_it_goes_on_and_keeps_the_focus(page, server):  # noqa: F811
    page.clock.install()
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    verdict = page.get_by_role("heading", level=1)
    verdict.get_by_text("2 changes of 47").wait_for()
    verdict.get_by_role("link").focus()
    page.keyboard.press("Shift")  # somebody is there
    now = server.site.clock.now_ms()
    row = {"route": "orders:shop->erp", "key": "x", "lag_ms": 99_000, "kept": 0, "now_ms": now}
    server.do(server.site.store.write(Write("lag_put", [row])))
    page.locator('[data-part="route-1"]').get_by_text("48 changes").wait_for(timeout=8_000)
    assert "2 changes of 47" in verdict.inner_text()
    page.clock.fast_forward(31_000)
    verdict.get_by_text("3 changes of 48").wait_for(timeout=8_000)
    assert page.evaluate("document.activeElement.closest('h1') !== null")


def test_the_head_does_not_move_when_the_page_goes_live(page, server):  # noqa: F811
    log_in(page, server, "admin")
    page.get_by_text("live", exact=True).wait_for()
    fill = "(n) => { for (const each of document.querySelectorAll('.count')) each.textContent = n; }"
    hide = "(is) => { document.querySelector('[data-live]').hidden = is; }"
    for width in (360, 768, 1180, 1280, 1360, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(fill, "500")
        page.evaluate(hide, True)
        before = page.locator(".top").bounding_box()["height"]
        page.evaluate(hide, False)
        assert page.locator(".top").bounding_box()["height"] == before, width


def test_updates_leave_the_page_as_large_as_it_was(page, server):  # noqa: F811
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    count = "document.querySelectorAll('*').length"
    before = page.evaluate(count)
    now = server.site.clock.now_ms()
    for n in range(5):
        rows = [
            {
                "route": "orders:shop->erp",
                "key": f"{n}-{i}",
                "lag_ms": 900,
                "kept": 1,
                "now_ms": now - i * 1_000,
            }
            for i in range(1_000)
        ]
        server.do(server.site.store.write(Write("lag_put", rows)))
        server.site.app.site.snapshots.forget()
        page.locator('[data-part="route-1"]').get_by_text(f"{1000 * (n + 1) + 47:,} changes").wait_for(
            timeout=8_000
        )
    assert abs(page.evaluate(count) - before) < 30


def test_ages_go_on_where_nothing_is_sent_anew(page, server):  # noqa: F811
    number = server.do(park_order(server.site.engine))
    log_in(page, server)
    page.clock.install()
    page.goto(f"/parked/{number}")
    parked = page.locator("dd time")
    assert parked.inner_text().startswith("26 min")
    page.clock.fast_forward(95 * 60_000)
    page.get_by_text(re.compile(r"^2 h 1 min ago$")).wait_for()
    assert not page.get_by_text("live", exact=True).is_visible()  # this page is not


def test_ages_are_told_as_the_server_tells_them_by_its_clock(page, server):  # noqa: F811
    number = server.do(park_order(server.site.engine))
    log_in(page, server)
    page.clock.install(time="2031-05-05T12:00:00")  # a computer whose clock is years ahead
    page.goto(f"/parked/{number}")
    pages, now = server.site.app.site.pages, server.site.clock.now_ms()
    ages = [12_030, 7_230, 86_430, 91_000, 200_000, 5_000_000, -7_290, -90_290]
    told = [str(pages.ago(now - s * 1_000)) for s in ages] + [str(pages.until(now - s * 1_000)) for s in ages]
    words = [re.sub("<.*?>", "", each) for each in told]
    assert words[:2] == ["3 h 20 min ago", "2 h ago"] and words[-2] == "in 2 h 1 min"
    hidden = [re.sub(">.*?<", ">?<", each) for each in told]
    page.evaluate("html => { document.querySelector('dd').innerHTML = html; }", "".join(hidden))
    page.clock.run_for(1_100)
    assert page.locator("dd time").all_inner_texts()[: len(words)] == words
