"""The pages of records in a real browser: from what needs a look to a decision, narrow and wide, light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.web.records import PRICES, due, make_records_site
from tests.web.test_browser import SHOTS, Server, browser, log_in, low_contrast, page  # noqa: F401 (fixtures)

from syncline.engine.derive.prices import tag_key
from syncline.ports import Write

pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1280)
PAGES = {
    "records": "/records",
    "prices": "/records/prices",
    "price": "/records/prices/one?key=TEE-RED-M&channel=shop&customer=107&quantity=10",
    "price-parked": "/records/prices/one?key=MUG-01",
    "price-changed": "/records/prices/one?key=CAP-BLK",
    "products": "/records/products",
    "product": "/records/products/one?key=TEE",
    "companies": "/records/companies",
    "company": "/records/companies/one?key=107",
    "credit": "/records/credit",
    "account": "/records/credit/one?key=107&channel=shop&amount=451",
    "account-on-hold": "/records/credit/one?key=108",
    "found": "/search?q=107",
}


@pytest.fixture
def server():
    running = Server(make_records_site)
    yield running
    if running._thread.is_alive():
        running.stop()


def test_from_what_needs_a_look_to_a_decision(page, server):  # noqa: F811 (a fixture)
    log_in(page, server)
    page.get_by_role("link", name="Records").click()
    page.get_by_role("article").filter(has_text="Prices").get_by_text("1 late").wait_for()
    page.get_by_role("heading", name="Prices").get_by_role("link").click()
    rows = page.locator('[data-part="records-troubles"] tbody tr')
    assert [rows.nth(n).locator("a").first.inner_text() for n in range(3)] == [
        "TEE-RED-M",
        "MUG-01",
        "CAP-BLK",
    ]
    page.get_by_role("link", name="MUG-01").first.click()
    page.locator('[data-part="record-state"]').get_by_text("Waits for a person").wait_for()
    page.get_by_text("Release…").click()
    page.get_by_text("exactly this is written to shop: 0.8 GBP.").wait_for()
    page.get_by_role("button", name="Yes, release it").click()
    page.get_by_text("Released. Exactly what stood here is written").wait_for()
    page.locator('[data-part="record-state"]').get_by_text("0.8 GBP should have been there").wait_for()
    assert page.get_by_text("Release…").count() == 0
    entry = server.do(server.site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action) == ("Otto", "release")


def test_a_record_is_found_narrowed_and_asked_about(page, server):  # noqa: F811 (a fixture)
    log_in(page, server, "viewer")
    page.goto("/search")
    page.keyboard.type("acme")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Credit of Acme Tools Ltd").click()
    page.get_by_label("Amount, tax and shipping included").fill("451")
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("An order of 451 GBP would be denied.").wait_for()
    page.get_by_role("link", name="see the company").click()
    page.get_by_role("heading", level=1, name=re.compile("Acme Tools Ltd")).wait_for()
    assert page.get_by_text("robin.vale").count() == 0
    page.get_by_role("link", name="Companies").click()
    page.get_by_label("Part of a name, an account number or an id").fill("TOOLS")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("q=TOOLS"))
    assert page.locator('[data-part="records-all"] tbody tr').count() == 1


def test_a_record_lives_and_what_is_open_stays_open(page, server):  # noqa: F811 (a fixture)
    log_in(page, server)
    page.goto("/records/prices/one?key=SOCK-42")
    page.get_by_text("live", exact=True).wait_for()
    page.locator('[data-part="record-state"]').get_by_text("In agreement").wait_for()
    page.get_by_text("Why 4.5 GBP in list 24601?").click()
    page.get_by_text("level:1 is the only list that has a price now.").locator("visible=true").wait_for()
    page.locator("h1").click()  # the focus goes elsewhere
    now = server.site.clock.now_ms()
    row = due("set_list_price", tag_key("24601", "SOCK-42"), PRICES, now - 60_000, now)
    server.do(server.site.store.write(Write("delivery_fact", [row])))
    page.locator('[data-part="record-state"]').get_by_text("Late").wait_for(timeout=15_000)
    page.locator("table.records .chip", has_text="late").first.wait_for(timeout=15_000)
    assert (
        page.get_by_text("level:1 is the only list that has a price now.").locator("visible=true").count()
        == 1
    )


def test_every_page_of_records_fits_every_width_in_both_schemes(page, server):  # noqa: F811 (a fixture)
    log_in(page, server)
    for name, path in PAGES.items():
        page.goto(path)
        assert page.evaluate("document.querySelectorAll('h1').length") == 1, name
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                f"{name} scrolls at {width}"
            )
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert low_contrast(page) == [], f"{name} in {scheme}"
                if SHOTS:
                    page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}-{scheme}.png"), full_page=True)
