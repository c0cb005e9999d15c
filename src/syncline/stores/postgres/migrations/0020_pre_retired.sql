-- Orders that were over long ago, of which only this is kept: whatever is told of them later is news of an order that is
-- known. "digest" is what counted of it, "facts" is a JSON list of what ERPs had told of it; neither names anybody.
CREATE TABLE retired (
    reference     text COLLATE "C" NOT NULL PRIMARY KEY,
    version       bigint NOT NULL,
    tiebreak      bigint NOT NULL,
    digest        text COLLATE "C" NOT NULL,
    facts         text COLLATE "C" NOT NULL,
    retired_at_ms bigint NOT NULL
);

-- Orders by when they last told anything, and what an ERP told of an order under a key of its own.
CREATE INDEX record_order_observed ON record (system, observed_at_ms, key) WHERE kind = 'order';
CREATE INDEX record_of_order ON record (system, lower((replace(body, '\u0000', '\u0020')::json ->> 'order_key') COLLATE "C"))
    WHERE kind IN ('shipment', 'return');
