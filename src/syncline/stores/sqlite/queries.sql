-- Every statement of the SQLite store, by name. Writes run once per row, or once for many where they say
-- by what rows are unique (`many.py`); reads take JSON arrays for lists. `syncline.stores.postgres` says the same with sets. Column order is the contract.
-- A list is joined by CROSS JOIN, which SQLite never reorders: it would rather walk the whole table in
-- the order asked for than look up a few keys and sort them.

-- name: cursor_get
SELECT position, covers_ms FROM cursor WHERE system = :system AND stream = :stream;

-- name: cursors
SELECT system, stream, covers_ms FROM cursor ORDER BY system, stream;

-- name: cursor_put
INSERT INTO cursor (system, stream, position, covers_ms)
VALUES (:system, :stream, :position, :covers_ms)
ON CONFLICT (system, stream) DO UPDATE
SET position = excluded.position, covers_ms = max(cursor.covers_ms, excluded.covers_ms)
RETURNING stream;

-- name: progress_get
SELECT "offset" FROM progress WHERE consumer = :consumer;

-- name: progress_put
INSERT INTO progress (consumer, "offset") VALUES (:consumer, :offset)
ON CONFLICT (consumer) DO UPDATE SET "offset" = excluded."offset"
WHERE excluded."offset" >= progress."offset"
RETURNING consumer;

-- name: log_end
SELECT coalesce(max("offset"), 0) FROM event;

-- name: lease_take
INSERT INTO lease (name, owner, fence, expires_at_ms) VALUES (:name, :owner, 1, :now_ms + :ttl_ms)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, fence = lease.fence + 1, expires_at_ms = excluded.expires_at_ms
WHERE lease.expires_at_ms <= :now_ms OR lease.owner = excluded.owner
RETURNING fence;

-- name: lease_renew
UPDATE lease SET expires_at_ms = :now_ms + :ttl_ms
WHERE name = :name AND owner = :owner AND fence = :fence
RETURNING fence;

-- name: lease_check
SELECT fence FROM lease WHERE name = :name AND owner = :owner AND fence = :fence;

-- name: lease_drop
UPDATE lease SET expires_at_ms = 0 WHERE name = :name AND owner = :owner AND fence = :fence
RETURNING fence;

-- name: records_get
SELECT key, version, tiebreak, hash, body, changed_at_ms, observed_at_ms FROM record
WHERE system = :system AND kind = :kind AND key IN (SELECT value FROM json_each(:keys));

-- name: records_after
SELECT key, version, tiebreak, hash, body, changed_at_ms, observed_at_ms FROM record
WHERE system = :system AND kind = :kind AND key > :after ORDER BY key LIMIT :limit;

-- name: record_count
SELECT system, kind, count(*) FROM record GROUP BY system, kind ORDER BY system, kind;

-- name: stock_of_skus
SELECT r.key, r.body, r.observed_at_ms, r.changed_at_ms, r.vanished_ms, r.gone FROM json_each(:skus) AS s
CROSS JOIN record AS r ON r.system = :system AND r.kind = 'stock'
    AND r.key >= s.value || char(31) AND r.key < s.value || char(32)
ORDER BY r.key;

-- name: record_put
-- key: system kind key
INSERT INTO record (system, kind, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", hash, body)
VALUES (:system, :kind, :key, :version, :tiebreak, :changed_at_ms, :observed_at_ms, :offset, :hash, :body)
ON CONFLICT (system, kind, key) DO UPDATE
SET version = excluded.version, tiebreak = excluded.tiebreak, changed_at_ms = excluded.changed_at_ms,
    observed_at_ms = excluded.observed_at_ms, "offset" = excluded."offset", hash = excluded.hash,
    body = excluded.body, vanished_ms = 0, gone = 0
WHERE (excluded.version, excluded.tiebreak) > (record.version, record.tiebreak)
RETURNING key;

-- A full read contains a record, and tells nothing newer of it.
-- name: record_seen
UPDATE record SET seen_ms = max(seen_ms, :seen_ms), vanished_ms = 0, gone = 0
WHERE system = :system AND kind = :kind AND key = :key
RETURNING key;

-- How many stock figures a location has, how many of them were told since a moment, and how many are known not to be.
-- Every row says how far these keys go.
-- name: read_places
SELECT substr(key, instr(key, char(31)) + 1), count(*), sum(told), sum(known), max(max(key)) OVER ()
FROM (SELECT key, max(observed_at_ms, seen_ms) >= :began_ms AS told, vanished_ms > 0 AS known FROM record
      WHERE system = :system AND kind = 'stock' AND key > :after ORDER BY key LIMIT :limit)
GROUP BY 1 ORDER BY 1;

-- name: read_absent
SELECT key, body FROM record
WHERE system = :system AND kind = :kind AND key > :after AND max(observed_at_ms, seen_ms) < :began_ms
    AND vanished_ms = 0
ORDER BY key LIMIT :limit;

-- name: record_vanish
UPDATE record SET vanished_ms = :began_ms
WHERE system = :system AND kind = :kind AND key = :key AND max(observed_at_ms, seen_ms) < :began_ms
    AND vanished_ms = 0
RETURNING key;

-- name: record_gone
UPDATE record SET gone = 1
WHERE system = :system AND kind = :kind AND key = :key AND vanished_ms > 0 AND gone = 0
RETURNING key;

-- name: vanished
SELECT key, vanished_ms, gone FROM record
WHERE system = :system AND kind = :kind AND vanished_ms > 0 AND key > :after ORDER BY key LIMIT :limit;

-- name: vanished_among
SELECT r.key FROM json_each(:keys) AS k
CROSS JOIN record AS r ON r.system = :system AND r.kind = :kind AND r.key = k.value AND r.vanished_ms > 0
ORDER BY r.key;

-- name: doubted_put
INSERT INTO doubted (system, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", body)
VALUES (:system, :key, :version, :tiebreak, :changed_at_ms, :observed_at_ms, :offset, :body)
ON CONFLICT (system, key) DO UPDATE
SET version = excluded.version, tiebreak = excluded.tiebreak, changed_at_ms = excluded.changed_at_ms,
    observed_at_ms = excluded.observed_at_ms, "offset" = excluded."offset", body = excluded.body
RETURNING key;

-- name: doubted_of_skus
SELECT d.key, d.version, d.tiebreak, d.changed_at_ms, d.observed_at_ms, d."offset", d.body
FROM json_each(:skus) AS s
CROSS JOIN doubted AS d ON d.system = :system
    AND d.key >= s.value || char(31) AND d.key < s.value || char(32)
ORDER BY d.key;

-- name: doubted_first
SELECT key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", body FROM doubted
WHERE system = :system ORDER BY key LIMIT :limit;

-- name: doubted_drop
DELETE FROM doubted WHERE system = :system AND key = :key
RETURNING key;

-- name: bindings_get
SELECT key, external_id, version, hash, held, unseen, rev, confirmed_at_ms FROM binding
WHERE system = :system AND kind = :kind AND key IN (SELECT value FROM json_each(:keys));

-- name: bindings_of_skus
SELECT b.key, CASE WHEN b.stale THEN NULL ELSE b.held END, b.unseen, b.rev, b.confirmed_at_ms
FROM json_each(:skus) AS s
CROSS JOIN binding AS b ON b.system = :system AND b.kind = 'stock'
    AND b.key >= s.value || char(31) AND b.key < s.value || char(32)
ORDER BY b.key;

-- name: unseen_of_skus
SELECT b.key, b.unseen FROM json_each(:skus) AS s
CROSS JOIN binding AS b INDEXED BY binding_unseen ON b.system = :system AND b.kind = 'stock' AND b.unseen > 0
    AND b.key >= s.value || char(31) AND b.key < s.value || char(32)
ORDER BY b.key;

-- name: bindings_after
SELECT key, external_id, version, hash, held, unseen, rev, confirmed_at_ms FROM binding
WHERE system = :system AND kind = :kind AND key > :after ORDER BY key LIMIT :limit;

-- name: unseen
SELECT system, key, unseen, confirmed_at_ms FROM binding WHERE kind = 'stock' AND unseen > 0
ORDER BY system, key LIMIT :limit;

-- name: binding_put
INSERT INTO binding (system, kind, key, external_id, version, hash, rev, confirmed_at_ms)
VALUES (:system, :kind, :key, :external_id, :version, :hash, 1, :now_ms)
ON CONFLICT (system, kind, key) DO UPDATE
SET external_id = excluded.external_id, version = max(binding.version, excluded.version),
    hash = excluded.hash, rev = binding.rev + 1, confirmed_at_ms = excluded.confirmed_at_ms
RETURNING key;

-- name: binding_unsure
-- key: system kind key
UPDATE binding SET hash = :hash WHERE system = :system AND kind = :kind AND key = :key
RETURNING key;

-- The first reading may contain a change of before it that was heard of after it. Then nobody knows what is held
-- until it is read again; "doubt" and "doubt_back" are by how much more and less that reading may differ with nothing
-- unseen, and "credited" how much of what is unseen may then have been taken for ordered, or for come back, wrongly.
-- name: held_shift
UPDATE binding SET
    held = held + :by - min(max(-unseen, 0), max(:by, 0)),
    unseen = unseen + min(max(-unseen, 0), max(:by, 0)),
    doubt_back = CASE WHEN :moved_at_ms < first_read_ms + 5000
                      THEN doubt_back - :by + min(max(-unseen, 0), max(:by, 0)) ELSE doubt_back END,
    credited = CASE WHEN :moved_at_ms < first_read_ms + 5000 THEN credited + min(max(unseen, 0), max(:by, 0)) ELSE credited END,
    stale = CASE WHEN :moved_at_ms < first_read_ms + 5000 THEN 1 ELSE stale END, rev = rev + 1
WHERE system = :system AND kind = 'stock' AND key = :key AND held IS NOT NULL
RETURNING key;

-- Units that are missed are explained by what moved before the reading that found them missing, and by nothing later.
-- Where only the beginning of the time in which they may have moved lies before it, the number is read again; and where
-- more moved before it than it missed: then the channel's clock is not what it seems, or somebody put units back.
-- name: held_explain
-- key: system key
UPDATE binding SET
    held = held - :by + min(max(unseen, 0) * (:until_ms <= asked_ms), :by),
    unseen = unseen - min(max(unseen, 0) * (:until_ms <= asked_ms), :by),
    doubt = CASE WHEN :moved_at_ms < first_read_ms + 5000 THEN doubt + :by - min(max(unseen, 0) * (:until_ms <= asked_ms), :by)
                 ELSE doubt END,
    credited = CASE WHEN :moved_at_ms < first_read_ms + 5000 THEN credited + min(max(unseen, 0) * (:until_ms <= asked_ms), :by) ELSE credited END,
    stale = CASE WHEN :moved_at_ms < first_read_ms + 5000 THEN 1
                 WHEN unseen > 0 AND :by > 0 AND :moved_at_ms <= asked_ms AND asked_ms < :until_ms THEN 1
                 WHEN unseen > 0 AND :by > unseen AND :until_ms <= asked_ms THEN 1
                 ELSE stale END, rev = rev + 1
WHERE system = :system AND kind = 'stock' AND key = :key AND held IS NOT NULL
RETURNING key;

-- Of what is in doubt, as much is believed as leaves the least unseen: the nearest to nothing between both; only what
-- the channel itself says that it has set aside is believed to be missing. What a reading had to decide it may have
-- decided wrongly, for orders that nobody told yet are in it too: so what moved before it and is heard of later is
-- in doubt as with the first one. A reading with a revision counts only if nothing was heard of the number since it
-- was asked for; one that need not be exact also if nothing is in doubt: then what was heard of adds up with the next one.
-- name: held_seen
INSERT INTO binding (system, kind, key, held, unseen, rev, confirmed_at_ms, first_read_ms, asked_ms)
VALUES (:system, 'stock', :key, :held, 0, 1, :now_ms, :now_ms, :now_ms)
ON CONFLICT (system, kind, key) DO UPDATE
SET unseen = CASE WHEN binding.held IS NULL THEN 0
                  ELSE (SELECT max(u.units, min(u.units + binding.credited * (binding.aside > 0), binding.aside)) FROM (SELECT
                           max(binding.unseen + binding.held - excluded.held + binding.doubt_back,
                               min(binding.unseen + binding.held - excluded.held + binding.doubt, 0)) AS units) AS u) END,
    held = excluded.held, stale = 0, doubt = 0, doubt_back = 0, credited = 0, rev = binding.rev + 1,
    confirmed_at_ms = excluded.confirmed_at_ms,
    asked_ms = excluded.asked_ms,
    first_read_ms = CASE WHEN binding.held IS NULL OR binding.doubt <> 0 OR binding.doubt_back <> 0 OR binding.credited <> 0
                         THEN excluded.first_read_ms ELSE binding.first_read_ms END
WHERE :rev IS NULL OR binding.rev = :rev
    OR (NOT :exact AND binding.doubt = 0 AND binding.doubt_back = 0 AND binding.credited = 0)
RETURNING key, unseen;

-- A reading that was just stored was asked for earlier than it was answered.
-- name: held_asked
-- key: system key
UPDATE binding SET asked_ms = :asked_ms
WHERE system = :system AND kind = 'stock' AND key = :key AND asked_ms = :now_ms
RETURNING key;

-- What a channel had set aside before it was first read is gone from its number, and no order tells of it: so the number
-- counts as lowered by it.
-- name: held_first
INSERT INTO binding (system, kind, key, held, rev, confirmed_at_ms, first_read_ms)
VALUES (:system, 'stock', :key, :held, 0, :now_ms, :now_ms)
ON CONFLICT (system, kind, key) DO UPDATE SET held = excluded.held, first_read_ms = excluded.first_read_ms
WHERE binding.held IS NULL
RETURNING key;

-- What a channel has set aside when it is read, which no order from before the first reading explains. Where others write
-- the number, that is all that tells of it: what is set aside is missing, and what is so no more is not. To be followed by held_seen.
-- name: held_aside
UPDATE binding SET
    unseen = CASE WHEN confirmed_at_ms < :ours_ms THEN max(unseen - max(aside - :aside, 0), :aside) ELSE unseen END,
    aside = :aside
WHERE system = :system AND kind = 'stock' AND key = :key AND held IS NOT NULL
    AND (:rev IS NULL OR rev = :rev OR (NOT :exact AND doubt = 0 AND doubt_back = 0 AND credited = 0))
RETURNING key;

-- name: held_refuted
UPDATE binding SET stale = 1, rev = rev + 1
WHERE system = :system AND kind = 'stock' AND key = :key
RETURNING key;

-- A write that carries no expectation may undo what moved at the channel until then. What moved before :until_ms
-- and is heard of later is in doubt as with the first reading, and :by is what the write itself may have moved.
-- name: held_blind
UPDATE binding SET first_read_ms = :until_ms, doubt = doubt + max(:by, 0), doubt_back = doubt_back + min(:by, 0),
    rev = rev + 1
WHERE system = :system AND kind = 'stock' AND key = :key AND held IS NOT NULL
RETURNING key;

-- name: held_written
-- key: system key
UPDATE binding SET held = held + :by, confirmed_at_ms = :now_ms, rev = rev + 1
WHERE system = :system AND kind = 'stock' AND key = :key
RETURNING key;

-- name: unseen_release
UPDATE binding SET unseen = 0, rev = rev + 1
WHERE system = :system AND kind = 'stock' AND key = :key AND unseen > 0
RETURNING key;

-- What a channel is known to hold and what it told last; whether a write of the number is under way decides what an
-- event can mean.
-- name: heard_get
SELECT b.key, CASE WHEN b.stale THEN NULL ELSE b.held END, b.unseen, b.rev, h.number, coalesce(h.stamp_ms, 0),
       coalesce(h.check_ms, 0), EXISTS (SELECT 1 FROM delivery AS d WHERE d.system = b.system
           AND d.operation = 'set_stock' AND d.key = b.key AND d.state = 'running')
FROM json_each(:keys) AS k
CROSS JOIN binding AS b ON b.system = :system AND b.kind = 'stock' AND b.key = k.value AND b.held IS NOT NULL
LEFT JOIN heard AS h ON h.system = b.system AND h.key = b.key
ORDER BY b.key;

-- name: heard_put
INSERT INTO heard (system, key, number, stamp_ms, check_ms)
VALUES (:system, :key, :number, :stamp_ms, :check_ms)
ON CONFLICT (system, key) DO UPDATE
SET number = excluded.number, stamp_ms = excluded.stamp_ms, check_ms = excluded.check_ms
WHERE excluded.stamp_ms >= heard.stamp_ms
RETURNING key;

-- name: heard_checks
SELECT h.system, h.key, h.number, h.stamp_ms, h.check_ms, CASE WHEN b.stale THEN NULL ELSE b.held END,
       coalesce(b.unseen, 0)
FROM heard AS h LEFT JOIN binding AS b ON b.system = h.system AND b.kind = 'stock' AND b.key = h.key
WHERE h.check_ms > 0 ORDER BY h.check_ms, h.system, h.key LIMIT :limit;

-- Where units are missing that the order did not explain, and the channel has not told the number without the order's.
-- name: heard_again
-- key: system key
UPDATE heard SET check_ms = :check_ms
WHERE system = :system AND key = :key AND check_ms = 0 AND EXISTS (SELECT 1 FROM binding AS b WHERE b.system = heard.system
    AND b.kind = 'stock' AND b.key = heard.key AND b.unseen > 0 AND b.held <> heard.number)
RETURNING key;

-- What was told since is looked at by itself.
-- name: heard_checked
UPDATE heard SET check_ms = 0 WHERE system = :system AND key = :key AND stamp_ms = :stamp_ms AND check_ms = :check_ms
RETURNING key;

-- name: demand_open
SELECT d.channel, d.order_key, d.line_id, d.location, d.sku, d.quantity, d.erp_before, d.erp_quantity,
       d.erp_stamp_ms, d.our_stamp_ms
FROM json_each(:skus) AS s CROSS JOIN demand AS d ON d.sku = s.value AND d.settled = 0
ORDER BY d.channel, d.order_key, d.line_id, d.location;

-- name: demand_of_orders
SELECT channel, order_key, line_id, location, sku, quantity, taken, erp_quantity, erp_stamp_ms FROM demand
WHERE channel = :channel AND order_key IN (SELECT value FROM json_each(:orders))
ORDER BY order_key, line_id, location;

-- name: demand_sold
SELECT d.sku, sum(d.quantity) FROM json_each(:skus) AS s
CROSS JOIN demand AS d ON d.channel = :channel AND d.sku = s.value
JOIN record AS o ON o.system = d.channel AND o.kind = 'order' AND o.key = d.order_key
WHERE CAST(json_extract(o.body, '$.placed_at_ms') AS INTEGER) >= :since_ms
GROUP BY d.sku ORDER BY d.sku;

-- name: demand_untaken
SELECT d.sku, d.location, sum(d.quantity - d.taken) FROM json_each(:skus) AS s
CROSS JOIN demand AS d ON d.channel = :channel AND d.sku = s.value AND d.quantity > d.taken
GROUP BY d.sku, d.location ORDER BY d.sku, d.location;

-- name: demand_want
-- key: channel order_key line_id location
INSERT INTO demand (channel, order_key, line_id, location, sku, quantity, taken)
VALUES (:channel, :order_key, :line_id, :location, :sku, :quantity, :taken)
ON CONFLICT (channel, order_key, line_id, location) DO UPDATE
SET sku = excluded.sku, quantity = excluded.quantity, taken = excluded.taken, settled = 0
RETURNING order_key;

-- The answer to our own call (no stamp of the ERP's) says what was asked for; what the ERP told of the line meanwhile, where
-- some of it waits for stock, is what it holds.
-- name: demand_known
-- key: channel order_key line_id location
UPDATE demand SET
    erp_before = CASE WHEN erp_quantity = :quantity THEN erp_before ELSE min(erp_before, erp_quantity) END,
    erp_stamp_ms = CASE WHEN erp_quantity = :quantity THEN coalesce(erp_stamp_ms, :erp_stamp_ms)
                        ELSE :erp_stamp_ms END,
    our_stamp_ms = CASE WHEN erp_quantity = :quantity THEN coalesce(our_stamp_ms, :our_stamp_ms)
                        ELSE :our_stamp_ms END,
    erp_quantity = :quantity, settled = 0
WHERE channel = :channel AND order_key = :order_key AND line_id = :line_id AND location = :location
    AND (:erp_stamp_ms IS NOT NULL OR erp_stamp_ms IS NULL OR erp_quantity >= :quantity)
RETURNING order_key;

-- What the ERP was last sent is the most that it can be counted on to hold, until it answers.
-- name: demand_sent
UPDATE demand SET
    erp_quantity = coalesce((SELECT sum(v.value ->> 2) FROM json_each(:sent) AS v
        WHERE v.value ->> 0 = line_id AND v.value ->> 1 = location), 0),
    erp_before = min(erp_before, coalesce((SELECT sum(v.value ->> 2) FROM json_each(:sent) AS v
        WHERE v.value ->> 0 = line_id AND v.value ->> 1 = location), 0)),
    settled = 0
WHERE channel = :channel AND order_key = :order_key
    AND erp_quantity > coalesce((SELECT sum(v.value ->> 2) FROM json_each(:sent) AS v
        WHERE v.value ->> 0 = line_id AND v.value ->> 1 = location), 0)
RETURNING line_id, location;

-- name: demand_settle
-- key: channel order_key line_id location
UPDATE demand SET settled = 1, erp_before = erp_quantity
WHERE channel = :channel AND order_key = :order_key AND line_id = :line_id AND location = :location
    AND quantity = :quantity AND erp_quantity = :erp_quantity
RETURNING order_key;

-- name: shelf_open
INSERT INTO shelf (sku, pool, free, as_of_ms, stale, rev) VALUES (:sku, :pool, 0, 0, 1, 1)
ON CONFLICT (sku, pool) DO NOTHING
RETURNING sku;

-- name: shelf_put
UPDATE shelf SET free = :free, as_of_ms = :as_of_ms, stale = 0, rev = rev + 1
WHERE sku = :sku AND pool = :pool AND rev = :rev
RETURNING sku;

-- name: shelf_stale
-- key: sku
UPDATE shelf SET stale = 1, rev = rev + 1 WHERE sku = :sku
RETURNING sku;

-- name: shelves
SELECT s.sku, s.pool, s.free, s.stale, s.rev, s.as_of_ms,
    s.held - (SELECT coalesce(sum(h.quantity), 0) FROM hold AS h
     WHERE h.sku = s.sku AND h.pool = s.pool AND h.state IN ('open', 'confirmed')
         AND h.state = 'open' AND h.expires_at_ms <= :now_ms),
    (SELECT count(*) FROM hold AS h
     WHERE h.sku = s.sku AND h.pool = s.pool AND h.state IN ('open', 'confirmed')
         AND h.state = 'open' AND h.expires_at_ms <= :now_ms)
FROM json_each(:skus) AS k CROSS JOIN shelf AS s ON s.sku = k.value
ORDER BY s.sku, s.pool;

-- Whoever counts holds has marked the SKU before in the same transaction: its row in dirty is the lock.
-- Every hold that has not ended counts, whatever the time: hold_lapse is what ends one by the clock. "held" is their
-- sum, which triggers keep (migration 0005).
-- name: hold_put
INSERT INTO hold (reference, line, pool, channel, sku, location, asked, quantity, state, main, binds,
                  order_key, made_by, created_at_ms, expires_at_ms, confirmed_at_ms)
SELECT :reference, :line, :pool, :channel, :sku, :location, :asked, :quantity, 'open', :main, :binds,
       :order_key, :made_by, :now_ms, :expires_at_ms, 0
WHERE :quantity = 0 OR :binds = 0
    OR (SELECT free - held FROM shelf WHERE sku = :sku AND pool = :pool AND stale = 0) >= :quantity
ON CONFLICT (reference, line, pool) DO NOTHING
RETURNING reference;

-- name: hold_renew
UPDATE hold SET state = 'confirmed', order_key = CASE WHEN order_key = '' THEN :order_key ELSE order_key END,
    expires_at_ms = :expires_at_ms, confirmed_at_ms = :now_ms
WHERE reference = :reference AND line = :line AND pool = :pool AND state = 'expired'
    AND (quantity = 0 OR binds = 0
        OR (SELECT free - held FROM shelf WHERE sku = :sku AND pool = :pool AND stale = 0) >= quantity)
RETURNING reference;

-- name: hold_confirm
UPDATE hold SET state = 'confirmed', order_key = CASE WHEN order_key = '' THEN :order_key ELSE order_key END,
    expires_at_ms = CASE WHEN state = 'confirmed' THEN expires_at_ms ELSE :expires_at_ms END,
    confirmed_at_ms = CASE WHEN state = 'confirmed' THEN confirmed_at_ms ELSE :now_ms END
WHERE reference = :reference AND (state = 'confirmed' OR state = 'open' AND expires_at_ms > :now_ms)
    AND (order_key = '' OR :order_key = '' OR order_key = :order_key)
RETURNING reference;

-- name: hold_release
UPDATE hold SET state = 'released' WHERE reference = :reference AND state IN ('open', 'confirmed')
RETURNING reference;

-- name: hold_lapse
UPDATE hold SET state = 'expired'
WHERE sku = :sku AND state IN ('open', 'confirmed') AND (state = 'open' OR :firm) AND expires_at_ms <= :now_ms
RETURNING reference;

-- name: hold_replace
UPDATE hold SET state = 'replaced'
WHERE channel = :channel AND order_key = :order_key AND order_key <> '' AND state IN ('open', 'confirmed')
RETURNING reference;

-- An order that was applied before its hold was confirmed.
-- name: hold_meet
UPDATE hold SET state = 'replaced', order_key = :order_key
WHERE reference = :reference AND state <> 'released'
    AND EXISTS (SELECT 1 FROM demand AS d WHERE d.channel = hold.channel AND d.order_key = :order_key)
RETURNING reference;

-- name: holds_get
SELECT line, pool, channel, sku, location, asked, quantity, state, main, order_key, made_by, created_at_ms,
       expires_at_ms, confirmed_at_ms, binds
FROM hold WHERE reference = :reference ORDER BY line, pool;

-- name: holds_of_skus
SELECT h.sku, h.reference, h.line, h.pool, h.channel, h.location, h.quantity, h.main
FROM json_each(:skus) AS k CROSS JOIN hold AS h ON h.sku = k.value AND h.state IN ('open', 'confirmed')
WHERE h.state = 'confirmed' OR h.expires_at_ms > :now_ms
ORDER BY h.sku, h.reference, h.line, h.pool;

-- name: holds_of_orders
SELECT order_key, reference, sku FROM hold
WHERE channel = :channel AND order_key <> '' AND order_key IN (SELECT value FROM json_each(:orders))
    AND main = 1 AND state IN ('open', 'confirmed')
ORDER BY order_key, reference, sku;

-- name: holds_due
SELECT sku, reference, channel, quantity, confirmed_at_ms, expires_at_ms FROM hold
WHERE state IN ('open', 'confirmed') AND expires_at_ms <= :now_ms AND main = 1
ORDER BY expires_at_ms, reference, line LIMIT :limit;

-- That it expires at all is asked so that the index of open holds is walked, not the table.
-- name: holds_met
SELECT sku, reference, order_key FROM hold
WHERE state IN ('open', 'confirmed') AND expires_at_ms > 0 AND order_key <> '' AND main = 1
    AND EXISTS (SELECT 1 FROM demand AS d WHERE d.channel = hold.channel AND d.order_key = hold.order_key)
ORDER BY +reference, line LIMIT :limit;

-- name: hold_next
SELECT expires_at_ms FROM hold WHERE state IN ('open', 'confirmed') ORDER BY expires_at_ms LIMIT :limit;

-- That it expires at all is asked so that the index of open holds is walked, not the table.
-- name: holds_open
SELECT reference, line, channel, sku, location, asked, quantity, state, order_key, made_by, created_at_ms, expires_at_ms
FROM hold
WHERE state IN ('open', 'confirmed') AND expires_at_ms > 0 AND main = 1
    AND (:channel = '' OR channel = :channel) AND (:sku = '' OR sku = :sku)
ORDER BY expires_at_ms, reference, line LIMIT :limit;

-- name: holds_summary
SELECT channel, state, count(DISTINCT reference), sum(quantity), min(created_at_ms)
FROM hold WHERE state IN ('open', 'confirmed') AND expires_at_ms > 0 AND main = 1
GROUP BY channel, state ORDER BY channel, state;

-- name: forget_holds
DELETE FROM hold WHERE (reference, line, pool) IN (
    SELECT reference, line, pool FROM hold
    WHERE state NOT IN ('open', 'confirmed') AND expires_at_ms < :before LIMIT :limit)
RETURNING reference;

-- name: velocity_get
SELECT key, state FROM velocity WHERE key IN (SELECT value FROM json_each(:keys)) ORDER BY key;

-- name: velocity_put
-- key: key
INSERT INTO velocity (key, state) VALUES (:key, unhex(:learned))
ON CONFLICT (key) DO UPDATE SET state = excluded.state
RETURNING key;

-- name: standing_get
SELECT sku, velocity, slow_since_ms, buffers FROM standing
WHERE sku IN (SELECT value FROM json_each(:skus)) ORDER BY sku;

-- name: standing_put
INSERT INTO standing (sku, velocity, slow_since_ms, buffers) VALUES (:sku, :velocity, :slow_since_ms, :buffers)
ON CONFLICT (sku) DO UPDATE
SET velocity = excluded.velocity, slow_since_ms = excluded.slow_since_ms, buffers = excluded.buffers
RETURNING sku;

-- name: standing_drop
DELETE FROM standing WHERE sku = :sku RETURNING sku;

-- name: survey_put
INSERT INTO survey (subject, at_ms, body) VALUES (:subject, :at_ms, :body)
ON CONFLICT (subject, at_ms) DO UPDATE SET body = excluded.body
RETURNING subject;

-- name: surveys
SELECT at_ms, body FROM survey WHERE subject = :subject AND at_ms >= :since ORDER BY at_ms DESC LIMIT :limit;

-- name: forget_surveys
DELETE FROM survey WHERE (subject, at_ms) IN (SELECT subject, at_ms FROM survey WHERE at_ms < :before LIMIT :limit)
RETURNING subject;

-- name: dirty_mark
-- key: sku
INSERT INTO dirty (sku, seq, changed_at_ms) VALUES (:sku, 1, :changed_at_ms)
ON CONFLICT (sku) DO UPDATE
SET seq = dirty.seq + 1, changed_at_ms = min(dirty.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = 0
RETURNING sku;

-- name: dirty_mark_waiting
-- key: sku
INSERT INTO dirty (sku, seq, changed_at_ms) SELECT :sku, 1, :changed_at_ms
WHERE EXISTS (SELECT 1 FROM demand WHERE sku = :sku AND settled = 0)
ON CONFLICT (sku) DO UPDATE
SET seq = dirty.seq + 1, changed_at_ms = min(dirty.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = 0
RETURNING sku;

-- What is due stays due.
-- name: dirty_mark_later
INSERT INTO dirty (sku, seq, changed_at_ms, not_before_ms) VALUES (:sku, 1, :changed_at_ms, :not_before_ms)
ON CONFLICT (sku) DO UPDATE
SET seq = dirty.seq + 1, changed_at_ms = min(dirty.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = min(dirty.not_before_ms, excluded.not_before_ms)
RETURNING sku;

-- name: dirty
SELECT sku, seq, changed_at_ms FROM dirty WHERE not_before_ms <= :now_ms
ORDER BY changed_at_ms, sku LIMIT :limit;

-- name: dirty_next
SELECT min(not_before_ms) FROM dirty WHERE not_before_ms > 0;

-- name: dirty_defer
UPDATE dirty SET not_before_ms = :not_before_ms WHERE sku = :sku AND seq = :seq RETURNING sku;

-- name: dirty_done
-- key: sku seq
DELETE FROM dirty WHERE sku = :sku AND seq = :seq RETURNING sku;

-- Of more than two constants after IN, SQLite makes a temporary b-tree, and makes it again for every row; the
-- same in the condition of a partial index. So in what is written row by row there are never more.
-- name: delivery_touch
-- key: system operation key
INSERT INTO delivery (system, operation, key, route, state, generation, first_changed_at_ms,
                      deliver_by_ms, not_before_ms, attempts, reason, updated_at_ms)
SELECT :system, :operation, :key, :route, 'available', 1, :changed_at_ms, :deliver_by_ms,
       :not_before_ms, 0, '', :now_ms
WHERE :wanted
    OR coalesce((SELECT rev FROM binding WHERE system = :system AND kind = 'stock' AND key = :key), 0) <> :rev
    OR EXISTS (SELECT 1 FROM delivery WHERE system = :system AND operation = :operation AND key = :key
               AND (state IN ('available', 'scheduled') OR state IN ('retryable', 'running')))
ON CONFLICT (system, operation, key) DO UPDATE
SET generation = delivery.generation + 1, route = excluded.route,
    state = CASE WHEN delivery.state = 'running' THEN 'running' ELSE 'available' END,
    next_changed_at_ms = CASE WHEN delivery.state <> 'running' THEN 0
        WHEN delivery.next_changed_at_ms > 0
            THEN min(delivery.next_changed_at_ms, excluded.first_changed_at_ms)
        ELSE excluded.first_changed_at_ms END,
    first_changed_at_ms = CASE WHEN delivery.state IN ('available', 'scheduled') OR delivery.state IN ('retryable', 'running')
        THEN min(delivery.first_changed_at_ms, excluded.first_changed_at_ms)
        ELSE excluded.first_changed_at_ms END,
    deliver_by_ms = CASE WHEN delivery.state IN ('available', 'scheduled') OR delivery.state IN ('retryable', 'running')
        THEN min(delivery.deliver_by_ms, excluded.deliver_by_ms) ELSE excluded.deliver_by_ms END,
    not_before_ms = CASE WHEN delivery.state IN ('available', 'scheduled') OR delivery.state = 'running'
        THEN min(delivery.not_before_ms, excluded.not_before_ms)
        WHEN delivery.state = 'retryable' THEN delivery.not_before_ms
        ELSE excluded.not_before_ms END,
    attempts = CASE WHEN delivery.state IN ('retryable', 'running') THEN delivery.attempts ELSE 0 END,
    updated_at_ms = excluded.updated_at_ms
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_fact
INSERT INTO delivery (system, operation, key, route, state, generation, first_changed_at_ms,
                      deliver_by_ms, not_before_ms, attempts, reason, updated_at_ms)
VALUES (:system, :operation, :key, :route, 'available', 1, :changed_at_ms, :deliver_by_ms,
        :not_before_ms, 0, '', :now_ms)
ON CONFLICT (system, operation, key) DO NOTHING
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_run
-- key: system operation key
UPDATE delivery SET state = 'running', attempts = attempts + 1, next_changed_at_ms = 0,
    updated_at_ms = :now_ms
WHERE system = :system AND operation = :operation AND key = :key
    AND (state IN ('available', 'scheduled') OR state IN ('retryable', 'running'))
RETURNING key, generation;

-- name: delivery_finish
-- key: system operation key
UPDATE delivery SET
    state = CASE WHEN generation = :generation OR :state NOT IN ('completed', 'superseded') THEN :state
                 ELSE 'available' END,
    deliver_by_ms = CASE WHEN :state IN ('completed', 'superseded') AND generation <> :generation
            AND next_changed_at_ms > 0
        THEN deliver_by_ms + next_changed_at_ms - first_changed_at_ms ELSE deliver_by_ms END,
    first_changed_at_ms = CASE WHEN :state IN ('completed', 'superseded') AND generation <> :generation
            AND next_changed_at_ms > 0
        THEN next_changed_at_ms ELSE first_changed_at_ms END,
    not_before_ms = :not_before_ms, reason = :reason, attempts = attempts - :uncounted,
    updated_at_ms = :now_ms
WHERE system = :system AND operation = :operation AND key = :key
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_release
UPDATE delivery SET state = 'available', attempts = 0, reason = '', not_before_ms = :now_ms,
    generation = generation + 1, updated_at_ms = :now_ms
WHERE system = :system AND operation = :operation AND key = :key
    AND state IN ('parked', 'retryable', 'completed', 'superseded', 'cancelled')
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_cancel
UPDATE delivery SET state = 'cancelled', updated_at_ms = :now_ms
WHERE system = :system AND operation = :operation AND key = :key AND state = 'parked'
RETURNING key;

-- name: delivery_hasten
-- key: system operation key
UPDATE delivery SET not_before_ms = :now_ms
WHERE system = :system AND operation = :operation AND key = :key
    AND (state IN ('available', 'scheduled') OR state = 'retryable') AND not_before_ms > :now_ms
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: deliveries_get
SELECT key, route, state, generation, first_changed_at_ms, deliver_by_ms, not_before_ms, attempts, reason
FROM delivery WHERE system = :system AND operation = :operation
    AND key IN (SELECT value FROM json_each(:keys));

-- name: deliveries_pending
SELECT system, operation, key, state, generation, deliver_by_ms, not_before_ms FROM delivery INDEXED BY delivery_open
WHERE system = :system AND state <> 'completed' AND state <> 'superseded' AND state <> 'cancelled' AND state <> 'parked';

-- name: deliveries_like
SELECT system, operation, key, route, state, generation, first_changed_at_ms, deliver_by_ms, not_before_ms,
       attempts, reason, updated_at_ms
FROM delivery WHERE key >= :from AND key < :to ORDER BY system, operation, key LIMIT :limit;

-- name: delivery_counts
SELECT system, operation, route, state, count(*), min(deliver_by_ms), min(first_changed_at_ms) FROM delivery
WHERE state <> 'completed' AND state <> 'superseded' AND state <> 'cancelled'
GROUP BY system, operation, route, state ORDER BY system, operation, route, state;

-- name: intent_put
INSERT INTO intent (id, system, operation, items, started_at_ms)
VALUES (:id, :system, :operation, :items, :now_ms)
ON CONFLICT (id) DO UPDATE SET started_at_ms = intent.started_at_ms
RETURNING id;

-- name: intent_finish
UPDATE intent SET finished_at_ms = :now_ms, result = :result WHERE id = :id
RETURNING id;

-- name: intents_unfinished
SELECT id, operation, items, started_at_ms FROM intent
WHERE system = :system AND finished_at_ms IS NULL ORDER BY id;

-- name: intent_get
SELECT id, system, operation, items, started_at_ms, finished_at_ms, result FROM intent WHERE id = :id;

-- name: attempt_put
-- key: intent key
INSERT INTO attempt (intent, system, operation, key, generation, result, message, at_ms)
VALUES (:intent, :system, :operation, :key, :generation, :result, :message, :now_ms)
ON CONFLICT (intent, key) DO UPDATE
SET result = excluded.result, message = excluded.message
RETURNING key;

-- name: attempts_of
SELECT key, generation FROM attempt WHERE intent = :intent ORDER BY key;

-- name: attempts_like
SELECT a.system, a.operation, a.key, a.at_ms, i.finished_at_ms, a.result, a.message, a.intent, i.items
FROM attempt AS a JOIN intent AS i ON i.id = a.intent
WHERE a.key >= :from AND a.key < :to ORDER BY a.at_ms DESC LIMIT :limit;

-- name: trace_put
INSERT INTO trace (kind, key, "offset", system, via, verdict, at_ms)
VALUES (:kind, :key, :offset, :system, :via, :verdict, :now_ms)
ON CONFLICT (kind, key, "offset") DO UPDATE SET verdict = excluded.verdict
RETURNING key;

-- name: traces
SELECT kind, key, "offset", system, via, verdict, at_ms FROM trace
WHERE kind = :kind AND key = :key ORDER BY "offset" LIMIT :limit;

-- name: parked_put
INSERT INTO parked (system, operation, key, reason, detail, payload, parked_at_ms)
VALUES (:system, :operation, :key, :reason, :detail, :payload, :now_ms)
ON CONFLICT (system, operation, key) WHERE resolved_at_ms IS NULL DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, payload = excluded.payload
RETURNING id;

-- name: parked_resolve
-- key: system operation key
UPDATE parked SET resolved_at_ms = :now_ms, resolution = :resolution, resolved_by = :by
WHERE system = :system AND operation = :operation AND key = :key AND resolved_at_ms IS NULL
RETURNING id;

-- name: parked_edit
UPDATE parked SET payload = :payload WHERE id = :id AND resolved_at_ms IS NULL
RETURNING id;

-- name: parked_open
SELECT id, system, operation, key, reason, detail, payload, parked_at_ms FROM parked
WHERE resolved_at_ms IS NULL AND id > :after ORDER BY id LIMIT :limit;

-- name: parked_get
SELECT id, system, operation, key, reason, detail, payload, parked_at_ms, resolved_at_ms, resolution,
       resolved_by
FROM parked WHERE id = :id;

-- name: parked_like
SELECT id, system, operation, key, reason, detail, parked_at_ms, resolved_at_ms, resolution, resolved_by
FROM parked INDEXED BY parked_key WHERE key >= :from AND key < :to ORDER BY id DESC LIMIT :limit;

-- name: parked_count
SELECT count(*) FROM parked WHERE resolved_at_ms IS NULL;

-- name: parked_groups
SELECT system, operation, reason, count(*), min(parked_at_ms) FROM parked
WHERE resolved_at_ms IS NULL GROUP BY system, operation, reason ORDER BY system, operation, reason;

-- name: parked_with_reason
SELECT system, operation, key, payload FROM parked INDEXED BY parked_reason
WHERE resolved_at_ms IS NULL AND reason = :reason ORDER BY id LIMIT :limit;

-- name: lag_put
-- key: route key
INSERT INTO lag (route, key, delivered_at_ms, lag_ms, kept)
VALUES (:route, :key, :now_ms, :lag_ms, :kept)
RETURNING id;

-- name: lags
SELECT key, delivered_at_ms, lag_ms, kept FROM lag
WHERE route = :route AND delivered_at_ms >= :since ORDER BY delivered_at_ms DESC, id DESC LIMIT :limit;

-- name: audit_last
SELECT chain FROM audit ORDER BY id DESC LIMIT 1;

-- name: audit_put
INSERT INTO audit (at_ms, actor, action, subject, before, after, chain)
VALUES (:now_ms, :actor, :action, :subject, :before, :after, :chain)
RETURNING id;

-- name: audits
SELECT id, at_ms, actor, action, subject, before, after, chain FROM audit
WHERE id > :after ORDER BY id LIMIT :limit;

-- name: account_put
INSERT INTO account (name, role, token_hash, created_at_ms) VALUES (:name, :role, :token_hash, :now_ms)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, token_hash = excluded.token_hash
RETURNING name;

-- name: account_drop
DELETE FROM account WHERE name = :name RETURNING name;

-- name: accounts
SELECT name, role, token_hash, created_at_ms FROM account ORDER BY name;

-- name: session_end
INSERT INTO session_ended (hash, ends_at_ms) VALUES (:hash, :ends_at_ms)
ON CONFLICT (hash) DO NOTHING
RETURNING hash;

-- What would have ended by itself meanwhile has not to be remembered.
-- name: forget_sessions
DELETE FROM session_ended WHERE ends_at_ms <= :now_ms RETURNING hash;

-- name: session_ended
SELECT ends_at_ms FROM session_ended WHERE hash = :hash;

-- The log and the lags grow in the order of time, so a sweep ends at the first row that is to stay.

-- name: forget_events
DELETE FROM event WHERE "offset" IN (
    SELECT "offset" FROM event WHERE received_at_ms < :before AND "offset" <= min(:applied, coalesce(
        (SELECT "offset" FROM event WHERE received_at_ms >= :before ORDER BY "offset" LIMIT 1), :applied))
    ORDER BY "offset" LIMIT :limit)
RETURNING "offset";

-- name: forget_seen
DELETE FROM event_seen WHERE bucket < :bucket AND digest IN (
    SELECT digest FROM event_seen WHERE bucket < :bucket LIMIT :limit)
RETURNING bucket;

-- name: forget_lags
DELETE FROM lag WHERE id IN (
    SELECT id FROM lag WHERE delivered_at_ms < :before
        AND id < coalesce((SELECT id FROM lag WHERE delivered_at_ms >= :before ORDER BY id LIMIT 1), 1 << 62)
    ORDER BY id LIMIT :limit)
RETURNING id;

-- name: forget_traces
DELETE FROM trace WHERE (kind, key, "offset") IN (
    SELECT kind, key, "offset" FROM trace WHERE at_ms < :before LIMIT :limit)
RETURNING key;

-- name: forget_attempts
DELETE FROM attempt WHERE (intent, key) IN (
    SELECT a.intent, a.key FROM intent AS i CROSS JOIN attempt AS a ON a.intent = i.id
    WHERE i.finished_at_ms < :before ORDER BY i.finished_at_ms LIMIT :limit)
RETURNING key;

-- name: forget_intents
DELETE FROM intent WHERE id IN (
    SELECT id FROM intent
    WHERE finished_at_ms < :before AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.intent = intent.id)
    ORDER BY finished_at_ms LIMIT :limit)
RETURNING id;

-- name: forget_deliveries
DELETE FROM delivery WHERE (system, operation, key) IN (
    SELECT system, operation, key FROM delivery
    WHERE state IN ('completed', 'superseded', 'cancelled') AND updated_at_ms < :before LIMIT :limit)
RETURNING key;

-- Orders that have told nothing since a moment, longest first.
-- name: orders_quiet
SELECT key, version, tiebreak, body, observed_at_ms FROM record
WHERE system = :system AND kind = 'order' AND observed_at_ms < :before
    AND (observed_at_ms, key) > (:after_ms, :after)
ORDER BY observed_at_ms, key LIMIT :limit;

-- Of its own accord SQLite takes the primary key, and walks all that was ever sent.
-- name: records_of_orders
SELECT kind, key, body, observed_at_ms FROM record INDEXED BY record_of_order
WHERE system = :system AND kind IN ('shipment', 'return')
    AND lower(json_extract(body, '$.order_key')) IN (SELECT value FROM json_each(:references))
ORDER BY kind, key LIMIT :limit;

-- Only as it was judged, and only where nothing refers to it any more: no demand that figures may not contain, no
-- delivery or parked work that is open, no hold and no claim on credit that counts.
-- name: order_retire
INSERT INTO retired (reference, version, tiebreak, digest, facts, retired_at_ms)
SELECT :reference, o.version, o.tiebreak, :digest, :facts, :now_ms FROM record AS o
WHERE o.system = :channel AND o.kind = 'order' AND o.key = :order_key
    AND o.version = :version AND o.tiebreak = :tiebreak
    AND NOT EXISTS (SELECT 1 FROM demand AS d
        WHERE d.channel = :channel AND d.order_key = :order_key AND d.settled = 0)
    AND NOT EXISTS (SELECT 1 FROM json_each(:systems) AS s CROSS JOIN json_each(:operations) AS p
        CROSS JOIN delivery AS d ON d.system = s.value AND d.operation = p.value
            AND d.key >= :order_key AND d.key < :order_key || char(32)
        WHERE d.state <> 'completed' AND d.state <> 'superseded' AND d.state <> 'cancelled')
    AND NOT EXISTS (SELECT 1 FROM json_each(:systems) AS s CROSS JOIN json_each(:operations) AS p
        CROSS JOIN parked AS w ON w.system = s.value AND w.operation = p.value
            AND w.key >= :order_key AND w.key < :order_key || char(32)
        WHERE w.resolved_at_ms IS NULL)
    AND NOT EXISTS (SELECT 1 FROM hold AS h
        WHERE h.channel = :channel AND h.order_key <> '' AND h.order_key IN (:order_key, :number)
            AND h.state IN ('open', 'confirmed'))
    AND NOT EXISTS (SELECT 1 FROM credit_claim AS c
        WHERE c.channel = :channel AND c.order_key <> '' AND c.order_key IN (:order_key, :number)
            AND c.state IN ('open', 'confirmed', 'ordered'))
ON CONFLICT (reference) DO NOTHING
RETURNING reference;

-- To follow order_retire in one transaction, like the next three: what belongs to an order that it has just taken.
-- name: demand_retire
DELETE FROM demand WHERE channel = :channel AND order_key = :order_key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = :reference AND o.retired_at_ms = :now_ms)
RETURNING line_id;

-- name: routing_retire
DELETE FROM routing WHERE channel = :channel AND order_key = :order_key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = :reference AND o.retired_at_ms = :now_ms)
RETURNING id;

-- name: record_retire
DELETE FROM record WHERE system = :system AND kind = :kind AND key = :key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = :reference AND o.retired_at_ms = :now_ms)
RETURNING key;

-- name: binding_retire
DELETE FROM binding WHERE system = :system AND kind = :kind AND key = :key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = :reference AND o.retired_at_ms = :now_ms)
RETURNING key;

-- name: retired_get
SELECT reference, version, tiebreak, digest, facts, retired_at_ms FROM retired
WHERE reference IN (SELECT value FROM json_each(:references)) ORDER BY reference;

-- name: retired_any
SELECT 1 FROM retired LIMIT 1;

-- name: retired_put
UPDATE retired SET version = :version, tiebreak = :tiebreak, digest = :digest, facts = :facts
WHERE reference = :reference
RETURNING reference;

-- name: delivery_summary
SELECT system, operation, route, state, count(*), min(deliver_by_ms), min(first_changed_at_ms),
       sum(CASE WHEN deliver_by_ms < :now_ms THEN 1 ELSE 0 END)
FROM delivery WHERE state <> 'completed' AND state <> 'superseded' AND state <> 'cancelled'
GROUP BY system, operation, route, state ORDER BY system, operation, route, state;

-- name: send_times
SELECT system, operation, started_at_ms, finished_at_ms FROM intent
WHERE id >= :after AND finished_at_ms IS NOT NULL ORDER BY id DESC LIMIT :limit;

-- name: orders_numbered
SELECT system, key FROM record
WHERE kind = 'order' AND json_extract(body, '$.number') IN (SELECT value FROM json_each(:numbers))
ORDER BY system, key LIMIT :limit;

-- name: bindings_external
SELECT system, kind, key FROM binding
WHERE external_id <> '' AND external_id IN (SELECT value FROM json_each(:ids)) ORDER BY system, kind, key LIMIT :limit;

-- name: audit_tail
SELECT id, at_ms, actor, action, subject, before, after, chain FROM audit
WHERE id < :before ORDER BY id DESC LIMIT :limit;

-- name: lag_totals
SELECT count(*), coalesce(sum(kept), 0), coalesce(max(lag_ms), 0) FROM lag
WHERE route = :route AND delivered_at_ms >= :since;

-- name: lags_at
SELECT l.route, l.key, l.delivered_at_ms, l.lag_ms, l.kept FROM json_each(:moments) AS m
CROSS JOIN lag AS l ON l.route = :route AND l.delivered_at_ms = m.value
WHERE l.key >= :from AND l.key < :to ORDER BY l.delivered_at_ms, l.id;

-- name: deliveries_range
SELECT system, operation, key, route, state, generation, first_changed_at_ms, deliver_by_ms, not_before_ms,
       attempts, reason, updated_at_ms
FROM delivery WHERE system = :system AND operation = :operation AND key >= :from AND key < :to
ORDER BY key LIMIT :limit;

-- name: adoption_put
INSERT INTO adoption (system, kind, key, body) VALUES (:system, :kind, :key, :body)
ON CONFLICT (system, kind, key) DO UPDATE SET body = excluded.body
RETURNING key;

-- name: adoption_after
SELECT key, body FROM adoption WHERE system = :system AND kind = :kind AND key > :after ORDER BY key LIMIT :limit;

-- name: forget_adoption
DELETE FROM adoption WHERE (system, kind, key) IN (
    SELECT a.system, a.kind, a.key FROM adoption AS a WHERE a.system = :system AND a.kind = :kind LIMIT :limit)
RETURNING key;

-- What is paused or in shadow, and what was.

-- name: mode_begin
INSERT INTO mode (subject, mode, since_ms, actor, reason) VALUES (:subject, :mode, :now_ms, :actor, :reason)
ON CONFLICT (subject, mode) WHERE until_ms IS NULL DO NOTHING
RETURNING subject;

-- name: mode_end
UPDATE mode SET until_ms = :now_ms WHERE subject = :subject AND mode = :mode AND until_ms IS NULL
RETURNING subject;

-- name: modes
SELECT subject, mode, since_ms, until_ms, actor, reason FROM mode
ORDER BY until_ms IS NOT NULL, id DESC LIMIT :limit;

-- Lags of changes that waited while their route or its sink was paused or in shadow, and the longest of the others.
-- name: lags_apart
SELECT coalesce(sum(apart), 0), coalesce(max(CASE WHEN apart THEN 0 ELSE lag_ms END), 0) FROM (
    SELECT lag_ms, kept = 0 AND EXISTS (
        SELECT 1 FROM mode WHERE subject IN (:route, :sink) AND since_ms < delivered_at_ms
            AND (until_ms IS NULL OR until_ms > delivered_at_ms - lag_ms)) AS apart
    FROM lag WHERE route = :route AND delivered_at_ms >= :since);

-- name: late_apart
SELECT count(*) FROM delivery INDEXED BY delivery_open
WHERE system = :system AND state <> 'completed' AND state <> 'superseded' AND state <> 'cancelled' AND state <> 'parked'
    AND route = :route AND deliver_by_ms < :now_ms AND first_changed_at_ms < :before;

-- What was read of a number that somebody else writes is what it is: nothing fell there unseen. What we knew to be
-- missing from before stays so, unless it was not known whether an order explains it, and the reading is that much
-- higher. To be followed by held_seen, which then finds what it expects.
-- name: held_learned
UPDATE binding SET
    held = :held, doubt_back = 0, first_read_ms = :now_ms,
    unseen = max(unseen - CASE WHEN stale = 1 AND doubt = 0 AND doubt_back = 0 AND :held BETWEEN held AND held + unseen
                               THEN :held - held ELSE 0 END, 0)
WHERE system = :system AND kind = 'stock' AND key = :key AND held IS NOT NULL AND confirmed_at_ms < :ours_ms
    AND (:rev IS NULL OR rev = :rev OR (NOT :exact AND doubt = 0 AND doubt_back = 0 AND credited = 0))
RETURNING key;

-- name: record_origins
SELECT r.key, r.changed_at_ms, coalesce(e.via, '') FROM record AS r
LEFT JOIN event AS e ON e."offset" = r."offset"
WHERE r.system = :system AND r.kind = :kind AND r.key IN (SELECT value FROM json_each(:keys));

-- name: dirty_of
SELECT sku FROM dirty WHERE sku IN (SELECT value FROM json_each(:skus)) ORDER BY sku;

-- name: binding_lost
UPDATE binding SET external_id = '', version = 0, hash = '', rev = rev + 1
WHERE system = :system AND kind = :kind AND key = :key
RETURNING key;

-- name: proof_put
INSERT INTO proof (id, route, state, asked_by, dry_run, started_at_ms, ended_at_ms, position, rows, body)
VALUES (:id, :route, :state, :asked_by, :dry_run, :started_at_ms, :ended_at_ms, :position, :rows, :body)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, ended_at_ms = excluded.ended_at_ms, position = excluded.position, rows = excluded.rows,
    body = excluded.body
RETURNING id;

-- name: proof_get
SELECT id, route, state, asked_by, dry_run, started_at_ms, ended_at_ms, position, rows, body FROM proof WHERE id = :id;

-- name: proofs
SELECT id, route, state, asked_by, dry_run, started_at_ms, ended_at_ms, position, rows, body FROM proof
WHERE route = :route AND started_at_ms >= :since ORDER BY started_at_ms DESC, id DESC LIMIT :limit;

-- What a person decided stands as long as the difference does; one that had gone and is back begins anew.
-- name: difference_put
INSERT INTO difference (route, key, cause, subject, detail, units, state, proof, first_at_ms, seen_at_ms, times)
VALUES (:route, :key, :cause, :subject, :detail, :units, :state, :proof, :now_ms, :now_ms, 1)
ON CONFLICT (route, key, cause) DO UPDATE
SET subject = excluded.subject, detail = excluded.detail, units = excluded.units, proof = excluded.proof,
    seen_at_ms = excluded.seen_at_ms, times = difference.times + 1, closed_at_ms = NULL,
    state = CASE WHEN difference.closed_at_ms IS NULL AND difference.state IN ('waiting', 'declined')
                 THEN difference.state ELSE excluded.state END,
    first_at_ms = CASE WHEN difference.closed_at_ms IS NULL THEN difference.first_at_ms ELSE excluded.first_at_ms END,
    decided_by = CASE WHEN difference.closed_at_ms IS NULL THEN difference.decided_by ELSE '' END
RETURNING key, state;

-- name: difference_gone
UPDATE difference SET closed_at_ms = :now_ms
WHERE route = :route AND closed_at_ms IS NULL AND proof <> :proof
RETURNING key;

-- name: difference_decide
UPDATE difference SET state = :state, decided_by = :by
WHERE route = :route AND key = :key AND cause = :cause AND state = 'waiting' AND closed_at_ms IS NULL
RETURNING key;

-- name: differences_of
SELECT key, cause, state FROM difference
WHERE route = :route AND key IN (SELECT value FROM json_each(:keys)) AND closed_at_ms IS NULL
ORDER BY key, cause;

-- name: differences_open
SELECT route, key, cause, subject, detail, units, state, first_at_ms, seen_at_ms, times, decided_by FROM difference
WHERE closed_at_ms IS NULL AND route = :route AND (:state = '' OR state = :state) AND (:cause = '' OR cause = :cause)
ORDER BY key, cause LIMIT :limit;

-- name: difference_counts
SELECT route, cause, state, count(*), sum(units), min(first_at_ms) FROM difference WHERE closed_at_ms IS NULL
GROUP BY route, cause, state ORDER BY route, cause, state;

-- name: forget_proofs
DELETE FROM proof WHERE id IN (
    SELECT id FROM proof WHERE started_at_ms < :before AND state <> 'running' LIMIT :limit)
RETURNING id;

-- name: forget_differences
DELETE FROM difference WHERE (route, key, cause) IN (
    SELECT route, key, cause FROM difference WHERE closed_at_ms < :before LIMIT :limit)
RETURNING key;

-- name: states_get
SELECT key, body, gone, changed_at_ms, observed_at_ms FROM record
WHERE system = :system AND kind = :kind AND key IN (SELECT value FROM json_each(:keys));

-- name: contents_get
SELECT key, hash, body, confirmed_at_ms FROM content
WHERE system = :system AND kind = :kind AND key IN (SELECT value FROM json_each(:keys));

-- name: content_put
INSERT INTO content (system, kind, key, hash, body, confirmed_at_ms)
VALUES (:system, :kind, :key, :hash, :body, :now_ms)
ON CONFLICT (system, kind, key) DO UPDATE
SET hash = excluded.hash, body = excluded.body, confirmed_at_ms = excluded.confirmed_at_ms
RETURNING key;

-- name: content_unsure
UPDATE content SET hash = '' WHERE system = :system AND kind = :kind AND key = :key
RETURNING key;

-- name: state_mark
INSERT INTO state_mark (route, key, seq, changed_at_ms) VALUES (:route, :key, 1, :changed_at_ms)
ON CONFLICT (route, key) DO UPDATE
SET seq = state_mark.seq + 1, changed_at_ms = min(state_mark.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = 0
RETURNING key;

-- name: state_marks
SELECT route, key, seq, changed_at_ms FROM state_mark WHERE not_before_ms <= :now_ms
ORDER BY changed_at_ms, route, key LIMIT :limit;

-- name: state_next
SELECT min(not_before_ms) FROM state_mark WHERE not_before_ms > :now_ms;

-- name: state_defer
UPDATE state_mark SET changed_at_ms = :until_ms, not_before_ms = :until_ms
WHERE route = :route AND key = :key AND seq = :seq
RETURNING key;

-- name: state_done
DELETE FROM state_mark WHERE route = :route AND key = :key AND seq = :seq
RETURNING key;

-- name: state_marked
SELECT route, key FROM state_mark
WHERE route = :route AND key IN (SELECT value FROM json_each(:keys)) AND not_before_ms <= :now_ms;

-- name: parked_of
SELECT id, operation, key, reason, detail, parked_at_ms FROM parked
WHERE resolved_at_ms IS NULL AND system = :system AND operation IN (SELECT value FROM json_each(:operations))
ORDER BY parked_at_ms, id LIMIT :limit;

-- Of its own accord SQLite takes the primary key for "system", and walks what was done in 30 days as well.
-- name: deliveries_late
SELECT operation, key, state, deliver_by_ms, attempts, reason FROM delivery INDEXED BY delivery_open
WHERE system = :system AND state <> 'completed' AND state <> 'superseded' AND state <> 'cancelled' AND state <> 'parked'
    AND route = :route AND deliver_by_ms < :now_ms
ORDER BY deliver_by_ms, operation, key LIMIT :limit;

-- name: differences_at
SELECT key, cause, detail, state, first_at_ms, seen_at_ms FROM difference
WHERE route = :route AND key IN (SELECT value FROM json_each(:keys)) AND closed_at_ms IS NULL
ORDER BY key, cause;

-- name: routing_put
INSERT INTO routing (channel, order_key, id, at_ms, said, body)
VALUES (:channel, :order_key, :id, :now_ms, :said, :body)
ON CONFLICT (channel, order_key, id) DO NOTHING
RETURNING id;

-- name: routings
SELECT order_key, at_ms, said, body FROM routing
WHERE channel = :channel AND order_key IN (SELECT value FROM json_each(:orders))
ORDER BY order_key, at_ms, id;

-- An order counts once for a location, from when it was given to it first.
-- name: routing_give
INSERT INTO routing_given (channel, order_key, system, location, at_ms)
VALUES (:channel, :order_key, :system, :location, :now_ms)
ON CONFLICT (channel, order_key, system, location) DO NOTHING
RETURNING location;

-- name: routing_load
SELECT location, count(*), sum(at_ms >= :hour_ms) FROM routing_given
WHERE system = :system AND at_ms >= :day_ms GROUP BY location ORDER BY location;

-- name: forget_given
DELETE FROM routing_given WHERE (channel, order_key, system, location) IN (
    SELECT channel, order_key, system, location FROM routing_given WHERE at_ms < :before LIMIT :limit)
RETURNING location;

-- Only where the order is still what it was when this was computed; what the channel took stays where it took it.
-- name: demand_place
INSERT INTO demand (channel, order_key, line_id, location, sku, quantity, taken)
SELECT :channel, :order_key, :line_id, :location, :sku, :quantity, 0 FROM record
WHERE system = :channel AND kind = 'order' AND key = :order_key AND version = :version AND tiebreak = :tiebreak
ON CONFLICT (channel, order_key, line_id, location) DO UPDATE
SET quantity = excluded.quantity, settled = 0
RETURNING order_key;

-- name: orders_recent
SELECT key, body FROM record
WHERE system = :system AND kind = 'order' AND changed_at_ms >= :since_ms
ORDER BY changed_at_ms DESC, key LIMIT :limit;

-- name: mapping_put
INSERT INTO mapping (number, at_ms, actor, note, restores, text)
VALUES (:number, :now_ms, :by, :note, :restores, :text)
ON CONFLICT (number) DO NOTHING
RETURNING number;

-- name: mapping_get
SELECT number, at_ms, actor, note, restores, text FROM mapping WHERE number = :number;

-- name: mappings
SELECT number, at_ms, actor, note, restores, text FROM mapping ORDER BY number DESC LIMIT :limit;

-- The row that transactions about one account take turns at.
-- name: credit_lock
INSERT INTO credit_account (system, account, seq) VALUES (:system, :account, 1)
ON CONFLICT (system, account) DO UPDATE SET seq = credit_account.seq + 1
RETURNING account;

-- As an index of part of the table is used only where its condition is said word for word, it is, here and below.
-- name: credit_lapse
UPDATE credit_claim SET state = 'expired'
WHERE system = :system AND account = :account AND state IN ('open', 'confirmed', 'ordered') AND state <> 'ordered'
    AND expires_at_ms <= :now_ms
RETURNING reference;

-- To follow credit_lock and credit_lapse in one transaction. "room" is what is left by the figures of "version", which
-- contain every order that the source had confirmed by "contains_ms"; a version below 0: there are no figures.
-- name: credit_take
INSERT INTO credit_claim (reference, system, account, channel, order_key, amount, currency, state, version, made_by,
                          created_at_ms, expires_at_ms, confirmed_at_ms, our_stamp_ms)
SELECT :reference, :system, :account, :channel, :order_key, :amount, :currency, 'open', 0, :made_by,
       :now_ms, :expires_at_ms, 0, 0
WHERE (:bounded = 0 OR :room - :amount >= (
        SELECT coalesce(sum(c.amount), 0) FROM credit_claim AS c
        WHERE c.system = :system AND c.account = :account AND c.state IN ('open', 'confirmed', 'ordered')
            AND NOT (c.state = 'ordered' AND c.our_stamp_ms BETWEEN 1 AND :contains_ms)))
    AND (:version < 0 OR EXISTS (
        SELECT 1 FROM record AS r WHERE r.system = :system AND r.kind = 'credit' AND r.key = :account
            AND r.version = :version AND r.gone = 0))
ON CONFLICT (reference) DO UPDATE
SET system = excluded.system, account = excluded.account, channel = excluded.channel, order_key = excluded.order_key,
    amount = excluded.amount, currency = excluded.currency, state = 'open', made_by = excluded.made_by,
    created_at_ms = excluded.created_at_ms, expires_at_ms = excluded.expires_at_ms, confirmed_at_ms = 0
WHERE credit_claim.state = 'expired'
RETURNING reference;

-- The figures of an account with each claim that counts, or once without any.
-- name: credit_account
SELECT r.body, r.version, r.gone, max(r.observed_at_ms, r.seen_ms), c.reference, c.state, c.amount, c.currency,
       c.expires_at_ms, c.our_stamp_ms, c.order_key,
       (SELECT u.position FROM cursor AS u WHERE u.system = 'syncline' AND u.stream = :judged)
FROM (SELECT 1) AS one
LEFT JOIN record AS r ON r.system = :system AND r.kind = 'credit' AND r.key = :account
LEFT JOIN credit_claim AS c ON c.system = :system AND c.account = :account
    AND c.state IN ('open', 'confirmed', 'ordered')
ORDER BY c.reference LIMIT :limit;

-- name: credit_claims
SELECT account, reference, state, amount, currency, expires_at_ms, our_stamp_ms FROM credit_claim
WHERE system = :system AND account IN (SELECT value FROM json_each(:accounts))
    AND state IN ('open', 'confirmed', 'ordered')
ORDER BY account, reference;

-- name: credit_of_orders
SELECT order_key, account, reference, state FROM credit_claim
WHERE channel = :channel AND order_key <> '' AND order_key IN (SELECT value FROM json_each(:orders))
    AND system = :system AND state <> 'released'
ORDER BY order_key, created_at_ms, reference;

-- name: credit_claim
SELECT system, account, channel, order_key, amount, currency, state, made_by, created_at_ms, expires_at_ms
FROM credit_claim WHERE reference = :reference;

-- name: credit_confirm
UPDATE credit_claim SET
    order_key = CASE WHEN order_key = '' THEN :order_key ELSE order_key END,
    expires_at_ms = CASE WHEN state = 'confirmed' THEN expires_at_ms ELSE :expires_at_ms END,
    confirmed_at_ms = CASE WHEN state = 'confirmed' THEN confirmed_at_ms ELSE :now_ms END, state = 'confirmed'
WHERE reference = :reference AND (state = 'confirmed' OR state = 'open' AND expires_at_ms > :now_ms)
    AND (order_key = '' OR :order_key = '' OR order_key = :order_key)
RETURNING reference;

-- name: credit_release
UPDATE credit_claim SET state = 'released' WHERE reference = :reference AND state IN ('open', 'confirmed')
RETURNING reference;

-- An order takes what is still owed for it. Only an amount that has grown has to be confirmed by the source again. Until
-- the source has confirmed the order, its claim may be moved to another account.
-- name: credit_ordered
INSERT INTO credit_claim (reference, system, account, channel, order_key, amount, currency, state, version, made_by,
                          created_at_ms, expires_at_ms, confirmed_at_ms, our_stamp_ms)
VALUES (:reference, :system, :account, :channel, :order_key, :amount, :currency, 'ordered', :version, '', :now_ms, 0, 0, 0)
ON CONFLICT (reference) DO UPDATE
SET amount = excluded.amount, currency = excluded.currency,
    account = CASE WHEN credit_claim.our_stamp_ms = 0 THEN excluded.account ELSE credit_claim.account END,
    version = CASE WHEN excluded.amount > credit_claim.amount THEN excluded.version ELSE credit_claim.version END,
    our_stamp_ms = CASE WHEN excluded.amount > credit_claim.amount THEN 0 ELSE credit_claim.our_stamp_ms END,
    state = CASE WHEN excluded.amount > credit_claim.amount THEN 'ordered' ELSE credit_claim.state END
RETURNING account;

-- To follow credit_ordered, or to precede credit_take, in one transaction: an order has one claim.
-- name: credit_replace
UPDATE credit_claim SET state = 'replaced', order_key = :order_key
WHERE channel = :channel AND order_key IN (:order_key, :number) AND order_key <> ''
    AND state IN ('open', 'confirmed', 'expired') AND reference <> :reference
RETURNING reference;

-- Approvals of orders that were applied in the very moment in which the approval learned the order's name. From the few that
-- count to their orders: in this order, or every order is looked at.
-- name: credit_met
SELECT c.reference, c.channel, c.order_key, o.body FROM credit_claim AS c
CROSS JOIN record AS o ON o.system = c.channel AND o.kind = 'order' AND o.key = c.order_key
WHERE c.state IN ('open', 'confirmed', 'ordered') AND c.state <> 'ordered' AND c.system = :system AND c.order_key <> ''
ORDER BY +c.reference LIMIT :limit;

-- The source tells of an order whether it counts it, and for which account; "": it does not tell. One that was approved on
-- the credit of this account is not in its figures if the source has it for another. That it holds the order as it is now,
-- the binding says.
-- name: credit_accept
UPDATE credit_claim SET
    our_stamp_ms = CASE WHEN :accepted = 0 THEN 0 WHEN our_stamp_ms = 0 THEN :now_ms ELSE our_stamp_ms END,
    state = CASE WHEN :accepted = 0 THEN 'ordered' ELSE state END
WHERE reference = :reference AND state IN ('ordered', 'contained')
    AND (:account IN ('', credit_claim.account) OR NOT EXISTS (
        SELECT 1 FROM credit_claim AS a WHERE a.channel = credit_claim.channel AND a.order_key = credit_claim.order_key
            AND a.order_key <> '' AND a.account = credit_claim.account AND a.state = 'replaced'))
    AND (:accepted = 0 OR EXISTS (
        SELECT 1 FROM binding AS b WHERE b.system = credit_claim.system AND b.kind = 'order' AND b.key = :binding
            AND b.version >= credit_claim.version))
RETURNING account;

-- name: credit_settling
-- The accounts of which ``credit_settle`` would settle any, so that they are marked together with it.
SELECT DISTINCT account FROM credit_claim
WHERE system = :system AND state IN ('open', 'confirmed', 'ordered') AND state = 'ordered'
    AND (amount = 0 OR our_stamp_ms BETWEEN 1 AND :contains_ms)
    AND EXISTS (SELECT 1 FROM record AS r WHERE r.system = credit_claim.system AND r.kind = 'credit'
        AND r.key = credit_claim.account AND r.gone = 0 AND max(r.observed_at_ms, r.seen_ms) >= :judged_ms)
ORDER BY account LIMIT :limit;

-- name: credit_settle
-- What the last full read that was judged must contain need not be looked at any more.
UPDATE credit_claim SET state = 'contained'
WHERE system = :system AND account = :account AND state IN ('open', 'confirmed', 'ordered') AND state = 'ordered'
    AND (amount = 0 OR our_stamp_ms BETWEEN 1 AND :contains_ms)
    AND EXISTS (SELECT 1 FROM record AS r WHERE r.system = credit_claim.system AND r.kind = 'credit'
        AND r.key = credit_claim.account AND r.gone = 0 AND max(r.observed_at_ms, r.seen_ms) >= :judged_ms)
RETURNING account;

-- name: forget_claims
DELETE FROM credit_claim WHERE reference IN (
    SELECT reference FROM credit_claim
    WHERE state NOT IN ('open', 'confirmed', 'ordered') AND created_at_ms < :before LIMIT :limit)
RETURNING reference;

-- Personal data: requests, whose records they concern, and what takes the place of what told of them.

-- name: privacy_ask
INSERT INTO privacy (id, state, body) VALUES (:id, :state, :body)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: privacy_move
UPDATE privacy SET state = :state, body = :body WHERE id = :id
RETURNING id;

-- name: privacy_get
SELECT state, body FROM privacy WHERE id = :id;

-- name: privacies
SELECT id, state, body FROM privacy
WHERE id > :after AND (:state = '' OR state = :state) ORDER BY id LIMIT :limit;

-- name: erased_put
INSERT INTO erased (system, kind, key, at_ms) VALUES (:system, :kind, :key, :now_ms)
ON CONFLICT (system, kind, key) DO NOTHING
RETURNING key;

-- name: erased_among
SELECT key FROM erased
WHERE system = :system AND kind = :kind AND key IN (SELECT value FROM json_each(:keys)) ORDER BY key;

-- A body of no bytes at all is no frame: that is how an erased one is known.
-- name: event_erase
UPDATE event SET body = x'' WHERE "offset" = :offset AND length(body) > 0
RETURNING "offset";

-- Only where it is still what was looked at. Its version stays: nothing newer was told.
-- name: record_erase
UPDATE record SET hash = :hash, body = :body
WHERE system = :system AND kind = :kind AND key = :key AND version = :version AND tiebreak = :tiebreak
RETURNING key;

-- What the other side holds is what it was; only the fingerprint that it is compared by is another one.
-- name: binding_erase
UPDATE binding SET hash = :hash WHERE system = :system AND kind = :kind AND key = :key AND hash = :was
RETURNING key;

-- A call whose end is not known may have to be made again.
-- name: intent_erase
UPDATE intent SET items = :items WHERE id = :id AND finished_at_ms IS NOT NULL
RETURNING id;

-- name: attempt_erase
UPDATE attempt SET message = :message WHERE intent = :intent AND key = :key
RETURNING key;

-- name: delivery_erase
UPDATE delivery SET reason = :reason WHERE system = :system AND operation = :operation AND key = :key
RETURNING key;

-- name: difference_erase
UPDATE difference SET detail = :detail WHERE route = :route AND key = :key AND detail <> ''
RETURNING key;

-- name: routing_erase
UPDATE routing SET body = :body WHERE channel = :channel AND order_key = :order_key AND body = :was
RETURNING order_key;

-- name: content_drop
DELETE FROM content WHERE system = :system AND kind = :kind AND key = :key
RETURNING key;

-- name: parked_after
SELECT id, system, operation, key, detail, payload FROM parked WHERE id > :after ORDER BY id LIMIT :limit;

-- name: parked_erase
UPDATE parked SET detail = :detail, payload = :payload WHERE id = :id
RETURNING id;

-- The text of a message that somebody decided about is kept no longer than the log keeps messages.
-- name: forget_payloads
UPDATE parked SET payload = '' WHERE id IN (
    SELECT id FROM parked
    WHERE operation = 'apply' AND resolved_at_ms < :before AND payload <> '' ORDER BY id LIMIT :limit)
RETURNING id;

-- name: audit_erase
UPDATE audit SET before = :before, after = :after WHERE id = :id
RETURNING id;
