-- PostgreSQL lacked these; here they have been from the beginning.
CREATE INDEX IF NOT EXISTS binding_external ON binding (external_id) WHERE external_id <> '';
CREATE INDEX IF NOT EXISTS binding_unseen ON binding (system, key) WHERE kind = 'stock' AND unseen > 0;
