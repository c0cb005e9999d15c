"""Seeds of the whole pipeline between every other ERP and channel, under faults and kills.

``make simulate SEED=2 ERP=business-central CHANNEL=adobe-commerce`` plays one and prints its report.
"""

from __future__ import annotations

import sys
from random import Random

import pytest

from syncline.cli.demo import demo
from syncline.model.errors import Misconfigured
from syncline.simulate.simulation import Plan, Report, Simulation
from syncline.simulate.world import World

CHANGES_MIN = 400
FAULTS_MIN = 15
KINDS_MIN = 8
STORY = Plan(orders=30, minutes=20, skus=25)

pytestmark = pytest.mark.simulation


def told(report: Report, erp: str, channel: str) -> str:
    return f"replay with: make simulate SEED={report.seed} ERP={erp} CHANNEL={channel}\n{report.text()}"


def test_shop_and_erp_agree_in_the_end(erp, channel, seed, record_property):
    report = Simulation(seed, STORY, channel=channel, erp=erp).run()
    sys.stdout.write(f"{report.text()}\n")

    assert report.violations == [], told(report, erp, channel)
    assert report.changes >= CHANGES_MIN, told(report, erp, channel)
    assert report.faults.total() >= FAULTS_MIN, told(report, erp, channel)
    assert len(report.faults) >= KINDS_MIN, told(report, erp, channel)
    assert report.kills.total() >= STORY.kills, told(report, erp, channel)
    assert report.truth.payments_taken > 10 and report.truth.fulfilments_shipped > 10, "nothing to check"
    record_property("total:simulation:seeds of other pairs", 1)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            {"erp": "sage"},
            "--erp sage: there is no such simulator; there are netsuite, business-central, files",
        ),
        (
            {"channel": "etsy"},
            "--channel etsy: there is no such simulator; there are shopify, adobe-commerce, files",
        ),
    ],
)
def test_a_name_that_nothing_has_is_refused(names, words):
    with pytest.raises(Misconfigured, match=words):
        World(clock=None, rng=Random(1), transport=None, **names)


@pytest.mark.parametrize(("option", "words"), [("erp", "ERP=files"), ("channel", "CHANNEL=files")])
def test_a_demo_needs_more_than_files_carry(option, words):
    with pytest.raises(Misconfigured, match=f"make simulate {words}"):
        demo(**{"erp": "netsuite", "channel": "shopify", option: "files"})
