"""What ``--help`` says of values."""

from __future__ import annotations

import re

import pytest
import typer
from typer.testing import CliRunner

from syncline.cli import app


def commands(found, path=()):
    inner = getattr(found, "commands", {})
    for name, one in inner.items():
        yield from commands(one, (*path, name))
    if not inner:
        yield path


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_values_have_words_and_no_types(path):
    said = CliRunner().invoke(app, [*path, "--help"]).output
    assert "--help" in said
    assert re.findall(r"<[a-z| ]+(?:\[[a-z]+\])?>", said) == []


def test_a_value_that_means_something_of_its_own_says_so():
    said = CliRunner().invoke(app, ["whatif", "--help"]).output
    for words in ("--design DESIGN", "--column OURS=THEIRS", "--orders FILE", "--seed N", "--lost SHARE"):
        assert words in said
    assert re.search(r"ID\}?\.\.\.", CliRunner().invoke(app, ["adopt", "confirm", "--help"]).output)
