"""The configuration: every wrong line names its field and the mend, and no secret is ever shown."""

from __future__ import annotations

import asyncio
import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from syncline.cli.init import ROUTES, USUAL, asked, configuration
from syncline.engine.derive.buffers import Checkout
from syncline.engine.reconcile.differences import Limits
from syncline.engine.routes import OPERATIONS_OF
from syncline.freshness.risk import EPSILON
from syncline.freshness.velocity import Thresholds, Velocity
from syncline.inventory.rules import AUTO_BUFFER, Fence, fixed, percent
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.pricing.rules import OWN
from syncline.runtime.check import check_everything
from syncline.runtime.config import Config, duration_ms, load, parse, server_of
from syncline.runtime.registry import connectors

TOKEN = "shpat_very-secret-token-of-the-shop"
HOOK = "webhook-secret-with-more-than-24-bytes"
KEY = "-----BEGIN PRIVATE KEY-----\nvery-secret-key-material\n-----END PRIVATE KEY-----"

GOOD = """
[systems.shop]
connector = "shopify"
shop = "north.myshopify.com"
access_token = "env:SHOP_TOKEN"
webhook_secrets = ["file:hook"]

[systems.erp]
connector = "netsuite"
account = "123456_SB1"
client_id = "client"
certificate_id = "kid"
private_key = "file:key.pem"
timezone = "Europe/London"

[[routes]]
flow = "inventory"
from = "erp"
to = "shop"
tolerance = "5s"
poll = "4m"
reconcile = "6h"
locations = { "1" = "70123", "2" = "70124" }

[routes.rule]
safety_stock = 2
buffer = 1
share = "0.75"

[routes.sku_rules.LANTERN]
cap = 3

[[routes]]
flow = "orders"
from = "shop"
to = "erp"
"""


@pytest.fixture
def read(tmp_path):
    (tmp_path / "hook").write_text(HOOK + "\n")
    (tmp_path / "key.pem").write_text(KEY)

    def parsed(text: str = GOOD, **variables: str):
        return parse(text, variables={"SHOP_TOKEN": TOKEN, **variables}, folder=tmp_path)

    return parsed


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, f"{old!r} is not in the example"
    return GOOD.replace(old, new, 1)


def test_a_good_file_is_understood(read):
    config = read()
    shop, erp = config.systems
    assert (shop.name, shop.connector, erp.name, erp.connector) == ("shop", "shopify", "erp", "netsuite")
    assert (shop.settings.access_token, shop.settings.webhook_secrets) == (TOKEN, (HOOK,))
    assert erp.settings.private_key == KEY
    stock, orders = config.routes.all
    assert (stock.flow, stock.source, stock.sink, stock.tolerance_ms) == (
        Flow.INVENTORY,
        "erp",
        "shop",
        5_000,
    )
    assert (stock.poll_interval_ms, stock.reconcile_interval_ms) == (240_000, 6 * 3_600_000)
    assert list(stock.locations.items()) == [("1", "70123"), ("2", "70124")]  # in order of priority
    general, lantern = stock.rule_for("MUG"), stock.rule_for("LANTERN")
    assert (general.safety_stock, general.buffer, general.share) == (2, fixed(1), Decimal("0.75"))
    assert (lantern.cap, lantern.safety_stock) == (3, 2)  # what a SKU leaves out, its channel decides
    assert (orders.flow, orders.tolerance_ms) == (Flow.ORDERS, 10_000)


def test_buffers_by_risk_are_configured(read):
    plain = read()
    assert (plain.epsilon, plain.checkouts) == (EPSILON, {})
    text = changed("buffer = 1", 'buffer = "auto"')
    config = read(
        text + "\n[risk]\nepsilon = 0.002\n[channels.shop]\ncheckout = '2m'\nreports_checkouts = false\n"
    )
    assert config.routes.all[0].rule_for("MUG").buffer == AUTO_BUFFER
    assert config.epsilon == 0.002
    assert config.checkouts == {"shop": Checkout(120_000, False)}
    assert read(GOOD + "\n[channels.shop]\nreports_checkouts = true\n").checkouts["shop"] == Checkout(
        None, True
    )


def test_classes_of_velocity_are_configured(read):
    assert read().thresholds == Thresholds()
    text = changed('tolerance = "5s"', 'tolerance = "5m"\nsegments = { high = "5s", low = "1d" }')
    text = text.replace("buffer = 1", 'buffer = 1\nvelocity = "medium"', 1)
    config = read(text + "\n[velocity]\nhigh = 2\nmedium = 0.5\nleave_share = 0.6\nleave_after = '2d'\n")
    stock = config.routes.all[0]
    assert (stock.tolerance_ms, stock.segments) == (300_000, {Velocity.HIGH: 5_000, Velocity.LOW: 86_400_000})
    assert stock.rule_for("MUG").velocity == "medium"
    assert config.thresholds == Thresholds(2.0, 0.5, 0.6, 2 * 86_400_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        # misspelt names
        (changed("tolerance", "tolerence"), "unknown field `tolerence`.*did you mean `tolerance`"),
        (changed("from", "form"), "`form`.*did you mean `from`|missing required field `from`"),
        (changed("safety_stock", "safety_stok"), "unknown field `safety_stok`.*did you mean `safety_stock`"),
        (
            changed("access_token", "acess_token"),
            "systems.shop: unknown field `acess_token`; did you mean `access_token`",
        ),
        (changed("timezone", "time_zone"), "systems.erp: unknown field `time_zone`; did you mean `timezone`"),
        (
            changed('"shopify"', '"shopfy"'),
            "systems.shop.connector: 'shopfy' is not installed; did you mean 'shopify'",
        ),
        (
            changed('flow = "orders"', 'flow = "order"'),
            r"routes\[1\].flow: 'order' is no flow; did you mean 'orders'",
        ),
        (
            changed('flow = "orders"', 'flow = "sales"'),
            r"routes\[1\].flow: 'sales' is no flow; there are customers, prices, .*credit",
        ),
        (
            changed('connector = "shopify"', 'connector = "shopify"\nplan = "gold"'),
            r"'gold' - at `\$.plan`; there are .*plus, standard",
        ),
        (GOOD + "\n[serve]\nport = 1\n", "unknown field `serve`.*did you mean `server`"),
        (GOOD + "\n[server]\nprot = 1\n", "unknown field `prot`.*did you mean `port`"),
        (changed("access_token", "zzz"), "unknown field `zzz`; known are shop, access_token"),
        # what is missing
        (changed('connector = "netsuite"\n', ""), "systems.erp.connector: None is not installed"),
        (changed('account = "123456_SB1"\n', ""), "systems.erp: .*account"),
        (changed('shop = "north.myshopify.com"\n', ""), "systems.shop: .*shop"),
        (GOOD.partition("[[routes]]")[0], "missing required field `routes`"),
        ("routes = []\n[systems]\n", "configure at least one; `syncline init`"),
        ("", "missing required field `systems`; `syncline init` writes"),
        ('[systems.shop]\nconnector = "kiosk"\n', "missing required field `routes`; `syncline init` writes"),
        # durations
        (
            changed('"5s"', '"5 seconds"'),
            r"routes\[0\].tolerance: '5 seconds' is no duration; write for example",
        ),
        (changed('"4m"', '"-4m"'), r"routes\[0\].poll: '-4m' is no duration"),
        (changed('"6h"', '"6"'), r"routes\[0\].reconcile: '6' is no duration"),
        # systems
        (changed('from = "erp"', 'from = "erq"'), r"routes\[0\].from: no \[systems.erq\] is configured"),
        (changed('to = "erp"', 'to = "shop2"'), r"routes\[1\].to: no \[systems.shop2\] is configured"),
        (
            GOOD.replace("systems.shop", "systems.My-Shop"),
            "systems.My-Shop: a system's name is a lower-case letter",
        ),
        (GOOD.replace("systems.shop", 'systems."a234567890123456x"'), "up to 15 letters or digits"),
        # routes
        (
            changed('locations = { "1" = "70123", "2" = "70124" }\n', ""),
            r"routes\[0\].locations: map at least one",
        ),
        (changed('"70124"', '"70123"'), "two ERP locations are mapped to one channel location"),
        (
            GOOD + '\n[[routes]]\nflow = "orders"\nfrom = "shop"\nto = "erp"\n',
            "same flow between the same systems",
        ),
        (
            changed('tolerance = "5s"', "guard_cut_share = 3"),
            r"routes\[0\].guard_cut_share: 3 must lie between 0 and 1",
        ),
        (changed('share = "0.75"', 'share = "1.5"'), "share: 1.5 must lie between 0 and 1"),
        (changed("buffer = 1", "buffer = -1"), "buffer|>= 0"),
        # rules
        (GOOD + "\n[rules]\nbufer = 1\n", "unknown field `bufer`.*did you mean `buffer`"),
        (GOOD + "\n[rules]\nbuffer = '10 percent'\n", "rules.buffer: '10 percent' is no buffer; write units"),
        (GOOD + "\n[rules]\nbuffer = 'automatic'\n", "rules.buffer: 'automatic' is no buffer; .*\"auto\""),
        (
            GOOD + "\n[velocity]\nhigh = 1\nmedium = 2\n",
            r"velocity: medium \(2.0\) must lie above 0 and not above",
        ),
        (GOOD + "\n[velocity]\nmedium = 0\n", r"velocity: medium \(0.0\) must lie above 0"),
        (
            GOOD + "\n[velocity]\nleave_share = 1.1\n",
            "velocity.leave_share: 1.1 must lie above 0 and be at most 1",
        ),
        (GOOD + "\n[velocity]\nleave_after = 1\n", "leave_after"),
        (GOOD + "\n[rules]\nvelocity = 'fast'\n", "fast"),
        (changed('tolerance = "5s"', 'segments = { fast = "5s" }'), "fast"),
        (
            changed('tolerance = "5s"', 'segments = { high = "5" }'),
            r"routes\[0\].segments.high: '5' is no duration",
        ),
        (
            changed('flow = "orders"', 'flow = "orders"\nsegments = { high = "5s" }'),
            r"routes\[1\].segments: only inventory has fast SKUs",
        ),
        (GOOD + "\n[risk]\nepsilon = 0\n", r"risk.epsilon: 0.0 must lie above 0 and be at most 0.5"),
        (GOOD + "\n[risk]\nepsilon = 0.6\n", r"risk.epsilon: 0.6 must lie above 0"),
        (GOOD + "\n[risk]\nepsilon = nan\n", r"risk.epsilon: nan must lie above 0"),
        (GOOD + "\n[risk]\nepsylon = 0.1\n", "unknown field `epsylon`.*did you mean `epsilon`"),
        (
            GOOD + "\n[channels.erp]\ncheckout = '2m'\n",
            "channels.erp: no inventory route goes to it; shop would do",
        ),
        (GOOD + "\n[channels.shop]\ncheckout = '2'\n", "channels.shop.checkout: '2' is no duration"),
        (GOOD + "\n[rules]\nbuffer = '150 %'\n", "rules.buffer: '150 %' is no buffer"),
        (
            GOOD + "\n[rules]\nfence = { units = 3, since = 2026-11-21T08:00:00Z }\n",
            "rules.fence: units are kept for",
        ),
        (
            GOOD + "\n[rules.locations.9]\nsafety_stock = 1\n",
            "rules.locations.9: no route maps an ERP location '9'",
        ),
        (GOOD + '\n[rules.groups.west]\nlocations = ["7"]\n', "rules.groups.west.locations: no route maps"),
        (
            GOOD + '\n[rules]\nexcluded = ["9"]\n',
            "rules.excluded: no route maps an ERP location '9'; mapped are 1, 2",
        ),
        (changed("cap = 3", 'excluded = ["9"]'), r"routes\[0\].sku_rules.LANTERN.excluded: no route maps"),
        (
            changed("buffer = 1", "safety_by_location = { 9 = 1 }"),
            r"routes\[0\].rule.safety_by_location: no route",
        ),
        (GOOD + "\n[rules.groups.west]\nsafety_stock = 1\n", "missing required field `locations`"),
        (GOOD + "\n[rules.locations.1]\ncap = 1\n", "location 1: cap is about the whole pool; set it for"),
        (changed("cap = 3", "cap = -3"), r"routes\[0\].sku_rules.LANTERN.cap: -3 must not be negative"),
        (changed("cap = 3", "cap = 'no'"), "cap"),
        (changed("cap = 3", "backorder = 'unlimited'"), "LANTERN: unlimited backorders need a cap"),
        (
            changed("cap = 3", "fence = { units = 3, since = 2026-11-21T08:00:00 }"),
            r"routes\[0\].sku_rules.LANTERN.fence.since: say in which zone",
        ),
        # kits, packs and other names
        (
            GOOD + "\n[kits.SET]\ncomponent = { A = 1 }\n",
            "unknown field `component`.*did you mean `components`",
        ),
        (GOOD + "\n[kits.SET]\ncomponents = { A = 0 }\n", "SET takes 0 of A: it must be one unit at least"),
        (GOOD + "\n[kits.SET]\ncomponents = {}\n", "SET is made of nothing"),
        (
            GOOD + "\n[kits.SET]\ncomponents = { BOX = 1 }\n[units.BOX]\nof = 'SET'\ncount = 2\n",
            "SET is made of itself: SET of BOX of SET; correct the counts, or break the circle",
        ),
        (
            GOOD + "\n[units.BOX]\nof = 'A'\ncount = 2\n[aliases]\nBOX = 'A'\n",
            "aliases.BOX: it stands under units already; keep one of the two",
        ),
        # values
        (
            changed("north.myshopify.com", "https://north.myshopify.com"),
            "systems.shop: shop: .*name.myshopify.com",
        ),
        (changed("Europe/London", "Europe/Londres"), "systems.erp: .*timezone 'Europe/Londres' is unknown"),
        (changed('"123456_SB1"', '"12 34"'), "systems.erp: .*account must look like"),
        (GOOD + "\n[server]\nport = 70000\n", "port"),
        (GOOD + "\n[server]\nport = 'high'\n", "port"),
        ("systems = 3", "systems"),
        (changed("[systems.shop]", "[systems.shop"), "not valid TOML"),
    ],
)
def test_a_wrong_line_names_its_field_and_the_mend(read, text, says):
    with pytest.raises(Misconfigured) as caught:
        read(text)
    assert re.search(says, str(caught.value)), str(caught.value)


def test_what_is_sold_and_not_stocked(read):
    text = (
        GOOD
        + """
[kits.SET]
components = { MUG = 2, TRAY = 1 }
[units."MUG-12"]
of = "MUG"
count = 12
[aliases]
"MUG-OLD" = "MUG"
"""
    )
    recipes = read(text).routes.recipes
    parts = {sku: recipes.parts(sku) for sku in ("SET", "MUG-12", "MUG-OLD", "TRAY")}
    assert parts == {
        "SET": {"MUG": 2, "TRAY": 1},
        "MUG-12": {"MUG": 12},
        "MUG-OLD": {"MUG": 1},
        "TRAY": {"TRAY": 1},
    }
    assert not read().routes.recipes


def test_rules_cascade_from_the_network_to_a_sku(read):
    text = (
        GOOD
        + """
[rules]
safety_stock = 9
buffer = "5 %"
cap = 40
[rules.groups.west]
locations = ["1"]
safety_stock = 6
[rules.locations.2]
safety_stock = 7
incoming_days = 3
[rules.skus.KAYAK]
unique = true
cap = "none"
backorder = 2
"""
    )
    stock = read(text).routes.all[0]
    mug, kayak = stock.rules.of("MUG"), stock.rules.of("KAYAK")
    assert [mug.rule.safety_at(at) for at in ("1", "2")] == [6, 7]
    assert (mug.rule.incoming_days_at("2"), mug.rule.buffer, mug.rule.cap) == (3, fixed(1), 40)
    assert mug.won["buffer"] == "channel shop"
    assert mug.won["safety_stock at 1"] == "location group west"
    assert (kayak.rule.unique, kayak.rule.cap, kayak.rule.backorder) == (True, None, 2)
    fenced = read(changed("cap = 3", "fence = { units = 5, since = 2026-11-21T08:00:00Z }")).routes.all[0]
    assert fenced.rule_for("LANTERN").fence == Fence(5, 1_795_248_000_000)
    assert fenced.rules.fenced
    assert not stock.rules.fenced


def test_a_safety_stock_of_a_place_may_be_given_with_the_route(read):
    stock = read(changed("buffer = 1", 'buffer = "2.5 %"\nsafety_by_location = { "2" = 0 }')).routes.all[0]
    assert [stock.rule_for("MUG").safety_at(at) for at in ("1", "2")] == [2, 0]
    assert stock.rule_for("MUG").buffer == percent(Decimal("2.5"))


@pytest.mark.parametrize(
    "text", ["", "s", "5", "5 s s", "1.5s", "-1s", "5S", "5w", "1234567s", "5s5", "\u0665s x"]
)
def test_what_is_no_duration(text):
    with pytest.raises(Misconfigured, match="is no duration"):
        duration_ms(text, "f")


@pytest.mark.parametrize(
    ("text", "ms"),
    [("250ms", 250), ("5s", 5_000), (" 4m ", 240_000), ("1 h", 3_600_000), ("1d", 86_400_000), ("0s", 0)],
)
def test_durations(text, ms):
    assert duration_ms(text, "f") == ms


# --- secrets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [{"SHOP_TOKEN": ""}, {}])
def test_a_variable_that_is_not_set_is_named(tmp_path, variables):
    (tmp_path / "hook").write_text(HOOK)
    (tmp_path / "key.pem").write_text(KEY)
    with pytest.raises(
        Misconfigured, match=r"systems.shop.access_token: the environment variable SHOP_TOKEN is not set"
    ):
        parse(GOOD, variables=variables, folder=tmp_path)


def test_a_file_that_is_not_there_is_named(read, tmp_path):
    (tmp_path / "key.pem").unlink()
    with pytest.raises(
        Misconfigured, match=r"systems.erp.private_key: .*key.pem cannot be read: No such file"
    ):
        read()


def test_a_file_with_nothing_in_it_or_no_text_is_named(read, tmp_path):
    for content, why in ((b"\n", "is empty"), (b"\xff\xfe", "is no text in UTF-8")):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(Misconfigured, match=rf"^systems.erp.private_key: .*key.pem .*{why}$"):
            read()


def test_all_that_is_not_there_is_named_at_once(tmp_path):
    with pytest.raises(Misconfigured) as told:
        parse(GOOD, variables={}, folder=tmp_path)
    fields = [one.partition(":")[0] for one in str(told.value).split("; ")]
    assert sorted(fields) == [
        "systems.erp.private_key",
        "systems.shop.access_token",
        "systems.shop.webhook_secrets[0]",
    ]


def test_secrets_in_lists_are_found_with_their_place(read, tmp_path):
    (tmp_path / "hook").unlink()
    with pytest.raises(Misconfigured, match=r"systems.shop.webhook_secrets\[0\]"):
        read()


def shown(error: BaseException) -> str:
    """Everything that a traceback would show of an error and what it came from."""
    texts = []
    at: BaseException | None = error
    while at is not None:
        texts += [str(at), repr(at)]
        at = at.__cause__ or at.__context__
    return "\n".join(texts)


@pytest.mark.parametrize(
    "text",
    [
        changed("tolerance", "tolerence"),
        changed("access_token", "acess_token"),
        changed("shop = ", "shopp = "),
        changed('webhook_secrets = ["file:hook"]', 'webhook_secrets = "file:hook"'),
        changed('private_key = "file:key.pem"', 'private_key = ["file:key.pem"]'),
        changed("Europe/London", "Europe/Londres"),
        changed('"5s"', '"soon"'),
    ],
)
def test_no_secret_is_in_any_error(read, text):
    with pytest.raises(Misconfigured) as caught:
        read(text)
    told = shown(caught.value)
    assert not any(secret in told for secret in (TOKEN, HOOK, "very-secret-key-material"))


def test_a_short_secret_is_refused_without_being_shown(read, tmp_path):
    (tmp_path / "hook").write_text("hunter2-hunter2")
    with pytest.raises(Misconfigured, match="webhook_secrets: each must have at least 24 bytes") as caught:
        read()
    assert "hunter2" not in shown(caught.value)


def test_no_secret_of_a_system_is_in_the_repr(read):
    config = read()
    told = repr(config) + repr(config.systems) + "".join(repr(system.settings) for system in config.systems)
    assert not any(secret in told for secret in (TOKEN, HOOK, "very-secret-key-material"))


@pytest.mark.parametrize(
    ("section", "secret"),
    [
        ('[server]\nsecret = "env:S"', "the-secret-of-sessions"),
        ('[server]\nmetrics_token = "env:S"', "the-secret-of-metrics"),
        ('[store]\nurl = "env:S"', "postgresql://syncline:pass-of-the-database@db.example/syncline"),
    ],
)
def test_no_secret_of_our_own_is_in_the_repr(read, section, secret):
    config = read(f"{GOOD}\n{section}\n", S=secret)
    assert secret.rpartition(":")[2].partition("@")[0] not in repr(config)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("safety_stock = 2", 'safety_by_location = { "1" = -5 }'),
        ("buffer = 1", "cap = -1"),
        ('to = "erp"', 'to = "erp"\nrounding_tolerance = "-1"'),
    ],
)
def test_a_number_below_zero_makes_no_sense(read, old, new):
    with pytest.raises(Misconfigured):
        read(changed(old, new))


@pytest.mark.parametrize(
    "share",
    ["nan", '"NaN"', "inf", '"-Infinity"'],
)
def test_a_share_that_is_no_number(read, share):
    with pytest.raises(Misconfigured, match="share"):
        read(changed('share = "0.75"', f"share = {share}"))


# --- files ---------------------------------------------------------------------------------------------------


def test_a_file_is_loaded_with_its_own_folder(tmp_path):
    (tmp_path / "hook").write_text(HOOK)
    (tmp_path / "key.pem").write_text(KEY)
    path = tmp_path / "syncline.toml"
    path.write_text(GOOD.replace("env:SHOP_TOKEN", TOKEN))
    assert load(path).systems[1].settings.private_key == KEY
    assert load(path).folder == tmp_path


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(Misconfigured, match=r"none.toml does not exist; `syncline init` writes one"):
        load(tmp_path / "none.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"odd.toml cannot be read"):
        load(tmp_path / "odd.toml")
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path)


def test_the_server_section_alone_needs_no_secret(tmp_path):
    path = tmp_path / "syncline.toml"
    path.write_text(GOOD + '\n[server]\nport = 9\nsecret = "env:NOT_SET_ANYWHERE"\n')
    assert server_of(path).port == 9
    with pytest.raises(Misconfigured, match="give --config"):
        server_of(tmp_path / "none.toml")
    path.write_text("[server]\nprot = 9\n")
    with pytest.raises(Misconfigured, match="did you mean `port`"):
        server_of(path)


def filled_in(text: str, folder: Path) -> Config:
    """What ``syncline init`` wrote, with all that its owner has to give."""
    (folder / "netsuite.pem").write_text(KEY)
    (folder / "netsuite-public.pem").write_text(KEY)
    secrets = dict.fromkeys(re.findall(r'"env:(\w+)"', text), "x" * 24)
    return parse(text, variables=secrets | {"SHOPIFY_ACCESS_TOKEN": TOKEN, "BC_TENANT": "t"}, folder=folder)


def test_what_init_leaves_commented_out_is_right(tmp_path):
    text = configuration(connectors(), "netsuite", ["shopify"], list(ROUTES))
    examples = re.sub(r"^# (?=\[|\w+(?:-\w+)? = )", "", text, flags=re.MULTILINE)
    assert examples != text
    routes = filled_in(examples, tmp_path).routes
    assert routes.recipes.parts("MUG-12") == {"MUG": 12}
    assert routes.all[0].rules.of("KAYAK").won["unique"] == "SKU KAYAK"
    assert routes.all[0].rule_for("LANTERN").cap == 10


@pytest.mark.parametrize("erp", [name for name, one in connectors().items() if one.sample_as("erp")])
def test_init_writes_any_erp_beside_any_channels(erp, tmp_path):
    installed = connectors()
    channels = [name for name, one in installed.items() if one.sample_as("channel")]
    assert len(channels) > 1
    for chosen in ([*channels, channels[0]], *([one] for one in channels)):
        found = filled_in(configuration(installed, erp.replace("_", "-"), chosen, list(ROUTES)), tmp_path)
        assert len(found.systems) == len(chosen) + 1
        can = [
            Flow(flow)
            for one in chosen
            for flow in ROUTES
            if flow == "orders"
            or (
                Flow(flow) in installed[erp].tells
                and set(OPERATIONS_OF.get(Flow(flow), ())[:1]) <= installed[one].operations
            )
        ]
        assert set(USUAL) <= set(can)
        assert [route.flow for route in found.routes.all] == can
    alone = filled_in(configuration(installed, erp, channels[:1], ["inventory"]), tmp_path)
    assert [route.flow for route in alone.routes.all] == [Flow.INVENTORY]


def test_init_writes_all_flows_of_the_pairs_that_are_sold(tmp_path):
    assert {Flow(flow) for flow in ROUTES} == set(Flow)
    for erp, prices in (("netsuite", "level:1"), ("business-central", "item")):
        for channel, role in (("shopify", "Ordering only"), ("adobe-commerce", "Default User")):
            text = configuration(connectors(), erp, [channel], list(ROUTES))
            found = {route.flow: route for route in filled_in(text, tmp_path).routes.all}
            assert set(found) == set(Flow)
            (own,) = found[Flow.PRICES].prices.lists
            assert (own.name, own.sources) == (OWN, (prices,))
            assert found[Flow.CUSTOMERS].customers.role("anybody") == role
            assert found[Flow.CATALOG].products.creates
            assert found[Flow.CREDIT].credit.mirror and found[Flow.CREDIT].credit.currency == "GBP"


@pytest.mark.parametrize(
    ("erp", "channels", "flows", "words"),
    [
        (
            "shopify",
            ["shopify"],
            ["orders"],
            "'shopify' is not an ERP that is installed; there are .*netsuite",
        ),
        (
            "netsuite",
            ["netsuite"],
            ["orders"],
            "'netsuite' is not a sales channel that is installed; there are .*shopify",
        ),
        ("netsuite", ["shopify"], ["weather"], "flow 'weather': there are inventory"),
        ("netsuite", ["shopify"] * 21, ["orders"], "name 20 at most"),
        (
            "files",
            ["shopify"],
            ["payments"],
            "nothing was written: no route of payments to shop: Files .* tells nothing",
        ),
    ],
)
def test_init_says_what_there_is(erp, channels, flows, words):
    with pytest.raises(Misconfigured, match=words):
        configuration(connectors(), erp, channels, flows)


def test_what_init_writes_for_files_at_both_ends_is_accepted_by_check(tmp_path):
    text = configuration(connectors(), "files", ["files", "files"], list(ROUTES))
    text = re.sub(r'"/srv/|"/var/lib/syncline/', lambda there: f'"{tmp_path}{there[0][1:]}', text)
    path = tmp_path / "syncline.toml"
    path.write_text(text)
    systems = tomllib.loads(text)["systems"]
    assert list(systems) == ["erp", "files", "files2"]
    without = [finding.what for finding in asyncio.run(check_everything(path)) if not finding.ok]
    assert "erp: folder stock" in without, "nothing is there yet, and each folder is named"
    for system in systems.values():
        for one in (*system["reads"], *system["writes"]):
            Path(system["folder"], one["path"]).mkdir(parents=True, exist_ok=True)
    findings = asyncio.run(check_everything(path))
    assert [finding for finding in findings if not finding.ok] == []


def test_init_reads_prices_customers_and_credit_from_files_where_they_are_asked_for():
    def kinds(*flows: str) -> set[str]:
        told = tomllib.loads(configuration(connectors(), "files", ["shopify"], flows))
        assert {route["flow"] for route in told["routes"]} == set(flows)
        return {read["kind"] for read in told["systems"]["erp"]["reads"]}

    assert kinds(*USUAL) == {"stock", "items", "order_status", "shipments"}
    assert kinds("prices", "customers", "credit") == {"items", "prices", "customers", "credit"}


KINDS = {
    "inventory": ({"stock", "items"}, set(), {"items"}, {"stock"}),
    "orders": ({"items", "order_status"}, {"orders"}, {"orders"}, {"acknowledgements"}),
    "order_status": ({"order_status", "shipments"}, set(), {"orders"}, {"shipments", "cancellations"}),
    "prices": ({"items", "prices"}, set(), {"items"}, {"prices"}),
    "catalog": ({"products"}, set(), {"items"}, {"products"}),
    "customers": ({"customers"}, set(), set(), {"customers"}),
    "credit": ({"credit"}, set(), set(), {"credit"}),
    "returns": ({"returns"}, set(), {"orders"}, {"returns"}),
}


@pytest.mark.parametrize(
    "flows", [*([flow] for flow in KINDS), list(USUAL), ["inventory", "payments"], ["orders", "credit"]]
)
def test_init_writes_the_files_of_the_flows_that_are_chosen_and_no_others(flows, tmp_path):
    """No file of an ERP tells payments, so nobody needs what a channel would be told of them."""
    text = configuration(connectors(), "files", ["files"], flows)
    told = tomllib.loads(text)["systems"]
    found = [
        {one["kind"] for one in told[name].get(way, ())}
        for name in ("erp", "shop")
        for way in ("reads", "writes")
    ]
    carried = [flow for flow in flows if flow in KINDS]
    assert found == [set().union(*kinds) for kinds in zip(*(KINDS[flow] for flow in carried), strict=True)]
    text = re.sub(r'"/srv/|"/var/lib/syncline/', lambda there: f'"{tmp_path}{there[0][1:]}', text)
    path = tmp_path / "syncline.toml"
    path.write_text(text)
    for system in tomllib.loads(text)["systems"].values():
        for one in (*system.get("reads", ()), *system.get("writes", ())):
            Path(system["folder"], one["path"]).mkdir(parents=True, exist_ok=True)
    assert [finding for finding in asyncio.run(check_everything(path)) if not finding.ok] == []


def test_init_promises_what_systems_without_events_can_keep():
    routes = {
        (route["flow"], route["from"], route["to"]): route
        for route in tomllib.loads(configuration(connectors(), "files", ["files", "shopify"], list(USUAL)))[
            "routes"
        ]
    }
    for key, tolerance in (
        (("inventory", "erp", "shopify"), "1h"),  # figures are as old as the last file
        (("orders", "files", "erp"), "10m"),
        (("orders", "shopify", "erp"), "10s"),
    ):
        assert routes[key]["tolerance"] == tolerance
        poll = duration_ms(routes[key].get("poll", "4m"), "poll")
        assert key[1] == "shopify" or poll < duration_ms(tolerance, "tolerance")


def test_init_sets_its_remarks_below_one_another():
    text = configuration(connectors(), "netsuite", ["shopify"], list(ROUTES))
    remarks = [line.index("  # ") for line in text.splitlines() if "  # " in line]
    assert len(remarks) > 20 and min(remarks) == 34
    assert tomllib.loads(text) and text.count("\n# ") > 10


def test_init_asks_for_systems_and_flows():
    questions: list[str] = []

    def ask(question: str, default: str) -> str:
        questions.append(question)
        return {0: "business-central", 1: "shopify, adobe-commerce"}.get(len(questions) - 1, default)

    assert asked(connectors(), ask) == ("business-central", ["shopify", "adobe-commerce"], list(USUAL))
    assert "netsuite" in questions[0] and "adobe_commerce" in questions[1]


@pytest.mark.parametrize(
    ("text", "days"),
    [("", 180), ('orders = "90d"', 90), ('orders = "forever"', 0), ('orders = "31d"', 31)],
)
def test_finished_orders_are_kept_for_half_a_year_unless_it_says_otherwise(read, text, days):
    assert read(GOOD + f"\n[retention]\n{text}\n").orders_kept_ms == days * 86_400_000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[retention]\norders = "30d"', "31d is the least"),
        ('[retention]\norders = "soon"', "retention.orders"),
        (
            '[retention]\norders = "60d"\n[reconcile]\norders_since = "60d"',
            "longer than reconcile.orders_since",
        ),
    ],
)
def test_what_is_still_read_again_is_not_forgotten(read, text, named):
    with pytest.raises(Misconfigured, match=named):
        read(GOOD + f"\n{text}\n")


def test_proofs_are_daily_and_cheap_unless_said_otherwise(read):
    settings = read(GOOD).reconcile
    assert (settings.every_ms, settings.budget, settings.repair) == (86_400_000, Decimal("0.05"), True)
    assert settings.limits == Limits(500, 5_000, Decimal("0.02"))
    asked = (
        '\n[reconcile]\nevery = "never"\nbudget = "12.5 %"\norders_since = "7d"\nrepair = false\n'
        'max_records = 0\nmax_units = 9\nmax_share = "100%"\n'
    )
    settings = read(GOOD + asked).reconcile
    assert (settings.every_ms, settings.budget, settings.orders_ms) == (0, Decimal("0.125"), 7 * 86_400_000)
    assert (settings.repair, settings.limits) == (False, Limits(0, 9, Decimal(1)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('every = "30m"', "once an hour is the most"),
        ('every = "soon"', "reconcile.every: 'soon' is no duration"),
        ('budget = "0%"', "nothing can be read at 0 %"),
        ('budget = "101%"', "reconcile.budget: '101%' is no share"),
        ('budget = "0.05"', "is no share"),
        ('max_share = "-1%"', "reconcile.max_share"),
        ("max_records = -1", "max_records"),
        ("max_record = 1", "did you mean `max_records`"),
    ],
)
def test_a_proof_that_cannot_be_made_is_refused(read, line, words):
    with pytest.raises(Misconfigured, match=re.escape(words)):
        read(GOOD + f"\n[reconcile]\n{line}\n")


def test_init_writes_no_route_that_its_systems_cannot_take():
    installed = connectors()
    blind = replace(installed["shopify"], operations=frozenset({"set_stock", "create_shipment"}))
    text = configuration({**installed, "shopify": blind}, "netsuite", ["shopify"], list(ROUTES))
    assert 'leave_out = ["cancellations"]' in text
    assert "# no route of payments to shop: Shopify has no way to take it" in text
    none = replace(installed["shopify"], operations=frozenset({"set_stock"}))
    text = configuration({**installed, "shopify": none}, "netsuite", ["shopify"], list(ROUTES))
    assert "# no route of order_status to shop" in text
    assert 'flow = "order_status"' not in text
    assert "mirror = false" in text, "who asks is answered all the same"
    text = configuration(installed, "files", ["shopify"], list(ROUTES))
    assert "# no route of payments to shop: Files (folder, SFTP, object storage) tells nothing of it" in text
    assert 'flow = "returns"' in text and 'kind = "returns"' in text


def test_what_a_route_leaves_out_is_said_in_words(read):
    config = read(
        GOOD
        + '\n[[routes]]\nflow = "order_status"\nfrom = "erp"\nto = "shop"\nleave_out = ["cancellations"]\n'
    )
    (route,) = config.routes.of(Flow.ORDER_STATUS)
    assert route.left_out == {"cancel_order"} and route.money and not route.restock
    with pytest.raises(Misconfigured, match="a route of order_status carries no payments"):
        read(
            GOOD
            + '\n[[routes]]\nflow = "order_status"\nfrom = "erp"\nto = "shop"\nleave_out = ["payments"]\n'
        )
