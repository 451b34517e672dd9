-- What people decide about prices that wait, and what happened to each after it came in.
ALTER TABLE price DROP CONSTRAINT price_quality_check;
ALTER TABLE price ADD CONSTRAINT price_quality_check CHECK (quality IN ('accepted','held','rejected'));
COMMENT ON COLUMN price.quality IS 'follows from all quotes in the order of their times and from price_decision; judged anew when one comes late';
CREATE INDEX ON price (instrument_id, at DESC) WHERE quality = 'held';
ALTER TABLE daily_price ALTER COLUMN value DROP NOT NULL;  -- null: what was accepted on that day no longer is
CREATE TABLE price_decision (                -- append-only: one for each quote that a person judged
  instrument_id text NOT NULL,
  source text NOT NULL,
  at timestamptz NOT NULL,
  quality text NOT NULL CHECK (quality IN ('accepted','rejected')),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  decided_by uuid NOT NULL REFERENCES account,
  decided_at timestamptz NOT NULL,
  PRIMARY KEY (instrument_id, source, at),
  FOREIGN KEY (instrument_id, source, at) REFERENCES price
);
CREATE TABLE price_event (                   -- append-only: waits, is confirmed, is judged anew, a person decided
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instrument_id text NOT NULL,
  source text NOT NULL,
  at timestamptz NOT NULL,                   -- of the quote
  happened_at timestamptz NOT NULL,
  actor text NOT NULL,
  what text NOT NULL CHECK (what IN ('held','confirmed','accepted','rejected')),
  reason text NOT NULL,
  FOREIGN KEY (instrument_id, source, at) REFERENCES price
);
CREATE INDEX ON price_event (instrument_id, id DESC);
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['price_decision','price_event'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY read ON %I FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL)', t);
    EXECUTE format('CREATE POLICY add ON %I FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument(instrument_id))', t);
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;
