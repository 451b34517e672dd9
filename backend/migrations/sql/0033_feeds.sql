-- Where prices come from: one feed for an instrument and source, and who may post under it.
CREATE TABLE feed (
  id uuid PRIMARY KEY,
  instrument_id text NOT NULL REFERENCES instrument,
  source text NOT NULL CHECK (source ~ '^[a-z0-9][a-z0-9._-]{0,31}$'),
  kind text NOT NULL CHECK (kind IN ('file','http_push','http_pull','mqtt')),
  priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 9),  -- 1 is asked first
  owner_party uuid REFERENCES party,         -- who may post under this source; null: the platform
  url text CHECK (length(url) <= 1000),
  format text CHECK (format IN ('csv','json')),
  credential text CHECK (credential ~ '^[a-z0-9][a-z0-9-]{0,39}$'),  -- the name of a file; its content is in no database
  every_s int CHECK (every_s BETWEEN 1 AND 604800),
  public_key bytea CHECK (length(public_key) = 32),  -- Ed25519, of whoever publishes on the broker
  created_by uuid NOT NULL REFERENCES account,
  created_at timestamptz NOT NULL,
  retired_at timestamptz,
  next_at timestamptz,                       -- when it is pulled next
  tried_at timestamptz,
  succeeded_at timestamptz,
  failures int NOT NULL DEFAULT 0,           -- since the last success
  last_error text,
  CHECK (CASE WHEN kind = 'http_pull' THEN url IS NOT NULL AND format IS NOT NULL AND every_s IS NOT NULL AND next_at IS NOT NULL
    ELSE url IS NULL AND format IS NULL AND every_s IS NULL AND credential IS NULL END),
  CHECK ((kind = 'mqtt') = (public_key IS NOT NULL))
);
CREATE UNIQUE INDEX feed_key ON feed (instrument_id, source) WHERE retired_at IS NULL;
CREATE INDEX ON feed (next_at) WHERE kind = 'http_pull' AND retired_at IS NULL;

ALTER TABLE feed ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON feed TO pledgewatch_worker, pledgewatch_api;
GRANT UPDATE (next_at, tried_at, succeeded_at, failures, last_error) ON feed TO pledgewatch_worker;
GRANT UPDATE (retired_at) ON feed TO pledgewatch_api;
CREATE POLICY worker ON feed TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON feed FOR SELECT TO pledgewatch_api USING (pw_role() IN ('operator','regulator') OR pw_owns(owner_party) OR pw_owns_instrument(instrument_id));
CREATE POLICY add ON feed FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument(instrument_id));
CREATE POLICY change ON feed FOR UPDATE TO pledgewatch_api USING (pw_owns_instrument(instrument_id));

-- Whoever values must know which source is asked first; where it comes from is its owner's.
CREATE FUNCTION pw_priority(instrument text, name text) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce((SELECT f.priority FROM feed f WHERE f.instrument_id = instrument AND f.source = name AND f.retired_at IS NULL), 1)
$$;
-- Whether the actor posts under a source of an instrument, or, without a name, under any.
CREATE FUNCTION pw_feeds(instrument text, name text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM feed f WHERE f.instrument_id = instrument AND (name IS NULL OR f.source = name) AND f.retired_at IS NULL AND pw_owns(f.owner_party))
$$;
CREATE POLICY add_by_feed ON price FOR INSERT TO pledgewatch_api WITH CHECK (pw_feeds(instrument_id, source));
-- A late price has those after it judged anew, whoever quoted them.
CREATE POLICY change_by_feed ON price FOR UPDATE TO pledgewatch_api USING (pw_feeds(instrument_id, NULL));
CREATE POLICY add_by_feed ON daily_price FOR INSERT TO pledgewatch_api WITH CHECK (pw_feeds(instrument_id, NULL));
CREATE POLICY change_by_feed ON daily_price FOR UPDATE TO pledgewatch_api USING (pw_feeds(instrument_id, NULL));
CREATE POLICY add_by_feed ON volatility FOR INSERT TO pledgewatch_api WITH CHECK (pw_feeds(instrument_id, NULL));
CREATE POLICY change_by_feed ON volatility FOR UPDATE TO pledgewatch_api USING (pw_feeds(instrument_id, NULL));
CREATE POLICY add_by_feed ON price_event FOR INSERT TO pledgewatch_api WITH CHECK (pw_feeds(instrument_id, NULL));
