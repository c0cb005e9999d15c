"""The options of ``syncline whatif`` as they are where nothing is asked for."""

from __future__ import annotations

from syncline.cli.whatif_run import Ask

ASK = Ask(
    orders=None, designs=("hybrid",), seed=1, checkouts="seen", checkout_minutes=2.0, buffer="0", lost=0.0,
    outage_minutes=10, outage_at="12:30", channels=None, split="", limit=10.0, from_="", to="", lines=0, columns=(),
    goods="auto", drop_repeats=False, generate_orders=1, generate_skus=1, orders_per_hour=1.0, cost_call="0",
    cost_oversold="0", cost_hidden="0", processes=1, html=None, json=None, ledger=None, plan=None, against="light",
    shop="", erp="",
)  # fmt: skip
