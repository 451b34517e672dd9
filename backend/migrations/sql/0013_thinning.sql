-- What a gateway thinned because its outbox was nearly full: a digest took the place of envelopes first_number to last_number.
-- The digest itself, as it travelled, is the envelope of last_number. Append-only. Everybody whose goods the gateway watches sees it.
CREATE TABLE thinning (
  gateway_id text NOT NULL REFERENCES gateway,
  key_id bytea NOT NULL,
  first_number bigint NOT NULL CHECK (first_number > 0),
  last_number bigint NOT NULL CHECK (last_number >= first_number),
  readings bigint NOT NULL,                    -- of the originals; all but those kept are gone for good
  kept int NOT NULL CHECK (kept > 0 AND kept <= readings),
  begins_at timestamptz NOT NULL,              -- of the oldest and newest reading kept, by the gateway's clock
  ends_at timestamptz NOT NULL CHECK (ends_at >= begins_at),
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),            -- of the digest
  last_sha256 bytea NOT NULL CHECK (length(last_sha256) = 32),  -- of the last original: what the next envelope names
  received_at timestamptz NOT NULL,
  PRIMARY KEY (gateway_id, key_id, last_number) -- of an envelope; nobody may lock those rows, so no foreign key can check it
);
ALTER TABLE thinning ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON thinning TO pledgewatch_worker;
GRANT SELECT ON thinning TO pledgewatch_api;
CREATE POLICY worker ON thinning TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON thinning FOR SELECT TO pledgewatch_api USING (gateway_id IN (SELECT pw_gateways()));
