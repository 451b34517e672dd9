-- Applications for a loan: where they stand, every step that was done, and the documents made on the way.
CREATE TABLE application (
  id uuid PRIMARY KEY,                       -- the applicant's
  kind text NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,31}$'),
  applicant_party uuid NOT NULL REFERENCES party,
  state text NOT NULL CHECK (state ~ '^[a-z][a-z_]{0,31}$'),  -- of the kind's declaration (backend/applications/rules)
  ended boolean NOT NULL DEFAULT false,      -- the state is an end
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  asked jsonb NOT NULL,                      -- what it was opened with
  lots uuid[] NOT NULL DEFAULT '{}',         -- the goods, once they are registered
  opened_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  deadline_at timestamptz,                   -- until when the state's steps may be done; null: as long as it takes
  pledge_id uuid REFERENCES pledge,
  facility_id uuid REFERENCES facility,
  drawdown_id uuid REFERENCES drawdown
);
CREATE INDEX ON application (applicant_party);
CREATE INDEX ON application (deadline_at) WHERE NOT ended AND deadline_at IS NOT NULL;
CREATE INDEX ON application (pledge_id) WHERE pledge_id IS NOT NULL;
CREATE INDEX ON application USING gin (lots) WHERE NOT ended;
CREATE TABLE application_seat (              -- append-only: who takes part; a seat has the name of its role
  application_id uuid NOT NULL REFERENCES application,
  seat text NOT NULL CHECK (seat IN ('borrower','lender','logistics','core_enterprise','supplier','licensee','appraiser')),
  party_id uuid NOT NULL REFERENCES party,
  PRIMARY KEY (application_id, seat)
);
CREATE INDEX ON application_seat (party_id, seat);
CREATE TABLE application_step (              -- append-only: who did what, when and why
  id uuid PRIMARY KEY,                       -- the caller's
  application_id uuid NOT NULL REFERENCES application,
  number int NOT NULL CHECK (number > 0),    -- without gaps
  step text NOT NULL,
  was text,                                  -- the state before; null: it opened the application
  became text NOT NULL,
  seat text NOT NULL,                        -- 'platform': time did it
  party_id uuid REFERENCES party,
  account_id uuid REFERENCES account,
  actor text NOT NULL,
  at timestamptz NOT NULL,
  note text NOT NULL CHECK (length(note) <= 500),
  body jsonb NOT NULL,
  body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),  -- same id and another body is refused
  message bytea CHECK (length(message) <= 66048),  -- COSE_Sign1, as the actor signed it
  key_id bytea REFERENCES party_key,
  UNIQUE (application_id, number),
  CHECK ((seat = 'platform') = (account_id IS NULL)),
  CHECK ((seat = 'platform') = (party_id IS NULL)),
  CHECK ((message IS NULL) = (key_id IS NULL))
);
CREATE TABLE application_document (          -- append-only: the newest of a kind is in force
  id uuid PRIMARY KEY,
  application_id uuid NOT NULL REFERENCES application,
  kind text NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,31}$'),
  made_at timestamptz NOT NULL,
  content bytea NOT NULL CHECK (length(content) BETWEEN 1 AND 1048576),
  sha256 bytea NOT NULL CHECK (sha256 = sha256(content))
);
CREATE INDEX ON application_document (application_id, kind, made_at);

-- Whoever has a seat sees all of an application; a regulator sees every one, an operator none.
CREATE FUNCTION pw_applications() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  party uuid := pw_party();
  acting text := pw_role();
BEGIN
  IF acting = 'regulator' THEN
    RETURN QUERY SELECT a.id FROM application a;
  ELSE
    RETURN QUERY SELECT s.application_id FROM application_seat s WHERE s.party_id = party AND s.seat = acting;
  END IF;
END $$;
-- The pledges whose goods a logistics party keeps by an application: it accepts those goods, or turns them away.
CREATE FUNCTION pw_kept_pledges() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE party uuid := pw_party();
BEGIN
  IF pw_role() = 'logistics' THEN
    RETURN QUERY SELECT a.pledge_id FROM application_seat s JOIN application a ON a.id = s.application_id
                 WHERE s.party_id = party AND s.seat = 'logistics' AND a.pledge_id IS NOT NULL;
  END IF;
END $$;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['application','application_seat','application_step','application_document'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT UPDATE (state, ended, lots, changed_at, deadline_at, pledge_id, facility_id, drawdown_id) ON application TO pledgewatch_api, pledgewatch_worker;

CREATE POLICY read ON application FOR SELECT TO pledgewatch_api USING (id IN (SELECT pw_applications()) OR (pw_role() = 'borrower' AND applicant_party = pw_party()));
CREATE POLICY add ON application FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'borrower' AND applicant_party = pw_party()
  AND NOT ended AND pledge_id IS NULL AND facility_id IS NULL AND drawdown_id IS NULL);
CREATE POLICY change ON application FOR UPDATE TO pledgewatch_api USING (pw_role() IN ('borrower','lender','logistics') AND NOT ended AND id IN (SELECT pw_applications()))
  WITH CHECK (pw_role() IN ('borrower','lender','logistics') AND id IN (SELECT pw_applications()));
CREATE POLICY read ON application_seat FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM application a WHERE a.id = application_id));
-- Seats are given with the opening and never after: the first step comes behind them.
CREATE POLICY add ON application_seat FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'borrower'
  AND EXISTS (SELECT 1 FROM application a WHERE a.id = application_id AND a.applicant_party = pw_party())
  AND NOT EXISTS (SELECT 1 FROM application_step t WHERE t.application_id = application_seat.application_id));
CREATE POLICY read ON application_step FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM application a WHERE a.id = application_id));
CREATE POLICY add ON application_step FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('borrower','lender','logistics') AND seat = pw_role()
  AND party_id = pw_party() AND application_id IN (SELECT pw_applications()));
CREATE POLICY read ON application_document FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM application a WHERE a.id = application_id));
CREATE POLICY add ON application_document FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('borrower','lender') AND application_id IN (SELECT pw_applications()));

-- The keeper of goods knows the pledge that it accepts them under: only into the facility of the signed contract.
ALTER POLICY read ON pledge USING (CASE (SELECT pw_role()) WHEN 'regulator' THEN true WHEN 'lender' THEN lender_party = (SELECT pw_party())
  WHEN 'borrower' THEN pledgor_party = (SELECT pw_party()) WHEN 'logistics' THEN id IN (SELECT pw_kept_pledges()) ELSE false END);
CREATE POLICY keep ON pledge FOR UPDATE TO pledgewatch_api USING (pw_role() = 'logistics' AND state = 'proposed' AND id IN (SELECT pw_kept_pledges()))
  WITH CHECK (pw_role() = 'logistics' AND (state = 'rejected' OR (state = 'active' AND EXISTS (
    SELECT 1 FROM application a WHERE a.pledge_id = pledge.id AND a.facility_id = pledge.facility_id AND a.state = 'contracted'))));
CREATE POLICY keep ON pledge_lot FOR UPDATE TO pledgewatch_api
  USING (pw_role() = 'logistics' AND NOT active AND EXISTS (SELECT 1 FROM pledge p WHERE p.id = pledge_id AND p.state = 'active'))
  WITH CHECK (pw_role() = 'logistics' AND active);
-- Who withdraws an application takes its proposal back.
CREATE POLICY withdraw ON pledge FOR UPDATE TO pledgewatch_api USING (pw_role() = 'borrower' AND pledgor_party = pw_party() AND state = 'proposed')
  WITH CHECK (pw_role() = 'borrower' AND pledgor_party = pw_party() AND state = 'rejected');

CREATE TRIGGER notify AFTER INSERT OR UPDATE ON application FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
