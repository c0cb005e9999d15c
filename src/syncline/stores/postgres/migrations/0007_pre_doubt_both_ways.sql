-- By how much less the next reading may differ with nothing unseen; "doubt" is by how much more. Kept apart, because
-- an order that may be in the number and a return that may be are not the same as neither.
ALTER TABLE binding ADD COLUMN doubt_back bigint NOT NULL DEFAULT 0;
