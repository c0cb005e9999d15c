"""What a store that was put back from a backup has to forget, before anybody works with it; the same for every engine.

It cannot know what was sent after the backup was taken. ``syncline.engine.rewind`` says what the next start makes of
the mark that is left here.
"""

from __future__ import annotations

import json


def rewind_statements(*, restored_at_ms: int, taken_at_ms: int) -> list[str]:
    """Statements of one transaction, in order. ``taken_at_ms`` is 0 where nobody knows when the backup was taken."""
    restored, taken = int(restored_at_ms), int(taken_at_ms)
    mark = json.dumps({"restored_at_ms": restored, "taken_at_ms": taken, "caught_up": False})
    return [
        # What the channels hold now has to be read: what was written since is not known, nor what explains it.
        """UPDATE binding SET held = NULL, unseen = 0, stale = 0, doubt = 0, doubt_back = 0, credited = 0, aside = 0,
           first_read_ms = 0, asked_ms = 0, rev = rev + 1 WHERE kind = 'stock'""",
        "DELETE FROM heard",
        # Nor what they were told of prices and the like: the next start computes it all, and writes it again.
        "UPDATE content SET hash = ''",
        "DELETE FROM cursor WHERE system = 'syncline' AND stream LIKE 'rules of %'",
        "UPDATE shelf SET stale = 1, rev = rev + 1",
        # Calls that were under way had an end, which nobody knows: their records are looked up like all others. Their
        # keys are never used again.
        f"UPDATE intent SET finished_at_ms = {restored}, result = 'rewound' WHERE finished_at_ms IS NULL",
        "UPDATE delivery SET state = 'available' WHERE state = 'running'",
        # An order that is as it was at the backup may have been sent otherwise meanwhile.
        "UPDATE record SET hash = '' WHERE kind = 'order'",
        # (None at all means that it was adopted without its lines, which stays so.)
        "UPDATE binding SET hash = 'rewound' WHERE kind = 'order' AND hash <> ''",
        # Places stay as they were, so everything after them is read again; nothing is confirmed until then.
        "UPDATE cursor SET covers_ms = 0",
        "UPDATE lease SET expires_at_ms = 0",
        # Without it, the next start computes every number.
        "DELETE FROM cursor WHERE system = 'syncline' AND stream IN ('rules', 'rewind')",
        f"""INSERT INTO cursor (system, stream, position, covers_ms) VALUES ('syncline', 'rewind', '{mark}', 0)""",
    ]
