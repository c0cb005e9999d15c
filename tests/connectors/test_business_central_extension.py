"""The AL extension publishes what the simulator and the connector take for granted. It is not compiled here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from syncline.connectors import business_central
from syncline.connectors.business_central.manifest import ANNOUNCED, EXTENSION
from syncline.connectors.business_central.simulator.schema import ENTITIES

FOLDER = Path(business_central.__file__).parent / "extension"
PAGES = {path.name: path.read_text() for path in sorted(FOLDER.glob("src/*.Page.al"))}
SETS = {name: x for name, x in ENTITIES.items() if x.api == EXTENSION}


def said(text: str, name: str) -> str:
    match = re.search(rf"\b{name} = '([^']*)';", text)
    assert match, name
    return match[1]


def page_of(entity: str) -> str:
    found = [text for text in PAGES.values() if said(text, "EntitySetName") == entity]
    assert len(found) == 1, entity
    return found[0]


def test_every_entity_set_has_its_page():
    assert sorted(said(text, "EntitySetName") for text in PAGES.values()) == sorted(SETS)


@pytest.mark.parametrize("entity", SETS)
def test_a_page_publishes_the_fields_that_are_simulated(entity):
    text = page_of(entity)
    parts = [said(text, f"API{part}") for part in ("Publisher", "Group", "Version")]
    assert "/".join(parts) == EXTENSION
    assert said(text, "EntityName") == SETS[entity].singular
    assert re.findall(r"\bfield\((\w+); ", text) == list(SETS[entity].fields)
    assert re.findall(r"\bpart\((\w+); ", text) == list(SETS[entity].many)


@pytest.mark.parametrize("entity", SETS)
def test_a_page_only_reads(entity):
    text = page_of(entity)
    for right in ("InsertAllowed", "ModifyAllowed", "DeleteAllowed", "Editable"):
        assert re.search(rf"\b{right} = false;", text), right
    assert not SETS[entity].verbs


def test_object_ids_are_in_range_and_given_once():
    app = json.loads((FOLDER / "app.json").read_text())
    (ids,) = app["idRanges"]
    found: dict[str, list[int]] = {}
    for path in FOLDER.glob("src/*.al"):
        kind, number = re.findall(r"^(\w+) (\d+) ", path.read_text(), re.MULTILINE)[0]
        found.setdefault(kind, []).append(int(number))
    assert set(found) == {"table", "codeunit", "page", "permissionset"}
    for kind, numbers in found.items():
        assert len(set(numbers)) == len(numbers), kind
        assert all(ids["from"] <= number <= ids["to"] for number in numbers)


def test_every_page_can_be_given_to_the_application():
    rights = (FOLDER / "src" / "Connect.PermissionSet.al").read_text()
    names = [re.findall(r'^page \d+ ("[^"]+")', text, re.MULTILINE)[0] for text in PAGES.values()]
    assert sorted(re.findall(r'page ("[^"]+") = X', rights)) == sorted(names)


def test_what_is_subscribed_to_can_be():
    assert all(ENTITIES[entity].webhooks and ENTITIES[entity].api == api for api, entity in ANNOUNCED)


def objects(kind: str) -> dict[str, str]:
    texts = [path.read_text() for path in FOLDER.glob(f"src/*.{kind}.al")]
    return {re.findall(r'^\w+ \d+ "([^"]+)"', text, re.MULTILINE)[0]: text for text in texts}


def inherent(text: str, what: str) -> str:
    found = re.search(rf"^    Inherent{what} = (\w+);", text, re.MULTILINE)
    return found[1] if found else ""


def test_everybody_who_sells_or_posts_may_run_what_marks_stock():
    """A codeunit's own rights count only with a right of the user (Microsoft, "Permissions property")."""
    tables = objects("Table")
    for name, text in objects("Codeunit").items():
        assert inherent(text, "Permissions") == inherent(text, "Entitlements") == "X", name
        for table, rights in re.findall(r'tabledata "([^"]+)" = (\w+)', text):
            if table in tables:
                for what in ("Permissions", "Entitlements"):
                    assert set(rights) <= set(inherent(tables[table], what)), (name, table)


def test_nobody_may_write_our_tables_but_by_our_code():
    for name, text in objects("Table").items():
        assert not set("RIMD") & set(inherent(text, "Permissions")), name
    given = (FOLDER / "src" / "Connect.PermissionSet.al").read_text()
    assert set(re.findall(r'tabledata "Syncline [^"]+" = (\w+)', given)) == {"R"}


def test_a_row_is_locked_before_it_is_counted_up():
    """Read without a lock, it may have changed before it is written, and then the posting fails."""
    touch = (
        objects("Codeunit")["Syncline Stock Marks"].partition("procedure Touch(")[2].partition("end;\n\n")[0]
    )
    assert 0 < touch.index("IsolationLevel::UpdLock") < touch.index("FindFirst()") < touch.index("Modify()")


def test_a_company_that_is_made_later_has_its_mark_too():
    text = objects("Codeunit")["Syncline Stock Marks"]
    assert re.search(
        r"'OnCompanyInitialize'.*\n.*OnCompany\(\)\n    begin\n        MakeChangeMark\(\);", text
    )
