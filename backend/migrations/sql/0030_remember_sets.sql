-- What 0021_facility_past says, for any number of facilities at the cost of a few: a tick of a price changes thousands.
-- Statements are remembered, not rows; what is kept and which times it has are the same.
DROP TRIGGER remember ON facility;
DROP TRIGGER remember ON facility_lock;
DROP TRIGGER remember ON drawdown;
DROP TRIGGER remember ON margin_call;
DROP FUNCTION pw_remember_facility();
DROP FUNCTION pw_remember_row();
DROP FUNCTION pw_remember(uuid, text, text, jsonb);

-- Only the triggers write there, of facilities that are there and are never deleted: to look each up again costs as much as
-- to remember it.
ALTER TABLE facility_past DROP CONSTRAINT facility_past_facility_id_fkey;

-- Holds facilities until the commit, and returns the time that this transaction records of each.
CREATE FUNCTION pw_stamp(facilities uuid[]) RETURNS TABLE (id uuid, recorded_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz;
BEGIN
  PERFORM 1 FROM facility f WHERE f.id = ANY(facilities) ORDER BY f.id FOR NO KEY UPDATE;
  now_at := clock_timestamp();
  RETURN QUERY SELECT u.id, CASE WHEN l.xid = pg_current_xact_id() THEN l.recorded_at
                            ELSE greatest(now_at, l.recorded_at + interval '1 microsecond') END
    FROM unnest(facilities) u(id) LEFT JOIN LATERAL (SELECT p.xid, p.recorded_at FROM facility_past p
      WHERE p.facility_id = u.id ORDER BY p.recorded_at DESC LIMIT 1) l ON true;
END $$;
REVOKE EXECUTE ON FUNCTION pw_stamp(uuid[]) FROM PUBLIC;

CREATE FUNCTION pw_moving() RETURNS text[] LANGUAGE sql IMMUTABLE
  RETURN ARRAY['valuation_id', 'line_state', 'recovered_valuations', 'recovering_to', 'cure_by'];
CREATE FUNCTION pw_remember_new_facilities() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO facility_past (facility_id, kind, key, recorded_at, content)
  SELECT n.id, k.kind, '', s.recorded_at, CASE k.kind WHEN 'terms' THEN to_jsonb(n) - pw_moving() ELSE
      jsonb_build_object('valuation_id', n.valuation_id, 'line_state', n.line_state, 'recovered_valuations', n.recovered_valuations,
        'recovering_to', n.recovering_to, 'cure_by', n.cure_by) END
  FROM pw_stamp(ARRAY(SELECT f.id FROM fresh f)) s JOIN fresh n ON n.id = s.id, (VALUES ('terms'), ('standing')) k(kind);
  RETURN NULL;
END $$;
CREATE FUNCTION pw_remember_facilities() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- The row as it was, with what moves as it is: when that is the row as it is, its terms are the same. Cheaper than to compare
  -- them as JSON, and no column is forgotten that is added one day.
  WITH change AS MATERIALIZED (
    SELECT n.id, CASE WHEN jsonb_populate_record(o::facility, m.standing)::text IS DISTINCT FROM n::facility::text
        THEN to_jsonb(n) - pw_moving() END AS terms,
      CASE WHEN (n.valuation_id, n.line_state, n.recovered_valuations, n.recovering_to, n.cure_by)
             IS DISTINCT FROM (o.valuation_id, o.line_state, o.recovered_valuations, o.recovering_to, o.cure_by)
        THEN m.standing END AS standing
    FROM fresh n JOIN stale o ON o.id = n.id CROSS JOIN LATERAL (SELECT jsonb_build_object('valuation_id', n.valuation_id,
      'line_state', n.line_state, 'recovered_valuations', n.recovered_valuations, 'recovering_to', n.recovering_to, 'cure_by', n.cure_by) AS standing) m)
  INSERT INTO facility_past (facility_id, kind, key, recorded_at, content)
  SELECT c.id, k.kind, '', s.recorded_at, k.content
  FROM pw_stamp(ARRAY(SELECT x.id FROM change x WHERE x.terms IS NOT NULL OR x.standing IS NOT NULL)) s JOIN change c ON c.id = s.id
    CROSS JOIN LATERAL (VALUES ('terms', c.terms), ('standing', c.standing)) k(kind, content)
  WHERE k.content IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER remember_new AFTER INSERT ON facility REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION pw_remember_new_facilities();
CREATE TRIGGER remember AFTER UPDATE ON facility REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION pw_remember_facilities();

-- Of any table with "id" and "facility_id", by pw_remembers('table', 'kind').
CREATE FUNCTION pw_remember_new_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO facility_past (facility_id, kind, key, recorded_at, content)
  SELECT s.id, TG_ARGV[0], n.id::text, s.recorded_at, to_jsonb(n)
  FROM pw_stamp(ARRAY(SELECT DISTINCT f.facility_id FROM fresh f)) s JOIN fresh n ON n.facility_id = s.id ORDER BY n.id;
  RETURN NULL;
END $$;
CREATE FUNCTION pw_remember_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  WITH change AS MATERIALIZED (
    SELECT n.facility_id, n.id, to_jsonb(n) AS content FROM fresh n JOIN stale o ON o.id = n.id WHERE to_jsonb(n) IS DISTINCT FROM to_jsonb(o))
  INSERT INTO facility_past (facility_id, kind, key, recorded_at, content)
  SELECT s.id, TG_ARGV[0], c.id::text, s.recorded_at, c.content
  FROM pw_stamp(ARRAY(SELECT DISTINCT x.facility_id FROM change x)) s JOIN change c ON c.facility_id = s.id ORDER BY c.id;
  RETURN NULL;
END $$;
CREATE FUNCTION pw_remembers(of_table text, kind text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER remember_new AFTER INSERT ON %I REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION pw_remember_new_rows(%L)', of_table, kind);
  EXECUTE format('CREATE TRIGGER remember AFTER UPDATE ON %I REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION pw_remember_rows(%L)', of_table, kind);
END $$;
REVOKE EXECUTE ON FUNCTION pw_remembers(text, text) FROM PUBLIC;
SELECT pw_remembers('facility_lock', 'lock');
SELECT pw_remembers('drawdown', 'drawdown');
SELECT pw_remembers('margin_call', 'margin_call');
