"""The page of personal data in a real browser: from a name to a request, by way of what it would erase."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.web.support import make_site
from tests.web.test_browser import SHOTS, Server, browser, log_in, low_contrast, page  # noqa: F401 (fixtures)
from tests.web.test_privacy import EMAIL, keep_buyer

from syncline.engine.privacy.cases import CaseState, asked, case_of
from syncline.engine.privacy.desk import Desk
from syncline.model.copying import replace
from syncline.model.privacy import Ask, PrivacyRequest

pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1280)
DAY_MS = 86_400_000


async def make_privacy_site(clock):
    """Requests in every state, and somebody whose order the ERP has refused."""
    site = await make_site(clock)
    await keep_buyer(site)
    now = clock.now_ms()
    kept = {
        "done": (Ask.ERASE, CaseState.DONE, {"found": {"orders": 2, "messages": 12}, "done_at_ms": now - DAY_MS}),
        "left": (Ask.ERASE, CaseState.DONE, {
            "waits": ("erp keeps a file that tells of the person: STATUS_20261101.csv, taken 2026-11-01 08:00 UTC",),
            "done_at_ms": now - 2 * DAY_MS,
        }),
        "asks": (Ask.EXPORT, CaseState.ASKED, {}),
        "waits": (Ask.ERASE, CaseState.WAITING, {"waits": ("order 551042: put_order at erp is parked",)}),
        "late": (Ask.ERASE_ALL, CaseState.WAITING, {"waits": ("order 551042: a call is under way",), "deadline_ms": now - 1}),
    }  # fmt: skip
    for number, (id_, (ask, state, more)) in enumerate(kept.items()):
        case = case_of("shop", PrivacyRequest(id_, ask, f"{number}1"), by="", now_ms=now - 3 * DAY_MS)
        await site.store.write(asked(replace(case, state=state, **more)))
    return site


@pytest.fixture
def server():
    running = Server(make_privacy_site)
    yield running
    if running._thread.is_alive():
        running.stop()


def look(page) -> None:  # noqa: F811 (a fixture)
    page.goto("/privacy")
    page.get_by_label("System").select_option("shop")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_role("button", name="See what would be erased").click()
    page.get_by_role("heading", level=1, name="What would be erased").wait_for()


def test_from_a_name_to_a_request(page, server):  # noqa: F811 (a fixture)
    log_in(page, server, "admin")
    page.get_by_role("link", name="Privacy").click()
    page.get_by_label("E-mail address").fill("Kanari")
    page.keyboard.press("Enter")
    page.get_by_text("is no e-mail address").wait_for()
    assert page.get_by_label("E-mail address").input_value() == "Kanari"
    look(page)
    assert EMAIL not in page.url
    page.get_by_text("1: 7").wait_for()
    page.get_by_text("order 7: put_order at erp is parked").wait_for()
    assert len(server.do(Desk(server.site.engine, server.site.operations.audit).requests())) == 5
    page.get_by_text("Erase…").click()
    page.get_by_role("button", name="Yes, erase them").click()
    page.get_by_text("Asked under your name.").wait_for()
    rows = page.locator('[data-part="privacy"] tbody tr')
    assert rows.count() == 6
    assert page.get_by_text("by Ada").count() == 1


def test_the_page_follows_a_request(page, server):  # noqa: F811 (a fixture)
    log_in(page, server, "admin")
    page.goto("/privacy")
    page.get_by_text("live", exact=True).wait_for()
    case = case_of(
        "erp", PrivacyRequest("new", Ask.ERASE, "4711"), by="Ada", now_ms=server.site.clock.now_ms()
    )
    server.do(server.site.store.write(asked(case)))
    page.get_by_text("customer 4711 of erp").wait_for(timeout=15_000)


def test_it_fits_every_width_in_both_schemes(page, server):  # noqa: F811 (a fixture)
    log_in(page, server, "admin")
    for name, show in (("privacy", lambda: page.goto("/privacy")), ("privacy-look", lambda: look(page))):
        show()
        assert page.evaluate("document.querySelectorAll('h1').length") == 1
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
