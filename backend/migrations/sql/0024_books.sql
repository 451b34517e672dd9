-- The book of each facility: what is owed under it is a projection of its entries, and of nothing else.
ALTER TABLE repayment ALTER COLUMN paid_by DROP NOT NULL;  -- null: a bank's statement said so
COMMENT ON COLUMN facility.principal_minor IS 'what the journal says: facility_follows_books()';

-- Every facility has its book from its first moment, whoever adds it; what is owed by then are opening entries.
CREATE FUNCTION facility_open_book(f facility) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE opening uuid := journal_key(f.id, f.id);
BEGIN
  INSERT INTO journal_account (id, facility_id, kind, currency, normal, floor)
  SELECT journal_account_id(f.id, f.currency, k.kind), f.id, k.kind, f.currency, k.normal, k.floor
  FROM (VALUES
    ('principal','debit',true), ('interest','debit',true), ('fees','debit',true), ('penalty','debit',true),
    ('clearing','debit',false),              -- said to be paid, in or out, and not yet seen on a statement
    ('bank','debit',false),                  -- on the dedicated account, as its statements say
    ('unallocated_in','credit',true),        -- received, and nobody knows yet what for
    ('unallocated_out','debit',true),        -- paid out, and nobody knows yet what for
    ('surplus','credit',true),               -- owed to the borrower
    ('interest_income','credit',false), ('fee_income','credit',false), ('penalty_income','credit',false),
    ('loss','debit',false), ('opening','credit',false)) AS k (kind, normal, floor);
  IF f.principal_minor + f.interest_minor + f.fees_minor + f.penalty_minor > 0 THEN
    INSERT INTO journal_transfer (key, scope, id, step, what, actor, at, body_sha256, entries)
    VALUES (opening, f.id, f.id, 'post', 'opening balance', 'migration', now(), sha256('opening balance'),
      2 * ((f.principal_minor > 0)::int + (f.interest_minor > 0)::int + (f.fees_minor > 0)::int + (f.penalty_minor > 0)::int));
    INSERT INTO journal_entry (transfer_key, leg, account_id, currency, phase, side, amount_minor)
    SELECT opening, row_number() OVER (ORDER BY o.kind, s.side DESC),
      journal_account_id(f.id, f.currency, CASE s.side WHEN 'debit' THEN o.kind ELSE 'opening' END), f.currency, 'posted', s.side, o.amount_minor
    FROM (VALUES ('principal', f.principal_minor), ('interest', f.interest_minor), ('fees', f.fees_minor), ('penalty', f.penalty_minor))
      AS o (kind, amount_minor), (VALUES ('debit'), ('credit')) AS s (side)
    WHERE o.amount_minor > 0;
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION facility_open_book(facility) FROM PUBLIC;
CREATE FUNCTION facility_open_books() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM facility_open_book(NEW);
  RETURN NULL;
END $$;
CREATE TRIGGER open_books AFTER INSERT ON facility FOR EACH ROW EXECUTE FUNCTION facility_open_books();

CREATE FUNCTION facility_follows_books() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE facility f SET principal_minor = d.principal, interest_minor = d.interest, fees_minor = d.fees, penalty_minor = d.penalty
  FROM (SELECT a.facility_id,
      sum(b.debits_posted_minor - b.credits_posted_minor) FILTER (WHERE a.kind = 'principal') AS principal,
      sum(b.debits_posted_minor - b.credits_posted_minor) FILTER (WHERE a.kind = 'interest') AS interest,
      sum(b.debits_posted_minor - b.credits_posted_minor) FILTER (WHERE a.kind = 'fees') AS fees,
      sum(b.debits_posted_minor - b.credits_posted_minor) FILTER (WHERE a.kind = 'penalty') AS penalty
    FROM journal_account a JOIN journal_balance b ON b.account_id = a.id
    WHERE a.facility_id IN (SELECT n.facility_id FROM new_balance c JOIN journal_account n ON n.id = c.account_id)
      AND a.kind IN ('principal','interest','fees','penalty')
    GROUP BY a.facility_id) d
  WHERE f.id = d.facility_id
    AND (f.principal_minor, f.interest_minor, f.fees_minor, f.penalty_minor) IS DISTINCT FROM (d.principal, d.interest, d.fees, d.penalty);
  RETURN NULL;
END $$;
CREATE TRIGGER facility AFTER UPDATE ON journal_balance REFERENCING NEW TABLE AS new_balance
  FOR EACH STATEMENT EXECUTE FUNCTION facility_follows_books();

CREATE FUNCTION facility_is_as_booked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM (VALUES ('principal', NEW.principal_minor), ('interest', NEW.interest_minor), ('fees', NEW.fees_minor),
        ('penalty', NEW.penalty_minor)) AS o (kind, amount_minor)
      JOIN journal_balance b ON b.account_id = journal_account_id(NEW.id, NEW.currency, o.kind)
      WHERE b.debits_posted_minor - b.credits_posted_minor <> o.amount_minor) THEN
    RAISE EXCEPTION 'what facility % owes is what its journal says', NEW.id USING ERRCODE = 'check_violation', CONSTRAINT = 'facility_as_booked';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER as_booked BEFORE UPDATE OF principal_minor, interest_minor, fees_minor, penalty_minor ON facility
  FOR EACH ROW EXECUTE FUNCTION facility_is_as_booked();
REVOKE UPDATE (principal_minor, interest_minor, fees_minor, penalty_minor) ON facility FROM pledgewatch_api;

-- What is owed and promised today. A promise is found by its drawdown's id within the facility's own scope.
SELECT facility_open_book(f) FROM facility f ORDER BY f.id;
INSERT INTO journal_transfer (key, scope, id, step, what, actor, at, expires_at, body_sha256, entries)
SELECT journal_key(d.facility_id, d.id), d.facility_id, d.id, 'reserve', 'drawdown promised', 'migration', now(), d.expires_at,
  sha256('opening promise'), 2 FROM drawdown d WHERE d.state = 'pending' ORDER BY d.id;
INSERT INTO journal_entry (transfer_key, leg, account_id, currency, phase, side, amount_minor)
SELECT journal_key(d.facility_id, d.id), s.leg, journal_account_id(f.id, f.currency, s.kind), f.currency, 'pending', s.side, d.amount_minor
FROM drawdown d JOIN facility f ON f.id = d.facility_id, (VALUES (1, 'principal', 'debit'), (2, 'clearing', 'credit')) AS s (leg, kind, side)
WHERE d.state = 'pending';
