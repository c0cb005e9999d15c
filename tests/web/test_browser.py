"""The dashboard in a real browser: log in, watch it live, decide about parked work, search."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from tests.ports import free_ports
from tests.web.proofs import prove_some
from tests.web.support import (
    hold_some,
    make_site,
    park_many,
    park_message,
    park_order,
    recover_some,
    rehearse_some,
    trouble,
)

from syncline.engine.alerts.conditions import condition
from syncline.model.copying import replace
from syncline.ports import Expiry, Write
from syncline.runtime.clock import SystemClock
from syncline.web.access import login_link

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDTHS = (360, 768, 1280, 1600)
SHOTS = os.environ.get("SYNCLINE_SHOTS", "")  # noqa: TID251 (a folder to keep pictures in, for people)


class Server:
    """The web application of a seeded engine, served from a thread with its own loop."""

    def __init__(self, make=make_site) -> None:
        self._make = make
        (self.port,) = free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(20), "the server did not start"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        import uvicorn

        self.loop = asyncio.get_running_loop()
        self.site = await self._make(SystemClock())
        config = uvicorn.Config(
            self.site.app,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            ws="none",
        )
        self.server = uvicorn.Server(config)
        serving = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await self.site.clock.sleep(0.01)
        self._ready.set()
        await serving

    def do(self, work):
        """Run a coroutine where the engine lives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def stop(self) -> float:
        """Stop as the command would; returns how long it took."""
        clock = self.site.clock
        began = clock.monotonic()
        self.loop.call_soon_threadsafe(self.site.app.stop)
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        return clock.monotonic() - began


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield started
        started.close()


@pytest.fixture
def server():
    running = Server()
    yield running
    if running._thread.is_alive():
        running.stop()


@pytest.fixture
def page(browser, server):
    """A page that fails its test on any console error or failed request."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=server.url)
    opened = context.new_page()
    opened.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    # A form that comes back with its mistake is a 422, a stream that may not go on a 401: Chromium mentions both, as it
    # does a stopped server.
    expected = ("422", "401", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
    assert [fault for fault in faults if not any(part in fault for part in expected)] == []


def log_in(page, server, role: str = "operator") -> None:
    page.goto(login_link(server.url, server.site.tokens[role]))
    page.wait_for_url(f"{server.url}/")


def test_the_login_link_leads_to_the_overview_and_leaves_no_token_behind(page, server):
    page.goto("/")
    assert page.url.endswith("/login")
    page.get_by_label("Token").fill(server.site.tokens["operator"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{server.url}/")
    assert "token" not in page.url
    assert page.get_by_role("heading", level=1).inner_text()
    cookie = page.context.cookies()[0]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{server.url}/login")


def test_the_overview_updates_itself(page, server):
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    kept = page.locator('[data-part="route-2"]').get_by_text("22 changes")
    kept.wait_for()
    now = server.site.clock.now_ms()
    server.do(
        server.site.store.write(
            Write(
                "lag_put",
                [
                    {"route": "order_status:erp->shop", "key": "x", "lag_ms": 900, "kept": 1, "now_ms": now},
                ],
            )
        )
    )
    page.locator('[data-part="route-2"]').get_by_text("23 changes").wait_for(timeout=8_000)
    server.do(park_order(server.site.engine))
    page.locator('[data-part="parked-count"]').get_by_text("1").wait_for(timeout=8_000)
    page.get_by_text("1 entry is parked and needs a person.").first.wait_for(timeout=8_000)


def test_parked_work_is_edited_and_released_under_a_name(page, server):
    number = server.do(park_message(server.site.engine))
    log_in(page, server)
    page.get_by_role("link", name=re.compile("Parked")).first.click()
    page.get_by_text('"four" is no number').click()
    page.wait_for_url(re.compile(f"/parked/{number}$"))
    text = page.get_by_label("Text (JSON)")
    text.fill("{not json")
    page.get_by_role("button", name="Save as Otto").click()
    page.get_by_role("alert").get_by_text("This is not valid JSON").wait_for()
    assert text.input_value() == "{not json"
    text.fill('{"sku": "MUG-01", "location": "1", "available": "4"}')
    page.get_by_role("button", name="Save as Otto").click()
    page.get_by_text("The original text is kept in the audit log").wait_for()
    page.get_by_text("Release…").click()
    page.get_by_role("button", name="Yes, release it").click()
    page.get_by_text("Released. It goes on by itself.").wait_for()
    page.get_by_text("Nothing is parked.").wait_for()
    entries = server.do(server.site.operations.audit.newest(limit=3))
    assert [(e.actor, e.action) for e in entries[:2]] == [("Otto", "release"), ("Otto", "edit")]
    assert '"four"' in entries[1].before


def test_one_kind_of_many_parked_entries_is_worked_through(page, server):
    from playwright.sync_api import expect

    server.do(park_message(server.site.engine))
    server.do(park_many(server.site.engine, 130))
    log_in(page, server)
    page.goto("/parked")
    # The most first. A page that is live may be drawn anew while it is read, so it is read until it says so.
    expect(page.locator(".kinds tbody tr > :nth-child(3)")).to_have_text(["130", "1"])
    assert page.locator("a.entry-row").count() == 50
    page.get_by_role("link", name="Could not write an order").first.click()
    page.wait_for_url(re.compile("reason=unknown_sku"))
    assert page.get_by_text('"four" is no number').count() == 0
    page.get_by_role("link", name="Next entries").click()
    page.get_by_role("link", name="Next entries").click()
    page.wait_for_url(re.compile("after="))
    page.get_by_text("order #130: no item").wait_for()
    assert page.locator("a.entry-row").count() == 30
    assert page.get_by_role("link", name="Next entries").count() == 0
    page.get_by_text("order #130: no item").click()
    page.get_by_text("Discard…").click()
    page.get_by_role("button", name="Yes, discard it").click()
    page.get_by_text("Discarded. It stays in the history.").wait_for()
    assert "reason=unknown_sku" in page.url  # the next of its kind is at hand
    page.locator(".kinds").get_by_text("129").wait_for()


def test_all_of_one_kind_are_released_by_one_decision(page, server):
    server.do(park_message(server.site.engine))
    server.do(park_many(server.site.engine, 57))
    log_in(page, server)
    page.goto("/parked")
    assert page.get_by_text("Release all").count() == 0  # of several kinds
    page.get_by_role("link", name="Could not write an order").first.click()
    page.get_by_text("Release all 57…").click()
    page.get_by_text("Otto, 57 entries that wait at erp because of “unknown sku” are released").wait_for()
    server.do(park_order(server.site.engine))  # a moment later than the page
    age = "UPDATE parked SET parked_at_ms = parked_at_ms + 86400000 WHERE key = '551043\x1f1'"
    server.site.store._connection.execute(age)
    page.get_by_role("button", name="Yes, release 57").click()
    page.get_by_role("status").get_by_text(
        "57 entries released; they go on by themselves. 1 of this kind"
    ).wait_for()
    assert page.locator("a.entry-row").count() == 1
    entries = server.do(server.site.operations.audit.newest(limit=58))
    assert [one.action for one in entries] == ["release"] * 57 + ["release many"]
    assert {one.actor for one in entries} == {"Otto"}


def test_a_page_of_somebody_who_was_removed_shows_nothing_new(page, server):
    log_in(page, server, "viewer")
    page.goto("/")
    page.get_by_text("live", exact=True).wait_for()
    server.do(server.site.access.drop("Vera", by="Ada"))
    page.get_by_text("live", exact=True).wait_for(state="hidden", timeout=8_000)
    server.do(park_order(server.site.engine))
    page.wait_for_timeout(3_000)
    assert page.locator('[data-part="parked-count"]').inner_text() == ""
    page.reload()
    page.get_by_label("Token").wait_for()


def test_an_order_and_a_sku_are_found_with_their_life(page, server):
    log_in(page, server, "viewer")
    page.goto("/search")
    page.keyboard.type("#1042")  # the field has the focus
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Order #1042").wait_for()
    page.get_by_text("Write an order: succeeded").wait_for()
    page.goto("/search?q=TEE-RED-M")
    page.get_by_role("heading", name="Why does shop show 42?").wait_for()
    assert page.get_by_text("Compare again…").count() == 0  # viewers look


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_every_width_in_both_schemes(page, server, scheme):
    message, refused = server.do(park_message(server.site.engine)), server.do(park_order(server.site.engine))
    log_in(page, server, "admin")
    page.emulate_media(color_scheme=scheme)
    pages = {
        "overview": "/",
        "parked": "/parked",
        "many": "/parked?system=erp&operation=put_order&reason=unknown_sku",
        "message": f"/parked/{message}",
        "refused": f"/parked/{refused}",
        "order": "/search?q=%231042",
        "sku": "/search?q=TEE-RED-M",
        "search": "/search",
        "holds": "/holds",
        "reconcile": "/reconcile",
        "alerts": "/alerts",
        "shadow": "/shadow",
        "system": "/system?verify=1",
    }
    server.do(park_many(server.site.engine, 12))
    end_soon(server.site)
    alert(server.site)
    server.do(prove_some(server.site.engine))
    server.do(hold_some(server.site.engine))
    server.do(recover_some(server.site.engine))
    server.do(rehearse_some(server.site))
    server.site.app.site.snapshots.forget()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for name, path in pages.items():
            page.goto(path)
            if name == "many":
                page.get_by_text("Release all 13…").click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                f"{name} scrolls at {width}"
            )
            assert low_contrast(page) == [], f"{name} in {scheme}"
            if width < 620:
                assert cut_off(page) == [], f"{name} at {width}"
            if SHOTS:
                page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}-{scheme}.png"), full_page=True)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 380) is (scheme == "light")


def end_soon(site) -> None:
    """Two credentials: one that ends in a week, one that lasts."""
    now_ms = site.clock.now_ms()
    mend = "Upload a new one under Setup > Integration > OAuth 2.0 Client Credentials Setup and set both together."
    soon = Expiry("certificate", now_ms + 7 * 86_400_000, "certificate_expires", mend)
    later = Expiry("credential", now_ms + 300 * 86_400_000, "[alerts.expires]")
    for name, each in (("erp", soon), ("shop", later)):
        system = site.engine.systems[name]
        site.engine.systems[name] = replace(system, expiries=lambda each=each: (each,))


def alert(site) -> None:
    """The ERP does not answer, and what follows from that."""
    down = condition(
        "system_down", "erp", "erp does not answer", "Orders from shop: 14 changes for erp wait."
    )
    late = condition("behind", "erp", "14 changes for erp are past the deadline", causes=("system_down/erp",))
    for at_s in range(0, 60, 10):
        site.app.site.watch.book.look((down, late), site.clock.now_ms(), float(at_s))


def test_an_alert_is_looked_after_under_a_name(page, server):
    log_in(page, server)
    page.get_by_role("heading", level=1).wait_for()
    alert(server.site)
    page.get_by_role("link", name="erp does not answer").click()  # it came by itself
    page.get_by_text("14 changes for erp wait").wait_for()
    page.get_by_text("What follows from it").click()
    page.get_by_text("14 changes for erp are past the deadline").wait_for()
    page.get_by_role("button", name="I look after it").click()
    page.get_by_text("Otto looks after it").wait_for()
    entry = server.do(server.site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action, entry.subject) == ("Otto", "alert_acknowledged", "system_down/erp")


def test_a_hold_is_released_under_a_name(page, server):
    server.do(hold_some(server.site.engine))
    log_in(page, server)
    page.get_by_role("link", name="Holds").click()
    page.get_by_role("heading", name="shop").wait_for()
    page.get_by_label("SKU").fill("SOCK-42")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("sku=SOCK-42"))
    assert page.locator("table.holds tbody tr").count() == 1
    page.get_by_text("Release…").click()
    page.get_by_role("button", name="Yes, release it").click()
    page.get_by_text("These units may be sold again").wait_for()
    assert page.locator("table.holds tbody tr").count() == 3
    entry = server.do(server.site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action, entry.subject) == ("Otto", "release hold", "till-0042 at shop")


def test_a_system_is_paused_and_resumed_under_a_name(page, server):
    log_in(page, server)
    page.get_by_label("Pause shop").click()
    page.get_by_label("Why, for whoever looks later").locator("visible=true").fill("stocktaking")
    page.get_by_role("button", name="Yes, pause it").locator("visible=true").click()
    page.wait_for_url(re.compile("done=pause"))
    page.get_by_role("heading", level=1).get_by_text("shop was paused by Otto").wait_for()
    assert page.get_by_text("stocktaking").count() >= 2
    assert (
        page.locator(".route .chip", has_text="paused").count() == 4
    )  # two routes, each with what was declared
    page.get_by_role("button", name="Resume shop").click()
    page.get_by_text("Resumed. What waits goes out").wait_for()
    entries = server.do(server.site.operations.audit.newest(limit=2))
    assert [(e.actor, e.action, e.subject) for e in entries] == [
        ("Otto", "resume", "shop"),
        ("Otto", "pause", "shop"),
    ]


def test_a_form_of_a_switch_stays_open_while_the_page_lives(page, server):
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    page.get_by_label("Pause inventory:erp->shop").click()
    page.locator("h1").click()  # the focus goes elsewhere
    page.locator('[data-part="route-2"]').get_by_text("22 changes").wait_for()
    now = server.site.clock.now_ms()
    row = {"route": "order_status:erp->shop", "key": "x", "lag_ms": 900, "kept": 1, "now_ms": now}
    server.do(server.site.store.write(Write("lag_put", [row])))
    page.locator('[data-part="route-2"]').get_by_text("23 changes").wait_for(timeout=8_000)
    assert page.get_by_label("Why, for whoever looks later").locator("visible=true").count() == 1


def test_a_route_goes_into_shadow_and_live_again(page, server):
    log_in(page, server)
    page.get_by_label("Put inventory:erp->shop in shadow").click()
    page.get_by_role("button", name="Yes, only compare").locator("visible=true").click()
    page.get_by_text("In shadow. What would be written is compared").wait_for()
    page.get_by_role("link", name="What would be written").click()
    page.get_by_text("Nothing differs").wait_for()
    server.do(rehearse_some(server.site, ["orders:shop->erp"]))
    page.goto("/shadow?order=largest")
    rows = page.locator("table.differences tbody th")
    assert rows.first.inner_text().startswith("SOCK-42")
    page.get_by_role("link", name="Newest first").click()
    page.wait_for_url(re.compile("newest"))
    assert rows.first.inner_text().startswith("MUG-01") and rows.count() == 5
    page.get_by_label("Let inventory:erp->shop go live").click()
    page.get_by_role("button", name="Yes, go live").locator("visible=true").click()
    page.get_by_text("Live. What differs goes out").wait_for()
    assert server.do(server.site.operations.audit.newest(limit=1))[0].action == "live"


def test_trouble_is_named_with_its_cause_and_what_to_do(page, server):
    log_in(page, server)
    server.do(trouble(server.site.engine))
    server.site.app.site.snapshots.forget()
    page.goto("/")
    page.get_by_role("heading", level=1).get_by_text("erp has not accepted anything for 3 min").wait_for()
    page.get_by_text("Nothing to do here").wait_for()
    page.get_by_text("14 changes past the deadline").wait_for()
    assert low_contrast(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"trouble-1280-{scheme}.png"), full_page=True)


def test_everything_can_be_reached_by_keyboard(page, server):
    server.do(park_order(server.site.engine))
    log_in(page, server)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Overview", "Search", "System", "Log out"} <= seen


def test_pages_can_be_read_without_javascript(browser, server):
    context = browser.new_context(java_script_enabled=False, base_url=server.url)
    page = context.new_page()
    log_in(page, server)
    assert page.get_by_text("Source confirmed whole").count() == 3
    dots = page.locator("svg.strip path.kept").evaluate_all(
        "paths => paths.map(p => p.getAttribute('d')).join('')"
    )
    assert dots.count("M") > 100
    context.close()


def test_stopping_does_not_wait_for_watchers(page, server):
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    assert server.site.app.site.watching == 1
    assert server.stop() < 3
    page.get_by_text("reconnecting").wait_for()


def test_a_watcher_who_leaves_frees_the_place(page, server):
    log_in(page, server)
    page.get_by_text("live", exact=True).wait_for()
    page.goto("/login")  # a page that is not live

    async def gone():
        while server.site.app.site.watching:
            await server.site.clock.sleep(0.05)
        return True

    assert server.do(gone())


def cut_off(page) -> list[str]:
    """Boxes that hide some of what they hold beyond their right edge, and cells that do not say what they are."""
    return page.evaluate(
        """() => [
          ...[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1)
            .map((e) => `cut off: ${e.textContent.trim().slice(0, 40)}`),
          ...[...document.querySelectorAll('table:not(.sum) td.num:not([data-label])')]
            .map((e) => `a number of what: ${e.textContent.trim()}`),
        ]""",
    )


def low_contrast(page) -> list[str]:
    """Texts below the AA ratio of 4.5 (3 for large ones), by the colours that the browser computed."""
    return page.evaluate(
        """() => {
          const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
          const rgb = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data]; };
          const light = ([r, g, b]) => { const f = (v) => { v /= 255;
            return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
            return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
          const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
            if (c[3] > 250) return c; } return [255, 255, 255]; };
          const found = [];
          for (const e of document.querySelectorAll('body *')) {
            if (e.closest('svg') || !e.checkVisibility()) continue;
            if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
            const style = getComputedStyle(e), a = light(rgb(style.color)), b = light(behind(e));
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5))
              found.push(`${e.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
          }
          return found;
        }""",
    )
