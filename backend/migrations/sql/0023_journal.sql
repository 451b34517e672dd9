-- The journal: double entry, append-only, in two phases. Balances are a projection of the entries, made by the
-- database itself as entries arrive, so that whoever writes an entry can not forget them.
CREATE TABLE journal_account (               -- append-only
  id uuid PRIMARY KEY,                       -- of owner, currency and kind: journal_account_id()
  facility_id uuid REFERENCES facility,
  party_id uuid REFERENCES party,
  kind text NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,39}$'),
  currency char(3) NOT NULL,
  normal text NOT NULL CHECK (normal IN ('debit','credit')),
  floor boolean NOT NULL,                    -- what is posted on the normal side covers what is posted and pending on the other
  opened_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((facility_id IS NULL) <> (party_id IS NULL)),
  UNIQUE (id, currency)
);
CREATE INDEX ON journal_account (facility_id);
CREATE INDEX ON journal_account (party_id);
CREATE TABLE journal_balance (
  account_id uuid PRIMARY KEY REFERENCES journal_account,
  normal text NOT NULL,
  floor boolean NOT NULL,
  debits_posted_minor bigint NOT NULL DEFAULT 0 CHECK (debits_posted_minor >= 0),
  credits_posted_minor bigint NOT NULL DEFAULT 0 CHECK (credits_posted_minor >= 0),
  debits_pending_minor bigint NOT NULL DEFAULT 0 CHECK (debits_pending_minor >= 0),
  credits_pending_minor bigint NOT NULL DEFAULT 0 CHECK (credits_pending_minor >= 0),
  CONSTRAINT journal_floor CHECK (NOT floor OR CASE normal
    WHEN 'debit' THEN debits_posted_minor - credits_posted_minor - credits_pending_minor
    ELSE credits_posted_minor - debits_posted_minor - debits_pending_minor END >= 0)
);
CREATE TABLE journal_transfer (              -- append-only
  key uuid PRIMARY KEY,                      -- of scope and id: journal_key()
  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  scope uuid NOT NULL,                       -- within which the caller's id is unique: a party, or a facility's own book
  id uuid NOT NULL,                          -- the caller's
  step text NOT NULL CHECK (step IN ('post','reserve','settle','void','expire','reverse')),
  of_key uuid REFERENCES journal_transfer,   -- which one it settles, voids, expires or reverses
  what text NOT NULL CHECK (length(what) BETWEEN 1 AND 200),
  actor text NOT NULL,
  at timestamptz NOT NULL,
  expires_at timestamptz,
  body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),  -- same id and another body is refused
  entries smallint NOT NULL CHECK (entries >= 2),
  CHECK ((of_key IS NULL) = (step IN ('post','reserve'))),
  CHECK (expires_at IS NULL OR step = 'reserve')
);
-- Each reserve ends once, each posting is reversed once, whoever asks and however often.
CREATE UNIQUE INDEX journal_ends_once ON journal_transfer (of_key) WHERE step IN ('settle','void','expire');
CREATE UNIQUE INDEX journal_reversed_once ON journal_transfer (of_key) WHERE step = 'reverse';
CREATE TABLE journal_entry (                 -- append-only
  transfer_key uuid NOT NULL REFERENCES journal_transfer,
  leg smallint NOT NULL CHECK (leg >= 1),
  account_id uuid NOT NULL,
  currency char(3) NOT NULL,
  phase text NOT NULL CHECK (phase IN ('posted','pending','released')),
  side text NOT NULL CHECK (side IN ('debit','credit')),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  PRIMARY KEY (transfer_key, leg),
  FOREIGN KEY (account_id, currency) REFERENCES journal_account (id, currency)
);
CREATE INDEX ON journal_entry (account_id);

CREATE FUNCTION journal_account_id(owner uuid, currency text, kind text) RETURNS uuid LANGUAGE sql IMMUTABLE
  RETURN encode(substring(sha256(convert_to(owner::text || currency || kind, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid;
CREATE FUNCTION journal_key(scope uuid, id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE
  RETURN encode(substring(sha256(uuid_send(scope) || uuid_send(id)) FROM 1 FOR 16), 'hex')::uuid;

-- Holding a balance is for whoever may write an entry; changing one is for nobody.
-- Facilities first, as everybody does who decides on their money: then no two wait for each other.
CREATE FUNCTION journal_hold(accounts uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM facility f WHERE f.id IN (SELECT a.facility_id FROM journal_account a WHERE a.id = ANY(accounts)) ORDER BY f.id FOR NO KEY UPDATE;
  PERFORM 1 FROM journal_balance b WHERE b.account_id = ANY(accounts) ORDER BY b.account_id FOR UPDATE;
END $$;
CREATE FUNCTION journal_open_balance() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO journal_balance (account_id, normal, floor) VALUES (NEW.id, NEW.normal, NEW.floor);
  RETURN NULL;
END $$;
CREATE TRIGGER balance AFTER INSERT ON journal_account FOR EACH ROW EXECUTE FUNCTION journal_open_balance();

-- Once for all entries of a statement: each transfer is whole and balances, and the balances follow.
CREATE FUNCTION journal_apply() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE wrong uuid;
BEGIN
  SELECT e.transfer_key INTO wrong FROM new_entry e GROUP BY e.transfer_key, e.currency, e.phase
    HAVING sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % does not balance', wrong USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balanced';
  END IF;
  SELECT n.transfer_key INTO wrong FROM (SELECT transfer_key, count(*) AS entries FROM new_entry GROUP BY transfer_key) n
    JOIN journal_transfer t ON t.key = n.transfer_key
    WHERE t.entries <> n.entries OR (SELECT count(*) FROM journal_entry e WHERE e.transfer_key = n.transfer_key) <> t.entries LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % has another number of entries', wrong USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_whole';
  END IF;
  UPDATE journal_balance b SET
    debits_posted_minor = b.debits_posted_minor + d.debits_posted,
    credits_posted_minor = b.credits_posted_minor + d.credits_posted,
    debits_pending_minor = b.debits_pending_minor + d.debits_pending,
    credits_pending_minor = b.credits_pending_minor + d.credits_pending
  FROM (SELECT account_id,
      sum(CASE WHEN phase = 'posted' AND side = 'debit' THEN amount_minor ELSE 0 END) AS debits_posted,
      sum(CASE WHEN phase = 'posted' AND side = 'credit' THEN amount_minor ELSE 0 END) AS credits_posted,
      sum(CASE WHEN side <> 'debit' OR phase = 'posted' THEN 0 WHEN phase = 'pending' THEN amount_minor ELSE -amount_minor END) AS debits_pending,
      sum(CASE WHEN side <> 'credit' OR phase = 'posted' THEN 0 WHEN phase = 'pending' THEN amount_minor ELSE -amount_minor END) AS credits_pending
    FROM new_entry GROUP BY account_id) d
  WHERE b.account_id = d.account_id;
  RETURN NULL;
END $$;
CREATE TRIGGER apply AFTER INSERT ON journal_entry REFERENCING NEW TABLE AS new_entry
  FOR EACH STATEMENT EXECUTE FUNCTION journal_apply();

-- Corrected by entries, never by edits: not even by who owns the tables.
CREATE FUNCTION journal_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: correct it by a reversing entry', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['journal_account','journal_transfer','journal_entry'] LOOP
    EXECUTE format('CREATE TRIGGER stands BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION journal_stands()', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['journal_account','journal_balance','journal_transfer','journal_entry'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT ON %I TO pledgewatch_worker, pledgewatch_api', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT INSERT ON journal_account, journal_transfer, journal_entry TO pledgewatch_worker, pledgewatch_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;

-- A facility's book is seen by its lender and borrower, a party's own book by that party.
CREATE POLICY read ON journal_account FOR SELECT TO pledgewatch_api USING (pw_role() = 'regulator' OR facility_id IN (SELECT pw_facilities())
  OR (pw_role() IN ('lender','borrower') AND party_id = pw_party()));
CREATE POLICY add ON journal_account FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender'
  AND (facility_id IN (SELECT pw_facilities()) OR party_id = pw_party()));
CREATE POLICY read ON journal_balance FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM journal_account a WHERE a.id = account_id));
CREATE POLICY read ON journal_entry FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM journal_account a WHERE a.id = account_id));
CREATE POLICY add ON journal_entry FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower')
  AND EXISTS (SELECT 1 FROM journal_account a WHERE a.id = account_id));
CREATE POLICY read ON journal_transfer FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM journal_entry e WHERE e.transfer_key = key));
CREATE POLICY add ON journal_transfer FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','borrower')
  AND (scope = pw_party() OR scope IN (SELECT pw_facilities())));
