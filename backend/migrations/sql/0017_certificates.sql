-- Client certificates that gateways come to the broker with.
CREATE TABLE gateway_certificate (          -- append-only but for revoked_at
  serial text PRIMARY KEY CHECK (serial ~ '^[0-9a-f]{1,40}$'),  -- RFC 5280, 4.1.2.2: at most 20 bytes
  gateway_id text NOT NULL REFERENCES gateway,
  sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),     -- of the DER
  issued_at timestamptz NOT NULL,
  not_after timestamptz NOT NULL CHECK (not_after > issued_at),
  nonce bytea UNIQUE CHECK (length(nonce) = 32),                -- null: with an enrolment code; else each brings one
  revoked_at timestamptz
);
CREATE INDEX ON gateway_certificate (gateway_id, issued_at);
CREATE INDEX ON gateway_certificate (not_after);
ALTER TABLE gateway_certificate ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON gateway_certificate TO pledgewatch_api;
GRANT SELECT, INSERT ON gateway_certificate TO pledgewatch_worker;
CREATE POLICY worker ON gateway_certificate TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON gateway_certificate FOR SELECT TO pledgewatch_api USING (pw_role() = 'enrol' OR (pw_role() IN ('operator','logistics','regulator') AND gateway_id IN (SELECT pw_gateways())));
CREATE POLICY add ON gateway_certificate FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'enrol');
CREATE POLICY change ON gateway_certificate FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('enrol','operator')) WITH CHECK (pw_role() IN ('enrol','operator') AND revoked_at IS NOT NULL);
