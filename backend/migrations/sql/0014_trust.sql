-- Keys that hand their stream over, and gateways that are revoked.
ALTER TABLE enrolment_code ALTER COLUMN created_by DROP NOT NULL;  -- null: from the server's own terminal
ALTER TABLE gateway ADD COLUMN revoked_at timestamptz;             -- null: not revoked since it was enrolled
CREATE TABLE stream_closed (                -- append-only: where a stream ended, with the envelope that names the next key
  key_id bytea PRIMARY KEY REFERENCES gateway_key,
  gateway_id text NOT NULL REFERENCES gateway,
  number bigint NOT NULL CHECK (number > 0),
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  readings bigint NOT NULL,
  closed_at timestamptz NOT NULL,
  next_key_id bytea NOT NULL UNIQUE REFERENCES gateway_key
);
ALTER TABLE stream_closed ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON stream_closed TO pledgewatch_worker;
GRANT SELECT ON stream_closed TO pledgewatch_api;
CREATE POLICY worker ON stream_closed TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON stream_closed FOR SELECT TO pledgewatch_api USING (pw_role() IN ('operator','logistics','regulator') AND gateway_id IN (SELECT pw_gateways()));
-- An operator ends what a gateway may do; only an enrolment lets it begin anew.
GRANT UPDATE (revoked_at) ON gateway TO pledgewatch_api;
CREATE POLICY revoke ON stream FOR UPDATE TO pledgewatch_api USING (pw_role() = 'operator') WITH CHECK (pw_role() = 'operator' AND state = 'stopped');
