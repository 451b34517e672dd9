-- What was recorded of a facility, and when: each row of it as it became, for ever. "As of" reads nothing else
-- that may change; valuations and their lines are immutable and are found by their id.
CREATE TABLE facility_past (                 -- append-only; written by the triggers below and by nobody else
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  facility_id uuid NOT NULL REFERENCES facility,
  kind text NOT NULL,                        -- 'terms', 'standing', 'lock', 'drawdown' ...
  key text NOT NULL,                         -- which row of that kind
  recorded_at timestamptz NOT NULL,          -- by the database's clock; one for all that a transaction records of a facility
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  content jsonb NOT NULL                     -- the row, as it became
);
CREATE INDEX ON facility_past (facility_id, recorded_at);
CREATE INDEX ON facility_past (facility_id, kind, recorded_at);

-- Records one row. Whoever records holds the facility's row until the commit, so that the times of one facility
-- are in the order of its commits; they rise even when the clock steps back.
CREATE FUNCTION pw_remember(of_facility uuid, of_kind text, of_key text, what jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  last_at timestamptz;
  last_xid xid8;
BEGIN
  PERFORM 1 FROM facility f WHERE f.id = of_facility FOR NO KEY UPDATE;
  SELECT p.recorded_at, p.xid INTO last_at, last_xid FROM facility_past p
    WHERE p.facility_id = of_facility ORDER BY p.recorded_at DESC LIMIT 1;
  INSERT INTO facility_past (facility_id, kind, key, recorded_at, content) VALUES (of_facility, of_kind, of_key,
    CASE WHEN last_xid = pg_current_xact_id() THEN last_at
         ELSE greatest(clock_timestamp(), last_at + interval '1 microsecond') END, what);
END $$;
REVOKE EXECUTE ON FUNCTION pw_remember(uuid, text, text, jsonb) FROM PUBLIC;

-- Of a facility, what each valuation changes is kept apart from its terms and money, which change seldom.
CREATE FUNCTION pw_remember_facility() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  moving CONSTANT text[] := ARRAY['valuation_id', 'line_state', 'recovered_valuations', 'recovering_to', 'cure_by'];
  fresh CONSTANT jsonb := to_jsonb(NEW);
  stale CONSTANT jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
BEGIN
  IF fresh - moving IS DISTINCT FROM stale - moving THEN
    PERFORM pw_remember(NEW.id, 'terms', '', fresh - moving);
  END IF;
  IF TG_OP = 'INSERT' OR EXISTS (SELECT 1 FROM unnest(moving) m WHERE fresh -> m IS DISTINCT FROM stale -> m) THEN
    PERFORM pw_remember(NEW.id, 'standing', '',
      (SELECT jsonb_object_agg(m, fresh -> m) FROM unnest(moving) m WHERE fresh ? m));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON facility FOR EACH ROW EXECUTE FUNCTION pw_remember_facility();

-- Of any table with "id" and "facility_id": the kind is the trigger's argument.
CREATE FUNCTION pw_remember_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' OR to_jsonb(NEW) IS DISTINCT FROM to_jsonb(OLD) THEN
    PERFORM pw_remember(NEW.facility_id, TG_ARGV[0], NEW.id::text, to_jsonb(NEW));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON facility_lock FOR EACH ROW EXECUTE FUNCTION pw_remember_row('lock');
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON drawdown FOR EACH ROW EXECUTE FUNCTION pw_remember_row('drawdown');

-- Returns the database's time, with the facility held still from then on until the caller's transaction ends: what is
-- recorded up to that time is committed and visible, and all that is recorded later has a later time. Null: it is not
-- there, or is none of the actor's business. In the way of writers for as long as reading it takes.
CREATE FUNCTION pw_hold_still(of_facility uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM facility f WHERE f.id = of_facility AND f.id IN (SELECT v.id FROM pw_facilities() v(id)) FOR SHARE OF f;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  RETURN greatest(clock_timestamp(), (SELECT max(p.recorded_at) FROM facility_past p WHERE p.facility_id = of_facility));
END $$;

-- What is there now is the beginning: nothing is known of the time before.
DO $$
DECLARE
  f facility;
  r record;
BEGIN
  FOR f IN SELECT * FROM facility ORDER BY id LOOP
    PERFORM pw_remember(f.id, 'terms', '', to_jsonb(f) - ARRAY['valuation_id','line_state','recovered_valuations','recovering_to','cure_by']);
    PERFORM pw_remember(f.id, 'standing', '', jsonb_build_object('valuation_id', f.valuation_id, 'line_state', f.line_state,
      'recovered_valuations', f.recovered_valuations, 'recovering_to', f.recovering_to, 'cure_by', f.cure_by));
    FOR r IN SELECT * FROM facility_lock l WHERE l.facility_id = f.id ORDER BY l.id LOOP
      PERFORM pw_remember(f.id, 'lock', r.id::text, to_jsonb(r));
    END LOOP;
    FOR r IN SELECT * FROM drawdown d WHERE d.facility_id = f.id ORDER BY d.requested_at, d.id LOOP
      PERFORM pw_remember(f.id, 'drawdown', r.id::text, to_jsonb(r));
    END LOOP;
  END LOOP;
END $$;

ALTER TABLE facility_past ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON facility_past TO pledgewatch_api, pledgewatch_worker;
CREATE POLICY worker ON facility_past TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON facility_past FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
