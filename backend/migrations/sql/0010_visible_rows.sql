-- The same rows to the same people as 0009_access says, at a cost that follows what is looked at.
-- A set of ids is made anew for each table of each statement, so making one must be cheap: plpgsql
-- keeps its plans for the session and runs only the role's own query. Where a parent's key is at hand,
-- policies probe for the parent instead: the planner hashes or probes, whichever is less, and history
-- that nobody looks at costs nothing.
CREATE OR REPLACE FUNCTION pw_lots() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE party uuid := pw_party();
BEGIN
  CASE pw_role()
    WHEN 'regulator' THEN RETURN QUERY SELECT l.id FROM lot l;
    WHEN 'borrower' THEN RETURN QUERY SELECT l.id FROM lot l WHERE l.owner_party = party;
    WHEN 'logistics' THEN RETURN QUERY SELECT l.id FROM site s JOIN lot l ON l.site_id = s.id WHERE s.logistics_party = party;
    WHEN 'lender' THEN RETURN QUERY SELECT pl.lot_id FROM pledge p JOIN pledge_lot pl ON pl.pledge_id = p.id
                                    WHERE p.lender_party = party AND p.state IN ('proposed','active');
    ELSE RETURN;
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION pw_sites() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE party uuid := pw_party();
BEGIN
  CASE
    WHEN pw_role() IN ('regulator','operator') THEN RETURN QUERY SELECT s.id FROM site s;
    WHEN pw_role() = 'logistics' THEN RETURN QUERY SELECT s.id FROM site s WHERE s.logistics_party = party;
    ELSE RETURN QUERY SELECT DISTINCT l.site_id FROM lot l WHERE l.id IN (SELECT v.id FROM pw_lots() v(id));
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION pw_channels() RETURNS SETOF int LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  CASE
    WHEN pw_role() IN ('regulator','operator') THEN RETURN QUERY SELECT c.id FROM channel c;
    WHEN pw_role() = 'logistics' THEN RETURN QUERY SELECT c.id FROM channel c JOIN gateway g ON g.id = c.gateway_id
                                                   WHERE g.site_id IN (SELECT v.id FROM pw_sites() v(id));
    ELSE RETURN QUERY SELECT c.id FROM channel c WHERE (c.gateway_id, c.sensor) IN (
      SELECT b.gateway_id, b.sensor FROM sensor_binding b JOIN lot l ON l.zone_id = b.zone_id AND (b.lot_id IS NULL OR b.lot_id = l.id)
      WHERE l.id IN (SELECT v.id FROM pw_lots() v(id)));
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION pw_gateways() RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  CASE
    WHEN pw_role() IN ('regulator','operator') THEN RETURN QUERY SELECT g.id FROM gateway g;
    WHEN pw_role() = 'logistics' THEN RETURN QUERY SELECT g.id FROM gateway g WHERE g.site_id IN (SELECT v.id FROM pw_sites() v(id));
    ELSE RETURN QUERY SELECT DISTINCT b.gateway_id FROM sensor_binding b WHERE b.zone_id IN (
      SELECT l.zone_id FROM lot l WHERE l.id IN (SELECT v.id FROM pw_lots() v(id)));
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION pw_facilities() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE party uuid := pw_party();
BEGIN
  CASE pw_role()
    WHEN 'regulator' THEN RETURN QUERY SELECT f.id FROM facility f;
    WHEN 'lender' THEN RETURN QUERY SELECT f.id FROM facility f WHERE f.lender_party = party;
    WHEN 'borrower' THEN RETURN QUERY SELECT f.id FROM facility f WHERE f.borrower_party = party;
    ELSE RETURN;
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION pw_pledges() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE party uuid := pw_party();
BEGIN
  CASE pw_role()
    WHEN 'regulator' THEN RETURN QUERY SELECT p.id FROM pledge p;
    WHEN 'lender' THEN RETURN QUERY SELECT p.id FROM pledge p WHERE p.lender_party = party;
    WHEN 'borrower' THEN RETURN QUERY SELECT p.id FROM pledge p WHERE p.pledgor_party = party;
    ELSE RETURN;
  END CASE;
END $$;

-- Parties stand in these rows themselves.
ALTER POLICY read ON facility USING (CASE (SELECT pw_role()) WHEN 'regulator' THEN true WHEN 'lender' THEN lender_party = (SELECT pw_party())
  WHEN 'borrower' THEN borrower_party = (SELECT pw_party()) ELSE false END);
ALTER POLICY read ON pledge USING (CASE (SELECT pw_role()) WHEN 'regulator' THEN true WHEN 'lender' THEN lender_party = (SELECT pw_party())
  WHEN 'borrower' THEN pledgor_party = (SELECT pw_party()) ELSE false END);

-- An alert is its lot's, its facility's, or of a gateway alone; the first that shows it is enough.
ALTER POLICY read ON alert USING (lot_id IN (SELECT pw_lots()) OR facility_id IN (SELECT pw_facilities())
  OR (lot_id IS NULL AND facility_id IS NULL AND gateway_id IN (SELECT pw_gateways())));
ALTER POLICY change ON alert USING (pw_role() IN ('lender','logistics','operator') AND (lot_id IN (SELECT pw_lots())
  OR facility_id IN (SELECT pw_facilities()) OR (lot_id IS NULL AND facility_id IS NULL AND gateway_id IN (SELECT pw_gateways()))));

-- Whoever sees the parent sees these: the parent's own policy decides.
ALTER POLICY read ON pledge_lot USING (EXISTS (SELECT 1 FROM pledge p WHERE p.id = pledge_id));
ALTER POLICY read ON item_state USING (EXISTS (SELECT 1 FROM item i WHERE i.id = item_id));
ALTER POLICY read ON sensor_state USING (EXISTS (SELECT 1 FROM channel c WHERE c.gateway_id = sensor_state.gateway_id AND c.sensor = sensor_state.sensor));
ALTER POLICY read ON lot_valuation USING (EXISTS (SELECT 1 FROM valuation v WHERE v.id = valuation_id));
ALTER POLICY add ON lot_valuation WITH CHECK (pw_role() IN ('lender','borrower') AND EXISTS (SELECT 1 FROM valuation v WHERE v.id = valuation_id));
ALTER POLICY read ON alert_evidence USING (EXISTS (SELECT 1 FROM alert a WHERE a.id = alert_id));
ALTER POLICY read ON alert_event USING (EXISTS (SELECT 1 FROM alert a WHERE a.id = alert_id));
ALTER POLICY add ON alert_evidence WITH CHECK (pw_role() IN ('lender','borrower','logistics','operator') AND EXISTS (SELECT 1 FROM alert a WHERE a.id = alert_id));
ALTER POLICY add ON alert_event WITH CHECK (pw_role() IN ('lender','borrower','logistics','operator') AND EXISTS (SELECT 1 FROM alert a WHERE a.id = alert_id));
DROP FUNCTION pw_alerts();

CREATE INDEX ON lot (owner_party);
CREATE INDEX ON pledge (lender_party);
CREATE INDEX ON pledge (pledgor_party);
CREATE INDEX ON alert (facility_id) WHERE state <> 'resolved';
