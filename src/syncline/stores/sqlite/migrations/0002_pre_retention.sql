-- What the hourly sweep looks for: without these it would walk every call of the last 30 days.
CREATE INDEX intent_finished ON intent (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
CREATE INDEX trace_by_time ON trace (at_ms);
