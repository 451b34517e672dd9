-- Terms of loans, margin calls as records, what accrues and falls due, registrations, refusals.
ALTER TABLE facility
  ADD COLUMN penalty_minor bigint NOT NULL DEFAULT 0 CHECK (penalty_minor >= 0),
  ADD COLUMN control_value_minor bigint NOT NULL DEFAULT 0 CHECK (control_value_minor >= 0),  -- of a floating pledge; 0: none
  ADD COLUMN registry_required boolean NOT NULL DEFAULT false,    -- a pledge without a registration locks
  ADD COLUMN signatures_required boolean NOT NULL DEFAULT false,  -- a drawdown is signed by both parties' own keys
  ADD COLUMN liquidation_observations int NOT NULL DEFAULT 3 CHECK (liquidation_observations BETWEEN 1 AND 1000),
  ADD COLUMN grace_days int NOT NULL DEFAULT 0 CHECK (grace_days BETWEEN 0 AND 365),
  ADD COLUMN accrued_through date,                                -- the last day whose interest is booked
  ADD COLUMN closed_at timestamptz,
  ADD CONSTRAINT facility_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
  ADD CONSTRAINT facility_closed_clean CHECK (state = 'open' OR principal_minor + interest_minor + fees_minor + penalty_minor = 0);
GRANT UPDATE (penalty_minor, closed_at) ON facility TO pledgewatch_api;
CREATE FUNCTION pw_stay_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'facility % is closed for ever', OLD.id USING ERRCODE = 'check_violation', CONSTRAINT = 'facility_stays_closed';
END $$;
CREATE TRIGGER stay_closed BEFORE UPDATE ON facility FOR EACH ROW WHEN (OLD.state = 'closed' AND NEW.state <> 'closed') EXECUTE FUNCTION pw_stay_closed();

CREATE TABLE margin_call (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  facility_id uuid NOT NULL REFERENCES facility,
  opened_at timestamptz NOT NULL,
  deadline_at timestamptz NOT NULL,
  valuation_id uuid NOT NULL REFERENCES valuation,  -- that it was opened on
  coverage_bps bigint,
  value_minor bigint NOT NULL CHECK (value_minor >= 0),
  exposure_minor bigint NOT NULL CHECK (exposure_minor >= 0),
  cash_minor bigint NOT NULL CHECK (cash_minor >= 0),              -- repaid, it would bring coverage to the call line and its margin
  collateral_minor bigint NOT NULL CHECK (collateral_minor >= 0),  -- and so would so much more of value
  lendable_minor bigint NOT NULL CHECK (lendable_minor >= 0),      -- which is this after the haircut of what is pledged
  state text NOT NULL CHECK (state IN ('open','liquidatable','defaulted','cured','closed')),
  observations int NOT NULL CHECK (observations >= 0),  -- complete valuations in a row that did not meet it
  liquidatable_at timestamptz,
  defaulted_at timestamptz,
  ended_at timestamptz,
  ended_valuation_id uuid REFERENCES valuation,
  CHECK ((ended_at IS NULL) = (state IN ('open','liquidatable','defaulted'))),
  CHECK (state <> 'liquidatable' OR liquidatable_at IS NOT NULL),
  CHECK (state <> 'defaulted' OR defaulted_at IS NOT NULL)
);
CREATE UNIQUE INDEX margin_call_once ON margin_call (facility_id) WHERE ended_at IS NULL;
CREATE INDEX ON margin_call (facility_id, id);

CREATE TABLE facility_rate (                 -- append-only: what is charged from a day on
  facility_id uuid NOT NULL REFERENCES facility,
  from_day date NOT NULL,
  day_count text NOT NULL CHECK (day_count IN ('act/360','act/365f','30e/360')),
  annual_bps int NOT NULL CHECK (annual_bps BETWEEN 0 AND 100000),
  commitment_bps int NOT NULL DEFAULT 0 CHECK (commitment_bps BETWEEN 0 AND 100000),  -- on what is not drawn
  penalty_bps int NOT NULL DEFAULT 0 CHECK (penalty_bps BETWEEN 0 AND 100000),        -- on what is past due
  set_at timestamptz NOT NULL,
  set_by uuid NOT NULL REFERENCES account,
  PRIMARY KEY (facility_id, from_day)
);
CREATE TABLE facility_accrual (              -- append-only: one row a day and kind
  facility_id uuid NOT NULL REFERENCES facility,
  kind text NOT NULL CHECK (kind IN ('interest','commitment','penalty')),
  day date NOT NULL,
  base_minor bigint NOT NULL CHECK (base_minor >= 0),   -- at the close of that day, UTC
  annual_bps int NOT NULL CHECK (annual_bps >= 0),
  day_count text NOT NULL,
  days int NOT NULL CHECK (days BETWEEN 0 AND 3),       -- that the convention counts from it to the next
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  ahead_units bigint NOT NULL CHECK (ahead_units >= 0), -- how far the sum of amounts is ahead of the exact one
  booked_at timestamptz NOT NULL,
  PRIMARY KEY (facility_id, kind, day)
);
CREATE TABLE facility_charge (               -- append-only: fees by name
  id uuid PRIMARY KEY,                       -- the caller's
  facility_id uuid NOT NULL REFERENCES facility,
  kind text NOT NULL CHECK (kind IN ('arrangement','other')),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  due_on date NOT NULL,
  body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),
  charged_at timestamptz NOT NULL,
  charged_by uuid NOT NULL REFERENCES account
);
CREATE INDEX ON facility_charge (facility_id);
CREATE TABLE facility_due (                  -- append-only: what falls due when
  facility_id uuid NOT NULL REFERENCES facility,
  due_on date NOT NULL,
  component text NOT NULL CHECK (component IN ('interest','principal')),
  amount_minor bigint CHECK (amount_minor > 0),  -- of interest: none, all that has accrued before that day
  set_at timestamptz NOT NULL,
  set_by uuid NOT NULL REFERENCES account,
  PRIMARY KEY (facility_id, due_on, component),
  CHECK ((component = 'interest') = (amount_minor IS NULL))
);
CREATE TABLE facility_write_off (            -- append-only
  id uuid PRIMARY KEY,                       -- the caller's
  facility_id uuid NOT NULL REFERENCES facility,
  penalty_minor bigint NOT NULL CHECK (penalty_minor >= 0),
  fees_minor bigint NOT NULL CHECK (fees_minor >= 0),
  interest_minor bigint NOT NULL CHECK (interest_minor >= 0),
  principal_minor bigint NOT NULL CHECK (principal_minor >= 0),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),
  written_at timestamptz NOT NULL,
  written_by uuid NOT NULL REFERENCES account,
  CHECK (penalty_minor + fees_minor + interest_minor + principal_minor > 0)
);
CREATE INDEX ON facility_write_off (facility_id);
CREATE TABLE refusal (                       -- append-only: what was not allowed, by which rule, on which evidence
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  facility_id uuid NOT NULL REFERENCES facility,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject uuid NOT NULL,                     -- the drawdown, pledge or release order
  reasons jsonb NOT NULL,
  evidence jsonb NOT NULL
);
CREATE INDEX ON refusal (facility_id, id);

ALTER TABLE repayment ADD COLUMN penalty_minor bigint NOT NULL DEFAULT 0 CHECK (penalty_minor >= 0);
ALTER TABLE repayment DROP CONSTRAINT repayment_check;
ALTER TABLE repayment ADD CONSTRAINT repayment_covers CHECK (penalty_minor + fees_minor + interest_minor + principal_minor + surplus_minor = amount_minor);

ALTER TABLE drawdown
  ADD COLUMN request_message bytea CHECK (length(request_message) <= 4096),  -- COSE_Sign1, as the borrower signed it
  ADD COLUMN request_key_id bytea REFERENCES party_key,
  ADD COLUMN decision_message bytea CHECK (length(decision_message) <= 4096),  -- and the lender
  ADD COLUMN decision_key_id bytea REFERENCES party_key,
  ADD CHECK ((request_message IS NULL) = (request_key_id IS NULL)),
  ADD CHECK ((decision_message IS NULL) = (decision_key_id IS NULL));
GRANT UPDATE (decision_message, decision_key_id) ON drawdown TO pledgewatch_api;

ALTER TABLE pledge                           -- where the security interest is registered
  ADD COLUMN registry text CHECK (length(registry) BETWEEN 1 AND 120),
  ADD COLUMN registry_number text CHECK (length(registry_number) BETWEEN 1 AND 120),
  ADD COLUMN registered_on date,
  ADD CHECK ((registry IS NULL) = (registry_number IS NULL) AND (registry IS NULL) = (registered_on IS NULL));
GRANT UPDATE (registry, registry_number, registered_on) ON pledge TO pledgewatch_api;

-- Which pledged lots are offered to, or registered for, another lender too. A lender may not see the other's
-- pledge, and must know that there is one: so this says of the caller's own lots only that there is.
CREATE FUNCTION pw_double_pledged(facilities uuid[]) RETURNS TABLE (pledge_id uuid, lot_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT p.id, pl.lot_id FROM pledge p JOIN pledge_lot pl ON pl.pledge_id = p.id AND pl.active
  WHERE p.facility_id = ANY(facilities) AND p.state = 'active'
    AND (pw_role() IS NULL OR p.facility_id IN (SELECT v.id FROM pw_facilities() v(id)))
    AND (EXISTS (SELECT 1 FROM pledge_lot ql JOIN pledge q ON q.id = ql.pledge_id
                 WHERE ql.lot_id = pl.lot_id AND q.state = 'proposed' AND q.lender_party <> p.lender_party)
      OR EXISTS (SELECT 1 FROM pledge q WHERE q.registry = p.registry AND q.registry_number = p.registry_number
                 AND q.state = 'active' AND q.lender_party <> p.lender_party));
$$;
CREATE INDEX ON pledge_lot (lot_id);
CREATE INDEX ON pledge (registry, registry_number) WHERE state = 'active';

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['margin_call','facility_rate','facility_accrual','facility_charge','facility_due','facility_write_off','refusal'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('GRANT SELECT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY read ON %I FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()))', t);
    EXECUTE format('CREATE TRIGGER notify AFTER INSERT OR UPDATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION pw_notify()', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['facility_rate','facility_charge','facility_due','facility_write_off'] LOOP
    EXECUTE format('GRANT INSERT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY add ON %I FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = ''lender'' AND facility_id IN (SELECT pw_facilities()))', t);
  END LOOP;
  -- A borrower's own act may open a call, or be refused: both are written as it stands.
  FOREACH t IN ARRAY ARRAY['margin_call','refusal'] LOOP
    EXECUTE format('GRANT INSERT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY add ON %I FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN (''lender'',''borrower'') AND facility_id IN (SELECT pw_facilities()))', t);
  END LOOP;
END $$;
GRANT UPDATE (deadline_at, state, observations, liquidatable_at, defaulted_at, ended_at, ended_valuation_id) ON margin_call TO pledgewatch_api, pledgewatch_worker;
CREATE POLICY change ON margin_call FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('lender','borrower') AND facility_id IN (SELECT pw_facilities()));
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON margin_call FOR EACH ROW EXECUTE FUNCTION pw_remember_row('margin_call');
