-- What gateways were asked to do, by whom, how it ended; what they say that they run. Append-only.
CREATE TABLE gateway_command (
  gateway_id text NOT NULL REFERENCES gateway,
  number bigint NOT NULL CHECK (number > 0),   -- grows for ever, over all keys of the gateway
  type text NOT NULL CHECK (type IN ('challenge','configure','rotate')),
  body bytea NOT NULL,                         -- CBOR, as it travels; a configuration may hold passwords: the api writes it and never reads it
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at > issued_at),
  asked_by uuid REFERENCES account,            -- null: the platform itself
  PRIMARY KEY (gateway_id, number)
);
CREATE INDEX ON gateway_command (expires_at);  -- what is pending has not expired
CREATE TABLE gateway_command_outcome (
  gateway_id text NOT NULL,
  number bigint NOT NULL,
  at timestamptz NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('done','refused','failed','interrupted')),
  why text NOT NULL CHECK (length(why) <= 500),
  envelope_number bigint NOT NULL,             -- where the gateway said so, under its own signature
  PRIMARY KEY (gateway_id, number),
  FOREIGN KEY (gateway_id, number) REFERENCES gateway_command
);
CREATE TABLE gateway_attestation (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  gateway_id text NOT NULL REFERENCES gateway,
  at timestamptz NOT NULL,
  cause text NOT NULL CHECK (cause IN ('start','command')),
  software text NOT NULL CHECK (length(software) <= 80),
  software_sha256 bytea CHECK (length(software_sha256) = 32),
  config_sha256 bytea CHECK (length(config_sha256) = 32),
  boot_id bytea CHECK (length(boot_id) = 16),
  envelope_number bigint NOT NULL
);
CREATE INDEX ON gateway_attestation (gateway_id, id);
-- Since when a challenge has been unanswered while envelopes went on arriving; null: nothing is owed.
ALTER TABLE stream ADD COLUMN unanswered_since timestamptz;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['gateway_command','gateway_command_outcome','gateway_attestation'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY read ON %I FOR SELECT TO pledgewatch_api USING (pw_role() IN (''operator'',''logistics'',''regulator'') AND gateway_id IN (SELECT pw_gateways()))', t);
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_worker;
GRANT SELECT (gateway_id, number, type, issued_at, expires_at, asked_by), INSERT ON gateway_command TO pledgewatch_api;
GRANT SELECT ON gateway_command_outcome, gateway_attestation TO pledgewatch_api;
CREATE POLICY add ON gateway_command FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator' AND gateway_id IN (SELECT pw_gateways()));
