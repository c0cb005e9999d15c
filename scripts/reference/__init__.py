"""Writes ``docs/reference`` from the code, so that it cannot say anything else than the code does: ``python -m scripts.reference``.

It also copies files into pages: what stands between ``<!-- include: PATH -->`` and ``<!-- end -->`` is a fenced block with
the file's content.

What a setting means is prose, so it is written by hand: for the sections of Syncline itself in ``meaning.py``, for a connector
in the table under "## Settings" of its README. A key without a sentence, and a sentence without a key, stop the generator.
"""
