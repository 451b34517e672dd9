-- What a lender lends against: a version each time that it is set, none ever changed.
CREATE TABLE facility_policy (               -- immutable
  facility_id uuid NOT NULL REFERENCES facility,
  version int NOT NULL CHECK (version >= 1),
  set_at timestamptz NOT NULL,
  set_by text NOT NULL,
  why text NOT NULL CHECK (length(why) BETWEEN 1 AND 500),
  model text NOT NULL,                       -- of haircuts, with its version
  liquidation_horizon_days int NOT NULL CHECK (liquidation_horizon_days BETWEEN 1 AND 500),
  revaluation_days int NOT NULL CHECK (revaluation_days BETWEEN 1 AND 366),  -- trading days between two prices
  haircut_floor_bps int NOT NULL CHECK (haircut_floor_bps BETWEEN 0 AND 10000),
  commodities text[],                        -- null: any
  stock_take_age_s_max bigint CHECK (stock_take_age_s_max > 0),              -- null: any age, or never
  surveillance_worst text NOT NULL CHECK (surveillance_worst IN ('live','degraded','dark')),
  condition_worst text NOT NULL CHECK (condition_worst IN ('sound','at_risk','damaged')),
  obligor_bps_max int NOT NULL CHECK (obligor_bps_max BETWEEN 100 AND 10000),
  commodity_bps_max int NOT NULL CHECK (commodity_bps_max BETWEEN 100 AND 10000),
  warehouse_bps_max int NOT NULL CHECK (warehouse_bps_max BETWEEN 100 AND 10000),
  reserve_minor bigint NOT NULL CHECK (reserve_minor >= 0),
  reserve_bps int NOT NULL CHECK (reserve_bps BETWEEN 0 AND 10000),
  ttl_s int NOT NULL CHECK (ttl_s > 0),      -- for how long a valuation serves
  PRIMARY KEY (facility_id, version)
);

-- The facility's own row has what it is asked for at each revaluation: the newest version's.
CREATE FUNCTION pw_policy_in_force() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE facility SET reserve_minor = NEW.reserve_minor, valuation_ttl_s = NEW.ttl_s,
    liquidation_horizon_days = NEW.liquidation_horizon_days WHERE id = NEW.facility_id;
  RETURN NULL;
END $$;
CREATE TRIGGER in_force AFTER INSERT ON facility_policy FOR EACH ROW EXECUTE FUNCTION pw_policy_in_force();

-- A valuation names its inputs: policy, prices, quantities; and says how its base came about.
ALTER TABLE valuation ADD COLUMN policy_version int NOT NULL DEFAULT 0;   -- 0: what the facility was opened with
ALTER TABLE valuation ADD COLUMN gross_minor bigint CHECK (gross_minor >= 0);  -- null: valued before bases had lines
ALTER TABLE valuation ADD COLUMN deductions jsonb NOT NULL DEFAULT '[]';  -- in order: stage, code, detail, amount_minor, numbers, evidence
ALTER TABLE lot_valuation ADD COLUMN pledged_mass_g bigint CHECK (pledged_mass_g >= 0);
ALTER TABLE lot_valuation ADD COLUMN gross_minor bigint CHECK (gross_minor >= 0);
ALTER TABLE lot_valuation ADD COLUMN accepted_minor bigint CHECK (accepted_minor >= 0);
ALTER TABLE lot_valuation ADD COLUMN ineligible jsonb NOT NULL DEFAULT '[]';
ALTER TABLE lot_valuation ADD COLUMN alert_ids uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE lot_valuation ADD COLUMN price_ids text[] NOT NULL DEFAULT '{}';   -- instrument@source@time

-- Whoever asks, the tables' owner included: what was valued and what was set stays as it was.
CREATE FUNCTION pw_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['valuation','lot_valuation','facility_policy'] LOOP
    EXECUTE format('CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION pw_immutable()', t);
  END LOOP;
END $$;

ALTER TABLE facility_policy ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON facility_policy TO pledgewatch_worker;
GRANT SELECT, INSERT ON facility_policy TO pledgewatch_api;
CREATE POLICY worker ON facility_policy TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON facility_policy FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
CREATE POLICY add ON facility_policy FOR INSERT TO pledgewatch_api
  WITH CHECK (pw_role() = 'lender' AND EXISTS (SELECT 1 FROM facility f WHERE f.id = facility_id AND f.lender_party = pw_party()));
CREATE TRIGGER notify AFTER INSERT ON facility_policy FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
