-- What approvals and orders of ours take of the credit of accounts that a system of record keeps. `amount` is in
-- ten-thousandths of its currency. State: open and confirmed for an approval, ordered for an order; contained once the
-- source's own figures contain the order; and replaced (by the order), released or expired for an approval that is over.
CREATE TABLE credit_claim (
    reference       TEXT NOT NULL PRIMARY KEY,
    system          TEXT NOT NULL,
    account         TEXT NOT NULL,
    channel         TEXT NOT NULL,
    order_key       TEXT NOT NULL,
    amount          INTEGER NOT NULL,
    currency        TEXT NOT NULL,
    state           TEXT NOT NULL,
    version         INTEGER NOT NULL,
    made_by         TEXT NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    confirmed_at_ms INTEGER NOT NULL,
    our_stamp_ms    INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX credit_claim_counted ON credit_claim (system, account) WHERE state IN ('open', 'confirmed', 'ordered');
CREATE INDEX credit_claim_order ON credit_claim (channel, order_key) WHERE order_key <> '';
CREATE INDEX credit_claim_over ON credit_claim (created_at_ms) WHERE state NOT IN ('open', 'confirmed', 'ordered');

-- Whoever counts the claims of an account has changed its row before, in the same transaction: it is the lock.
CREATE TABLE credit_account (
    system  TEXT NOT NULL,
    account TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (system, account)
) WITHOUT ROWID, STRICT;
