CREATE TABLE alert (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL CHECK (kind IN ('relocation','shortfall','damage','tamper','surveillance_lost','price_drop',
    'price_stale','double_pledge','below_line','overdue','invoice_void','licence_breach')),
  severity text NOT NULL CHECK (severity IN ('info','warning','critical')),
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','acknowledged','resolved')),
  cause text NOT NULL,                       -- one continuing cause is one alert: e.g. 'lot:<id>:shortfall:item:<id>'
  lot_id uuid REFERENCES lot,
  gateway_id text REFERENCES gateway,
  facility_id uuid,
  summary text NOT NULL,
  opened_at timestamptz NOT NULL,
  ceased_at timestamptz,                     -- when it stopped being true; it stays until somebody resolves it
  acknowledged_at timestamptz,
  acknowledged_by uuid REFERENCES account,
  resolved_at timestamptz,
  resolved_by uuid REFERENCES account,
  resolution text CHECK (resolution IN ('true_incident','sensor_fault','authorised','false_alarm')),
  note text,
  CHECK (num_nonnulls(lot_id, gateway_id, facility_id) >= 1),
  CHECK ((state = 'resolved') = (resolved_at IS NOT NULL AND resolution IS NOT NULL))
);
CREATE UNIQUE INDEX alert_one_per_cause ON alert (cause) WHERE state <> 'resolved';
CREATE INDEX ON alert (lot_id) WHERE state <> 'resolved';
CREATE INDEX ON alert (opened_at);
CREATE TABLE alert_evidence (                -- append-only
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  alert_id uuid NOT NULL REFERENCES alert,
  at timestamptz NOT NULL,                   -- the reading's time
  recorded_at timestamptz NOT NULL,
  gateway_id text,
  envelope_number bigint,
  sensor text,
  quantity text,
  value double precision,
  text text NOT NULL,
  image_sha256 bytea
);
CREATE INDEX ON alert_evidence (alert_id, id);
CREATE TABLE alert_event (                   -- append-only: opened, escalated, ceased, recurred, acknowledged, resolved
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  alert_id uuid NOT NULL REFERENCES alert,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  what text NOT NULL,
  note text
);
CREATE INDEX ON alert_event (alert_id, id);
