"""Stores that retire the wrong orders, or drop the wrong rows with them, and the one test that catches each."""

RETIRED = (
    "AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = :reference AND o.retired_at_ms = :now_ms)"
)
STATES = "d.state <> 'completed' AND d.state <> 'superseded' AND d.state <> 'cancelled'"
KEY = "system = :system AND kind = :kind AND key = :key"
ORDER = "channel = :channel AND order_key = :order_key"

QUIET = "orders_that_are_quiet_are_told_longest_first"
FOUND = "what_an_erp_tells_of_an_order_is_found_by_our_reference"
ONCE = "an_order_is_retired_as_it_was_judged_and_once"
DEMAND = "an_order_stays_while_its_demand_may_be_in_no_figure"
DELIVERY = "an_order_stays_while_a_delivery_of_it_is_open"
PARKED = "an_order_stays_while_anything_of_it_is_parked"
HOLD = "an_order_stays_while_a_checkout_holds_for_it"
CREDIT = "an_order_stays_while_credit_counts_it"
OWN = "with_an_order_goes_what_is_its_own"
MOVES = "what_is_remembered_of_a_retired_order_moves_on"

_CASES = {
    QUIET: {
        "takes any system's orders for quiet": ("orders_quiet", "system = :system AND", ":system <> '' AND"),
        "takes any record for a quiet order": ("orders_quiet", "AND kind = 'order'", ""),
        "takes orders for quiet too soon": ("orders_quiet", "< :before", "<= :before"),
        "tells quiet orders again": ("orders_quiet", "> (:after_ms", ">= (:after_ms"),
        "tells quiet orders by their keys": ("orders_quiet", "ORDER BY observed_at_ms, key", "ORDER BY key"),
        "tells quiet orders of one moment backwards": ("orders_quiet", "ORDER BY observed_at_ms, key", "ORDER BY observed_at_ms, key DESC"),
        "tells quiet orders without a limit": ("orders_quiet", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    },
    FOUND: {
        "finds parcels of other systems": ("records_of_orders", "system = :system AND", ":system <> '' AND"),
        "finds no returns": ("records_of_orders", "('shipment', 'return')", "('shipment', 'return') AND kind = 'shipment'"),
        "finds no parcels": ("records_of_orders", "('shipment', 'return')", "('shipment', 'return') AND kind = 'return'"),
        "finds anything that names an order": ("records_of_orders", "INDEXED BY record_of_order\nWHERE system = :system AND kind IN ('shipment', 'return')", "WHERE system = :system"),
        "finds references in one case only": ("records_of_orders", "lower(json_extract(body, '$.order_key')) IN", "lower(json_extract(body, '$.order_key')) IN (SELECT value FROM json_each(:references)) AND json_extract(body, '$.order_key') IN"),
        "finds parcels in any order": ("records_of_orders", "ORDER BY kind, key", "ORDER BY kind DESC, key"),
        "finds parcels of one kind in any order": ("records_of_orders", "ORDER BY kind, key", "ORDER BY kind, key DESC"),
        "finds parcels without a limit": ("records_of_orders", "LIMIT :limit", "LIMIT 9 + 0 * :limit"),
    },
    ONCE: {
        "retires orders of other systems": ("order_retire", "o.system = :channel AND", ""),
        "retires any record": ("order_retire", "o.kind = 'order' AND", ""),
        "retires all orders as one": ("order_retire", "AND o.key = :order_key", ""),
        "retires an order that changed": ("order_retire", "o.version = :version AND", ""),
        "retires an order that was read since": ("order_retire", "AND o.tiebreak = :tiebreak", ""),
        "retires an order again": ("order_retire", "DO NOTHING", "DO UPDATE SET digest = excluded.digest"),
        "remembers every order": ("retired_get", "reference IN (SELECT value FROM json_each(:references))", ":references <> ''"),
        "knows of no retired order": ("retired_any", "FROM retired", "FROM retired WHERE 0 = 1"),
        "remembers orders backwards": ("retired_get", "ORDER BY reference", "ORDER BY reference DESC"),
    },
    DEMAND: {
        "retires with open demand": ("order_retire", "AND d.settled = 0", "AND 0"),
        "never retires what had demand": ("order_retire", "AND d.settled = 0", ""),
        "looks at the demand of all orders": ("order_retire", "d.channel = :channel AND d.order_key = :order_key AND", "d.channel = :channel AND"),
        "looks at the demand of all channels": ("order_retire", "d.channel = :channel AND", ""),
    },
    DELIVERY: {
        "never retires what was delivered": ("order_retire", STATES, "1"),
        "retires what is available": ("order_retire", STATES, f"{STATES} AND d.state <> 'available'"),
        "retires what is scheduled": ("order_retire", STATES, f"{STATES} AND d.state <> 'scheduled'"),
        "retires what is tried again": ("order_retire", STATES, f"{STATES} AND d.state <> 'retryable'"),
        "retires what is under way": ("order_retire", STATES, f"{STATES} AND d.state <> 'running'"),
        "retires what is parked": ("order_retire", STATES, f"{STATES} AND d.state <> 'parked'"),
        "looks at deliveries to any system": ("order_retire", "d.system = s.value AND", ""),
        "looks at any delivery": ("order_retire", "d.operation = p.value", "1"),
        "looks at deliveries before": ("order_retire", "d.key >= :order_key AND", ""),
        "looks at deliveries of longer names": ("order_retire", "AND d.key < :order_key || char(32)", ""),
        "looks past deliveries by the key alone": ("order_retire", "d.key >= :order_key", "d.key > :order_key"),
    },
    PARKED: {
        "retires with parked work": ("order_retire", "WHERE w.resolved_at_ms IS NULL", "WHERE 0"),
        "never retires what was parked": ("order_retire", "WHERE w.resolved_at_ms IS NULL", ""),
        "looks at parked work of any system": ("order_retire", "w.system = s.value AND", ""),
        "looks at any parked work": ("order_retire", "w.operation = p.value", "1"),
        "looks at parked work of longer names": ("order_retire", "AND w.key < :order_key || char(32)", ""),
        "looks past parked work by the key alone": ("order_retire", "w.key >= :order_key", "w.key > :order_key"),
    },
    HOLD: {
        "retires what is held": ("order_retire", "AND h.state IN ('open', 'confirmed')", "AND 0"),
        "retires what is held firmly": ("order_retire", "h.state IN ('open', 'confirmed')", "h.state = 'open'"),
        "retires what is only held": ("order_retire", "h.state IN ('open', 'confirmed')", "h.state = 'confirmed'"),
        "never retires what was held": ("order_retire", "AND h.state IN ('open', 'confirmed')", ""),
        "looks at holds of any channel": ("order_retire", "h.channel = :channel AND", ""),
        "looks at holds of nobody": ("order_retire", "AND h.order_key <> ''", ""),
        "looks at holds by number only": ("order_retire", "h.order_key IN (:order_key, :number)", "h.order_key = :number"),
        "looks at holds by key only": ("order_retire", "h.order_key IN (:order_key, :number)", "h.order_key = :order_key"),
    },
    CREDIT: {
        "retires approved orders": ("order_retire", "c.state IN ('open', 'confirmed', 'ordered')", "c.state IN ('confirmed', 'ordered')"),
        "retires confirmed approvals": ("order_retire", "c.state IN ('open', 'confirmed', 'ordered')", "c.state IN ('open', 'ordered')"),
        "retires orders that credit counts": ("order_retire", "c.state IN ('open', 'confirmed', 'ordered')", "c.state IN ('open', 'confirmed')"),
        "never retires what was approved": ("order_retire", "AND c.state IN ('open', 'confirmed', 'ordered')", ""),
        "looks at approvals of any channel": ("order_retire", "c.channel = :channel AND", ""),
        "looks at approvals of nobody": ("order_retire", "AND c.order_key <> ''", ""),
        "looks at approvals by number only": ("order_retire", "c.order_key IN (:order_key, :number)", "c.order_key = :number"),
        "looks at approvals by key only": ("order_retire", "c.order_key IN (:order_key, :number)", "c.order_key = :order_key"),
    },
    OWN: {
        **{
            f"drops {what} of an order that is kept": (statement, RETIRED, "AND :reference <> '' AND :now_ms > 0")
            for what, statement in (
                ("demand", "demand_retire"),
                ("decisions", "routing_retire"),
                ("a binding", "binding_retire"),
                ("a record", "record_retire"),
            )
        },
        **{
            f"drops {what} of an order that another one took": (statement, "o.reference = :reference AND", ":reference <> '' AND")
            for what, statement in (
                ("demand", "demand_retire"),
                ("decisions", "routing_retire"),
                ("a binding", "binding_retire"),
                ("a record", "record_retire"),
            )
        },
        **{
            f"drops {what} of an order that was retired before": (statement, "AND o.retired_at_ms = :now_ms", "AND :now_ms > 0")
            for what, statement in (
                ("demand", "demand_retire"),
                ("decisions", "routing_retire"),
                ("a binding", "binding_retire"),
                ("a record", "record_retire"),
            )
        },
        "drops demand of other orders": ("demand_retire", ORDER, "channel = :channel AND :order_key <> ''"),
        "drops demand of other channels": ("demand_retire", ORDER, ":channel <> '' AND order_key = :order_key"),
        "drops decisions about other orders": ("routing_retire", ORDER, "channel = :channel AND :order_key <> ''"),
        "drops decisions of other channels": ("routing_retire", ORDER, ":channel <> '' AND order_key = :order_key"),
        "drops all bindings of a kind": ("binding_retire", KEY, "system = :system AND kind = :kind AND :key <> ''"),
        "drops bindings of other systems": ("binding_retire", KEY, ":system <> '' AND kind = :kind AND key = :key"),
        "drops bindings of other kinds": ("binding_retire", KEY, "system = :system AND :kind <> '' AND key = :key"),
        "drops all records of a kind": ("record_retire", KEY, "system = :system AND kind = :kind AND :key <> ''"),
        "drops records of other systems": ("record_retire", KEY, ":system <> '' AND kind = :kind AND key = :key"),
        "drops records of other kinds": ("record_retire", KEY, "system = :system AND :kind <> '' AND key = :key"),
    },
    MOVES: {
        "remembers for every order": ("retired_put", "WHERE reference = :reference", "WHERE :reference <> ''"),
        "remembers the version that was": ("retired_put", "version = :version, ", ""),
        "remembers the tiebreak that was": ("retired_put", "tiebreak = :tiebreak, ", ""),
        "remembers the order that was": ("retired_put", "digest = :digest, ", ""),
        "remembers the facts that were": ("retired_put", ", facts = :facts", ""),
    },
}  # fmt: skip

CHANGES = {name: change for cases in _CASES.values() for name, change in cases.items()}
CAUGHT = {name: [test] for test, cases in _CASES.items() for name in cases}

# What else the same tests catch.
ALSO = {
    "leaves out empty results": OWN,
    "counts records without their system": OWN,
    "tells the routing of other channels": OWN,
    "never retires what had demand": OWN,
    "remembers every order": MOVES,
    "refuses a line that gets nothing": HOLD,
    "releases no confirmed hold": HOLD,
    "bounds what has no bounds": CREDIT,
    "confirms every approval": CREDIT,
    "gives no confirmed credit back": CREDIT,
}
