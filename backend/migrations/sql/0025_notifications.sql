-- Who is told what: subscriptions, the outbox of what happened, and the messages that are sent.
CREATE TABLE notice_subscription (
  id uuid PRIMARY KEY,
  party_id uuid NOT NULL REFERENCES party,
  role text NOT NULL CHECK (role IN ('borrower','lender','logistics','operator')),  -- whose eyes decide what it may be told
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  channel text NOT NULL CHECK (channel IN ('webhook','email')),
  target text NOT NULL CHECK (length(target) BETWEEN 3 AND 2000),
  topics text[] NOT NULL CHECK (cardinality(topics) BETWEEN 1 AND 20),
  severity_min text NOT NULL CHECK (severity_min IN ('info','warning','critical')),
  digest_s int NOT NULL CHECK (digest_s BETWEEN 0 AND 86400),  -- e-mail: the least time between two messages
  state text NOT NULL CHECK (state IN ('active','disabled','ended')),
  why text,                                  -- it is disabled
  secret_generation int NOT NULL DEFAULT 1 CHECK (secret_generation > 0),  -- secrets are derived, never stored
  rotated_at timestamptz,                    -- when the generation before it was left
  failing_since timestamptz,                 -- first attempt that failed after the last that did not
  sent_at timestamptz,                       -- the last message that arrived
  created_at timestamptz NOT NULL,
  created_by uuid NOT NULL REFERENCES account,
  changed_at timestamptz NOT NULL
);
CREATE INDEX ON notice_subscription (party_id);

CREATE TABLE notice (                        -- the outbox: written in the transaction in which it happened
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  number bigint GENERATED ALWAYS AS IDENTITY,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  topic text NOT NULL,
  alert_id uuid REFERENCES alert,
  alert_event_id bigint REFERENCES alert_event,
  facility_id uuid REFERENCES facility,
  facility_event_id bigint REFERENCES facility_event,
  instrument_id text REFERENCES instrument,
  party_id uuid REFERENCES party,            -- of what concerns one party only
  detail jsonb NOT NULL DEFAULT '{}',
  routed_at timestamptz                      -- when everybody concerned had a message of it
);
CREATE INDEX ON notice (number) WHERE routed_at IS NULL;
CREATE INDEX ON notice (routed_at) WHERE routed_at IS NOT NULL;

CREATE TABLE notice_message (                -- what one subscription is sent; its id is the receiver's to tell it from another
  id uuid PRIMARY KEY,
  subscription_id uuid NOT NULL REFERENCES notice_subscription,
  kind text NOT NULL,
  body text NOT NULL DEFAULT '',             -- of a webhook: the bytes that are signed
  lines jsonb NOT NULL DEFAULT '[]',         -- of an e-mail
  notices int NOT NULL DEFAULT 1,
  state text NOT NULL CHECK (state IN ('gathering','queued','delivered','dead')),
  created_at timestamptz NOT NULL,
  next_attempt_at timestamptz NOT NULL,
  claimed_until timestamptz,                 -- somebody is sending it
  attempts int NOT NULL DEFAULT 0,
  first_attempt_at timestamptz,
  delivered_at timestamptz,
  result text                                -- of the last attempt, in words
);
CREATE INDEX ON notice_message (subscription_id, next_attempt_at) WHERE state IN ('gathering','queued');
CREATE INDEX ON notice_message (subscription_id, created_at);
CREATE UNIQUE INDEX notice_message_gathering ON notice_message (subscription_id) WHERE state = 'gathering';

-- The outbox is filled by triggers, so that nobody who records can forget it; where nobody asked, it costs one look.
CREATE FUNCTION pw_wanted(of_topic text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM notice_subscription s WHERE s.state = 'active' AND of_topic = ANY(s.topics))
$$;
CREATE FUNCTION pw_topic(what text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN what LIKE 'lock\_%' THEN 'lock' WHEN what LIKE 'drawdown\_%' THEN 'drawdown' WHEN what LIKE 'repa%' THEN 'repayment'
    WHEN what LIKE 'line\_%' OR what LIKE 'margin\_call%' OR what LIKE 'call\_%' THEN 'margin_call' ELSE 'facility' END
$$;
CREATE FUNCTION pw_tell_alert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF pw_wanted('alert') THEN
    INSERT INTO notice (topic, alert_id, alert_event_id) VALUES ('alert', NEW.alert_id, NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON alert_event FOR EACH ROW EXECUTE FUNCTION pw_tell_alert();
CREATE FUNCTION pw_tell_facility() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF pw_wanted(pw_topic(NEW.what)) THEN
    INSERT INTO notice (topic, facility_id, facility_event_id) VALUES (pw_topic(NEW.what), NEW.facility_id, NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON facility_event FOR EACH ROW EXECUTE FUNCTION pw_tell_facility();
CREATE FUNCTION pw_tell_price() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF pw_wanted('price') THEN
    INSERT INTO notice (topic, instrument_id, detail) VALUES ('price', NEW.instrument_id,
      jsonb_build_object('source', NEW.source, 'at', NEW.at, 'value', NEW.value::text));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON price FOR EACH ROW WHEN (NEW.quality = 'held') EXECUTE FUNCTION pw_tell_price();

ALTER TABLE notice_subscription ENABLE ROW LEVEL SECURITY;
ALTER TABLE notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE notice_message ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON notice, notice_message TO pledgewatch_worker;
GRANT SELECT, INSERT, UPDATE ON notice_subscription TO pledgewatch_worker;
GRANT SELECT ON notice TO pledgewatch_api;
GRANT SELECT, INSERT ON notice_subscription, notice_message TO pledgewatch_api;
GRANT UPDATE (name, target, topics, severity_min, digest_s, state, why, failing_since, secret_generation, rotated_at, changed_at)
  ON notice_subscription TO pledgewatch_api;
GRANT UPDATE (state, attempts, next_attempt_at, first_attempt_at, result) ON notice_message TO pledgewatch_api;
CREATE POLICY worker ON notice_subscription TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON notice TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON notice_message TO pledgewatch_worker USING (true) WITH CHECK (true);

-- A subscription sees what its role sees: whoever may not see an alert or a facility is not told of it.
CREATE POLICY read ON notice FOR SELECT TO pledgewatch_api USING (
  EXISTS (SELECT 1 FROM alert a WHERE a.id = alert_id) OR facility_id IN (SELECT pw_facilities())
  OR (instrument_id IS NOT NULL AND pw_role() IS NOT NULL) OR party_id = pw_party());
CREATE POLICY read ON notice_subscription FOR SELECT TO pledgewatch_api
  USING (pw_role() = 'regulator' OR (party_id = pw_party() AND role = pw_role()));
CREATE POLICY add ON notice_subscription FOR INSERT TO pledgewatch_api WITH CHECK (party_id = pw_party() AND role = pw_role());
CREATE POLICY change ON notice_subscription FOR UPDATE TO pledgewatch_api USING (party_id = pw_party() AND role = pw_role());
CREATE POLICY read ON notice_message FOR SELECT TO pledgewatch_api
  USING (EXISTS (SELECT 1 FROM notice_subscription s WHERE s.id = subscription_id));
CREATE POLICY add ON notice_message FOR INSERT TO pledgewatch_api
  WITH CHECK (pw_role() <> 'regulator' AND EXISTS (SELECT 1 FROM notice_subscription s WHERE s.id = subscription_id));
CREATE POLICY change ON notice_message FOR UPDATE TO pledgewatch_api
  USING (pw_role() <> 'regulator' AND EXISTS (SELECT 1 FROM notice_subscription s WHERE s.id = subscription_id));

CREATE TRIGGER notify AFTER INSERT OR UPDATE ON notice_subscription FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON notice_message FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
