CREATE TABLE site (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE,
  logistics_party uuid NOT NULL REFERENCES party,
  origin_lat_deg double precision NOT NULL CHECK (origin_lat_deg BETWEEN -90 AND 90),
  origin_lon_deg double precision NOT NULL CHECK (origin_lon_deg BETWEEN -180 AND 180)
);
CREATE TABLE zone (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  site_id uuid NOT NULL REFERENCES site,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('storage','dock','yard')),
  polygon_m jsonb NOT NULL,                 -- [[east_m, north_m], ...] from the site's origin
  UNIQUE (site_id, name)
);
CREATE TABLE gateway (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  site_id uuid NOT NULL REFERENCES site,
  public_key bytea CHECK (length(public_key) = 32),
  key_id bytea UNIQUE CHECK (length(key_id) = 16),
  enrolled_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
-- Every key that a gateway ever had: old envelopes stay verifiable, and no key is enrolled twice.
CREATE TABLE gateway_key (                  -- append-only
  key_id bytea PRIMARY KEY CHECK (length(key_id) = 16),
  public_key bytea NOT NULL CHECK (length(public_key) = 32),
  gateway_id text NOT NULL REFERENCES gateway,
  enrolled_at timestamptz NOT NULL
);
CREATE INDEX ON gateway_key (gateway_id);
CREATE TABLE enrolment_code (
  code_sha256 bytea PRIMARY KEY CHECK (length(code_sha256) = 32),
  gateway_id text NOT NULL REFERENCES gateway,
  replaces bytea,                           -- the key id in whose place it puts another; null: it is the first
  created_by uuid NOT NULL REFERENCES account,
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
-- One row a gateway: how far its stream is committed. Locked by the worker that appends to it.
CREATE TABLE stream (
  gateway_id text PRIMARY KEY REFERENCES gateway,
  number bigint NOT NULL DEFAULT 0,
  sha256 bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(sha256) = 32),
  readings bigint NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','stopped')),
  last_base_unix_us bigint NOT NULL DEFAULT 0,
  last_arrival_at timestamptz,
  boot_id bytea,
  clock_state smallint NOT NULL DEFAULT 0,
  clock_skew_us bigint NOT NULL DEFAULT 0,   -- arrival less base time, of the last envelope
  boot_lag_min_us bigint,                    -- least (arrival less monotonic) of this boot: what more than it is, lay in the outbox
  clock_flag text CHECK (clock_flag IN ('stepped_back','implausible','far_off'))  -- null: nothing to say against the clock
);
-- A channel is one quantity of one sensor (quantity null: sightings and events). Its id is what
-- telemetry rows carry.
CREATE TABLE channel (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  gateway_id text NOT NULL REFERENCES gateway,
  sensor text NOT NULL,
  quantity text,
  UNIQUE NULLS NOT DISTINCT (gateway_id, sensor, quantity)
);
