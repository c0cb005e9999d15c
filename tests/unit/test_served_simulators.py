"""What ``syncline simulator`` serves can be used with what it says, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from random import Random
from typing import Any

import oauthlib.oauth1
import pytest

from syncline.model.errors import Misconfigured
from syncline.ports import Request
from syncline.simulate.serve import MAKERS, serve_simulator
from syncline.simulate.transport import AsgiTransport

BASE = "http://127.0.0.1:9101"


def made(system: str) -> tuple[AsgiTransport, Any, str]:
    said: list[object] = []
    transport = AsgiTransport({})
    simulator: Any = MAKERS[system](Random(1), transport, 1, 9101, said.append)
    # Nobody waits here for an answer that takes its time.
    if system == "shopify":
        simulator.http._answer_ms = (0.0, 0.0)
    else:
        simulator.record_ms = (0.0, 0.0)
    transport.register(BASE, simulator.app)
    return transport, simulator, "\n".join(map(str, said))


def test_a_shop_takes_uploads_where_it_listens():
    transport, _, said = made("shopify")
    token = re.search(r"X-Shopify-Access-Token: (\S+)", said)
    assert token is not None
    stage = """mutation { stagedUploadsCreate(input: [{resource: BULK_MUTATION_VARIABLES, filename: "x.jsonl",
      mimeType: "text/jsonl", httpMethod: POST}]) { stagedTargets { url } } }"""
    headers = {"X-Shopify-Access-Token": token[1], "Content-Type": "application/graphql"}
    request = Request("POST", f"{BASE}/admin/api/2026-07/graphql.json", headers, stage.encode())
    answer = json.loads(asyncio.run(transport.send(request)).body)
    (target,) = answer["data"]["stagedUploadsCreate"]["stagedTargets"]
    assert target["url"].startswith(f"{BASE}/")


def test_an_account_takes_a_signature_of_the_values_it_says():
    transport, simulator, said = made("netsuite")
    held = {
        name.removesuffix(","): value.removesuffix(",")
        for name, value in re.findall(
            r"(consumer key|consumer secret|token secret|(?<!access )token) (\S+)", said
        )
    }
    client = oauthlib.oauth1.Client(
        held["consumer key"],
        client_secret=held["consumer secret"],
        resource_owner_key=held["token"],
        resource_owner_secret=held["token secret"],
        signature_method=oauthlib.oauth1.SIGNATURE_HMAC_SHA256,
        realm=simulator.account_id,
    )
    url = f"{BASE}/services/rest/record/v1/location"
    _, headers, _ = client.sign(url)
    answer = asyncio.run(transport.send(Request("GET", url, headers)))
    assert (answer.status, json.loads(answer.body)["totalResults"]) == (200, len(simulator.account.places))


def test_a_simulator_of_another_name_is_refused():
    with pytest.raises(Misconfigured, match="there are shopify, adobe-commerce"):
        asyncio.run(serve_simulator("magento", port=9101, seed=1, say=print))
