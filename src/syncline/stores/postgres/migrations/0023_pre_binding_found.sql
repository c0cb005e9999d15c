-- What SQLite has had from the beginning: units that a channel lost unseen, and bindings by the other system's id.
CREATE INDEX binding_external ON binding (external_id) WHERE external_id <> '';
CREATE INDEX binding_unseen ON binding (system, key) WHERE kind = 'stock' AND unseen > 0;
