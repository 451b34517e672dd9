-- Trading calendars, ages in trading days, owners, rates of exchange, and grades with their differentials.
CREATE TABLE calendar (
  id text PRIMARY KEY CHECK (id ~ '^[A-Z0-9][A-Z0-9-]{0,31}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  week text NOT NULL CHECK (week ~ '^[01]{7}$' AND week <> '0000000'),  -- from Monday on: 1, traded on
  owner_party uuid REFERENCES party,         -- null: the platform's
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE calendar_day (                  -- days that differ from the week
  calendar_id text NOT NULL REFERENCES calendar,
  day date NOT NULL,                         -- UTC
  trades boolean NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  PRIMARY KEY (calendar_id, day)
);
INSERT INTO calendar (id, name, week) VALUES ('EVERY-DAY', 'Every day', '1111111'), ('WEEKDAYS', 'Monday to Friday', '1111100'),
  ('TARGET', 'TARGET, the payment system of the euro: closing days by its rule until 2035', '1111100');
-- Source: European Central Bank, long-term calendar for TARGET closing days, 14 December 2000.
INSERT INTO calendar_day (calendar_id, day, trades, name) VALUES
  ('TARGET','2020-01-01',false,'New Year''s Day'), ('TARGET','2020-04-10',false,'Good Friday'), ('TARGET','2020-04-13',false,'Easter Monday'), ('TARGET','2020-05-01',false,'Labour Day'), ('TARGET','2020-12-25',false,'Christmas Day'), ('TARGET','2020-12-26',false,'Christmas Holiday'),
  ('TARGET','2021-01-01',false,'New Year''s Day'), ('TARGET','2021-04-02',false,'Good Friday'), ('TARGET','2021-04-05',false,'Easter Monday'), ('TARGET','2021-05-01',false,'Labour Day'), ('TARGET','2021-12-25',false,'Christmas Day'), ('TARGET','2021-12-26',false,'Christmas Holiday'),
  ('TARGET','2022-01-01',false,'New Year''s Day'), ('TARGET','2022-04-15',false,'Good Friday'), ('TARGET','2022-04-18',false,'Easter Monday'), ('TARGET','2022-05-01',false,'Labour Day'), ('TARGET','2022-12-25',false,'Christmas Day'), ('TARGET','2022-12-26',false,'Christmas Holiday'),
  ('TARGET','2023-01-01',false,'New Year''s Day'), ('TARGET','2023-04-07',false,'Good Friday'), ('TARGET','2023-04-10',false,'Easter Monday'), ('TARGET','2023-05-01',false,'Labour Day'), ('TARGET','2023-12-25',false,'Christmas Day'), ('TARGET','2023-12-26',false,'Christmas Holiday'),
  ('TARGET','2024-01-01',false,'New Year''s Day'), ('TARGET','2024-03-29',false,'Good Friday'), ('TARGET','2024-04-01',false,'Easter Monday'), ('TARGET','2024-05-01',false,'Labour Day'), ('TARGET','2024-12-25',false,'Christmas Day'), ('TARGET','2024-12-26',false,'Christmas Holiday'),
  ('TARGET','2025-01-01',false,'New Year''s Day'), ('TARGET','2025-04-18',false,'Good Friday'), ('TARGET','2025-04-21',false,'Easter Monday'), ('TARGET','2025-05-01',false,'Labour Day'), ('TARGET','2025-12-25',false,'Christmas Day'), ('TARGET','2025-12-26',false,'Christmas Holiday'),
  ('TARGET','2026-01-01',false,'New Year''s Day'), ('TARGET','2026-04-03',false,'Good Friday'), ('TARGET','2026-04-06',false,'Easter Monday'), ('TARGET','2026-05-01',false,'Labour Day'), ('TARGET','2026-12-25',false,'Christmas Day'), ('TARGET','2026-12-26',false,'Christmas Holiday'),
  ('TARGET','2027-01-01',false,'New Year''s Day'), ('TARGET','2027-03-26',false,'Good Friday'), ('TARGET','2027-03-29',false,'Easter Monday'), ('TARGET','2027-05-01',false,'Labour Day'), ('TARGET','2027-12-25',false,'Christmas Day'), ('TARGET','2027-12-26',false,'Christmas Holiday'),
  ('TARGET','2028-01-01',false,'New Year''s Day'), ('TARGET','2028-04-14',false,'Good Friday'), ('TARGET','2028-04-17',false,'Easter Monday'), ('TARGET','2028-05-01',false,'Labour Day'), ('TARGET','2028-12-25',false,'Christmas Day'), ('TARGET','2028-12-26',false,'Christmas Holiday'),
  ('TARGET','2029-01-01',false,'New Year''s Day'), ('TARGET','2029-03-30',false,'Good Friday'), ('TARGET','2029-04-02',false,'Easter Monday'), ('TARGET','2029-05-01',false,'Labour Day'), ('TARGET','2029-12-25',false,'Christmas Day'), ('TARGET','2029-12-26',false,'Christmas Holiday'),
  ('TARGET','2030-01-01',false,'New Year''s Day'), ('TARGET','2030-04-19',false,'Good Friday'), ('TARGET','2030-04-22',false,'Easter Monday'), ('TARGET','2030-05-01',false,'Labour Day'), ('TARGET','2030-12-25',false,'Christmas Day'), ('TARGET','2030-12-26',false,'Christmas Holiday'),
  ('TARGET','2031-01-01',false,'New Year''s Day'), ('TARGET','2031-04-11',false,'Good Friday'), ('TARGET','2031-04-14',false,'Easter Monday'), ('TARGET','2031-05-01',false,'Labour Day'), ('TARGET','2031-12-25',false,'Christmas Day'), ('TARGET','2031-12-26',false,'Christmas Holiday'),
  ('TARGET','2032-01-01',false,'New Year''s Day'), ('TARGET','2032-03-26',false,'Good Friday'), ('TARGET','2032-03-29',false,'Easter Monday'), ('TARGET','2032-05-01',false,'Labour Day'), ('TARGET','2032-12-25',false,'Christmas Day'), ('TARGET','2032-12-26',false,'Christmas Holiday'),
  ('TARGET','2033-01-01',false,'New Year''s Day'), ('TARGET','2033-04-15',false,'Good Friday'), ('TARGET','2033-04-18',false,'Easter Monday'), ('TARGET','2033-05-01',false,'Labour Day'), ('TARGET','2033-12-25',false,'Christmas Day'), ('TARGET','2033-12-26',false,'Christmas Holiday'),
  ('TARGET','2034-01-01',false,'New Year''s Day'), ('TARGET','2034-04-07',false,'Good Friday'), ('TARGET','2034-04-10',false,'Easter Monday'), ('TARGET','2034-05-01',false,'Labour Day'), ('TARGET','2034-12-25',false,'Christmas Day'), ('TARGET','2034-12-26',false,'Christmas Holiday'),
  ('TARGET','2035-01-01',false,'New Year''s Day'), ('TARGET','2035-03-23',false,'Good Friday'), ('TARGET','2035-03-26',false,'Easter Monday'), ('TARGET','2035-05-01',false,'Labour Day'), ('TARGET','2035-12-25',false,'Christmas Day'), ('TARGET','2035-12-26',false,'Christmas Holiday');

ALTER TABLE instrument
  DROP CONSTRAINT instrument_unit_check,
  ALTER COLUMN max_price_age_s DROP NOT NULL,
  ADD COLUMN max_price_age_days smallint CHECK (max_price_age_days BETWEEN 0 AND 20),
  ADD COLUMN calendar_id text NOT NULL DEFAULT 'EVERY-DAY' REFERENCES calendar,
  ADD COLUMN jump_floor_bps int NOT NULL DEFAULT 1000 CHECK (jump_floor_bps > 0),  -- a lesser move never waits
  ADD COLUMN jump_sigmas smallint NOT NULL DEFAULT 10 CHECK (jump_sigmas BETWEEN 1 AND 100),
  ADD COLUMN fx_base char(3) CHECK (fx_base ~ '^[A-Z]{3}$' AND fx_base <> currency),  -- set: it is a rate, in currency for one of it
  ADD COLUMN owner_party uuid REFERENCES party,  -- who sets its prices; null: the platform
  ADD CONSTRAINT instrument_age_check CHECK (max_price_age_s IS NOT NULL OR max_price_age_days IS NOT NULL),
  ADD CONSTRAINT instrument_unit_check CHECK (CASE WHEN fx_base IS NULL  -- UNECE Rec 20: units of mass, or one of a currency
    THEN unit IN ('GRM','KGM','DTN','TNE','KTN','LBR','ONZ','APZ','CWA','CWI','STN','LTN','CTM') ELSE unit = 'C62' END);
CREATE UNIQUE INDEX instrument_fx_key ON instrument (fx_base, currency) WHERE fx_base IS NOT NULL;

-- A grade has a number of its own, so that plain ranges can exclude each other: no extension is needed.
CREATE TABLE grade (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instrument_id text NOT NULL REFERENCES instrument,
  code text NOT NULL CHECK (code ~ '^[A-Z0-9][A-Z0-9._-]{0,31}$'),
  UNIQUE (instrument_id, code)
);
CREATE TABLE grade_differential (            -- append-only but for the end of its window
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  grade_id int NOT NULL REFERENCES grade,
  kind text NOT NULL CHECK (kind IN ('absolute','percent')),
  amount numeric NOT NULL CHECK (amount > -1000000000 AND amount < 1000000000 AND (kind <> 'percent' OR amount BETWEEN -100 AND 1000)),
  valid daterange NOT NULL CHECK (NOT isempty(valid) AND NOT lower_inf(valid)),  -- days of UTC
  set_by uuid NOT NULL REFERENCES account,
  set_at timestamptz NOT NULL,
  CONSTRAINT grade_differential_overlap EXCLUDE USING gist (int4range(grade_id, grade_id, '[]') WITH &&, valid WITH &&)
);
ALTER TABLE lot ADD COLUMN grade text CHECK (grade ~ '^[A-Z0-9][A-Z0-9._-]{0,31}$');  -- null: as quoted
ALTER TABLE lot_valuation
  ADD COLUMN grade text,
  ADD COLUMN fx_pair text,                   -- null: the price was in the facility's currency
  ADD COLUMN fx_rate numeric,
  ADD COLUMN fx_at timestamptz,
  ADD COLUMN fx_source text;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['calendar','calendar_day','grade','grade_differential'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY read ON %I FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL)', t);
    EXECUTE format('CREATE TRIGGER notify AFTER INSERT OR UPDATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION pw_notify()', t);
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;
GRANT UPDATE (trades, name) ON calendar_day TO pledgewatch_api;
GRANT UPDATE (valid) ON grade_differential TO pledgewatch_api;

-- Whose an instrument or calendar is: a party's, or the platform's, for which its operators act.
CREATE FUNCTION pw_owns(owner uuid) RETURNS boolean LANGUAGE sql STABLE
  RETURN CASE WHEN pw_role() NOT IN ('lender','operator') THEN false WHEN owner IS NULL THEN pw_role() = 'operator' ELSE owner = pw_party() END;
CREATE FUNCTION pw_owns_instrument(instrument text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM instrument i WHERE i.id = instrument AND pw_owns(i.owner_party))
$$;
CREATE FUNCTION pw_owns_calendar(calendar text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM calendar c WHERE c.id = calendar AND pw_owns(c.owner_party))
$$;
CREATE POLICY add ON calendar FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns(owner_party));
CREATE POLICY add ON calendar_day FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_calendar(calendar_id));
CREATE POLICY change ON calendar_day FOR UPDATE TO pledgewatch_api USING (pw_owns_calendar(calendar_id));
CREATE POLICY add ON grade FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument(instrument_id));
CREATE POLICY add ON grade_differential FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument((SELECT g.instrument_id FROM grade g WHERE g.id = grade_id)));
CREATE POLICY change ON grade_differential FOR UPDATE TO pledgewatch_api USING (pw_owns_instrument((SELECT g.instrument_id FROM grade g WHERE g.id = grade_id)));
DROP POLICY add ON instrument;
CREATE POLICY add ON instrument FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns(owner_party));
DROP POLICY add ON price;
DROP POLICY change ON price;
DROP POLICY add ON daily_price;
DROP POLICY change ON daily_price;
DROP POLICY add ON volatility;
DROP POLICY change ON volatility;
CREATE POLICY add ON price FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument(instrument_id));
CREATE POLICY change ON price FOR UPDATE TO pledgewatch_api USING (pw_owns_instrument(instrument_id));
CREATE POLICY add ON daily_price FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument(instrument_id));
CREATE POLICY change ON daily_price FOR UPDATE TO pledgewatch_api USING (pw_owns_instrument(instrument_id));
CREATE POLICY add ON volatility FOR INSERT TO pledgewatch_api WITH CHECK (pw_owns_instrument(instrument_id));
CREATE POLICY change ON volatility FOR UPDATE TO pledgewatch_api USING (pw_owns_instrument(instrument_id));
