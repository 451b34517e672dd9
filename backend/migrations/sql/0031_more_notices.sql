-- Held prices, and what became of them, are told from their history, which has a reason for each.
DROP TRIGGER tell ON price;
CREATE OR REPLACE FUNCTION pw_tell_price() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF pw_wanted('price') THEN
    INSERT INTO notice (topic, instrument_id, detail) VALUES ('price', NEW.instrument_id, jsonb_build_object('what', NEW.what,
      'source', NEW.source, 'at', NEW.at, 'reason', NEW.reason, 'by', NEW.actor,
      'value', (SELECT p.value::text FROM price p WHERE (p.instrument_id, p.source, p.at) = (NEW.instrument_id, NEW.source, NEW.at))));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON price_event FOR EACH ROW EXECUTE FUNCTION pw_tell_price();

-- Each step of an application is told to those who have a seat in it.
ALTER TABLE notice ADD COLUMN application_step_id uuid REFERENCES application_step;
CREATE FUNCTION pw_tell_application() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF pw_wanted('application') THEN
    INSERT INTO notice (topic, application_step_id) VALUES ('application', NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON application_step FOR EACH ROW EXECUTE FUNCTION pw_tell_application();

-- Whoever may see an instrument is told of its prices.
ALTER POLICY read ON notice USING (EXISTS (SELECT 1 FROM alert a WHERE a.id = alert_id) OR facility_id IN (SELECT pw_facilities())
  OR EXISTS (SELECT 1 FROM instrument i WHERE i.id = instrument_id) OR EXISTS (SELECT 1 FROM application_step s WHERE s.id = application_step_id)
  OR party_id = pw_party());
