-- Who sees what. Sets of ids by SECURITY DEFINER functions, so that policies never call each other.
-- A regulator reads all and writes nothing; an operator runs the plant and sees no business rows.
CREATE FUNCTION pw_lots() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT l.id FROM lot l WHERE CASE pw_role()
    WHEN 'regulator' THEN true
    WHEN 'borrower' THEN l.owner_party = pw_party()
    WHEN 'logistics' THEN l.site_id IN (SELECT s.id FROM site s WHERE s.logistics_party = pw_party())
    WHEN 'lender' THEN l.id IN (SELECT pl.lot_id FROM pledge_lot pl JOIN pledge p ON p.id = pl.pledge_id
                                WHERE p.lender_party = pw_party() AND p.state IN ('proposed','active'))
    ELSE false END
$$;
CREATE FUNCTION pw_sites() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT s.id FROM site s WHERE CASE
    WHEN pw_role() IN ('regulator','operator') THEN true
    WHEN pw_role() = 'logistics' THEN s.logistics_party = pw_party()
    ELSE s.id IN (SELECT l.site_id FROM lot l WHERE l.id IN (SELECT pw_lots())) END
$$;
CREATE FUNCTION pw_channels() RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.id FROM channel c JOIN gateway g ON g.id = c.gateway_id WHERE CASE
    WHEN pw_role() IN ('regulator','operator') THEN true
    WHEN pw_role() = 'logistics' THEN g.site_id IN (SELECT pw_sites())
    ELSE EXISTS (SELECT 1 FROM sensor_binding b JOIN lot l ON l.zone_id = b.zone_id AND (b.lot_id IS NULL OR b.lot_id = l.id)
                 WHERE b.gateway_id = c.gateway_id AND b.sensor = c.sensor AND l.id IN (SELECT pw_lots())) END
$$;
CREATE FUNCTION pw_gateways() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT g.id FROM gateway g WHERE CASE
    WHEN pw_role() IN ('regulator','operator') THEN true
    WHEN pw_role() = 'logistics' THEN g.site_id IN (SELECT pw_sites())
    ELSE g.id IN (SELECT b.gateway_id FROM sensor_binding b JOIN lot l ON l.zone_id = b.zone_id
                  WHERE l.id IN (SELECT pw_lots())) END
$$;
CREATE FUNCTION pw_facilities() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT f.id FROM facility f WHERE CASE pw_role()
    WHEN 'regulator' THEN true
    WHEN 'lender' THEN f.lender_party = pw_party()
    WHEN 'borrower' THEN f.borrower_party = pw_party()
    ELSE false END
$$;
CREATE FUNCTION pw_pledges() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT p.id FROM pledge p WHERE CASE pw_role()
    WHEN 'regulator' THEN true
    WHEN 'lender' THEN p.lender_party = pw_party()
    WHEN 'borrower' THEN p.pledgor_party = pw_party()
    ELSE false END
$$;
-- Whether a lot is pledged is known to whoever may deal with its alerts; to whom it is, is not.
CREATE FUNCTION pw_pledged(lot uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
  SELECT EXISTS (SELECT 1 FROM pledge_lot pl WHERE pl.lot_id = lot AND pl.active)
$$;
CREATE FUNCTION pw_alerts() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT a.id FROM alert a WHERE a.lot_id IN (SELECT pw_lots()) OR a.facility_id IN (SELECT pw_facilities())
    OR (a.lot_id IS NULL AND a.facility_id IS NULL AND a.gateway_id IN (SELECT pw_gateways()))
$$;

-- Every table is under row-level security; a table without a policy is closed. The tables of readings
-- are not (TimescaleDB compresses no table that is): nothing on them is granted to the api at all, which
-- reads them through views that filter by pw_channels().
DO $$
DECLARE t regclass;
BEGIN
  FOR t IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
           AND c.relkind = 'r' AND NOT c.relispartition
             AND c.relname NOT IN ('alembic_version','scalar_reading','sighting_reading','event_reading') LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO pledgewatch_worker', t);
    EXECUTE format('CREATE POLICY worker ON %s TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT DELETE ON session, enrolment_code TO pledgewatch_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;

-- Reading.
GRANT SELECT ON party, account, session, api_token, site, zone, gateway, gateway_key, enrolment_code, stream, channel, envelope, refused_envelope, commodity, lot, item, sensor_binding, sensor_state, item_state, lot_state,
  lot_event, alert, alert_evidence, alert_event, instrument, price, daily_price, volatility, facility, pledge, pledge_lot, valuation, lot_valuation,
  facility_lock, drawdown, repayment, facility_event TO pledgewatch_api;
CREATE POLICY read ON party FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);      -- names are no secret among users
CREATE POLICY read ON account FOR SELECT TO pledgewatch_api USING (pw_role() IN ('auth','operator','regulator') OR party_id = pw_party());
CREATE POLICY read ON session FOR SELECT TO pledgewatch_api USING (pw_role() = 'auth');
CREATE POLICY read ON api_token FOR SELECT TO pledgewatch_api USING (pw_role() = 'auth'
  OR account_id IN (SELECT a.id FROM account a WHERE a.party_id = pw_party() OR (pw_role() = 'operator' AND a.role = 'regulator')));
CREATE POLICY read ON site FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_sites()));
CREATE POLICY read ON zone FOR SELECT TO pledgewatch_api USING (site_id IN (SELECT pw_sites()));
CREATE POLICY read ON gateway FOR SELECT TO pledgewatch_api USING (pw_role() = 'enrol' OR id IN (SELECT pw_gateways()));
CREATE POLICY read ON gateway_key FOR SELECT TO pledgewatch_api USING (pw_role() = 'enrol' OR gateway_id IN (SELECT pw_gateways()));
CREATE POLICY read ON enrolment_code FOR SELECT TO pledgewatch_api USING (pw_role() IN ('enrol','operator'));
CREATE POLICY read ON stream FOR SELECT TO pledgewatch_api USING (gateway_id IN (SELECT pw_gateways()));
CREATE POLICY read ON channel FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_channels()));
CREATE POLICY read ON envelope FOR SELECT TO pledgewatch_api USING (pw_role() IN ('regulator','operator','logistics') AND gateway_id IN (SELECT pw_gateways()));
CREATE POLICY read ON refused_envelope FOR SELECT TO pledgewatch_api USING (pw_role() IN ('operator','regulator'));
CREATE POLICY read ON commodity FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);
CREATE POLICY read ON lot FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_lots()));
CREATE POLICY read ON item FOR SELECT TO pledgewatch_api USING (lot_id IN (SELECT pw_lots()));
CREATE POLICY read ON sensor_binding FOR SELECT TO pledgewatch_api USING (zone_id IN (SELECT z.id FROM zone z)
  AND (pw_role() IN ('operator','logistics','regulator') OR lot_id IS NULL OR lot_id IN (SELECT pw_lots())));
CREATE POLICY read ON sensor_state FOR SELECT TO pledgewatch_api USING ((gateway_id, sensor) IN
  (SELECT c.gateway_id, c.sensor FROM channel c));
CREATE POLICY read ON item_state FOR SELECT TO pledgewatch_api USING (item_id IN (SELECT i.id FROM item i));
CREATE POLICY read ON lot_state FOR SELECT TO pledgewatch_api USING (lot_id IN (SELECT pw_lots()));
CREATE POLICY read ON lot_event FOR SELECT TO pledgewatch_api USING (lot_id IN (SELECT pw_lots()));
CREATE POLICY read ON alert FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_alerts()));
CREATE POLICY read ON alert_evidence FOR SELECT TO pledgewatch_api USING (alert_id IN (SELECT pw_alerts()));
CREATE POLICY read ON alert_event FOR SELECT TO pledgewatch_api USING (alert_id IN (SELECT pw_alerts()));
CREATE POLICY read ON instrument FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);
CREATE POLICY read ON price FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);
CREATE POLICY read ON daily_price FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);
CREATE POLICY read ON volatility FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);
CREATE POLICY read ON facility FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_facilities()));
CREATE POLICY read ON pledge FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_pledges()));
CREATE POLICY read ON pledge_lot FOR SELECT TO pledgewatch_api USING (pledge_id IN (SELECT pw_pledges()));
CREATE POLICY read ON valuation FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
CREATE POLICY read ON lot_valuation FOR SELECT TO pledgewatch_api USING (valuation_id IN (SELECT v.id FROM valuation v));
CREATE POLICY read ON facility_lock FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
CREATE POLICY read ON drawdown FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
CREATE POLICY read ON repayment FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
CREATE POLICY read ON facility_event FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));

CREATE VIEW visible_scalar_reading WITH (security_barrier) AS SELECT * FROM scalar_reading WHERE channel_id IN (SELECT pw_channels());
CREATE VIEW visible_sighting_reading WITH (security_barrier) AS SELECT * FROM sighting_reading WHERE channel_id IN (SELECT pw_channels());
CREATE VIEW visible_event_reading WITH (security_barrier) AS SELECT * FROM event_reading WHERE channel_id IN (SELECT pw_channels());
ALTER VIEW visible_scalar_reading OWNER TO pledgewatch_worker;
ALTER VIEW visible_sighting_reading OWNER TO pledgewatch_worker;
ALTER VIEW visible_event_reading OWNER TO pledgewatch_worker;
GRANT SELECT ON visible_scalar_reading, visible_sighting_reading, visible_event_reading TO pledgewatch_api;

-- Writing: handlers check the role first; these hold when a handler forgets.
GRANT INSERT ON party, account, session, api_token, site, zone, gateway, gateway_key, enrolment_code, stream, commodity, lot, item, sensor_binding,
  lot_state, item_state, lot_event, alert, alert_evidence, alert_event, instrument, price, daily_price, volatility, facility, pledge, pledge_lot, valuation,
  lot_valuation, facility_lock, drawdown, repayment, facility_event TO pledgewatch_api;
-- Column by column where the rest is agreed once: a facility's limit and lines, a drawdown's amount, who an account is.
GRANT UPDATE (password_hash, failed_logins, locked_until, active) ON account TO pledgewatch_api;
GRANT UPDATE (revoked_at) ON api_token TO pledgewatch_api;
GRANT UPDATE (public_key, key_id, enrolled_at) ON gateway TO pledgewatch_api;
GRANT UPDATE (used_at) ON enrolment_code TO pledgewatch_api;
GRANT UPDATE (quality) ON price TO pledgewatch_api;
GRANT UPDATE (severity, state, summary, ceased_at, acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolution, note) ON alert TO pledgewatch_api;
GRANT UPDATE (principal_minor, interest_minor, fees_minor, recovered_valuations, line_state, valuation_id, cure_by, state) ON facility TO pledgewatch_api;
GRANT UPDATE (state, facility_id, activated_at, ended_at) ON pledge TO pledgewatch_api;
GRANT UPDATE (active) ON pledge_lot TO pledgewatch_api;
GRANT UPDATE (detail, lifted_at, lifted_by) ON facility_lock TO pledgewatch_api;
GRANT UPDATE (state, decided_by, decided_at, valuation_id, expires_at, ended_at, reasons) ON drawdown TO pledgewatch_api;
GRANT UPDATE ON stream, lot_state, daily_price, volatility TO pledgewatch_api;
GRANT DELETE ON session TO pledgewatch_api;
CREATE POLICY add ON party FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator');
CREATE POLICY add ON account FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator');
CREATE POLICY change ON account FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('auth','operator'));
CREATE POLICY add ON session FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'auth');
CREATE POLICY drop ON session FOR DELETE TO pledgewatch_api USING (pw_role() = 'auth');
CREATE POLICY add ON api_token FOR INSERT TO pledgewatch_api WITH CHECK ((pw_role() IN ('borrower','lender','logistics','operator') AND account_id IN (SELECT a.id FROM account a WHERE a.party_id = pw_party()))
  OR (pw_role() = 'operator' AND account_id IN (SELECT a.id FROM account a WHERE a.role = 'regulator')));
CREATE POLICY change ON api_token FOR UPDATE TO pledgewatch_api USING ((pw_role() IN ('borrower','lender','logistics','operator') AND account_id IN (SELECT a.id FROM account a WHERE a.party_id = pw_party()))
  OR (pw_role() = 'operator' AND account_id IN (SELECT a.id FROM account a WHERE a.role = 'regulator')));
CREATE POLICY add ON site FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator' OR (pw_role() = 'logistics' AND logistics_party = pw_party()));
CREATE POLICY add ON zone FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('operator','logistics') AND site_id IN (SELECT pw_sites()));
CREATE POLICY add ON gateway FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('operator','logistics') AND site_id IN (SELECT pw_sites()));
CREATE POLICY change ON gateway FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('enrol','operator'));
CREATE POLICY add ON gateway_key FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'enrol');
CREATE POLICY add ON enrolment_code FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator');
CREATE POLICY change ON enrolment_code FOR UPDATE TO pledgewatch_api USING (pw_role() = 'enrol');
CREATE POLICY enrol ON stream FOR ALL TO pledgewatch_api USING (pw_role() = 'enrol') WITH CHECK (pw_role() = 'enrol');
CREATE POLICY add ON commodity FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('operator','lender'));
CREATE POLICY add ON lot FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'logistics' AND site_id IN (SELECT pw_sites()));
CREATE POLICY add ON item FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'logistics' AND lot_id IN (SELECT pw_lots()));
CREATE POLICY add ON sensor_binding FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('operator','logistics') AND zone_id IN (SELECT z.id FROM zone z));
CREATE POLICY add ON lot_state FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'logistics' AND lot_id IN (SELECT pw_lots()));
CREATE POLICY add ON item_state FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'logistics' AND item_id IN (SELECT i.id FROM item i));
CREATE POLICY add ON lot_event FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('logistics','lender','borrower') AND lot_id IN (SELECT pw_lots()));
CREATE POLICY change ON lot_state FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('logistics','lender') AND lot_id IN (SELECT pw_lots()));
CREATE POLICY add ON alert FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY change ON alert FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','logistics','operator') AND id IN (SELECT pw_alerts()));
CREATE POLICY add ON alert_evidence FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower','logistics','operator') AND alert_id IN (SELECT pw_alerts()));
CREATE POLICY add ON alert_event FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower','logistics','operator') AND alert_id IN (SELECT pw_alerts()));
CREATE POLICY add ON instrument FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','operator'));
CREATE POLICY add ON price FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','operator'));
CREATE POLICY change ON price FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','operator'));
CREATE POLICY add ON daily_price FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','operator'));
CREATE POLICY change ON daily_price FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','operator'));
CREATE POLICY add ON volatility FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','operator'));
CREATE POLICY change ON volatility FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','operator'));
CREATE POLICY add ON facility FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender' AND lender_party = pw_party());
CREATE POLICY change ON facility FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','borrower') AND id IN (SELECT pw_facilities()));
CREATE POLICY add ON pledge FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'borrower' AND pledgor_party = pw_party());
CREATE POLICY change ON pledge FOR UPDATE TO pledgewatch_api USING (pw_role() = 'lender' AND lender_party = pw_party());
CREATE POLICY add ON pledge_lot FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'borrower' AND pledge_id IN (SELECT pw_pledges()) AND lot_id IN (SELECT pw_lots()));
CREATE POLICY change ON pledge_lot FOR UPDATE TO pledgewatch_api USING (pw_role() = 'lender' AND pledge_id IN (SELECT pw_pledges()));
CREATE POLICY add ON valuation FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY add ON lot_valuation FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower') AND valuation_id IN (SELECT v.id FROM valuation v));
CREATE POLICY add ON facility_lock FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY change ON facility_lock FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY add ON drawdown FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'borrower' AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY change ON drawdown FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY add ON repayment FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
CREATE POLICY add ON facility_event FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));

-- Append-only tables: nobody's role may update or delete (UPDATE and DELETE are granted to no role above);
-- the worker's blanket UPDATE grant is taken back where history must stand.
REVOKE UPDATE ON gateway_key, envelope, scalar_reading, sighting_reading, event_reading, refused_envelope, lot_event, alert_evidence, alert_event,
  valuation, lot_valuation, repayment, facility_event FROM pledgewatch_worker;

-- A committed change of state is told to whoever listens; the page asks again under its own rights.
CREATE FUNCTION pw_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('pw_changes', TG_TABLE_NAME);
  RETURN NULL;
END $$;
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['lot_state','item_state','alert','facility','facility_lock','drawdown','repayment','pledge','valuation','price','stream_state'] LOOP
    CONTINUE WHEN to_regclass(t) IS NULL;
    EXECUTE format('CREATE TRIGGER notify AFTER INSERT OR UPDATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION pw_notify()', t);
  END LOOP;
END $$;
