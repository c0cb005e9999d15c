-- What was ever parked under a key, and what is parked for one reason: found without a walk through all that ever was.
CREATE INDEX parked_key ON parked (key);
CREATE INDEX parked_reason ON parked (reason) WHERE resolved_at_ms IS NULL;
