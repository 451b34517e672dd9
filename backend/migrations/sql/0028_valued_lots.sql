-- A statement of a past moment names the lots as it did then, also when they are pledged no more: whoever sees the
-- valuation sees how its lots are called and what they are, and nothing else of them.
CREATE FUNCTION pw_valued_lots(of_valuation uuid) RETURNS TABLE (lot_id uuid, name text, instrument_id text, unit text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT l.id, l.name, l.instrument_id, i.unit FROM lot_valuation v JOIN lot l ON l.id = v.lot_id
  LEFT JOIN instrument i ON i.id = l.instrument_id
  WHERE v.valuation_id = of_valuation AND EXISTS (SELECT 1 FROM valuation w
    WHERE w.id = of_valuation AND w.facility_id IN (SELECT f.id FROM pw_facilities() f(id)))
$$;
