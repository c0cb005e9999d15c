-- What is past its time is found without reading everything that is not.
CREATE INDEX intent_finished ON intent (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
CREATE INDEX trace_by_time ON trace (at_ms);
