-- Keys of parties, with which acts of legal effect are signed; release orders; stock-takes.
CREATE TABLE party_key (                     -- append-only but for its end
  key_id bytea PRIMARY KEY CHECK (length(key_id) = 16),
  public_key bytea NOT NULL CHECK (length(public_key) = 32),
  party_id uuid NOT NULL REFERENCES party,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  registered_at timestamptz NOT NULL,
  registered_by uuid NOT NULL REFERENCES account,
  valid_until timestamptz NOT NULL CHECK (valid_until > registered_at),
  revoked_at timestamptz,
  revoked_by uuid REFERENCES account,
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX ON party_key (party_id);

-- Goods that have left by a release order stay known by their lot, and may come back as others.
ALTER TABLE item ADD COLUMN retired_at timestamptz;
ALTER TABLE item DROP CONSTRAINT item_epc_key;
ALTER TABLE item DROP CONSTRAINT item_lot_id_name_key;
CREATE UNIQUE INDEX item_epc_key ON item (epc) WHERE retired_at IS NULL;
CREATE UNIQUE INDEX item_lot_id_name_key ON item (lot_id, name) WHERE retired_at IS NULL;
ALTER TABLE item_state DROP CONSTRAINT item_state_custody_check;
ALTER TABLE item_state ADD CONSTRAINT item_state_custody_check CHECK (custody IN ('unseen','in_zone','moving','relocated','missing','released'));
ALTER TABLE lot DROP CONSTRAINT lot_pledged_mass_g_check;
ALTER TABLE lot ADD CONSTRAINT lot_pledged_mass_g_check CHECK (pledged_mass_g >= 0);  -- 0: all of it has left by order
COMMENT ON COLUMN pledge_lot.active IS 'the pledge is active, and not all of the lot has left by release orders';

CREATE TABLE release_order (
  id uuid PRIMARY KEY,                       -- the signer's
  lot_id uuid NOT NULL REFERENCES lot,
  pledge_id uuid NOT NULL REFERENCES pledge,
  facility_id uuid NOT NULL REFERENCES facility,
  lender_party uuid NOT NULL REFERENCES party,
  executor_party uuid NOT NULL REFERENCES party,
  mass_g bigint NOT NULL CHECK (mass_g > 0), -- net; of the items, if some are named
  by_items boolean NOT NULL,
  begins_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL CHECK (ends_at > begins_at),
  zone_id uuid REFERENCES zone,              -- where they must arrive; null: out of the site
  into_lot uuid REFERENCES lot CHECK (into_lot <> lot_id),  -- which lot they join; null: they are pledged no more
  message bytea NOT NULL CHECK (length(message) <= 32768),  -- COSE_Sign1, as it was signed
  key_id bytea NOT NULL REFERENCES party_key,
  issued_at timestamptz NOT NULL,            -- as signed
  received_at timestamptz NOT NULL,
  issued_by uuid NOT NULL REFERENCES account,
  state text NOT NULL DEFAULT 'issued' CHECK (state IN ('issued','executing','completed','expired','revoked')),
  acknowledged_at timestamptz,
  acknowledged_by uuid REFERENCES account,
  revoked_at timestamptz,
  revoked_by uuid REFERENCES account,
  going uuid[] NOT NULL DEFAULT '{}',        -- items under way, as last noted
  going_mass_g bigint NOT NULL DEFAULT 0,
  settled_at timestamptz,                    -- when what had left was taken off the pledge; null: it is open
  released_mass_g bigint CHECK (released_mass_g BETWEEN 0 AND mass_g),
  CHECK ((state = 'revoked') = (revoked_at IS NOT NULL)),
  CHECK ((settled_at IS NULL) = (released_mass_g IS NULL)),
  CHECK (state NOT IN ('completed','expired') OR settled_at IS NOT NULL),
  CHECK (into_lot IS NULL OR zone_id IS NOT NULL)
);
CREATE INDEX ON release_order (lot_id) WHERE settled_at IS NULL;
CREATE INDEX ON release_order (lot_id, received_at);
CREATE TABLE release_item (                  -- append-only: the items that an order names
  order_id uuid NOT NULL REFERENCES release_order,
  item_id uuid NOT NULL REFERENCES item,
  PRIMARY KEY (order_id, item_id)
);
CREATE TABLE released_item (                 -- append-only: the items that have left by an order
  order_id uuid NOT NULL REFERENCES release_order,
  item_id uuid NOT NULL REFERENCES item,
  net_mass_g bigint NOT NULL,
  PRIMARY KEY (order_id, item_id)
);
CREATE TABLE release_event (                 -- append-only: issued, acknowledged, moving, revoked, completed, expired, settled
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES release_order,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  what text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON release_event (order_id, id);

CREATE TABLE stock_take (                    -- append-only
  id uuid PRIMARY KEY,
  lot_id uuid NOT NULL REFERENCES lot,
  at timestamptz NOT NULL,                   -- when it was taken
  recorded_at timestamptz NOT NULL,
  recorded_by uuid NOT NULL REFERENCES account,
  counted_by text NOT NULL CHECK (length(counted_by) BETWEEN 1 AND 120),
  source text NOT NULL CHECK (source IN ('hand','csv','epcis')),
  mass_g bigint CHECK (mass_g >= 0),         -- net, as weighed or reckoned; null: items were counted
  file_sha256 bytea CHECK (length(file_sha256) = 32),
  file_bytes int,
  note text CHECK (length(note) <= 2000)
);
CREATE INDEX ON stock_take (lot_id, at);
CREATE TABLE stock_take_item (               -- append-only: found or not found of the lot's items, and foreign tags
  stock_take_id uuid NOT NULL REFERENCES stock_take,
  epc bytea NOT NULL CHECK (length(epc) BETWEEN 1 AND 62),
  item_id uuid REFERENCES item,              -- null: foreign
  result text NOT NULL CHECK (result IN ('found','not_found','foreign')),
  read_at timestamptz,
  PRIMARY KEY (stock_take_id, epc),
  CHECK ((result = 'foreign') = (item_id IS NULL))
);

-- Row-level security. An order is seen by whoever sees its lot; its lender and executor always.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['party_key','release_order','release_item','released_item','release_event','stock_take','stock_take_item'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_worker', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO pledgewatch_api', t);
    EXECUTE format('CREATE POLICY worker ON %I TO pledgewatch_worker USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pledgewatch_api, pledgewatch_worker;
GRANT UPDATE (state, going, going_mass_g, settled_at, released_mass_g) ON release_order TO pledgewatch_worker;
GRANT UPDATE (state, acknowledged_at, acknowledged_by, revoked_at, revoked_by) ON release_order TO pledgewatch_api;
GRANT UPDATE (revoked_at, revoked_by) ON party_key TO pledgewatch_api;

-- Keys are no secrets: whoever holds a signed order must be able to check it.
CREATE POLICY read ON party_key FOR SELECT TO pledgewatch_api USING (pw_role() IS NOT NULL);
CREATE POLICY add ON party_key FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'operator');
CREATE POLICY change ON party_key FOR UPDATE TO pledgewatch_api
  USING (revoked_at IS NULL AND (pw_role() = 'operator' OR (pw_role() IN ('borrower','lender','logistics') AND party_id = pw_party())))
  WITH CHECK (revoked_at IS NOT NULL);

CREATE POLICY read ON release_order FOR SELECT TO pledgewatch_api USING (CASE (SELECT pw_role()) WHEN 'regulator' THEN true
  WHEN 'lender' THEN lender_party = (SELECT pw_party()) ELSE lot_id IN (SELECT pw_lots()) END);
CREATE POLICY add ON release_order FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender' AND lender_party = pw_party()
  AND state = 'issued' AND settled_at IS NULL AND EXISTS (SELECT 1 FROM pledge p WHERE p.id = pledge_id AND p.lender_party = pw_party() AND p.state = 'active'));
CREATE POLICY change ON release_order FOR UPDATE TO pledgewatch_api
  USING (settled_at IS NULL AND ((pw_role() = 'lender' AND lender_party = pw_party()) OR (pw_role() = 'logistics' AND executor_party = pw_party())))
  WITH CHECK (settled_at IS NULL AND ((pw_role() = 'lender' AND lender_party = pw_party()) OR (pw_role() = 'logistics' AND executor_party = pw_party() AND state IN ('issued','executing'))));
CREATE POLICY read ON release_item FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM release_order o WHERE o.id = order_id));
CREATE POLICY add ON release_item FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'lender' AND EXISTS (SELECT 1 FROM release_order o WHERE o.id = order_id AND o.lender_party = pw_party()));
CREATE POLICY read ON released_item FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM release_order o WHERE o.id = order_id));
CREATE POLICY read ON release_event FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM release_order o WHERE o.id = order_id));
CREATE POLICY add ON release_event FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() IN ('lender','logistics') AND EXISTS (SELECT 1 FROM release_order o WHERE o.id = order_id));
REVOKE INSERT ON released_item FROM pledgewatch_api;

CREATE POLICY read ON stock_take FOR SELECT TO pledgewatch_api USING (lot_id IN (SELECT pw_lots()));
CREATE POLICY add ON stock_take FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'logistics' AND lot_id IN (SELECT pw_lots()));
CREATE POLICY read ON stock_take_item FOR SELECT TO pledgewatch_api USING (EXISTS (SELECT 1 FROM stock_take s WHERE s.id = stock_take_id));
CREATE POLICY add ON stock_take_item FOR INSERT TO pledgewatch_api WITH CHECK (pw_role() = 'logistics' AND EXISTS (SELECT 1 FROM stock_take s WHERE s.id = stock_take_id));

CREATE TRIGGER notify AFTER INSERT OR UPDATE ON release_order FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON stock_take FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
