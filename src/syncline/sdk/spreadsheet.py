"""Texts of others in files that people open in a spreadsheet."""

from __future__ import annotations

# A cell that begins so is run and not shown. Source: OWASP, "CSV Injection".
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(text: str) -> str:
    """A text that stays in its cell, and that a spreadsheet shows and does not run: buyers choose their names, and shops their SKUs.

    What does not print is a space. For files that people read; what a program reads back is not changed.
    """
    line = text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
    line = line.strip()
    return f"'{line}" if line.startswith(FORMULA) else line
