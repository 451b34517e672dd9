-- Envelopes over HTTPS: an inbox that the worker empties, and what waits for gateways to fetch it.
CREATE TABLE uplink_inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partition smallint NOT NULL CHECK (partition BETWEEN 0 AND 63),
  gateway_id text NOT NULL REFERENCES gateway,
  message bytea CHECK (length(message) > 0),  -- null: it asks for its receipt
  received_at timestamptz NOT NULL
);
CREATE INDEX ON uplink_inbox (partition, id);
CREATE INDEX ON uplink_inbox (gateway_id);
CREATE UNIQUE INDEX ON uplink_inbox (gateway_id) WHERE message IS NULL;  -- asking twice is asking once
CREATE TABLE uplink_held (                    -- one row for each gateway that has come over HTTPS
  gateway_id text PRIMARY KEY REFERENCES gateway,
  receipt bytea NOT NULL CHECK (length(receipt) <= 1024),
  issued_unix_us bigint NOT NULL,
  key_id bytea NOT NULL,                      -- with number and state: of which head the receipt is
  number bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('open','stopped')),
  command bytea                               -- signed; the lowest that is neither answered nor expired
);

-- Whom the api acts for when a gateway comes: set for one transaction, after its login was checked.
CREATE FUNCTION pw_gateway() RETURNS text LANGUAGE sql STABLE
  RETURN nullif(current_setting('pw.gateway', true), '');
-- The api may not look into the inbox; it may know how full its gateway's part is.
CREATE FUNCTION pw_uplink_backlog(OUT messages bigint, OUT bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT count(*), coalesce(sum(octet_length(message)), 0)::bigint FROM uplink_inbox WHERE gateway_id = pw_gateway()
$$;
CREATE FUNCTION pw_is_head(gateway text, key bytea, head bigint, head_state text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM stream s JOIN gateway g ON g.id = s.gateway_id
                 WHERE s.gateway_id = gateway AND g.key_id = key AND s.number = head AND s.state = head_state)
$$;

ALTER TABLE uplink_inbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE uplink_held ENABLE ROW LEVEL SECURITY;
GRANT SELECT, DELETE ON uplink_inbox TO pledgewatch_worker;  -- It is no history: what it holds becomes an envelope or evidence.
GRANT SELECT, INSERT, UPDATE ON uplink_held TO pledgewatch_worker;
CREATE POLICY worker ON uplink_inbox TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON uplink_held TO pledgewatch_worker USING (true) WITH CHECK (true);
GRANT INSERT (partition, gateway_id, message, received_at) ON uplink_inbox TO pledgewatch_api;
GRANT SELECT ON uplink_held TO pledgewatch_api;
CREATE POLICY add ON uplink_inbox FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'uplink' AND gateway_id = pw_gateway());
CREATE POLICY read ON uplink_held FOR SELECT TO pledgewatch_api USING (pw_role() = 'uplink' AND gateway_id = pw_gateway());
CREATE POLICY uplink ON gateway FOR SELECT TO pledgewatch_api USING (pw_role() = 'uplink' AND id = pw_gateway());
CREATE POLICY uplink ON gateway_key FOR SELECT TO pledgewatch_api USING (pw_role() = 'uplink' AND gateway_id = pw_gateway());
CREATE POLICY uplink ON stream_closed FOR SELECT TO pledgewatch_api USING (pw_role() = 'uplink' AND gateway_id = pw_gateway());
