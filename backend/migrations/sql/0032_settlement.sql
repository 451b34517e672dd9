-- The settlement centre: dedicated bank accounts, what banks say about them, and where the money belongs.
CREATE TABLE settlement_account (            -- append-only
  id uuid PRIMARY KEY,
  number text NOT NULL UNIQUE CHECK (number ~ '^[0-9A-Z][0-9A-Z./-]{0,33}$'),  -- IBAN or local, without blanks
  currency char(3) NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  facility_id uuid REFERENCES facility,      -- one facility's own
  party_id uuid REFERENCES party,            -- or a lender's, for all of its facilities
  opened_at timestamptz NOT NULL,
  opened_by uuid NOT NULL REFERENCES account,
  CHECK ((facility_id IS NULL) <> (party_id IS NULL))
);
CREATE TABLE statement_file (                -- a bank's message as it came; its bytes are evidence, and the worker's alone
  id uuid PRIMARY KEY,
  kind text NOT NULL,                        -- camt.053.001.08 ...
  message_id text NOT NULL,
  sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
  content bytea NOT NULL CHECK (length(content) <= 8388608),
  received_at timestamptz NOT NULL,
  received_by text NOT NULL,
  state text NOT NULL DEFAULT 'received' CHECK (state IN ('received','unpacked','refused')),
  detail text NOT NULL DEFAULT '',           -- why it was refused
  lines int NOT NULL DEFAULT 0,
  duplicates int NOT NULL DEFAULT 0,         -- lines that another message had told before
  not_booked int NOT NULL DEFAULT 0          -- entries that are pending or informative
);
CREATE INDEX ON statement_file (received_at);
CREATE TABLE settlement_line (               -- one payment
  id uuid PRIMARY KEY,                       -- of the account and the bank's own name of it: told twice, it is one
  account_id uuid NOT NULL REFERENCES settlement_account,
  file_id uuid NOT NULL REFERENCES statement_file,
  entry_key text NOT NULL,
  entry_minor bigint NOT NULL CHECK (entry_minor > 0),
  part int NOT NULL CHECK (part >= 1),
  direction text NOT NULL CHECK (direction IN ('credit','debit')),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency char(3) NOT NULL,
  is_reversal boolean NOT NULL,
  booked_on date NOT NULL,
  end_to_end_id text NOT NULL,
  reference text NOT NULL,
  remittance text NOT NULL,
  counterparty text NOT NULL,
  received_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'received' CHECK (state IN ('received','matched','exception','returning','reversed')),
  why text,                                  -- of an exception
  detail text NOT NULL DEFAULT '',
  facility_id uuid REFERENCES facility,      -- whose money it is
  drawdown_id uuid REFERENCES drawdown,      -- that it paid out
  repayment_id uuid REFERENCES repayment,    -- that it is, or confirms
  other_line uuid REFERENCES settlement_line, -- that it takes back, or sends back
  UNIQUE (account_id, entry_key, part),
  CHECK ((state = 'exception') <= (why IS NOT NULL))
);
CREATE INDEX ON settlement_line (received_at) WHERE state = 'received';
CREATE INDEX ON settlement_line (account_id, state);
CREATE INDEX ON settlement_line (facility_id);
CREATE UNIQUE INDEX settlement_pays_once ON settlement_line (drawdown_id) WHERE state = 'matched' AND direction = 'debit';
CREATE UNIQUE INDEX settlement_repays_once ON settlement_line (repayment_id) WHERE state = 'matched' AND direction = 'credit';
CREATE TABLE settlement_event (              -- append-only: who did what to a line, when and why
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  line_id uuid NOT NULL REFERENCES settlement_line,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  what text NOT NULL,
  detail text NOT NULL
);
CREATE INDEX ON settlement_event (line_id, id);
CREATE TABLE repayment_reversal (            -- append-only: repayments that the bank took back, with what they had paid
  repayment_id uuid PRIMARY KEY REFERENCES repayment,
  facility_id uuid NOT NULL REFERENCES facility,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  why text NOT NULL,
  penalty_minor bigint NOT NULL,
  fees_minor bigint NOT NULL,
  interest_minor bigint NOT NULL,
  principal_minor bigint NOT NULL
);
CREATE INDEX ON repayment_reversal (facility_id);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['settlement_account','statement_file','settlement_line','settlement_event','repayment_reversal'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT UPDATE (state, detail, lines, duplicates, not_booked) ON statement_file TO pledgewatch_worker;
GRANT UPDATE (state, why, detail, facility_id, drawdown_id, repayment_id, other_line) ON settlement_line TO pledgewatch_worker, pledgewatch_api;
GRANT SELECT, INSERT ON settlement_account, settlement_event, repayment_reversal TO pledgewatch_api;
GRANT SELECT ON settlement_line TO pledgewatch_api;
-- An operator carries the post and does not read it: no bytes, no line.
GRANT SELECT (id, kind, message_id, sha256, received_at, received_by, state, detail, lines, duplicates, not_booked) ON statement_file TO pledgewatch_api;
GRANT INSERT ON statement_file TO pledgewatch_api;
GRANT UPDATE (state, detail) ON statement_file TO pledgewatch_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;

-- Where to pay is told to the borrower too.
CREATE POLICY read ON settlement_account FOR SELECT TO pledgewatch_api USING (pw_role() = 'regulator' OR facility_id IN (SELECT pw_facilities())
  OR (pw_role() = 'lender' AND party_id = pw_party())
  OR (pw_role() = 'borrower' AND EXISTS (SELECT 1 FROM facility f WHERE f.lender_party = party_id)));
CREATE POLICY add ON settlement_account FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender'
  AND (party_id = pw_party() OR facility_id IN (SELECT pw_facilities())));
CREATE POLICY read ON statement_file FOR SELECT TO pledgewatch_api USING (pw_role() IN ('operator','regulator'));
CREATE POLICY add ON statement_file FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator' AND state = 'received');
CREATE POLICY again ON statement_file FOR UPDATE TO pledgewatch_api USING (pw_role() = 'operator' AND state = 'refused') WITH CHECK (state = 'received');
-- A line is its account's, for the lender; for the borrower it is one once it is known to be its own.
CREATE POLICY read ON settlement_line FOR SELECT TO pledgewatch_api USING (pw_role() = 'regulator' OR facility_id IN (SELECT pw_facilities())
  OR (pw_role() = 'lender' AND EXISTS (SELECT 1 FROM settlement_account a WHERE a.id = account_id)));
CREATE POLICY change ON settlement_line FOR UPDATE TO pledgewatch_api USING (pw_role() = 'lender'
  AND EXISTS (SELECT 1 FROM settlement_account a WHERE a.id = account_id)) WITH CHECK (true);
CREATE POLICY read ON settlement_event FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM settlement_line l WHERE l.id = line_id));
CREATE POLICY add ON settlement_event FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender' AND EXISTS (SELECT 1 FROM settlement_line l WHERE l.id = line_id));
CREATE POLICY read ON repayment_reversal FOR SELECT TO pledgewatch_api USING (facility_id IN (SELECT pw_facilities()));
CREATE POLICY add ON repayment_reversal FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender' AND facility_id IN (SELECT pw_facilities()));

CREATE TRIGGER notify AFTER INSERT OR UPDATE ON statement_file FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON settlement_line FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
