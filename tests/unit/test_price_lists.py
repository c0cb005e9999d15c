"""Which lists of the ERP a route of prices may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.runtime.config import parse

SIMULATORS = (Path(__file__).parents[2] / "examples" / "simulators.toml").read_text()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (
            'own = ["items"]',
            r"prices\.own: .* no list called 'items'; its lists are called level:…, customer:…",
        ),
        ('own = ["level:"]', r"prices\.own: .* no list called 'level:'"),
        ('own = ["level:1"]\ncompare_at = "base"', r"prices\.compare_at: .* no list called 'base'"),
        ('own = ["level:1"]\nvolatile = ["9"]', r"prices\.volatile: .* no list called '9'"),
        ('lists.24601 = { from = ["group:A"] }', r"prices\.lists\.24601\.from: .* no list called 'group:A'"),
    ],
)
def test_a_price_list_that_the_erp_cannot_have_is_refused(key, says, tmp_path):
    """Nothing would ever be told of it, so its prices would never be written, and nobody be told why."""
    (tmp_path / "netsuite.pem").write_text("a key")
    route = f'\n[[routes]]\nflow = "prices"\nfrom = "erp"\nto = "shop"\n[routes.prices]\ncurrency = "GBP"\n{key}\n'
    with pytest.raises(Misconfigured, match=says):
        parse(SIMULATORS + route, variables={}, folder=tmp_path)
    right = route.replace(key, 'own = ["customer:107", "level:1"]')
    assert list(parse(SIMULATORS + right, variables={}, folder=tmp_path).routes.of(Flow.PRICES))
