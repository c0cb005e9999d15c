"""What clients that know nothing of us ask a NetSuite account, and how it answers."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

import pytest
from tests.connectors.test_netsuite_simulator import RECORD, SUITEQL, World, error_of


async def ask(world: World, q: str, params: list | None = None) -> list[dict[str, str]]:
    """The rows of a query, without their empty links."""
    rows = (await world.sql(q, params))["items"]
    return [{name: value for name, value in row.items() if name != "links"} for row in rows]


@pytest.mark.parametrize(
    ("q", "params", "found"),
    [
        ("SELECT itemid FROM item WHERE ROWNUM <= 2 ORDER BY itemid", None, ["A", "B"]),
        ("SELECT itemid FROM item WHERE itemtype = 'InvtPart' AND rownum < 3", None, ["A", "B"]),
        ("SELECT itemid FROM item WHERE ROWNUM <= ? AND itemid > ? ORDER BY itemid", [1, "A"], ["B"]),
        ("SELECT itemid FROM item WHERE ROWNUM = 1 ORDER BY itemid", None, ["A"]),
        ("SELECT TOP 2 itemid FROM item ORDER BY itemid DESC", None, ["TAX", "DISC"]),
        (
            "SELECT itemid FROM (SELECT itemid FROM item ORDER BY itemid) WHERE ROWNUM <= 3",
            None,
            ["A", "B", "C"],
        ),
        (
            "SELECT itemid FROM (SELECT ROWNUM AS n, x.itemid FROM (SELECT itemid FROM item ORDER BY itemid) x) WHERE n > 1",
            None,
            ["B", "C", "DISC", "TAX"],
        ),
        ("SELECT itemid FROM item WHERE id IN (SELECT id FROM item WHERE ROWNUM <= 1)", None, ["A"]),
        (
            "SELECT itemid FROM item -- of all\n ORDER BY /* by name */ itemid FETCH FIRST 1 ROWS ONLY",
            None,
            ["A"],
        ),
    ],
)
def test_rows_are_counted_as_oracle_counts_them(q, params, found):
    world = World()

    async def story():
        assert [row["itemid"] for row in await ask(world, q, params)] == found

    world.run(story)


@pytest.mark.parametrize(
    "q",
    [
        "SELECT COUNT(*) FROM item GROUP BY itemtype HAVING ROWNUM <= 2",
        "SELECT itemtype FROM item WHERE ROWNUM <= 2 GROUP BY itemtype",
        "SELECT DISTINCT itemtype FROM item WHERE ROWNUM <= 2",
        "SELECT itemid FROM item WHERE ROWNUM > 2",
        "SELECT itemid FROM item WHERE ROWNUM = 2",
        "SELECT itemid FROM item WHERE ROWNUM <= 2 OR itemid = 'A'",
        "SELECT TOP itemid FROM item",
        "SELECT createddate - itemid FROM item",
        "SELECT ns_shift(createddate, 1) FROM item",
    ],
)
def test_what_it_cannot_count_truly_is_refused(q):
    world = World()

    async def story():
        response = await world.call("POST", SUITEQL, {"q": q}, {"Prefer": "transient"})
        assert error_of(response) == (400, "INVALID_PARAMETER")

    world.run(story)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        # The account's clock shows 2026-01-05 01:40 in Los Angeles.
        ("TO_CHAR(SYSDATE - 1, 'YYYY-MM-DD HH24:MI')", "2026-01-04 01:40"),
        ("TO_CHAR(SYSDATE - 30/1440, 'YYYY-MM-DD HH24:MI')", "2026-01-05 01:10"),
        ("TO_CHAR(TRUNC(SYSDATE) + 7, 'YYYY-MM-DD HH24:MI')", "2026-01-12 00:00"),
        ("TO_CHAR(TO_DATE('2026-01-31', 'YYYY-MM-DD') + 1, 'YYYY-MM-DD')", "2026-02-01"),
        ("TO_CHAR(ADD_MONTHS(TO_DATE('2026-01-31', 'YYYY-MM-DD'), 1), 'YYYY-MM-DD')", "2026-02-28"),
        ("TO_CHAR(LAST_DAY(TO_DATE('2028-02-03', 'YYYY-MM-DD')), 'YYYY-MM-DD')", "2028-02-29"),
        ("ROUND(SYSDATE - t.createddate)", "0"),
        ("TRUNC(5.5) - 2", "3"),
        ("DECODE(t.type, 'SalesOrd', 'order', 'other')", "order"),
        ("DECODE(t.memo, NULL, 'none')", "none"),
        ("NVL2(t.memo, 'said', 'silent')", "silent"),
        ("MOD(7, 4)", "3"),
        ("BUILTIN.CF(t.type)", "SalesOrd"),
        ("BUILTIN.DF(t.status)", "Sales Order : Pending Fulfillment"),
    ],
)
def test_expressions(expression, found):
    world = World()

    async def story():
        await world.put("w-1", world.line("A"))
        assert await ask(world, f"SELECT {expression} AS x FROM transaction t") == [{"x": found}]

    world.run(story)


def test_some_days_back_or_a_part_of_one_are_a_bound():
    world = World()

    async def story():
        await world.put("w-1", world.line("A"))
        await world.clock.sleep(45 * 60)
        await world.put("w-2", world.line("A"))
        q = "SELECT t.externalid FROM transaction t WHERE t.lastmodifieddate >= SYSDATE - 1/48"
        assert await ask(world, q) == [{"externalid": "w-2"}]
        assert len(await ask(world, q.replace("1/48", "?"), [1])) == 2

    world.run(story)


def test_what_was_given_no_name_is_called_after_its_place_among_such():
    world = World()

    async def story():
        assert await ask(
            world,
            "SELECT COUNT(*), MIN(i.itemid), i.itemtype FROM item i WHERE i.itemid = 'A' GROUP BY i.itemtype",
        ) == [{"expr1": "1", "expr2": "A", "itemtype": "InvtPart"}]

    world.run(story)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("7 / 2", "3.5"),
        ("COUNT(*) / 2 * 3", "7.5"),
        ("0.1 + 0.2", "0.3"),
        ("'a' || NULL || 'b'", "ab"),
        ("MAX(i.upccode) || '-' || MAX(i.itemid) || '-' || 2", "-TAX-2"),
        ("UPPER('x') || (1 + 1) || CASE WHEN 1 = 1 THEN 'y' END", "X2y"),
        ("NVL('', 'none')", "none"),
        ("TO_CHAR(MAX(2.50))", "2.5"),
        ("TO_CHAR(12 / 4)", "3"),
        ("TO_CHAR(1234.5, 'FM9,999.00')", "1,234.50"),
        ("TO_CHAR(-7, '000')", "-007"),
        ("TO_CHAR(1234, '999')", "####"),
        ("TO_CHAR(TO_DATE('5-jan-26', 'DD-MON-YY'), 'FMDay, DD Month YYYY')", "Monday, 5 January 2026"),
        ("TO_CHAR(TO_DATE('01/05/2026 01:40 PM', 'MM/DD/YYYY HH:MI AM'), 'HH24:MI Q DY D')", "13:40 1 MON 2"),
        ("TO_CHAR(TO_DATE('1/5/2026'), 'YYYY-MM-DD')", "2026-01-05"),
        ("TO_CHAR(TRUNC(TO_DATE('2026-05-17', 'YYYY-MM-DD'), 'MONTH'), 'YYYY-MM-DD')", "2026-05-01"),
        ("TO_CHAR(TRUNC(TO_DATE('2026-05-17', 'YYYY-MM-DD'), 'Q'), 'YYYY-MM-DD')", "2026-04-01"),
        ("TO_CHAR(NEXT_DAY(TO_DATE('2026-01-05', 'YYYY-MM-DD'), 'MONDAY'), 'YYYY-MM-DD')", "2026-01-12"),
        (
            "MONTHS_BETWEEN(TO_DATE('2026-03-31', 'YYYY-MM-DD'), TO_DATE('2026-02-28', 'YYYY-MM-DD'))",
            "1",
        ),
        ("TRUNC(5.567, 1)", "5.5"),
        ("ROUND(5.567, 2)", "5.57"),
        ("LPAD('7', 3, '0') || RPAD('7', 3, '*')", "0077**"),
        ("INITCAP('new york')", "New York"),
        ("INSTR('abcabc', 'c', 4)", "6"),
        ("INSTR('abcabc', 'b', 1, 2)", "5"),
        ("REPLACE('a-b-c', '-')", "abc"),
        ("TRANSLATE('2KRW', '1234', 'wxyz')", "xKRW"),
        ("REGEXP_SUBSTR('no 42', '[0-9]+')", "42"),
        ("REGEXP_REPLACE('a1b2', '[0-9]', '#')", "a#b#"),
        ("MEDIAN(LENGTH(i.itemid))", "1"),
        ("TO_NUMBER('1,234.50', '9,999.99')", "1234.5"),
        ("TO_DATE('15-JAN-2026', 'DD-MON-YYYY')", "1/15/2026"),
        ("SYSDATE", "1/5/2026"),
        ("TRUNC(SYSDATE) + 7", "1/12/2026"),
    ],
)
def test_values_are_worked_out_as_oracle_works_them_out(expression, found):
    world = World()

    async def story():
        assert await ask(world, f"SELECT {expression} AS x FROM item i") == [{"x": found}] * (
            1 if any(name in expression for name in ("MAX(", "COUNT(", "MEDIAN(")) else 5
        )

    world.run(story)


def test_what_has_no_value_comes_last_and_is_not_told():
    world = World()

    async def story():
        ids = [world.customer]
        ids += [world.sim.add_customer(f"c-{n}", companyName=f"C{n}", email=mail) for n, mail in enumerate(("b@x.example", None, "a@x.example"))]  # fmt: skip
        for order, found in (
            ("email, id", [3, 1, 0, 2]),
            ("email DESC, id", [0, 2, 1, 3]),
            ("email NULLS FIRST, id", [0, 2, 3, 1]),
            ("2, 1", [3, 1, 0, 2]),
        ):
            rows = await ask(world, f"SELECT id, email FROM customer ORDER BY {order}")
            assert [row["id"] for row in rows] == [str(ids[n]) for n in found], order
        rows = await ask(
            world, "SELECT ROW_NUMBER() OVER (ORDER BY email) AS n, id FROM customer ORDER BY id"
        )
        assert [row["n"] for row in rows] == ["3", "2", "4", "1"]
        assert (
            await ask(world, "SELECT firstname || lastname AS name, '' AS x FROM customer WHERE id = 0") == []
        )
        assert await ask(
            world, f"SELECT firstname || lastname AS name FROM customer WHERE id = {ids[0]}"
        ) == [{}]

    world.run(story)


def test_letters_of_a_pattern_and_names_in_quotes_are_as_they_are_written():
    world = World()

    async def story():
        assert await ask(world, "SELECT id FROM item WHERE itemid LIKE 'a%'") == []
        assert await ask(world, "SELECT itemid AS \"The Item\" FROM item WHERE itemid LIKE 'A%'") == [
            {"the item": "A"}
        ]

    world.run(story)


@pytest.mark.parametrize(
    "q",
    [
        "SELECT i.id, COUNT(*) FROM item i",
        "SELECT i.itemtype, i.itemid, COUNT(*) FROM item i GROUP BY i.itemtype",
        "SELECT UPPER(i.itemid) || 'x' FROM item i GROUP BY i.itemtype",
        "SELECT c.id FROM customer c, item i JOIN transaction t ON t.entity = c.id",
        "SELECT id FROM item WHERE createddate >= '01/01/2026'",
        "SELECT i.id FROM item i WHERE '01/01/2026' < i.createddate",
        f"SELECT id FROM item WHERE id IN ({', '.join(map(str, range(1001)))})",
        "SELECT TO_CHAR(SYSDATE, 'YYYY-MM-DX') FROM item",
        "SELECT TO_DATE('2026-13-01', 'YYYY-MM-DD') FROM item",
        "SELECT TO_NUMBER('many') FROM item",
        "SELECT CAST(id AS VARCHAR(10)) FROM item",
        "SELECT id || FROM item",
    ],
)
def test_what_oracle_refuses_is_refused(q):
    world = World()

    async def story():
        response = await world.call("POST", SUITEQL, {"q": q}, {"Prefer": "transient"})
        assert error_of(response) == (400, "INVALID_PARAMETER")

    world.run(story)


@pytest.mark.parametrize(
    "q",
    [
        "SELECT i.itemtype AS kind, COUNT(*) AS n, UPPER(i.itemtype) FROM item i GROUP BY i.itemtype",
        "SELECT itemtype || '!' bang, MAX(id) FROM item GROUP BY itemtype HAVING COUNT(*) > 1 ORDER BY 1",
        "SELECT CASE itemtype WHEN 'Kit' THEN 1 END AS c, SUM(id) FROM item GROUP BY CASE itemtype WHEN 'Kit' THEN 1 END",
        "SELECT BUILTIN.DF(t.entity), SUM(t.foreigntotal) FROM transaction t GROUP BY BUILTIN.DF(t.entity)",
        "SELECT t.id, (SELECT COUNT(*) FROM transactionline l WHERE l.transaction = t.id) n FROM transaction t",
        "SELECT id, ROW_NUMBER() OVER (PARTITION BY itemtype ORDER BY id) rn FROM item",
        "SELECT COUNT(DISTINCT itemtype) kinds, 'x' AS tag, 1 one FROM item",
        "SELECT c.id, t.id FROM customer c, transaction t WHERE t.entity = c.id",
        f"SELECT id FROM item WHERE id IN ({', '.join(map(str, range(1000)))})",
        "SELECT id FROM item WHERE createddate >= TO_DATE('01/01/2026', 'MM/DD/YYYY') AND itemid <> 'x'",
    ],
)
def test_what_oracle_takes_is_taken(q):
    world = World()

    async def story():
        response = await world.call("POST", SUITEQL, {"q": q}, {"Prefer": "transient"})
        assert response.status == 200, response.body

    world.run(story)


@pytest.mark.parametrize(
    ("q", "told"),
    [
        (
            "SELECT i.id, nope FROM item i JOIN transactionline tl ON tl.item = i.id",
            "Search error occurred: Unknown identifier 'nope'. Available identifiers are: {i=item, tl=transactionline}.",
        ),
        (
            "SELECT t.amout FROM transaction t",
            "Search error occurred: Field 'amout' for record 'transaction' was not found.",
        ),
        (
            "SELECT x.id FROM item i",
            "Search error occurred: Unknown identifier 'x'. Available identifiers are: {i=item}.",
        ),
        ("SELECT id FROM nope", "Invalid search type: nope."),
    ],
)
def test_a_query_is_refused_in_the_words_of_live_accounts(q, told):
    world = World()

    async def story():
        response = await world.call("POST", SUITEQL, {"q": q}, {"Prefer": "transient"})
        (detail,) = json.loads(response.body)["o:errorDetails"]
        assert detail == {
            "detail": f"Invalid search query. Detailed unprocessed description follows. {told}",
            "o:errorQueryParam": "q",
            "o:errorCode": "INVALID_PARAMETER",
        }

    world.run(story)


# -- records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ('companyName IS "acme"', [1]),
        ("companyName START_WITH b", [2, 3]),
        ("companyName START_WITH_NOT b", [1]),
        ("companyName END_WITH s AND creditLimit GREATER 100", [3]),
        ("creditLimit BETWEEN [50, 500]", [2, 3]),
        ("creditLimit LESS_OR_EQUAL 50 OR companyName IS Acme", [1, 2]),
        ("companyName CONTAIN b AND (creditLimit EQUAL 50 OR creditLimit EQUAL 500)", [2, 3]),
        ("creditLimit EMPTY", [1]),
        ("creditLimit EMPTY_NOT", [2, 3]),
        ("isInactive IS true", [3]),
        ("dateCreated ON_OR_AFTER 1/5/2026 AND dateCreated BEFORE 1/6/2026", [1, 2, 3]),
        ("lastModifiedDate AFTER 1/5/2026", []),
    ],
)
def test_listings_are_filtered_by_the_operators_of_each_type(q, found):
    world = World()

    async def story():
        sim = world.sim
        ids = [world.customer]
        ids.append(sim.add_customer("cust-2", companyName="Bobbins", creditLimit=50))
        ids.append(sim.add_customer("cust-3", companyName="Brass", creditLimit=500, isInactive=True))
        listing = await world.get(f"/customer?q={quote(q)}")
        assert [item["id"] for item in listing["items"]] == [str(ids[n - 1]) for n in found]
        assert quote_plus(q) in listing["links"][-1]["href"]

    world.run(story)


@pytest.mark.parametrize(
    "q",
    [
        "companyName EQUAL Acme",  # an operator of numbers
        "creditLimit IS 5",
        "creditLimit BETWEEN [1]",
        "creditLimit GREATER much",
        "dateCreated ON 2026-01-05",
        "isInactive CONTAIN t",
        "nope IS 1",
        "addressBook EMPTY",
        "companyName IS",
        "companyName IS Acme Inc",
        "(companyName IS Acme",
        "companyName LIKE Acme",
    ],
)
def test_a_condition_that_does_not_fit_its_field_is_refused(q):
    world = World()

    async def story():
        response = await world.call("GET", f"{RECORD}/customer?q={quote(q)}")
        assert error_of(response) == (400, "INVALID_PARAMETER")

    world.run(story)


def test_parts_of_a_record_have_addresses_of_their_own():
    world = World()

    async def story():
        address = {"addr1": "1 High St", "city": "Reading"}
        order = await world.put("w-1", world.line("A", 2), world.line("B"), shippingAddress=address)
        base = f"{world.sim.origin}{RECORD}/salesOrder/{order}"
        whole = await world.get(f"/salesOrder/{order}")
        for name in ("item", "shippingAddress"):
            assert whole[name] == {"links": [{"rel": "self", "href": f"{base}/{name}"}]}
        lines = await world.get(f"/salesOrder/{order}/item")
        assert (lines["count"], lines["totalResults"], lines["hasMore"]) == (2, 2, False)
        assert lines["items"] == [{"links": [{"rel": "self", "href": f"{base}/item/{n}"}]} for n in (1, 2)]
        second = await world.get("/salesOrder/eid:w-1/item/2")
        assert (second["line"], second["item"]["refName"], second["quantity"]) == (2, "B", 1)
        expanded = await world.get(f"/salesOrder/{order}/item?expandSubResources=true")
        assert expanded == (await world.get(f"/salesOrder/{order}?expandSubResources=true"))["item"]
        assert expanded["items"][1] == second
        where = await world.get(f"/salesOrder/{order}/shippingAddress")
        assert {name: where[name] for name in address} == address
        assert (await world.get(f"/salesOrder/{order}/entity"))["companyName"] == "Acme"
        for nothing in ("item/9", "billingAddress", "nope", "memo", "item/1/more"):
            assert error_of(await world.call("GET", f"{RECORD}/salesOrder/{order}/{nothing}")) == (
                404,
                "NONEXISTENT_ID",
            )

    world.run(story)


def test_pages_of_a_listing_are_linked():
    world = World()

    async def story():
        for n in range(4):
            world.sim.add_customer(f"c-{n}", companyName=f"C{n}")
        page = await world.get("/customer?limit=2&offset=2")
        shape = (await world.call("GET", f"{RECORD}/customer")).headers["content-type"]
        assert shape == "application/vnd.oracle.resource+json; type=collection"
        links = {link["rel"]: link["href"].rpartition("?")[2] for link in page["links"]}
        assert links == {
            "previous": "limit=2&offset=0",
            "first": "limit=2&offset=0",
            "next": "limit=2&offset=4",
            "last": "limit=2&offset=4",
            "self": "limit=2&offset=2",
        }
        assert [link["rel"] for link in (await world.get("/customer"))["links"]] == ["self"]

    world.run(story)


def test_a_reference_to_nothing_names_its_field_and_place():
    world = World()

    async def story():
        body = world.order({"item": {"id": 9999}, "quantity": 1})
        response = await world.call("POST", f"{RECORD}/salesOrder", body)
        (detail,) = json.loads(response.body)["o:errorDetails"]
        assert (response.status, detail) == (
            400,
            {
                "detail": "Error while accessing resource: You have entered an Invalid Field Value 9999 for the following field: item",
                "o:errorPath": "item.items[0].item",
                "o:errorCode": "INVALID_CONTENT",
            },
        )
        response = await world.call("POST", f"{RECORD}/salesOrder", body | {"entity": {"id": "8"}})
        assert "Value 8 for the following field: entity" in response.body.decode()

    world.run(story)


def test_of_a_record_only_what_was_named_is_answered():
    world = World()

    async def story():
        answer = await world.get(f"/customer/{world.customer}?fields=companyName,externalId")
        assert answer.keys() == {"links", "companyName", "externalId"}
        assert "id" in await world.get(f"/customer/{world.customer}?fields=id")

    world.run(story)


def unlike(shape: dict, value: object, at: str) -> list[str]:
    """What a value has that its schema does not describe."""
    if value is None:
        return [] if shape.get("nullable") else [f"{at} is null"]
    if "enum" in shape and value not in shape["enum"]:
        return [f"{at} is {value!r}"]
    if shape["type"] == "array":
        return [problem for one in value for problem in unlike(shape["items"], one, f"{at}[]")]
    if shape["type"] == "object":
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        known = shape.get("properties")
        if known is None:
            return []
        problems = [f"{at}.{name} is not described" for name in value.keys() - known.keys()]
        for name in value.keys() & known.keys():
            problems += unlike(known[name], value[name], f"{at}.{name}")
        return problems
    kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool}[shape["type"]]
    right = isinstance(value, kinds) and isinstance(value, bool) is (shape["type"] == "boolean")
    return [] if right else [f"{at} is {value!r}, no {shape['type']}"]


def test_every_record_is_as_the_catalogue_describes_it():
    world = World()

    async def story():
        address = {"label": "HQ", "addressBookAddress": {"addr1": "1 High St"}}
        body = {"companyName": "Bobbins", "creditLimit": 5, "addressBook": {"items": [address]}}
        await world.call("POST", f"{RECORD}/customer", body)
        world.sim.opening_balance("A", world.shop, 5)
        world.ids["KIT"] = str(world.sim.add_kit("KIT", "A kit", "5.00", {"A": 1}))
        order = await world.put("w-1", world.line("A", 2), world.line("KIT", 1))
        ship = {"shipStatus": {"id": "C"}, "package": {"items": [{"packageTrackingNumber": "1Z"}]}}
        for target, given in (("itemFulfillment", ship), ("invoice", {}), ("returnAuthorization", {})):
            made = await world.call("POST", f"{RECORD}/salesOrder/{order}/!transform/{target}", given)
            assert made.status == 204, made.body
        deposit = {"customer": {"id": world.customer}, "salesOrder": {"id": order}, "payment": 3}
        await world.call("POST", f"{RECORD}/customerDeposit", deposit)
        moved = world.sim.transfer("A", world.shop, world.depot, 1)
        told = await world.get(f"/inventoryTransfer/{moved}?expandSubResources=true")
        assert (told["transferLocation"]["id"], told["inventory"]["items"][0]["adjustQtyBy"]) == (
            str(world.depot),
            1,
        )
        world.sim.adjust("A", world.shop, 2)
        problems, seen = [], set()
        for record in (await world.get("/metadata-catalog"))["items"]:
            name = record["name"]
            answer = await world.call(
                "GET", f"{RECORD}/metadata-catalog/{name}", headers={"Accept": "application/schema+json"}
            )
            shape = json.loads(answer.body)
            for item in (await world.get(f"/{name}"))["items"]:
                told = await world.get(f"/{name}/{item['id']}?expandSubResources=true")
                problems += unlike(shape, told, name)
                seen.add(name)
        assert problems == []
        assert seen >= {"customer", "salesOrder", "itemFulfillment", "invoice", "returnAuthorization"}
        assert seen >= {"inventoryItem", "kitItem", "location", "customerDeposit", "inventoryAdjustment"}

    world.run(story)


def test_the_openapi_document_names_what_is_served_and_what_it_refers_to():
    world = World()

    async def story():
        answer = await world.call(
            "GET", f"{RECORD}/metadata-catalog", headers={"Accept": "application/swagger+json"}
        )
        told = json.loads(answer.body)
        known = {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}
        assert set(re.findall(r'"\$ref": ?"([^"]+)"', answer.body.decode())) <= known
        for path, item in told["paths"].items():
            named = {one["name"] for one in item.get("parameters", ()) if one["required"]}
            assert named == set(re.findall(r"\{(\w+)\}", path))
            for method, operation in item.items():
                assert method == "parameters" or {"default"} < operation["responses"].keys()
        assert "/salesOrder/{id}/!transform/itemFulfillment" in told["paths"]

    world.run(story)


def test_a_second_record_of_an_external_id_is_refused_in_the_words_of_live_accounts():
    world = World()

    async def story():
        bodies = {
            "customer": {"companyName": "Twice", "externalId": "twice"},
            "salesOrder": world.order(world.line("A")) | {"externalId": "twice"},
        }
        for name, kind in (("customer", "entity"), ("salesOrder", "record")):
            assert (await world.call("POST", f"{RECORD}/{name}", bodies[name])).status == 204
            response = await world.call("POST", f"{RECORD}/{name}", bodies[name])
            assert json.loads(response.body)["o:errorDetails"] == [
                {
                    "detail": f"Error while accessing a resource. This {kind} already exists.",
                    "o:errorCode": "USER_ERROR",
                }
            ]

    world.run(story)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ("returnAuthorization", "shippingCost"),
        ("customerDeposit", "checkNum"),
        ("salesOrder", "postingPeriod"),
        ("inventoryAdjustment", "currency"),
    ],
)
def test_a_field_that_the_record_type_does_not_have_is_refused(record, field):
    world = World()

    async def story():
        headers = {"X-NetSuite-PropertyNameValidation": "Error"}
        response = await world.call("POST", f"{RECORD}/{record}", {field: 1}, headers)
        (detail,) = json.loads(response.body)["o:errorDetails"]
        assert (detail["o:errorCode"], detail["o:errorPath"]) == ("INVALID_CONTENT", field)

    world.run(story)
