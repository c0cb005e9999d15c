-- Every statement of the PostgreSQL store, by name; `syncline.stores.sqlite` says the same row by row.
-- A write takes its rows as one JSON array ($1). `-- key:` names what its rows are unique by: rows that
-- share it are run one after the other, because a set cannot touch a row twice. Reads name their
-- parameters; lists are JSON arrays. Column order is the contract.
-- LATERAL (... OFFSET 0): each name of a list is looked up by the whole of its index, whatever the server believes of the
-- table. Before its first ANALYZE, or of a system that is new in a large one, it takes a few rows to be there, and would
-- read all that the system has. MATERIALIZED: found first and then sorted, not looked for in the order wanted. state || '':
-- by the key, not by the index of what is open, which held next to nothing when the server last looked.

-- name: cursor_get
SELECT position, covers_ms FROM cursor WHERE system = :system AND stream = :stream;

-- name: cursors
SELECT system, stream, covers_ms FROM cursor ORDER BY system, stream;

-- name: cursor_put
-- key: system stream
INSERT INTO cursor (system, stream, position, covers_ms)
SELECT r.system, r.stream, r.position, r.covers_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, stream text, position text, covers_ms bigint)
ON CONFLICT (system, stream) DO UPDATE
SET position = excluded.position, covers_ms = greatest(cursor.covers_ms, excluded.covers_ms)
RETURNING stream;

-- name: progress_get
SELECT "offset" FROM progress WHERE consumer = :consumer;

-- name: progress_put
-- key: consumer
INSERT INTO progress (consumer, "offset")
SELECT r.consumer, r."offset" FROM jsonb_to_recordset($1::jsonb) AS r(consumer text, "offset" bigint)
ON CONFLICT (consumer) DO UPDATE SET "offset" = excluded."offset"
WHERE excluded."offset" >= progress."offset"
RETURNING consumer;

-- name: log_end
SELECT coalesce(max("offset"), 0) FROM event;

-- name: lease_take
-- key: name
INSERT INTO lease (name, owner, fence, expires_at_ms)
SELECT r.name, r.owner, 1, r.now_ms + r.ttl_ms
FROM jsonb_to_recordset($1::jsonb) AS r(name text, owner text, now_ms bigint, ttl_ms bigint)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, fence = lease.fence + 1, expires_at_ms = excluded.expires_at_ms
WHERE lease.owner = excluded.owner OR lease.expires_at_ms <= (
    SELECT r.now_ms FROM jsonb_to_recordset($1::jsonb) AS r(name text, now_ms bigint)
    WHERE r.name = excluded.name)
RETURNING fence;

-- name: lease_renew
-- key: name
UPDATE lease SET expires_at_ms = r.now_ms + r.ttl_ms
FROM jsonb_to_recordset($1::jsonb) AS r(name text, owner text, fence bigint, now_ms bigint, ttl_ms bigint)
WHERE lease.name = r.name AND lease.owner = r.owner AND lease.fence = r.fence
RETURNING lease.fence;

-- name: lease_check
-- key: name
-- Locked to the end of the transaction, so that nobody takes the lease over between check and commit.
SELECT lease.fence FROM lease
JOIN jsonb_to_recordset($1::jsonb) AS r(name text, owner text, fence bigint)
    ON lease.name = r.name AND lease.owner = r.owner AND lease.fence = r.fence
FOR SHARE OF lease;

-- name: lease_drop
-- key: name
UPDATE lease SET expires_at_ms = 0
FROM jsonb_to_recordset($1::jsonb) AS r(name text, owner text, fence bigint)
WHERE lease.name = r.name AND lease.owner = r.owner AND lease.fence = r.fence
RETURNING lease.fence;

-- name: records_get
SELECT key, version, tiebreak, hash, body, changed_at_ms, observed_at_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM record WHERE system = :system AND kind = :kind AND key = k.value OFFSET 0) AS r;

-- name: records_after
SELECT key, version, tiebreak, hash, body, changed_at_ms, observed_at_ms FROM record
WHERE system = :system AND kind = :kind AND key > :after ORDER BY key LIMIT :limit;

-- name: orders_numbered
-- The expression of the index record_order_number.
WITH found AS MATERIALIZED (SELECT system, key FROM record
    WHERE kind = 'order' AND (replace(body, '\u0000', '\u0020')::json ->> 'number')
        = ANY (ARRAY(SELECT jsonb_array_elements_text(:numbers::jsonb))))
SELECT system, key FROM found
ORDER BY system, key LIMIT :limit;

-- name: record_count
SELECT system, kind, count(*) FROM record GROUP BY system, kind ORDER BY system, kind;

-- name: stock_of_skus
SELECT r.key, r.body, r.observed_at_ms, r.changed_at_ms, r.vanished_ms, r.gone
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value),
     LATERAL (SELECT * FROM record WHERE system = :system AND kind = 'stock'
              AND key >= s.value || chr(31) AND key < s.value || chr(32) OFFSET 0) AS r
ORDER BY r.key;

-- name: record_put
-- key: system kind key
INSERT INTO record (system, kind, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", hash, body)
SELECT r.system, r.kind, r.key, r.version, r.tiebreak, r.changed_at_ms, r.observed_at_ms, r."offset", r.hash,
       r.body
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, version bigint, tiebreak bigint,
    changed_at_ms bigint, observed_at_ms bigint, "offset" bigint, hash text, body text)
ON CONFLICT (system, kind, key) DO UPDATE
SET version = excluded.version, tiebreak = excluded.tiebreak, changed_at_ms = excluded.changed_at_ms,
    observed_at_ms = excluded.observed_at_ms, "offset" = excluded."offset", hash = excluded.hash,
    body = excluded.body, vanished_ms = 0, gone = 0
WHERE (excluded.version, excluded.tiebreak) > (record.version, record.tiebreak)
RETURNING key;

-- name: record_seen
-- key: system kind key
-- A full read contains a record, and tells nothing newer of it.
UPDATE record SET seen_ms = greatest(record.seen_ms, r.seen_ms), vanished_ms = 0, gone = 0
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, seen_ms bigint)
WHERE record.system = r.system AND record.kind = r.kind AND record.key = r.key
RETURNING record.key;

-- name: read_places
-- How many stock figures a location has, how many of them were told since a moment, and how many are known not to be.
-- Every row says how far these keys go.
SELECT CASE WHEN strpos(p.key, chr(31)) > 0 THEN substr(p.key, strpos(p.key, chr(31)) + 1) ELSE p.key END,
    count(*), sum(p.told)::bigint, sum(p.known)::bigint, max(max(p.key)) OVER ()
FROM (SELECT key, CASE WHEN greatest(observed_at_ms, seen_ms) >= :began_ms THEN 1 ELSE 0 END AS told,
             CASE WHEN vanished_ms > 0 THEN 1 ELSE 0 END AS known
      FROM record WHERE system = :system AND kind = 'stock' AND key > :after ORDER BY key LIMIT :limit) AS p
GROUP BY 1 ORDER BY 1;

-- name: read_absent
SELECT key, body FROM record
WHERE system = :system AND kind = :kind AND key > :after AND greatest(observed_at_ms, seen_ms) < :began_ms
    AND vanished_ms = 0
ORDER BY key LIMIT :limit;

-- name: record_vanish
-- key: system kind key
UPDATE record SET vanished_ms = r.began_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, began_ms bigint)
WHERE record.system = r.system AND record.kind = r.kind AND record.key = r.key
    AND greatest(record.observed_at_ms, record.seen_ms) < r.began_ms AND record.vanished_ms = 0
RETURNING record.key;

-- name: record_gone
-- key: system kind key
UPDATE record SET gone = 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text)
WHERE record.system = r.system AND record.kind = r.kind AND record.key = r.key
    AND record.vanished_ms > 0 AND record.gone = 0
RETURNING record.key;

-- name: vanished
SELECT key, vanished_ms, gone FROM record
WHERE system = :system AND kind = :kind AND vanished_ms > 0 AND key > :after ORDER BY key LIMIT :limit;

-- name: vanished_among
SELECT r.key FROM jsonb_array_elements_text(:keys::jsonb) AS k(value),
     LATERAL (SELECT * FROM record WHERE system = :system AND kind = :kind AND key = k.value AND vanished_ms > 0 OFFSET 0) AS r
ORDER BY r.key;

-- name: doubted_put
-- key: system key
INSERT INTO doubted (system, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", body)
SELECT r.system, r.key, r.version, r.tiebreak, r.changed_at_ms, r.observed_at_ms, r."offset", r.body
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, version bigint, tiebreak bigint,
    changed_at_ms bigint, observed_at_ms bigint, "offset" bigint, body text)
ON CONFLICT (system, key) DO UPDATE
SET version = excluded.version, tiebreak = excluded.tiebreak, changed_at_ms = excluded.changed_at_ms,
    observed_at_ms = excluded.observed_at_ms, "offset" = excluded."offset", body = excluded.body
RETURNING key;

-- name: doubted_of_skus
SELECT d.key, d.version, d.tiebreak, d.changed_at_ms, d.observed_at_ms, d."offset", d.body
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value),
     LATERAL (SELECT * FROM doubted WHERE system = :system
              AND key >= s.value || chr(31) AND key < s.value || chr(32) OFFSET 0) AS d
ORDER BY d.key;

-- name: doubted_first
SELECT key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", body FROM doubted
WHERE system = :system ORDER BY key LIMIT :limit;

-- name: doubted_drop
-- key: system key
DELETE FROM doubted USING jsonb_to_recordset($1::jsonb) AS r(system text, key text)
WHERE doubted.system = r.system AND doubted.key = r.key
RETURNING doubted.key;

-- name: bindings_get
SELECT key, external_id, version, hash, held, unseen, rev, confirmed_at_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM binding WHERE system = :system AND kind = :kind AND key = k.value OFFSET 0) AS r;

-- name: bindings_of_skus
SELECT b.key, CASE WHEN b.stale <> 0 THEN NULL ELSE b.held END, b.unseen, b.rev, b.confirmed_at_ms
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value),
     LATERAL (SELECT * FROM binding WHERE system = :system AND kind = 'stock'
              AND key >= s.value || chr(31) AND key < s.value || chr(32) OFFSET 0) AS b
ORDER BY b.key;

-- name: unseen_of_skus
SELECT b.key, b.unseen
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value),
     LATERAL (SELECT * FROM binding WHERE system = :system AND kind = 'stock' AND unseen > 0
              AND key >= s.value || chr(31) AND key < s.value || chr(32) OFFSET 0) AS b
ORDER BY b.key;

-- name: bindings_after
SELECT key, external_id, version, hash, held, unseen, rev, confirmed_at_ms FROM binding
WHERE system = :system AND kind = :kind AND key > :after ORDER BY key LIMIT :limit;

-- name: bindings_external
WITH found AS MATERIALIZED (SELECT system, kind, key FROM binding
    WHERE external_id <> '' AND external_id = ANY (ARRAY(SELECT jsonb_array_elements_text(:ids::jsonb))))
SELECT system, kind, key FROM found
ORDER BY system, kind, key LIMIT :limit;

-- name: unseen
SELECT system, key, unseen, confirmed_at_ms FROM binding WHERE kind = 'stock' AND unseen > 0
ORDER BY system, key LIMIT :limit;

-- name: binding_put
-- key: system kind key
INSERT INTO binding (system, kind, key, external_id, version, hash, rev, confirmed_at_ms)
SELECT r.system, r.kind, r.key, r.external_id, r.version, r.hash, 1, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, external_id text, version bigint,
    hash text, now_ms bigint)
ON CONFLICT (system, kind, key) DO UPDATE
SET external_id = excluded.external_id, version = greatest(binding.version, excluded.version),
    hash = excluded.hash, rev = binding.rev + 1, confirmed_at_ms = excluded.confirmed_at_ms
RETURNING key;

-- name: binding_unsure
-- key: system kind key
UPDATE binding SET hash = r.hash
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, hash text)
WHERE binding.system = r.system AND binding.kind = r.kind AND binding.key = r.key
RETURNING binding.key;

-- name: held_shift
-- key: system key
UPDATE binding SET
    held = held + r.by - least(greatest(-unseen, 0), greatest(r.by, 0)),
    unseen = unseen + least(greatest(-unseen, 0), greatest(r.by, 0)),
    doubt_back = CASE WHEN r.moved_at_ms < first_read_ms + 5000
                      THEN doubt_back - r.by + least(greatest(-unseen, 0), greatest(r.by, 0)) ELSE doubt_back END,
    credited = CASE WHEN r.moved_at_ms < first_read_ms + 5000
                    THEN credited + least(greatest(unseen, 0), greatest(r.by, 0)) ELSE credited END,
    stale = CASE WHEN r.moved_at_ms < first_read_ms + 5000 THEN 1 ELSE stale END, rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, by bigint, moved_at_ms bigint)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND held IS NOT NULL
RETURNING binding.key;

-- name: held_explain
-- key: system key
-- Units that are missed are explained by what moved before the reading that found them missing, and by nothing later.
-- Where only the beginning of the time in which they may have moved lies before it, the number is read again; and where
-- more moved before it than it missed: then the channel's clock is not what it seems, or somebody put units back.
UPDATE binding SET
    held = held - r.by + least(CASE WHEN r.until_ms <= asked_ms THEN greatest(unseen, 0) ELSE 0 END, r.by),
    unseen = unseen - least(CASE WHEN r.until_ms <= asked_ms THEN greatest(unseen, 0) ELSE 0 END, r.by),
    doubt = CASE WHEN r.moved_at_ms < first_read_ms + 5000
                 THEN doubt + r.by - least(CASE WHEN r.until_ms <= asked_ms THEN greatest(unseen, 0) ELSE 0 END, r.by)
                 ELSE doubt END,
    credited = CASE WHEN r.moved_at_ms < first_read_ms + 5000
                    THEN credited + least(CASE WHEN r.until_ms <= asked_ms THEN greatest(unseen, 0) ELSE 0 END, r.by)
                    ELSE credited END,
    stale = CASE WHEN r.moved_at_ms < first_read_ms + 5000 THEN 1
                 WHEN unseen > 0 AND r.by > 0 AND r.moved_at_ms <= asked_ms AND asked_ms < r.until_ms THEN 1
                 WHEN unseen > 0 AND r.by > unseen AND r.until_ms <= asked_ms THEN 1
                 ELSE stale END, rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, by bigint, moved_at_ms bigint, until_ms bigint)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND held IS NOT NULL
RETURNING binding.key;

-- name: held_seen
-- key: system key
WITH r AS (SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS r(system text, key text, held bigint, rev bigint, exact boolean, now_ms bigint)),
known AS (SELECT b.system, b.key, b.rev, b.doubt = 0 AND b.doubt_back = 0 AND b.credited = 0 AS sure FROM r
    JOIN binding AS b ON b.system = r.system AND b.kind = 'stock' AND b.key = r.key FOR UPDATE OF b)
INSERT INTO binding (system, kind, key, held, unseen, rev, confirmed_at_ms, first_read_ms, asked_ms)
SELECT r.system, 'stock', r.key, r.held, 0, 1, r.now_ms, r.now_ms, r.now_ms
FROM r LEFT JOIN known ON known.system = r.system AND known.key = r.key
WHERE r.rev IS NULL OR known.rev IS NULL OR known.rev = r.rev OR (NOT r.exact AND known.sure)
ON CONFLICT (system, kind, key) DO UPDATE
SET unseen = CASE WHEN binding.held IS NULL THEN 0
                  ELSE (SELECT greatest(u.units, least(u.units + CASE WHEN binding.aside > 0 THEN binding.credited ELSE 0 END, binding.aside)) FROM (SELECT
                           greatest(binding.unseen + binding.held - excluded.held + binding.doubt_back,
                               least(binding.unseen + binding.held - excluded.held + binding.doubt, 0)) AS units) AS u) END,
    held = excluded.held, stale = 0, doubt = 0, doubt_back = 0, credited = 0, rev = binding.rev + 1,
    confirmed_at_ms = excluded.confirmed_at_ms,
    asked_ms = excluded.asked_ms,
    first_read_ms = CASE WHEN binding.held IS NULL OR binding.doubt <> 0 OR binding.doubt_back <> 0 OR binding.credited <> 0
                         THEN excluded.first_read_ms ELSE binding.first_read_ms END
RETURNING key, unseen;

-- name: held_asked
-- key: system key
-- A reading that was just stored was asked for earlier than it was answered.
UPDATE binding SET asked_ms = r.asked_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, asked_ms bigint, now_ms bigint)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND binding.asked_ms = r.now_ms
RETURNING binding.key;

-- name: held_first
-- key: system key
INSERT INTO binding (system, kind, key, held, rev, confirmed_at_ms, first_read_ms)
SELECT r.system, 'stock', r.key, r.held, 0, r.now_ms, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, held bigint, now_ms bigint)
ON CONFLICT (system, kind, key) DO UPDATE SET held = excluded.held, first_read_ms = excluded.first_read_ms
WHERE binding.held IS NULL
RETURNING key;

-- name: held_aside
-- key: system key
UPDATE binding SET
    unseen = CASE WHEN confirmed_at_ms < r.ours_ms THEN greatest(unseen - greatest(binding.aside - r.aside, 0), r.aside)
                  ELSE unseen END,
    aside = r.aside
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, aside bigint, ours_ms bigint, rev bigint,
    exact boolean)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND held IS NOT NULL
    AND (r.rev IS NULL OR binding.rev = r.rev OR (NOT r.exact AND doubt = 0 AND doubt_back = 0 AND credited = 0))
RETURNING binding.key;

-- name: held_refuted
-- key: system key
UPDATE binding SET stale = 1, rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key
RETURNING binding.key;

-- name: held_blind
-- key: system key
UPDATE binding SET first_read_ms = r.until_ms, doubt = doubt + greatest(r.by, 0),
    doubt_back = doubt_back + least(r.by, 0), rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, until_ms bigint, by bigint)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND held IS NOT NULL
RETURNING binding.key;

-- name: held_written
-- key: system key
UPDATE binding SET held = held + r.by, confirmed_at_ms = r.now_ms, rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, by bigint, now_ms bigint)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key
RETURNING binding.key;

-- name: unseen_release
-- key: system key
UPDATE binding SET unseen = 0, rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND unseen > 0
RETURNING binding.key;

-- name: heard_get
SELECT b.key, CASE WHEN b.stale <> 0 THEN NULL ELSE b.held END, b.unseen, b.rev, h.number, coalesce(h.stamp_ms, 0),
       coalesce(h.check_ms, 0), (EXISTS (SELECT 1 FROM delivery AS d WHERE d.system = b.system
           AND d.operation = 'set_stock' AND d.key = b.key AND d.state || '' = 'running' OFFSET 0))::int
FROM jsonb_array_elements_text(:keys::jsonb) AS k(value)
CROSS JOIN LATERAL (SELECT * FROM binding WHERE system = :system AND kind = 'stock' AND key = k.value AND held IS NOT NULL
                    OFFSET 0) AS b
LEFT JOIN heard AS h ON h.system = b.system AND h.key = b.key
ORDER BY b.key;

-- name: heard_put
-- key: system key
INSERT INTO heard (system, key, number, stamp_ms, check_ms)
SELECT r.system, r.key, r.number, r.stamp_ms, r.check_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, number bigint, stamp_ms bigint, check_ms bigint)
ON CONFLICT (system, key) DO UPDATE
SET number = excluded.number, stamp_ms = excluded.stamp_ms, check_ms = excluded.check_ms
WHERE excluded.stamp_ms >= heard.stamp_ms
RETURNING key;

-- name: heard_checks
SELECT h.system, h.key, h.number, h.stamp_ms, h.check_ms, CASE WHEN b.stale <> 0 THEN NULL ELSE b.held END,
       coalesce(b.unseen, 0)
FROM heard AS h LEFT JOIN binding AS b ON b.system = h.system AND b.kind = 'stock' AND b.key = h.key
WHERE h.check_ms > 0 ORDER BY h.check_ms, h.system, h.key LIMIT :limit;

-- name: heard_again
-- key: system key
UPDATE heard SET check_ms = r.check_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, check_ms bigint)
WHERE heard.system = r.system AND heard.key = r.key AND heard.check_ms = 0 AND EXISTS (SELECT 1 FROM binding AS b
    WHERE b.system = heard.system AND b.kind = 'stock' AND b.key = heard.key AND b.unseen > 0 AND b.held <> heard.number)
RETURNING heard.key;

-- name: heard_checked
-- key: system key
UPDATE heard SET check_ms = 0
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, stamp_ms bigint, check_ms bigint)
WHERE heard.system = r.system AND heard.key = r.key AND heard.stamp_ms = r.stamp_ms AND heard.check_ms = r.check_ms
RETURNING heard.key;

-- name: demand_open
SELECT d.channel, d.order_key, d.line_id, d.location, d.sku, d.quantity, d.erp_before, d.erp_quantity,
       d.erp_stamp_ms, d.our_stamp_ms
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value) JOIN demand AS d ON d.sku = s.value AND d.settled = 0
ORDER BY d.channel, d.order_key, d.line_id, d.location;

-- name: demand_of_orders
SELECT channel, order_key, line_id, location, sku, quantity, taken, erp_quantity, erp_stamp_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:orders::jsonb)) AS k(value),
     LATERAL (SELECT * FROM demand WHERE channel = :channel AND order_key = k.value ORDER BY line_id, location OFFSET 0) AS d
ORDER BY order_key, line_id, location;

-- name: demand_sold
SELECT d.sku, sum(d.quantity)::bigint
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value),
     LATERAL (SELECT * FROM demand WHERE channel = :channel AND sku = s.value OFFSET 0) AS d,
     LATERAL (SELECT * FROM record WHERE system = d.channel AND kind = 'order' AND key = d.order_key OFFSET 0) AS o
WHERE (replace(o.body, '\u0000', '\u0020')::json ->> 'placed_at_ms')::bigint >= :since_ms
GROUP BY d.sku ORDER BY d.sku;

-- name: demand_untaken
SELECT d.sku, d.location, sum(d.quantity - d.taken)::bigint
FROM jsonb_array_elements_text(:skus::jsonb) AS s(value),
     LATERAL (SELECT * FROM demand WHERE channel = :channel AND sku = s.value AND quantity > taken OFFSET 0) AS d
GROUP BY d.sku, d.location ORDER BY d.sku, d.location;

-- name: demand_want
-- key: channel order_key line_id location
INSERT INTO demand (channel, order_key, line_id, location, sku, quantity, taken)
SELECT r.channel, r.order_key, r.line_id, r.location, r.sku, r.quantity, r.taken
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, line_id text, location text, sku text,
    quantity bigint, taken bigint)
ON CONFLICT (channel, order_key, line_id, location) DO UPDATE
SET sku = excluded.sku, quantity = excluded.quantity, taken = excluded.taken, settled = 0
RETURNING order_key;

-- The answer to our own call (no stamp of the ERP's) says what was asked for; what the ERP told of the line meanwhile, where
-- some of it waits for stock, is what it holds.
-- name: demand_known
-- key: channel order_key line_id location
UPDATE demand SET
    erp_before = CASE WHEN erp_quantity = r.quantity THEN erp_before ELSE least(erp_before, erp_quantity) END,
    erp_stamp_ms = CASE WHEN erp_quantity = r.quantity THEN coalesce(demand.erp_stamp_ms, r.erp_stamp_ms)
                        ELSE r.erp_stamp_ms END,
    our_stamp_ms = CASE WHEN erp_quantity = r.quantity THEN coalesce(demand.our_stamp_ms, r.our_stamp_ms)
                        ELSE r.our_stamp_ms END,
    erp_quantity = r.quantity, settled = 0
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, line_id text, location text,
    quantity bigint, erp_stamp_ms bigint, our_stamp_ms bigint)
WHERE demand.channel = r.channel AND demand.order_key = r.order_key AND demand.line_id = r.line_id
    AND demand.location = r.location
    AND (r.erp_stamp_ms IS NOT NULL OR demand.erp_stamp_ms IS NULL OR demand.erp_quantity >= r.quantity)
RETURNING demand.order_key;

-- name: demand_sent
-- key: channel order_key
UPDATE demand SET erp_quantity = s.quantity, erp_before = least(demand.erp_before, s.quantity), settled = 0
FROM (
    SELECT d.channel, d.order_key, d.line_id, d.location, coalesce((
        SELECT sum((v ->> 2)::bigint) FROM jsonb_array_elements(r.sent) AS v
        WHERE v ->> 0 = d.line_id AND v ->> 1 = d.location), 0) AS quantity
    FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, sent jsonb)
    JOIN demand AS d ON d.channel = r.channel AND d.order_key = r.order_key
) AS s
WHERE demand.channel = s.channel AND demand.order_key = s.order_key AND demand.line_id = s.line_id
    AND demand.location = s.location AND demand.erp_quantity > s.quantity
RETURNING demand.line_id, demand.location;

-- name: demand_settle
-- key: channel order_key line_id location
UPDATE demand SET settled = 1, erp_before = demand.erp_quantity
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, line_id text, location text,
    quantity bigint, erp_quantity bigint)
WHERE demand.channel = r.channel AND demand.order_key = r.order_key AND demand.line_id = r.line_id
    AND demand.location = r.location AND demand.quantity = r.quantity AND demand.erp_quantity = r.erp_quantity
RETURNING demand.order_key;

-- name: shelf_open
-- key: sku pool
INSERT INTO shelf (sku, pool, free, as_of_ms, stale, rev)
SELECT r.sku, r.pool, 0, 0, 1, 1 FROM jsonb_to_recordset($1::jsonb) AS r(sku text, pool text)
ON CONFLICT (sku, pool) DO NOTHING
RETURNING sku;

-- name: shelf_put
-- key: sku pool
UPDATE shelf SET free = r.free, as_of_ms = r.as_of_ms, stale = 0, rev = shelf.rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(sku text, pool text, free bigint, as_of_ms bigint, rev bigint)
WHERE shelf.sku = r.sku AND shelf.pool = r.pool AND shelf.rev = r.rev
RETURNING shelf.sku;

-- name: shelf_stale
-- key: sku
UPDATE shelf SET stale = 1, rev = shelf.rev + 1 FROM jsonb_to_recordset($1::jsonb) AS r(sku text)
WHERE shelf.sku = r.sku
RETURNING shelf.sku;

-- name: shelves
SELECT s.sku, s.pool, s.free, s.stale, s.rev, s.as_of_ms,
    s.held - (SELECT coalesce(sum(h.quantity), 0)::bigint FROM hold AS h
     WHERE h.sku = s.sku AND h.pool = s.pool AND h.state IN ('open', 'confirmed')
         AND h.state = 'open' AND h.expires_at_ms <= :now_ms),
    (SELECT count(*) FROM hold AS h
     WHERE h.sku = s.sku AND h.pool = s.pool AND h.state IN ('open', 'confirmed')
         AND h.state = 'open' AND h.expires_at_ms <= :now_ms)
FROM jsonb_array_elements_text(:skus::jsonb) AS k(value) JOIN shelf AS s ON s.sku = k.value
ORDER BY s.sku, s.pool;

-- name: hold_put
-- key: sku pool
-- Whoever counts holds has marked the SKU before in the same transaction: its row in dirty is the lock, and
-- this statement, which begins after it was taken, sees every hold that was committed before.
-- Every hold that has not ended counts, whatever the time: hold_lapse is what ends one by the clock. "held" is their
-- sum, which triggers keep (migration 0005).
INSERT INTO hold (reference, line, pool, channel, sku, location, asked, quantity, state, main, binds,
                  order_key, made_by, created_at_ms, expires_at_ms, confirmed_at_ms)
SELECT r.reference, r.line, r.pool, r.channel, r.sku, r.location, r.asked, r.quantity, 'open', r.main, r.binds,
       r.order_key, r.made_by, r.now_ms, r.expires_at_ms, 0
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, line bigint, pool text, channel text, sku text,
    location text, asked bigint, quantity bigint, main bigint, binds bigint, order_key text, made_by text,
    now_ms bigint, expires_at_ms bigint)
WHERE r.quantity = 0 OR r.binds = 0
    OR (SELECT s.free - s.held FROM shelf AS s WHERE s.sku = r.sku AND s.pool = r.pool AND s.stale = 0)
        >= r.quantity
ON CONFLICT (reference, line, pool) DO NOTHING
RETURNING reference;

-- name: hold_renew
-- key: sku pool
UPDATE hold SET state = 'confirmed',
    order_key = CASE WHEN hold.order_key = '' THEN r.order_key ELSE hold.order_key END,
    expires_at_ms = r.expires_at_ms, confirmed_at_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, line bigint, pool text, sku text, order_key text,
    expires_at_ms bigint, now_ms bigint)
WHERE hold.reference = r.reference AND hold.line = r.line AND hold.pool = r.pool AND hold.state = 'expired'
    AND (hold.quantity = 0 OR hold.binds = 0
        OR (SELECT s.free - s.held FROM shelf AS s WHERE s.sku = r.sku AND s.pool = r.pool AND s.stale = 0)
            >= hold.quantity)
RETURNING hold.reference;

-- name: hold_confirm
-- key: reference
UPDATE hold SET state = 'confirmed',
    order_key = CASE WHEN hold.order_key = '' THEN r.order_key ELSE hold.order_key END,
    expires_at_ms = CASE WHEN hold.state = 'confirmed' THEN hold.expires_at_ms ELSE r.expires_at_ms END,
    confirmed_at_ms = CASE WHEN hold.state = 'confirmed' THEN hold.confirmed_at_ms ELSE r.now_ms END
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, order_key text, expires_at_ms bigint, now_ms bigint)
WHERE hold.reference = r.reference
    AND (hold.state = 'confirmed' OR hold.state = 'open' AND hold.expires_at_ms > r.now_ms)
    AND (hold.order_key = '' OR r.order_key = '' OR hold.order_key = r.order_key)
RETURNING hold.reference;

-- name: hold_release
-- key: reference
UPDATE hold SET state = 'released' FROM jsonb_to_recordset($1::jsonb) AS r(reference text)
WHERE hold.reference = r.reference AND state IN ('open', 'confirmed')
RETURNING hold.reference;

-- name: hold_lapse
-- key: sku
UPDATE hold SET state = 'expired' FROM jsonb_to_recordset($1::jsonb) AS r(sku text, firm boolean, now_ms bigint)
WHERE hold.sku = r.sku AND state IN ('open', 'confirmed') AND (state = 'open' OR r.firm)
    AND expires_at_ms <= r.now_ms
RETURNING hold.reference;

-- name: hold_replace
-- key: channel order_key
UPDATE hold SET state = 'replaced' FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text)
WHERE hold.channel = r.channel AND hold.order_key = r.order_key AND hold.order_key <> ''
    AND state IN ('open', 'confirmed')
RETURNING hold.reference;

-- name: hold_meet
-- key: reference
-- An order that was applied before its hold was confirmed.
UPDATE hold SET state = 'replaced', order_key = r.order_key
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, order_key text)
WHERE hold.reference = r.reference AND hold.state <> 'released'
    AND EXISTS (SELECT 1 FROM demand AS d WHERE d.channel = hold.channel AND d.order_key = r.order_key OFFSET 0)
RETURNING hold.reference;

-- name: holds_get
SELECT line, pool, channel, sku, location, asked, quantity, state, main, order_key, made_by, created_at_ms,
       expires_at_ms, confirmed_at_ms, binds
FROM hold WHERE reference = :reference ORDER BY line, pool;

-- name: holds_of_skus
SELECT h.sku, h.reference, h.line, h.pool, h.channel, h.location, h.quantity, h.main
FROM jsonb_array_elements_text(:skus::jsonb) AS k(value)
JOIN hold AS h ON h.sku = k.value AND h.state IN ('open', 'confirmed')
WHERE h.state = 'confirmed' OR h.expires_at_ms > :now_ms
ORDER BY h.sku, h.reference, h.line, h.pool;

-- name: holds_of_orders
SELECT order_key, reference, sku
FROM (SELECT DISTINCT jsonb_array_elements_text(:orders::jsonb)) AS k(value),
     LATERAL (SELECT * FROM hold WHERE channel = :channel AND order_key <> '' AND order_key = k.value
              AND main = 1 AND state || '' IN ('open', 'confirmed') OFFSET 0) AS h
ORDER BY order_key, reference, sku;

-- name: holds_due
SELECT sku, reference, channel, quantity, confirmed_at_ms, expires_at_ms FROM hold
WHERE state IN ('open', 'confirmed') AND expires_at_ms <= :now_ms AND main = 1
ORDER BY expires_at_ms, reference, line LIMIT :limit;

-- name: holds_met
WITH open AS MATERIALIZED (SELECT * FROM hold
    WHERE state IN ('open', 'confirmed') AND expires_at_ms > 0 AND order_key <> '' AND main = 1)
SELECT sku, reference, order_key FROM open
WHERE EXISTS (SELECT 1 FROM demand AS d WHERE d.channel = open.channel AND d.order_key = open.order_key)
ORDER BY reference, line LIMIT :limit;

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
SELECT channel, state, count(DISTINCT reference), CAST(sum(quantity) AS BIGINT), min(created_at_ms)
FROM hold WHERE state IN ('open', 'confirmed') AND expires_at_ms > 0 AND main = 1
GROUP BY channel, state ORDER BY channel, state;

-- name: forget_holds
DELETE FROM hold WHERE (reference, line, pool) IN (
    SELECT old.reference, old.line, old.pool
    FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT h.reference, h.line, h.pool FROM hold AS h
             WHERE h.state NOT IN ('open', 'confirmed') AND h.expires_at_ms < r.before LIMIT r."limit") AS old)
RETURNING reference;

-- name: velocity_get
SELECT key, state FROM velocity
WHERE key = ANY (ARRAY(SELECT jsonb_array_elements_text(:keys::jsonb))) ORDER BY key;

-- name: velocity_put
-- key: key
INSERT INTO velocity (key, state)
SELECT r.key, decode(r.learned, 'hex') FROM jsonb_to_recordset($1::jsonb) AS r(key text, learned text)
ON CONFLICT (key) DO UPDATE SET state = excluded.state
RETURNING key;

-- name: standing_get
SELECT sku, velocity, slow_since_ms, buffers FROM standing
WHERE sku = ANY (ARRAY(SELECT jsonb_array_elements_text(:skus::jsonb))) ORDER BY sku;

-- name: standing_put
-- key: sku
INSERT INTO standing (sku, velocity, slow_since_ms, buffers)
SELECT r.sku, r.velocity, r.slow_since_ms, r.buffers
FROM jsonb_to_recordset($1::jsonb) AS r(sku text, velocity text, slow_since_ms bigint, buffers text)
ON CONFLICT (sku) DO UPDATE
SET velocity = excluded.velocity, slow_since_ms = excluded.slow_since_ms, buffers = excluded.buffers
RETURNING sku;

-- name: standing_drop
-- key: sku
DELETE FROM standing AS s USING jsonb_to_recordset($1::jsonb) AS r(sku text) WHERE s.sku = r.sku
RETURNING s.sku;

-- name: survey_put
-- key: subject at_ms
INSERT INTO survey (subject, at_ms, body)
SELECT r.subject, r.at_ms, r.body FROM jsonb_to_recordset($1::jsonb) AS r(subject text, at_ms bigint, body text)
ON CONFLICT (subject, at_ms) DO UPDATE SET body = excluded.body
RETURNING subject;

-- name: surveys
SELECT at_ms, body FROM survey WHERE subject = :subject AND at_ms >= :since ORDER BY at_ms DESC LIMIT :limit;

-- name: forget_surveys
DELETE FROM survey WHERE (subject, at_ms) IN (
    SELECT old.subject, old.at_ms FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT s.subject, s.at_ms FROM survey AS s WHERE s.at_ms < r.before LIMIT r."limit") AS old)
RETURNING subject;

-- name: dirty_mark
-- key: sku
INSERT INTO dirty (sku, seq, changed_at_ms)
SELECT r.sku, 1, r.changed_at_ms FROM jsonb_to_recordset($1::jsonb) AS r(sku text, changed_at_ms bigint)
ON CONFLICT (sku) DO UPDATE
SET seq = dirty.seq + 1, changed_at_ms = least(dirty.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = 0
RETURNING sku;

-- name: dirty_mark_waiting
-- key: sku
INSERT INTO dirty (sku, seq, changed_at_ms)
SELECT r.sku, 1, r.changed_at_ms FROM jsonb_to_recordset($1::jsonb) AS r(sku text, changed_at_ms bigint)
WHERE EXISTS (SELECT 1 FROM demand AS d WHERE d.sku = r.sku AND d.settled = 0)
ON CONFLICT (sku) DO UPDATE
SET seq = dirty.seq + 1, changed_at_ms = least(dirty.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = 0
RETURNING sku;

-- name: dirty_mark_later
-- key: sku
INSERT INTO dirty (sku, seq, changed_at_ms, not_before_ms)
SELECT r.sku, 1, r.changed_at_ms, r.not_before_ms
FROM jsonb_to_recordset($1::jsonb) AS r(sku text, changed_at_ms bigint, not_before_ms bigint)
ON CONFLICT (sku) DO UPDATE
SET seq = dirty.seq + 1, changed_at_ms = least(dirty.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = least(dirty.not_before_ms, excluded.not_before_ms)
RETURNING sku;

-- name: dirty
SELECT sku, seq, changed_at_ms FROM dirty WHERE not_before_ms <= :now_ms
ORDER BY changed_at_ms, sku LIMIT :limit;

-- name: dirty_next
SELECT min(not_before_ms) FROM dirty WHERE not_before_ms > 0;

-- name: dirty_defer
-- key: sku seq
UPDATE dirty SET not_before_ms = r.not_before_ms
FROM jsonb_to_recordset($1::jsonb) AS r(sku text, seq bigint, not_before_ms bigint)
WHERE dirty.sku = r.sku AND dirty.seq = r.seq
RETURNING dirty.sku;

-- name: dirty_done
-- key: sku seq
DELETE FROM dirty USING jsonb_to_recordset($1::jsonb) AS r(sku text, seq bigint)
WHERE dirty.sku = r.sku AND dirty.seq = r.seq
RETURNING dirty.sku;

-- name: delivery_touch
-- key: system operation key
INSERT INTO delivery (system, operation, key, route, state, generation, first_changed_at_ms,
                      deliver_by_ms, not_before_ms, attempts, reason, updated_at_ms)
SELECT r.system, r.operation, r.key, r.route, 'available', 1, r.changed_at_ms, r.deliver_by_ms,
       r.not_before_ms, 0, '', r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, route text,
    changed_at_ms bigint, deliver_by_ms bigint, not_before_ms bigint, now_ms bigint, wanted boolean, rev bigint)
WHERE r.wanted
    OR coalesce((SELECT b.rev FROM binding AS b
                 WHERE b.system = r.system AND b.kind = 'stock' AND b.key = r.key), 0) <> r.rev
    OR EXISTS (SELECT 1 FROM delivery AS d
               WHERE d.system = r.system AND d.operation = r.operation AND d.key = r.key
                   AND d.state || '' IN ('available', 'scheduled', 'retryable', 'running') OFFSET 0)
ON CONFLICT (system, operation, key) DO UPDATE
SET generation = delivery.generation + 1, route = excluded.route,
    state = CASE WHEN delivery.state = 'running' THEN 'running' ELSE 'available' END,
    next_changed_at_ms = CASE WHEN delivery.state <> 'running' THEN 0
        WHEN delivery.next_changed_at_ms > 0
            THEN least(delivery.next_changed_at_ms, excluded.first_changed_at_ms)
        ELSE excluded.first_changed_at_ms END,
    first_changed_at_ms = CASE WHEN delivery.state IN ('available', 'scheduled', 'retryable', 'running')
        THEN least(delivery.first_changed_at_ms, excluded.first_changed_at_ms)
        ELSE excluded.first_changed_at_ms END,
    deliver_by_ms = CASE WHEN delivery.state IN ('available', 'scheduled', 'retryable', 'running')
        THEN least(delivery.deliver_by_ms, excluded.deliver_by_ms) ELSE excluded.deliver_by_ms END,
    not_before_ms = CASE WHEN delivery.state IN ('available', 'scheduled', 'running')
        THEN least(delivery.not_before_ms, excluded.not_before_ms)
        WHEN delivery.state = 'retryable' THEN delivery.not_before_ms
        ELSE excluded.not_before_ms END,
    attempts = CASE WHEN delivery.state IN ('retryable', 'running') THEN delivery.attempts ELSE 0 END,
    updated_at_ms = excluded.updated_at_ms
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_fact
-- key: system operation key
INSERT INTO delivery (system, operation, key, route, state, generation, first_changed_at_ms,
                      deliver_by_ms, not_before_ms, attempts, reason, updated_at_ms)
SELECT r.system, r.operation, r.key, r.route, 'available', 1, r.changed_at_ms, r.deliver_by_ms,
       r.not_before_ms, 0, '', r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, route text,
    changed_at_ms bigint, deliver_by_ms bigint, not_before_ms bigint, now_ms bigint)
ON CONFLICT (system, operation, key) DO NOTHING
RETURNING system, operation, key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_run
-- key: system operation key
UPDATE delivery SET state = 'running', attempts = attempts + 1, next_changed_at_ms = 0,
    updated_at_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, now_ms bigint)
WHERE delivery.system = r.system AND delivery.operation = r.operation AND delivery.key = r.key
    AND state || '' IN ('available', 'scheduled', 'retryable', 'running')
RETURNING delivery.key, generation;

-- name: delivery_finish
-- key: system operation key
UPDATE delivery SET
    state = CASE WHEN delivery.generation = r.generation OR r.state NOT IN ('completed', 'superseded')
                 THEN r.state ELSE 'available' END,
    deliver_by_ms = CASE WHEN r.state IN ('completed', 'superseded') AND delivery.generation <> r.generation
            AND next_changed_at_ms > 0
        THEN deliver_by_ms + next_changed_at_ms - first_changed_at_ms ELSE deliver_by_ms END,
    first_changed_at_ms = CASE WHEN r.state IN ('completed', 'superseded') AND delivery.generation <> r.generation
            AND next_changed_at_ms > 0
        THEN next_changed_at_ms ELSE first_changed_at_ms END,
    not_before_ms = r.not_before_ms, reason = r.reason, attempts = attempts - r.uncounted,
    updated_at_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, state text, generation bigint,
    not_before_ms bigint, reason text, uncounted bigint, now_ms bigint)
WHERE delivery.system = r.system AND delivery.operation = r.operation AND delivery.key = r.key
RETURNING delivery.system, delivery.operation, delivery.key, delivery.state, delivery.generation,
    deliver_by_ms, delivery.not_before_ms;

-- name: delivery_release
-- key: system operation key
UPDATE delivery SET state = 'available', attempts = 0, reason = '', not_before_ms = r.now_ms,
    generation = generation + 1, updated_at_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, now_ms bigint)
WHERE delivery.system = r.system AND delivery.operation = r.operation AND delivery.key = r.key
    AND state IN ('parked', 'retryable', 'completed', 'superseded', 'cancelled')
RETURNING delivery.system, delivery.operation, delivery.key, state, generation, deliver_by_ms, not_before_ms;

-- name: delivery_cancel
-- key: system operation key
UPDATE delivery SET state = 'cancelled', updated_at_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, now_ms bigint)
WHERE delivery.system = r.system AND delivery.operation = r.operation AND delivery.key = r.key
    AND state || '' = 'parked'
RETURNING delivery.key;

-- name: delivery_hasten
-- key: system operation key
UPDATE delivery SET not_before_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, now_ms bigint)
WHERE delivery.system = r.system AND delivery.operation = r.operation AND delivery.key = r.key
    AND state || '' IN ('available', 'scheduled', 'retryable') AND not_before_ms > r.now_ms
RETURNING delivery.system, delivery.operation, delivery.key, state, generation, deliver_by_ms, not_before_ms;

-- name: deliveries_get
SELECT key, route, state, generation, first_changed_at_ms, deliver_by_ms, not_before_ms, attempts, reason
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM delivery WHERE system = :system AND operation = :operation AND key = k.value OFFSET 0) AS d;

-- name: deliveries_pending
SELECT system, operation, key, state, generation, deliver_by_ms, not_before_ms FROM delivery
WHERE system = :system AND state IN ('available', 'scheduled', 'retryable', 'running');

-- name: deliveries_like
SELECT system, operation, key, route, state, generation, first_changed_at_ms, deliver_by_ms, not_before_ms,
       attempts, reason, updated_at_ms
FROM delivery WHERE key >= :from AND key < :to ORDER BY system, operation, key LIMIT :limit;

-- name: delivery_counts
SELECT system, operation, route, state, count(*), min(deliver_by_ms), min(first_changed_at_ms) FROM delivery
WHERE state IN ('available', 'scheduled', 'retryable', 'running', 'parked')
GROUP BY system, operation, route, state ORDER BY system, operation, route, state;

-- name: delivery_summary
SELECT system, operation, route, state, count(*), min(deliver_by_ms), min(first_changed_at_ms),
       sum(CASE WHEN deliver_by_ms < :now_ms THEN 1 ELSE 0 END)
FROM delivery WHERE state IN ('available', 'scheduled', 'retryable', 'running', 'parked')
GROUP BY system, operation, route, state ORDER BY system, operation, route, state;

-- name: intent_put
-- key: id
INSERT INTO intent (id, system, operation, items, started_at_ms)
SELECT r.id, r.system, r.operation, r.items, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(id text, system text, operation text, items text, now_ms bigint)
ON CONFLICT (id) DO UPDATE SET started_at_ms = intent.started_at_ms
RETURNING id;

-- name: intent_finish
-- key: id
UPDATE intent SET finished_at_ms = r.now_ms, result = r.result
FROM jsonb_to_recordset($1::jsonb) AS r(id text, result text, now_ms bigint)
WHERE intent.id = r.id
RETURNING intent.id;

-- name: intents_unfinished
SELECT id, operation, items, started_at_ms FROM intent
WHERE system = :system AND finished_at_ms IS NULL ORDER BY id;

-- name: intent_get
SELECT id, system, operation, items, started_at_ms, finished_at_ms, result FROM intent WHERE id = :id;

-- name: send_times
SELECT system, operation, started_at_ms, finished_at_ms FROM intent
WHERE id >= :after AND finished_at_ms IS NOT NULL ORDER BY id DESC LIMIT :limit;

-- name: attempt_put
-- key: intent key
INSERT INTO attempt (intent, system, operation, key, generation, result, message, at_ms)
SELECT r.intent, r.system, r.operation, r.key, r.generation, r.result, r.message, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(intent text, system text, operation text, key text, generation bigint,
    result text, message text, now_ms bigint)
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
-- key: kind key offset
INSERT INTO trace (kind, key, "offset", system, via, verdict, at_ms)
SELECT r.kind, r.key, r."offset", r.system, r.via, r.verdict, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(kind text, key text, "offset" bigint, system text, via text,
    verdict text, now_ms bigint)
ON CONFLICT (kind, key, "offset") DO UPDATE SET verdict = excluded.verdict
RETURNING key;

-- name: traces
SELECT kind, key, "offset", system, via, verdict, at_ms FROM trace
WHERE kind = :kind AND key = :key ORDER BY "offset" LIMIT :limit;

-- name: parked_put
-- key: system operation key
-- in the order given: it numbers its rows
INSERT INTO parked (system, operation, key, reason, detail, payload, parked_at_ms)
SELECT r.system, r.operation, r.key, r.reason, r.detail, r.payload, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, reason text, detail text,
    payload text, now_ms bigint)
ON CONFLICT (system, operation, key) WHERE resolved_at_ms IS NULL DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, payload = excluded.payload
RETURNING id;

-- name: parked_resolve
-- key: system operation key
UPDATE parked SET resolved_at_ms = r.now_ms, resolution = r.resolution, resolved_by = r.by
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, resolution text, by text,
    now_ms bigint)
WHERE parked.system = r.system AND parked.operation = r.operation AND parked.key = r.key
    AND resolved_at_ms IS NULL
RETURNING parked.id;

-- name: parked_edit
-- key: id
UPDATE parked SET payload = r.payload
FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, payload text)
WHERE parked.id = r.id AND resolved_at_ms IS NULL
RETURNING parked.id;

-- name: parked_open
SELECT id, system, operation, key, reason, detail, payload, parked_at_ms FROM parked
WHERE resolved_at_ms IS NULL AND id > :after ORDER BY id LIMIT :limit;

-- name: parked_get
SELECT id, system, operation, key, reason, detail, payload, parked_at_ms, resolved_at_ms, resolution,
       resolved_by
FROM parked WHERE id = :id;

-- name: parked_like
SELECT id, system, operation, key, reason, detail, parked_at_ms, resolved_at_ms, resolution, resolved_by
FROM parked WHERE key >= :from AND key < :to ORDER BY id DESC LIMIT :limit;

-- name: parked_count
SELECT count(*) FROM parked WHERE resolved_at_ms IS NULL;

-- name: parked_groups
SELECT system, operation, reason, count(*), min(parked_at_ms) FROM parked
WHERE resolved_at_ms IS NULL GROUP BY system, operation, reason ORDER BY system, operation, reason;

-- name: parked_with_reason
SELECT system, operation, key, payload FROM parked
WHERE resolved_at_ms IS NULL AND reason = :reason ORDER BY id LIMIT :limit;

-- name: lag_put
INSERT INTO lag (route, key, delivered_at_ms, lag_ms, kept)
SELECT r.route, r.key, r.now_ms, r.lag_ms, r.kept
FROM jsonb_to_recordset($1::jsonb) AS r(route text, key text, lag_ms bigint, kept bigint, now_ms bigint)
RETURNING id;

-- name: lags
SELECT key, delivered_at_ms, lag_ms, kept FROM lag
WHERE route = :route AND delivered_at_ms >= :since ORDER BY delivered_at_ms DESC, id DESC LIMIT :limit;

-- name: audit_last
SELECT chain FROM audit ORDER BY id DESC LIMIT 1;

-- name: audit_put
INSERT INTO audit (at_ms, actor, action, subject, before, after, chain)
SELECT r.now_ms, r.actor, r.action, r.subject, r.before, r.after, r.chain
FROM jsonb_to_recordset($1::jsonb) AS r(actor text, action text, subject text, before text, after text,
    chain text, now_ms bigint)
RETURNING id;

-- name: audits
SELECT id, at_ms, actor, action, subject, before, after, chain FROM audit
WHERE id > :after ORDER BY id LIMIT :limit;

-- name: audit_tail
SELECT id, at_ms, actor, action, subject, before, after, chain FROM audit
WHERE id < :before ORDER BY id DESC LIMIT :limit;

-- name: account_put
-- key: name
INSERT INTO account (name, role, token_hash, created_at_ms)
SELECT r.name, r.role, r.token_hash, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(name text, role text, token_hash text, now_ms bigint)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, token_hash = excluded.token_hash
RETURNING name;

-- name: account_drop
-- key: name
DELETE FROM account USING jsonb_to_recordset($1::jsonb) AS r(name text)
WHERE account.name = r.name
RETURNING account.name;

-- name: accounts
SELECT name, role, token_hash, created_at_ms FROM account ORDER BY name;

-- name: session_end
-- key: hash
INSERT INTO session_ended (hash, ends_at_ms)
SELECT r.hash, r.ends_at_ms FROM jsonb_to_recordset($1::jsonb) AS r(hash text, ends_at_ms bigint)
ON CONFLICT (hash) DO NOTHING
RETURNING hash;

-- What would have ended by itself meanwhile has not to be remembered.
-- name: forget_sessions
DELETE FROM session_ended USING jsonb_to_recordset($1::jsonb) AS r(now_ms bigint)
WHERE session_ended.ends_at_ms <= r.now_ms
RETURNING session_ended.hash;

-- name: session_ended
SELECT ends_at_ms FROM session_ended WHERE hash = :hash;

-- name: forget_events
DELETE FROM event WHERE "offset" IN (
    SELECT old."offset"
    FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, applied bigint, "limit" bigint),
    LATERAL (SELECT e."offset" FROM event AS e
             WHERE e.received_at_ms < r.before AND e."offset" <= r.applied
                 AND e."offset" < coalesce((SELECT y."offset" FROM event AS y WHERE y.received_at_ms >= r.before
                                            ORDER BY y."offset" LIMIT 1), 9223372036854775807)
             ORDER BY e."offset" LIMIT r."limit") AS old)
RETURNING "offset";

-- name: forget_seen
DELETE FROM event_seen WHERE (bucket, digest) IN (
    SELECT old.bucket, old.digest FROM jsonb_to_recordset($1::jsonb) AS r(bucket bigint, "limit" bigint),
    LATERAL (SELECT s.bucket, s.digest FROM event_seen AS s WHERE s.bucket < r.bucket
             ORDER BY s.bucket, s.digest LIMIT r."limit") AS old)
RETURNING bucket;

-- name: forget_lags
DELETE FROM lag WHERE id IN (
    SELECT old.id FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT l.id FROM lag AS l
             WHERE l.delivered_at_ms < r.before
                 AND l.id < coalesce((SELECT y.id FROM lag AS y WHERE y.delivered_at_ms >= r.before
                                      ORDER BY y.id LIMIT 1), 9223372036854775807)
             ORDER BY l.id LIMIT r."limit") AS old)
RETURNING id;

-- name: forget_traces
DELETE FROM trace WHERE (kind, key, "offset") IN (
    SELECT old.kind, old.key, old."offset" FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT t.kind, t.key, t."offset" FROM trace AS t WHERE t.at_ms < r.before
             LIMIT r."limit") AS old)
RETURNING key;

-- name: forget_attempts
DELETE FROM attempt WHERE (intent, key) IN (
    SELECT old.intent, old.key FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT a.intent, a.key FROM intent AS i JOIN attempt AS a ON a.intent = i.id
             WHERE i.finished_at_ms < r.before ORDER BY i.finished_at_ms LIMIT r."limit") AS old)
RETURNING key;

-- name: forget_intents
DELETE FROM intent WHERE id IN (
    SELECT old.id FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT i.id FROM intent AS i
             WHERE i.finished_at_ms < r.before AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.intent = i.id)
             ORDER BY i.finished_at_ms LIMIT r."limit") AS old)
RETURNING id;

-- name: forget_deliveries
DELETE FROM delivery WHERE (system, operation, key) IN (
    SELECT old.system, old.operation, old.key
    FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT d.system, d.operation, d.key FROM delivery AS d
             WHERE d.state IN ('completed', 'superseded', 'cancelled') AND d.updated_at_ms < r.before
             LIMIT r."limit") AS old)
RETURNING key;

-- Orders that have told nothing since a moment, longest first.
-- name: orders_quiet
SELECT key, version, tiebreak, body, observed_at_ms FROM record
WHERE system = :system AND kind = 'order' AND observed_at_ms < :before
    AND (observed_at_ms, key) > (:after_ms, :after)
ORDER BY observed_at_ms, key LIMIT :limit;

-- name: records_of_orders
SELECT kind, key, body, observed_at_ms FROM record
WHERE system = :system AND kind IN ('shipment', 'return')
    AND lower((replace(body, '\u0000', '\u0020')::json ->> 'order_key') COLLATE "C")
        = ANY (ARRAY(SELECT jsonb_array_elements_text(:references::jsonb)))
ORDER BY kind, key LIMIT :limit;

-- Only as it was judged, and only where nothing refers to it any more: no demand that figures may not contain, no
-- delivery or parked work that is open, no hold and no claim on credit that counts.
-- name: order_retire
-- key: reference
INSERT INTO retired (reference, version, tiebreak, digest, facts, retired_at_ms)
SELECT r.reference, o.version, o.tiebreak, r.digest, r.facts, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, channel text, order_key text, number text, version bigint,
    tiebreak bigint, digest text, facts text, systems jsonb, operations jsonb, now_ms bigint)
JOIN record AS o ON o.system = r.channel AND o.kind = 'order' AND o.key = r.order_key
    AND o.version = r.version AND o.tiebreak = r.tiebreak
WHERE NOT EXISTS (SELECT 1 FROM demand AS d
        WHERE d.channel = r.channel AND d.order_key = r.order_key AND d.settled = 0)
    AND NOT EXISTS (SELECT 1 FROM delivery AS d
        WHERE d.system IN (SELECT jsonb_array_elements_text(r.systems))
            AND d.operation IN (SELECT jsonb_array_elements_text(r.operations))
            AND d.key >= r.order_key AND d.key < r.order_key || chr(32)
            AND d.state IN ('available', 'scheduled', 'retryable', 'running', 'parked'))
    AND NOT EXISTS (SELECT 1 FROM parked AS w
        WHERE w.system IN (SELECT jsonb_array_elements_text(r.systems))
            AND w.operation IN (SELECT jsonb_array_elements_text(r.operations))
            AND w.key >= r.order_key AND w.key < r.order_key || chr(32)
            AND w.resolved_at_ms IS NULL)
    AND NOT EXISTS (SELECT 1 FROM hold AS h
        WHERE h.channel = r.channel AND h.order_key <> '' AND h.order_key IN (r.order_key, r.number)
            AND h.state IN ('open', 'confirmed'))
    AND NOT EXISTS (SELECT 1 FROM credit_claim AS c
        WHERE c.channel = r.channel AND c.order_key <> '' AND c.order_key IN (r.order_key, r.number)
            AND c.state IN ('open', 'confirmed', 'ordered'))
ON CONFLICT (reference) DO NOTHING
RETURNING reference;

-- To follow order_retire in one transaction, like the next three: what belongs to an order that it has just taken.
-- name: demand_retire
-- key: channel order_key reference
DELETE FROM demand AS d
USING jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, reference text, now_ms bigint)
WHERE d.channel = r.channel AND d.order_key = r.order_key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = r.reference AND o.retired_at_ms = r.now_ms)
RETURNING d.line_id;

-- name: routing_retire
-- key: channel order_key reference
DELETE FROM routing AS d
USING jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, reference text, now_ms bigint)
WHERE d.channel = r.channel AND d.order_key = r.order_key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = r.reference AND o.retired_at_ms = r.now_ms)
RETURNING d.id;

-- name: record_retire
-- key: system kind key
DELETE FROM record AS d
USING jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, reference text, now_ms bigint)
WHERE d.system = r.system AND d.kind = r.kind AND d.key = r.key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = r.reference AND o.retired_at_ms = r.now_ms)
RETURNING d.key;

-- name: binding_retire
-- key: system kind key
DELETE FROM binding AS d
USING jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, reference text, now_ms bigint)
WHERE d.system = r.system AND d.kind = r.kind AND d.key = r.key
    AND EXISTS (SELECT 1 FROM retired AS o WHERE o.reference = r.reference AND o.retired_at_ms = r.now_ms)
RETURNING d.key;

-- name: retired_get
SELECT reference, version, tiebreak, digest, facts, retired_at_ms FROM retired
WHERE reference = ANY (ARRAY(SELECT jsonb_array_elements_text(:references::jsonb))) ORDER BY reference;

-- name: retired_any
SELECT 1 FROM retired LIMIT 1;

-- name: retired_put
-- key: reference
UPDATE retired AS o SET version = r.version, tiebreak = r.tiebreak, digest = r.digest, facts = r.facts
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, version bigint, tiebreak bigint, digest text, facts text)
WHERE o.reference = r.reference
RETURNING o.reference;

-- name: lag_totals
SELECT count(*), coalesce(sum(kept), 0)::bigint, coalesce(max(lag_ms), 0) FROM lag
WHERE route = :route AND delivered_at_ms >= :since;

-- name: lags_at
SELECT l.route, l.key, l.delivered_at_ms, l.lag_ms, l.kept FROM lag AS l
WHERE l.route = :route
    AND l.delivered_at_ms = ANY (ARRAY(SELECT jsonb_array_elements_text(:moments::jsonb)::bigint))
    AND l.key >= :from AND l.key < :to
ORDER BY l.delivered_at_ms, l.id;

-- name: deliveries_range
SELECT system, operation, key, route, state, generation, first_changed_at_ms, deliver_by_ms, not_before_ms,
       attempts, reason, updated_at_ms
FROM delivery WHERE system = :system AND operation = :operation AND key >= :from AND key < :to
ORDER BY key LIMIT :limit;

-- name: adoption_put
-- key: system kind key
INSERT INTO adoption (system, kind, key, body)
SELECT r.system, r.kind, r.key, r.body
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, body text)
ON CONFLICT (system, kind, key) DO UPDATE SET body = excluded.body
RETURNING key;

-- name: adoption_after
SELECT key, body FROM adoption WHERE system = :system AND kind = :kind AND key > :after ORDER BY key LIMIT :limit;

-- name: forget_adoption
DELETE FROM adoption WHERE (system, kind, key) IN (
    SELECT old.system, old.kind, old.key
    FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, "limit" bigint),
    LATERAL (SELECT a.system, a.kind, a.key FROM adoption AS a
             WHERE a.system = r.system AND a.kind = r.kind LIMIT r."limit") AS old)
RETURNING key;

-- What is paused or in shadow, and what was.

-- name: mode_begin
-- key: subject mode
-- in the order given: it numbers its rows
INSERT INTO mode (subject, mode, since_ms, actor, reason)
SELECT r.subject, r.mode, r.now_ms, r.actor, r.reason
FROM jsonb_to_recordset($1::jsonb) AS r(subject text, mode text, actor text, reason text, now_ms bigint)
ON CONFLICT (subject, mode) WHERE until_ms IS NULL DO NOTHING
RETURNING subject;

-- name: mode_end
-- key: subject mode
UPDATE mode SET until_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(subject text, mode text, now_ms bigint)
WHERE mode.subject = r.subject AND mode.mode = r.mode AND mode.until_ms IS NULL
RETURNING mode.subject;

-- name: modes
SELECT subject, mode, since_ms, until_ms, actor, reason FROM mode
ORDER BY until_ms IS NOT NULL, id DESC LIMIT :limit;

-- name: lags_apart
SELECT coalesce(sum(apart::int), 0)::bigint, coalesce(max(CASE WHEN apart THEN 0 ELSE lag_ms END), 0) FROM (
    SELECT l.lag_ms, l.kept = 0 AND EXISTS (
        SELECT 1 FROM mode AS m WHERE m.subject IN (:route, :sink) AND m.since_ms < l.delivered_at_ms
            AND (m.until_ms IS NULL OR m.until_ms > l.delivered_at_ms - l.lag_ms)) AS apart
    FROM lag AS l WHERE l.route = :route AND l.delivered_at_ms >= :since) AS seen;

-- name: late_apart
SELECT count(*) FROM delivery
WHERE system = :system AND state IN ('available', 'scheduled', 'retryable', 'running')
    AND route = :route AND deliver_by_ms < :now_ms AND first_changed_at_ms < :before;

-- name: held_learned
-- key: system key
UPDATE binding SET
    held = r.held, doubt_back = 0, first_read_ms = r.now_ms,
    unseen = greatest(unseen - CASE WHEN stale = 1 AND doubt = 0 AND doubt_back = 0
                                         AND r.held BETWEEN binding.held AND binding.held + unseen
                                    THEN r.held - binding.held ELSE 0 END, 0)
FROM jsonb_to_recordset($1::jsonb) AS r(system text, key text, held bigint, rev bigint, exact boolean,
    ours_ms bigint, now_ms bigint)
WHERE binding.system = r.system AND kind = 'stock' AND binding.key = r.key AND binding.held IS NOT NULL
    AND confirmed_at_ms < r.ours_ms
    AND (r.rev IS NULL OR binding.rev = r.rev OR (NOT r.exact AND doubt = 0 AND doubt_back = 0 AND credited = 0))
RETURNING binding.key;

-- name: record_origins
SELECT r.key, r.changed_at_ms, coalesce(e.via, '')
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value)
CROSS JOIN LATERAL (SELECT * FROM record WHERE system = :system AND kind = :kind AND key = k.value OFFSET 0) AS r
LEFT JOIN event AS e ON e."offset" = r."offset";

-- name: dirty_of
SELECT sku FROM dirty WHERE sku = ANY (ARRAY(SELECT jsonb_array_elements_text(:skus::jsonb))) ORDER BY sku;

-- name: binding_lost
-- key: system kind key
UPDATE binding SET external_id = '', version = 0, hash = '', rev = rev + 1
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text)
WHERE binding.system = r.system AND binding.kind = r.kind AND binding.key = r.key
RETURNING binding.key;

-- name: proof_put
-- key: id
INSERT INTO proof (id, route, state, asked_by, dry_run, started_at_ms, ended_at_ms, position, rows, body)
SELECT r.id, r.route, r.state, r.asked_by, r.dry_run, r.started_at_ms, r.ended_at_ms, r.position, r.rows, r.body
FROM jsonb_to_recordset($1::jsonb) AS r(id text, route text, state text, asked_by text, dry_run bigint,
    started_at_ms bigint, ended_at_ms bigint, position text, rows bigint, body text)
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
-- key: route key cause
INSERT INTO difference (route, key, cause, subject, detail, units, state, proof, first_at_ms, seen_at_ms, times)
SELECT r.route, r.key, r.cause, r.subject, r.detail, r.units, r.state, r.proof, r.now_ms, r.now_ms, 1
FROM jsonb_to_recordset($1::jsonb) AS r(route text, key text, cause text, subject text, detail text, units bigint,
    state text, proof text, now_ms bigint)
ON CONFLICT (route, key, cause) DO UPDATE
SET subject = excluded.subject, detail = excluded.detail, units = excluded.units, proof = excluded.proof,
    seen_at_ms = excluded.seen_at_ms, times = difference.times + 1, closed_at_ms = NULL,
    state = CASE WHEN difference.closed_at_ms IS NULL AND difference.state IN ('waiting', 'declined')
                 THEN difference.state ELSE excluded.state END,
    first_at_ms = CASE WHEN difference.closed_at_ms IS NULL THEN difference.first_at_ms ELSE excluded.first_at_ms END,
    decided_by = CASE WHEN difference.closed_at_ms IS NULL THEN difference.decided_by ELSE '' END
RETURNING key, state;

-- name: difference_gone
-- key: route
UPDATE difference SET closed_at_ms = r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(route text, proof text, now_ms bigint)
WHERE difference.route = r.route AND difference.closed_at_ms IS NULL AND difference.proof <> r.proof
RETURNING difference.key;

-- name: difference_decide
-- key: route key cause
UPDATE difference SET state = r.state, decided_by = r.by
FROM jsonb_to_recordset($1::jsonb) AS r(route text, key text, cause text, state text, by text)
WHERE difference.route = r.route AND difference.key = r.key AND difference.cause = r.cause
    AND difference.state = 'waiting' AND difference.closed_at_ms IS NULL
RETURNING difference.key;

-- name: differences_of
SELECT key, cause, state
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM difference WHERE route = :route AND key = k.value AND closed_at_ms IS NULL OFFSET 0) AS d
ORDER BY key, cause;

-- name: differences_open
SELECT route, key, cause, subject, detail, units, state, first_at_ms, seen_at_ms, times, decided_by FROM difference
WHERE closed_at_ms IS NULL AND route = :route AND (:state = '' OR state = :state) AND (:cause = '' OR cause = :cause)
ORDER BY key, cause LIMIT :limit;

-- name: difference_counts
SELECT route, cause, state, count(*), CAST(sum(units) AS BIGINT), min(first_at_ms) FROM difference
WHERE closed_at_ms IS NULL
GROUP BY route, cause, state ORDER BY route, cause, state;

-- name: forget_proofs
DELETE FROM proof WHERE id IN (
    SELECT old.id FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT p.id FROM proof AS p
             WHERE p.started_at_ms < r.before AND p.state <> 'running' LIMIT r."limit") AS old)
RETURNING id;

-- name: forget_differences
DELETE FROM difference WHERE (route, key, cause) IN (
    SELECT old.route, old.key, old.cause FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT d.route, d.key, d.cause FROM difference AS d
             WHERE d.closed_at_ms < r.before LIMIT r."limit") AS old)
RETURNING key;

-- name: states_get
SELECT key, body, gone, changed_at_ms, observed_at_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM record WHERE system = :system AND kind = :kind AND key = k.value OFFSET 0) AS r;

-- name: contents_get
SELECT key, hash, body, confirmed_at_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM content WHERE system = :system AND kind = :kind AND key = k.value OFFSET 0) AS r;

-- name: content_put
-- key: system kind key
INSERT INTO content (system, kind, key, hash, body, confirmed_at_ms)
SELECT r.system, r.kind, r.key, r.hash, r.body, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, hash text, body text, now_ms bigint)
ON CONFLICT (system, kind, key) DO UPDATE
SET hash = excluded.hash, body = excluded.body, confirmed_at_ms = excluded.confirmed_at_ms
RETURNING key;

-- name: content_unsure
-- key: system kind key
UPDATE content SET hash = ''
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text)
WHERE content.system = r.system AND content.kind = r.kind AND content.key = r.key
RETURNING content.key;

-- name: state_mark
-- key: route key
INSERT INTO state_mark (route, key, seq, changed_at_ms)
SELECT r.route, r.key, 1, r.changed_at_ms
FROM jsonb_to_recordset($1::jsonb) AS r(route text, key text, changed_at_ms bigint)
ON CONFLICT (route, key) DO UPDATE
SET seq = state_mark.seq + 1, changed_at_ms = least(state_mark.changed_at_ms, excluded.changed_at_ms),
    not_before_ms = 0
RETURNING key;

-- name: state_marks
SELECT route, key, seq, changed_at_ms FROM state_mark WHERE not_before_ms <= :now_ms
ORDER BY changed_at_ms, route, key LIMIT :limit;

-- name: state_next
SELECT min(not_before_ms) FROM state_mark WHERE not_before_ms > 0 AND not_before_ms > :now_ms;

-- name: state_defer
-- key: route key seq
UPDATE state_mark SET changed_at_ms = r.until_ms, not_before_ms = r.until_ms
FROM jsonb_to_recordset($1::jsonb) AS r(route text, key text, seq bigint, until_ms bigint)
WHERE state_mark.route = r.route AND state_mark.key = r.key AND state_mark.seq = r.seq
RETURNING state_mark.key;

-- name: state_done
-- key: route key seq
DELETE FROM state_mark USING jsonb_to_recordset($1::jsonb) AS r(route text, key text, seq bigint)
WHERE state_mark.route = r.route AND state_mark.key = r.key AND state_mark.seq = r.seq
RETURNING state_mark.key;

-- name: state_marked
SELECT route, key
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM state_mark WHERE route = :route AND key = k.value OFFSET 0) AS m
WHERE not_before_ms <= :now_ms;

-- name: parked_of
SELECT id, operation, key, reason, detail, parked_at_ms FROM parked
WHERE resolved_at_ms IS NULL AND system = :system AND operation = ANY (ARRAY(SELECT jsonb_array_elements_text(:operations::jsonb)))
ORDER BY parked_at_ms, id LIMIT :limit;

-- name: deliveries_late
SELECT operation, key, state, deliver_by_ms, attempts, reason FROM delivery
WHERE system = :system AND state IN ('available', 'scheduled', 'retryable', 'running', 'parked') AND state <> 'parked'
    AND route = :route AND deliver_by_ms < :now_ms
ORDER BY deliver_by_ms, operation, key LIMIT :limit;

-- name: differences_at
SELECT key, cause, detail, state, first_at_ms, seen_at_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM difference WHERE route = :route AND key = k.value AND closed_at_ms IS NULL OFFSET 0) AS d
ORDER BY key, cause;

-- name: routing_put
-- key: channel order_key id
INSERT INTO routing (channel, order_key, id, at_ms, said, body)
SELECT r.channel, r.order_key, r.id, r.now_ms, r.said, r.body
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, id text, now_ms bigint, said text, body text)
ON CONFLICT (channel, order_key, id) DO NOTHING
RETURNING id;

-- name: routings
SELECT order_key, at_ms, said, body
FROM (SELECT DISTINCT jsonb_array_elements_text(:orders::jsonb)) AS k(value),
     LATERAL (SELECT * FROM routing WHERE channel = :channel AND order_key = k.value OFFSET 0) AS d
ORDER BY order_key, at_ms, id;

-- An order counts once for a location, from when it was given to it first.
-- name: routing_give
-- key: channel order_key system location
INSERT INTO routing_given (channel, order_key, system, location, at_ms)
SELECT r.channel, r.order_key, r.system, r.location, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, system text, location text, now_ms bigint)
ON CONFLICT (channel, order_key, system, location) DO NOTHING
RETURNING location;

-- name: routing_load
SELECT location, count(*), count(*) FILTER (WHERE at_ms >= :hour_ms) FROM routing_given
WHERE system = :system AND at_ms >= :day_ms GROUP BY location ORDER BY location;

-- name: forget_given
DELETE FROM routing_given WHERE (channel, order_key, system, location) IN (
    SELECT old.channel, old.order_key, old.system, old.location
    FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT g.channel, g.order_key, g.system, g.location FROM routing_given AS g
             WHERE g.at_ms < r.before LIMIT r."limit") AS old)
RETURNING location;

-- Only where the order is still what it was when this was computed; what the channel took stays where it took it.
-- name: demand_place
-- key: channel order_key line_id location
INSERT INTO demand (channel, order_key, line_id, location, sku, quantity, taken)
SELECT r.channel, r.order_key, r.line_id, r.location, r.sku, r.quantity, 0
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, line_id text, location text, sku text,
    quantity bigint, version bigint, tiebreak bigint)
JOIN record AS o ON o.system = r.channel AND o.kind = 'order' AND o.key = r.order_key
    AND o.version = r.version AND o.tiebreak = r.tiebreak
ON CONFLICT (channel, order_key, line_id, location) DO UPDATE
SET quantity = excluded.quantity, settled = 0
RETURNING order_key;

-- name: orders_recent
SELECT key, body FROM record
WHERE system = :system AND kind = 'order' AND changed_at_ms >= :since_ms
ORDER BY changed_at_ms DESC, key LIMIT :limit;

-- name: mapping_put
-- key: number
INSERT INTO mapping (number, at_ms, actor, note, restores, text)
SELECT r.number, r.now_ms, r.by, r.note, r.restores, r.text
FROM jsonb_to_recordset($1::jsonb) AS r(number bigint, now_ms bigint, by text, note text, restores bigint, text text)
ON CONFLICT (number) DO NOTHING
RETURNING number;

-- name: mapping_get
SELECT number, at_ms, actor, note, restores, text FROM mapping WHERE number = :number;

-- name: mappings
SELECT number, at_ms, actor, note, restores, text FROM mapping ORDER BY number DESC LIMIT :limit;

-- name: credit_lock
-- key: system account
-- The row that transactions about one account take turns at.
INSERT INTO credit_account (system, account, seq)
SELECT r.system, r.account, 1 FROM jsonb_to_recordset($1::jsonb) AS r(system text, account text)
ON CONFLICT (system, account) DO UPDATE SET seq = credit_account.seq + 1
RETURNING account;

-- name: credit_lapse
-- key: system account
UPDATE credit_claim SET state = 'expired'
FROM jsonb_to_recordset($1::jsonb) AS r(system text, account text, now_ms bigint)
WHERE credit_claim.system = r.system AND credit_claim.account = r.account AND state IN ('open', 'confirmed')
    AND expires_at_ms <= r.now_ms
RETURNING reference;

-- name: credit_take
-- key: system account
-- To follow credit_lock and credit_lapse in one transaction: this statement begins after the lock was taken, and so sees
-- every claim that was committed before. "room" is what is left by the figures of "version", which contain every order
-- that the source had confirmed by "contains_ms"; a version below 0: there are no figures. One row at a time.
INSERT INTO credit_claim (reference, system, account, channel, order_key, amount, currency, state, version, made_by,
                          created_at_ms, expires_at_ms, confirmed_at_ms, our_stamp_ms)
SELECT r.reference, r.system, r.account, r.channel, r.order_key, r.amount, r.currency, 'open', 0, r.made_by,
       r.now_ms, r.expires_at_ms, 0, 0
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, system text, account text, channel text, order_key text,
    amount bigint, currency text, made_by text, now_ms bigint, expires_at_ms bigint, bounded bigint, room bigint,
    contains_ms bigint, version bigint)
WHERE (r.bounded = 0 OR r.room - r.amount >= (
        SELECT coalesce(sum(c.amount), 0) FROM credit_claim AS c
        WHERE c.system = r.system AND c.account = r.account AND c.state IN ('open', 'confirmed', 'ordered')
            AND NOT (c.state = 'ordered' AND c.our_stamp_ms BETWEEN 1 AND r.contains_ms)))
    AND (r.version < 0 OR EXISTS (
        SELECT 1 FROM record AS o WHERE o.system = r.system AND o.kind = 'credit' AND o.key = r.account
            AND o.version = r.version AND o.gone = 0))
ON CONFLICT (reference) DO UPDATE
SET system = excluded.system, account = excluded.account, channel = excluded.channel, order_key = excluded.order_key,
    amount = excluded.amount, currency = excluded.currency, state = 'open', made_by = excluded.made_by,
    created_at_ms = excluded.created_at_ms, expires_at_ms = excluded.expires_at_ms, confirmed_at_ms = 0
WHERE credit_claim.state = 'expired'
RETURNING reference;

-- The figures of an account with each claim that counts, or once without any.
-- name: credit_account
SELECT r.body, r.version, r.gone, greatest(r.observed_at_ms, r.seen_ms), c.reference, c.state, c.amount, c.currency,
       c.expires_at_ms, c.our_stamp_ms, c.order_key,
       (SELECT u.position FROM cursor AS u WHERE u.system = 'syncline' AND u.stream = :judged)
FROM (SELECT 1) AS one
LEFT JOIN record AS r ON r.system = :system AND r.kind = 'credit' AND r.key = :account
LEFT JOIN credit_claim AS c ON c.system = :system AND c.account = :account
    AND c.state IN ('open', 'confirmed', 'ordered')
ORDER BY c.reference LIMIT :limit;

-- name: credit_claims
SELECT account, reference, state, amount, currency, expires_at_ms, our_stamp_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(:accounts::jsonb)) AS k(value),
     LATERAL (SELECT * FROM credit_claim WHERE system = :system AND account = k.value
              AND state IN ('open', 'confirmed', 'ordered') OFFSET 0) AS c
ORDER BY account, reference;

-- name: credit_of_orders
SELECT order_key, account, reference, state
FROM (SELECT DISTINCT jsonb_array_elements_text(:orders::jsonb)) AS k(value),
     LATERAL (SELECT * FROM credit_claim WHERE channel = :channel AND order_key <> '' AND order_key = k.value OFFSET 0) AS c
WHERE system = :system AND state <> 'released'
ORDER BY order_key, created_at_ms, reference;

-- name: credit_claim
SELECT system, account, channel, order_key, amount, currency, state, made_by, created_at_ms, expires_at_ms
FROM credit_claim WHERE reference = :reference;

-- name: credit_confirm
-- key: reference
UPDATE credit_claim SET
    order_key = CASE WHEN credit_claim.order_key = '' THEN r.order_key ELSE credit_claim.order_key END,
    expires_at_ms = CASE WHEN state = 'confirmed' THEN credit_claim.expires_at_ms ELSE r.expires_at_ms END,
    confirmed_at_ms = CASE WHEN state = 'confirmed' THEN confirmed_at_ms ELSE r.now_ms END, state = 'confirmed'
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, order_key text, expires_at_ms bigint, now_ms bigint)
WHERE credit_claim.reference = r.reference
    AND (state = 'confirmed' OR state = 'open' AND credit_claim.expires_at_ms > r.now_ms)
    AND (credit_claim.order_key = '' OR r.order_key = '' OR credit_claim.order_key = r.order_key)
RETURNING credit_claim.reference;

-- name: credit_release
-- key: reference
UPDATE credit_claim SET state = 'released' FROM jsonb_to_recordset($1::jsonb) AS r(reference text)
WHERE credit_claim.reference = r.reference AND state || '' IN ('open', 'confirmed')
RETURNING credit_claim.reference;

-- name: credit_ordered
-- key: reference
-- An order takes what is still owed for it. Only an amount that has grown has to be confirmed by the source again. Until
-- the source has confirmed the order, its claim may be moved to another account.
INSERT INTO credit_claim (reference, system, account, channel, order_key, amount, currency, state, version, made_by,
                          created_at_ms, expires_at_ms, confirmed_at_ms, our_stamp_ms)
SELECT r.reference, r.system, r.account, r.channel, r.order_key, r.amount, r.currency, 'ordered', r.version, '',
       r.now_ms, 0, 0, 0
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, system text, account text, channel text, order_key text,
    amount bigint, currency text, version bigint, now_ms bigint)
ON CONFLICT (reference) DO UPDATE
SET amount = excluded.amount, currency = excluded.currency,
    account = CASE WHEN credit_claim.our_stamp_ms = 0 THEN excluded.account ELSE credit_claim.account END,
    version = CASE WHEN excluded.amount > credit_claim.amount THEN excluded.version ELSE credit_claim.version END,
    our_stamp_ms = CASE WHEN excluded.amount > credit_claim.amount THEN 0 ELSE credit_claim.our_stamp_ms END,
    state = CASE WHEN excluded.amount > credit_claim.amount THEN 'ordered' ELSE credit_claim.state END
RETURNING account;

-- name: credit_replace
-- key: channel order_key
-- To follow credit_ordered, or to precede credit_take, in one transaction: an order has one claim.
UPDATE credit_claim SET state = 'replaced', order_key = r.order_key
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, number text, reference text),
     LATERAL (SELECT c.reference, c.channel, c.order_key FROM credit_claim AS c
              WHERE c.channel = r.channel AND c.order_key <> '' AND c.order_key IN (r.order_key, r.number)
                  AND c.state IN ('open', 'confirmed', 'expired') OFFSET 0) AS named
WHERE credit_claim.reference = named.reference AND credit_claim.channel = named.channel
    AND credit_claim.order_key = named.order_key AND state IN ('open', 'confirmed', 'expired')
    AND credit_claim.reference <> r.reference
RETURNING credit_claim.reference;

-- Approvals of orders that were applied in the very moment in which the approval learned the order's name.
-- name: credit_met
SELECT c.reference, c.channel, c.order_key, o.body FROM credit_claim AS c
JOIN record AS o ON o.system = c.channel AND o.kind = 'order' AND o.key = c.order_key
WHERE c.state IN ('open', 'confirmed') AND c.system = :system AND c.order_key <> ''
ORDER BY c.reference LIMIT :limit;

-- name: credit_accept
-- key: reference
-- The source tells of an order whether it counts it, and for which account; "": it does not tell. One that was approved on
-- the credit of this account is not in its figures if the source has it for another. That it holds the order as it is now,
-- the binding says.
UPDATE credit_claim SET
    our_stamp_ms = CASE WHEN r.accepted = 0 THEN 0 WHEN our_stamp_ms = 0 THEN r.now_ms ELSE our_stamp_ms END,
    state = CASE WHEN r.accepted = 0 THEN 'ordered' ELSE state END
FROM jsonb_to_recordset($1::jsonb) AS r(reference text, binding text, account text, accepted bigint, now_ms bigint)
WHERE credit_claim.reference = r.reference AND state IN ('ordered', 'contained')
    AND (r.account IN ('', credit_claim.account) OR NOT EXISTS (
        SELECT 1 FROM credit_claim AS a WHERE a.channel = credit_claim.channel AND a.order_key = credit_claim.order_key
            AND a.order_key <> '' AND a.account = credit_claim.account AND a.state = 'replaced'))
    AND (r.accepted = 0 OR EXISTS (
        SELECT 1 FROM binding AS b WHERE b.system = credit_claim.system AND b.kind = 'order' AND b.key = r.binding
            AND b.version >= credit_claim.version))
RETURNING credit_claim.account;

-- name: credit_settling
-- The accounts of which ``credit_settle`` would settle any, so that they are marked together with it.
SELECT DISTINCT account FROM credit_claim
WHERE system = :system AND state IN ('open', 'confirmed', 'ordered') AND state = 'ordered'
    AND (amount = 0 OR our_stamp_ms BETWEEN 1 AND :contains_ms)
    AND EXISTS (SELECT 1 FROM record AS r WHERE r.system = credit_claim.system AND r.kind = 'credit'
        AND r.key = credit_claim.account AND r.gone = 0 AND greatest(r.observed_at_ms, r.seen_ms) >= :judged_ms)
ORDER BY account LIMIT :limit;

-- name: credit_settle
-- key: system account
-- What the last full read that was judged must contain need not be looked at any more.
UPDATE credit_claim SET state = 'contained'
FROM jsonb_to_recordset($1::jsonb) AS r(system text, account text, contains_ms bigint, judged_ms bigint)
WHERE credit_claim.system = r.system AND credit_claim.account = r.account AND state IN ('open', 'confirmed', 'ordered') AND state = 'ordered'
    AND (amount = 0 OR our_stamp_ms BETWEEN 1 AND r.contains_ms)
    AND EXISTS (SELECT 1 FROM record AS o WHERE o.system = credit_claim.system AND o.kind = 'credit'
        AND o.key = credit_claim.account AND o.gone = 0 AND greatest(o.observed_at_ms, o.seen_ms) >= r.judged_ms)
RETURNING credit_claim.account;

-- name: forget_claims
DELETE FROM credit_claim WHERE reference IN (
    SELECT old.reference FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT c.reference FROM credit_claim AS c
             WHERE c.state NOT IN ('open', 'confirmed', 'ordered') AND c.created_at_ms < r.before
             LIMIT r."limit") AS old)
RETURNING reference;

-- Personal data: requests, whose records they concern, and what takes the place of what told of them.

-- name: privacy_ask
-- key: id
INSERT INTO privacy (id, state, body)
SELECT r.id, r.state, r.body FROM jsonb_to_recordset($1::jsonb) AS r(id text, state text, body text)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: privacy_move
-- key: id
UPDATE privacy SET state = r.state, body = r.body
FROM jsonb_to_recordset($1::jsonb) AS r(id text, state text, body text)
WHERE privacy.id = r.id
RETURNING privacy.id;

-- name: privacy_get
SELECT state, body FROM privacy WHERE id = :id;

-- name: privacies
SELECT id, state, body FROM privacy
WHERE id > :after AND (:state = '' OR state = :state) ORDER BY id LIMIT :limit;

-- name: erased_put
-- key: system kind key
INSERT INTO erased (system, kind, key, at_ms)
SELECT r.system, r.kind, r.key, r.now_ms
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, now_ms bigint)
ON CONFLICT (system, kind, key) DO NOTHING
RETURNING key;

-- name: erased_among
SELECT key
FROM (SELECT DISTINCT jsonb_array_elements_text(:keys::jsonb)) AS k(value),
     LATERAL (SELECT * FROM erased WHERE system = :system AND kind = :kind AND key = k.value OFFSET 0) AS r
ORDER BY key;

-- A body of no bytes at all is no frame: that is how an erased one is known.
-- name: event_erase
-- key: offset
UPDATE event SET body = ''::bytea
FROM jsonb_to_recordset($1::jsonb) AS r("offset" bigint)
WHERE event."offset" = r."offset" AND length(event.body) > 0
RETURNING event."offset";

-- Only where it is still what was looked at. Its version stays: nothing newer was told.
-- name: record_erase
-- key: system kind key
UPDATE record SET hash = r.hash, body = r.body
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, version bigint, tiebreak bigint,
    hash text, body text)
WHERE record.system = r.system AND record.kind = r.kind AND record.key = r.key
    AND record.version = r.version AND record.tiebreak = r.tiebreak
RETURNING record.key;

-- What the other side holds is what it was; only the fingerprint that it is compared by is another one.
-- name: binding_erase
-- key: system kind key
UPDATE binding SET hash = r.hash
FROM jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text, was text, hash text)
WHERE binding.system = r.system AND binding.kind = r.kind AND binding.key = r.key AND binding.hash = r.was
RETURNING binding.key;

-- A call whose end is not known may have to be made again.
-- name: intent_erase
-- key: id
UPDATE intent SET items = r.items
FROM jsonb_to_recordset($1::jsonb) AS r(id text, items text)
WHERE intent.id = r.id AND finished_at_ms IS NOT NULL
RETURNING intent.id;

-- name: attempt_erase
-- key: intent key
UPDATE attempt SET message = r.message
FROM jsonb_to_recordset($1::jsonb) AS r(intent text, key text, message text)
WHERE attempt.intent = r.intent AND attempt.key = r.key
RETURNING attempt.key;

-- name: delivery_erase
-- key: system operation key
UPDATE delivery SET reason = r.reason
FROM jsonb_to_recordset($1::jsonb) AS r(system text, operation text, key text, reason text)
WHERE delivery.system = r.system AND delivery.operation = r.operation AND delivery.key = r.key
RETURNING delivery.key;

-- name: difference_erase
-- key: route key
UPDATE difference SET detail = r.detail
FROM jsonb_to_recordset($1::jsonb) AS r(route text, key text, detail text)
WHERE difference.route = r.route AND difference.key = r.key AND difference.detail <> ''
RETURNING difference.key;

-- name: routing_erase
-- key: channel order_key
UPDATE routing SET body = r.body
FROM jsonb_to_recordset($1::jsonb) AS r(channel text, order_key text, was text, body text)
WHERE routing.channel = r.channel AND routing.order_key = r.order_key AND routing.body = r.was
RETURNING routing.order_key;

-- name: content_drop
-- key: system kind key
DELETE FROM content USING jsonb_to_recordset($1::jsonb) AS r(system text, kind text, key text)
WHERE content.system = r.system AND content.kind = r.kind AND content.key = r.key
RETURNING content.key;

-- name: parked_after
SELECT id, system, operation, key, detail, payload FROM parked WHERE id > :after ORDER BY id LIMIT :limit;

-- name: parked_erase
-- key: id
UPDATE parked SET detail = r.detail, payload = r.payload
FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, detail text, payload text)
WHERE parked.id = r.id
RETURNING parked.id;

-- The text of a message that somebody decided about is kept no longer than the log keeps messages.
-- name: forget_payloads
UPDATE parked SET payload = '' WHERE id IN (
    SELECT old.id FROM jsonb_to_recordset($1::jsonb) AS r(before bigint, "limit" bigint),
    LATERAL (SELECT p.id FROM parked AS p
             WHERE p.operation = 'apply' AND p.resolved_at_ms < r.before AND p.payload <> ''
             ORDER BY p.id LIMIT r."limit") AS old)
RETURNING id;

-- name: audit_erase
-- key: id
UPDATE audit SET before = r.before, after = r.after
FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, before text, after text)
WHERE audit.id = r.id
RETURNING audit.id;
