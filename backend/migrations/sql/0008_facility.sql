CREATE TABLE facility (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  lender_party uuid NOT NULL REFERENCES party,
  borrower_party uuid NOT NULL REFERENCES party,
  currency char(3) NOT NULL,
  limit_minor bigint NOT NULL CHECK (limit_minor >= 0),
  principal_minor bigint NOT NULL DEFAULT 0 CHECK (principal_minor >= 0),
  interest_minor bigint NOT NULL DEFAULT 0 CHECK (interest_minor >= 0),
  fees_minor bigint NOT NULL DEFAULT 0 CHECK (fees_minor >= 0),
  warning_line_bps int NOT NULL DEFAULT 15000,
  call_line_bps int NOT NULL DEFAULT 13000,
  liquidation_line_bps int NOT NULL DEFAULT 11000,
  recovery_margin_bps int NOT NULL DEFAULT 500,   -- hysteresis above a line
  recovery_valuations int NOT NULL DEFAULT 3,
  recovered_valuations int NOT NULL DEFAULT 0,
  line_state text NOT NULL DEFAULT 'above' CHECK (line_state IN ('above','warning','call','liquidation')),
  reserve_minor bigint NOT NULL DEFAULT 0 CHECK (reserve_minor >= 0),
  valuation_ttl_s int NOT NULL DEFAULT 60 CHECK (valuation_ttl_s > 0),
  cure_hours int NOT NULL DEFAULT 48,
  liquidation_horizon_days int NOT NULL DEFAULT 20,
  valuation_id uuid,                         -- the newest
  cure_by timestamptz,                       -- deadline of the margin call; null: none
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','closed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (warning_line_bps >= call_line_bps AND call_line_bps >= liquidation_line_bps AND liquidation_line_bps >= 10000),
  UNIQUE (lender_party, name)
);
CREATE TABLE pledge (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL DEFAULT 'movable' CHECK (kind IN ('movable','receivable','ip')),
  lender_party uuid NOT NULL REFERENCES party,
  pledgor_party uuid NOT NULL REFERENCES party,
  facility_id uuid REFERENCES facility,
  state text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed','active','rejected','released')),
  created_at timestamptz NOT NULL,
  activated_at timestamptz,
  ended_at timestamptz,
  CHECK (state <> 'active' OR facility_id IS NOT NULL)
);
CREATE TABLE pledge_lot (
  pledge_id uuid NOT NULL REFERENCES pledge,
  lot_id uuid NOT NULL REFERENCES lot,
  active boolean NOT NULL DEFAULT false,     -- kept equal to pledge.state = 'active' by collateral.store
  PRIMARY KEY (pledge_id, lot_id)
);
-- A lot is pledged once: the database refuses a second active pledge, whoever asks.
CREATE UNIQUE INDEX pledge_lot_once ON pledge_lot (lot_id) WHERE active;
CREATE INDEX ON pledge (facility_id) WHERE state = 'active';

CREATE TABLE valuation (                     -- immutable
  id uuid PRIMARY KEY,
  facility_id uuid NOT NULL REFERENCES facility,
  at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  value_minor bigint NOT NULL CHECK (value_minor >= 0),
  base_minor bigint NOT NULL CHECK (base_minor >= 0),
  coverage_bps bigint,                       -- null: nothing drawn
  complete boolean NOT NULL,                 -- false: some lot had no usable price or state
  exposure_minor bigint NOT NULL CHECK (exposure_minor >= 0), -- that the coverage was computed against
  model text NOT NULL,                       -- name and version of the haircut model
  content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32)  -- of its lots' lines: tells a new observation from the same one
);
CREATE INDEX ON valuation (facility_id, at DESC);
CREATE TABLE lot_valuation (                 -- immutable
  valuation_id uuid NOT NULL REFERENCES valuation,
  lot_id uuid NOT NULL REFERENCES lot,
  accepted_mass_g bigint NOT NULL CHECK (accepted_mass_g >= 0),
  price numeric,                             -- null: none usable
  price_at timestamptz,
  price_source text,
  haircut_bps int NOT NULL CHECK (haircut_bps BETWEEN 0 AND 10000),
  value_minor bigint NOT NULL CHECK (value_minor >= 0),
  lendable_minor bigint NOT NULL CHECK (lendable_minor >= 0),
  complete boolean NOT NULL,                 -- false: it could not be valued; nothing is then not what it is worth
  reasons text[] NOT NULL DEFAULT '{}',      -- why it is worth less than nominal, or nothing
  PRIMARY KEY (valuation_id, lot_id)
);
ALTER TABLE facility ADD FOREIGN KEY (valuation_id) REFERENCES valuation;

CREATE TABLE facility_lock (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  facility_id uuid NOT NULL REFERENCES facility,
  reason text NOT NULL CHECK (reason IN ('PRICE_STALE','SENSOR_LOST','QUANTITY_SHORT','RELOCATED','DAMAGED','TAMPERED',
    'UNEVALUATED','BELOW_CALL_LINE','CONTROL_VALUE','DOUBLE_PLEDGE','INVOICE_VOID','LICENCE_BREACH','APPRAISAL_EXPIRED',
    'OVERDUE','REGISTRY_MISSING','MANUAL')),
  detail text NOT NULL,
  opened_at timestamptz NOT NULL,
  opened_by text NOT NULL,                   -- 'ingest', 'timekeeper', 'api:<login>' ...
  lifted_at timestamptz,
  lifted_by text
);
CREATE UNIQUE INDEX facility_lock_open ON facility_lock (facility_id, reason) WHERE lifted_at IS NULL;

CREATE TABLE drawdown (
  id uuid PRIMARY KEY,                       -- the caller's
  facility_id uuid NOT NULL REFERENCES facility,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  state text NOT NULL CHECK (state IN ('requested','pending','disbursed','refused','voided','expired')),
  body_sha256 bytea NOT NULL,                -- same id and another body is refused
  requested_by uuid NOT NULL REFERENCES account,
  requested_at timestamptz NOT NULL,
  decided_by text,
  decided_at timestamptz,
  valuation_id uuid REFERENCES valuation,    -- pinned at authorisation
  expires_at timestamptz,
  ended_at timestamptz,
  reasons jsonb NOT NULL DEFAULT '[]'        -- of a refusal or void: [{"code":..., "detail":..., numbers}]
);
CREATE INDEX ON drawdown (facility_id) WHERE state IN ('requested','pending');
CREATE TABLE repayment (
  id uuid PRIMARY KEY,                       -- the caller's
  facility_id uuid NOT NULL REFERENCES facility,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  fees_minor bigint NOT NULL,
  interest_minor bigint NOT NULL,
  principal_minor bigint NOT NULL,
  surplus_minor bigint NOT NULL DEFAULT 0,   -- credited to the borrower, never lost
  body_sha256 bytea NOT NULL,
  paid_by uuid NOT NULL REFERENCES account,
  paid_at timestamptz NOT NULL,
  CHECK (fees_minor + interest_minor + principal_minor + surplus_minor = amount_minor)
);
CREATE TABLE facility_event (                -- who, when, why; append-only
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  facility_id uuid NOT NULL REFERENCES facility,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  what text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON facility_event (facility_id, id);
ALTER TABLE alert ADD FOREIGN KEY (facility_id) REFERENCES facility;
