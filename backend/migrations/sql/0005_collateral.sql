CREATE TABLE commodity (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  name text NOT NULL,
  temperature_min_c double precision,
  temperature_max_c double precision,
  temperature_dwell_s int NOT NULL DEFAULT 10 CHECK (temperature_dwell_s >= 0),  -- at risk before, damaged after
  humidity_max_pct double precision,
  shock_max_g0 double precision
);
CREATE TABLE lot (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  site_id uuid NOT NULL REFERENCES site,
  zone_id uuid NOT NULL REFERENCES zone,     -- where it must be
  owner_party uuid NOT NULL REFERENCES party,
  commodity_id text NOT NULL REFERENCES commodity,
  instrument_id text NOT NULL,               -- market.instrument; checked there
  pledged_mass_g bigint NOT NULL CHECK (pledged_mass_g > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (site_id, name)
);
CREATE TABLE item (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lot_id uuid NOT NULL REFERENCES lot,
  name text NOT NULL,
  epc bytea NOT NULL UNIQUE CHECK (length(epc) BETWEEN 1 AND 62),
  net_mass_g bigint NOT NULL CHECK (net_mass_g > 0),
  tare_mass_g bigint NOT NULL DEFAULT 0 CHECK (tare_mass_g >= 0),
  UNIQUE (lot_id, name)
);
-- What a sensor watches. lot_id null: every lot of the zone.
CREATE TABLE sensor_binding (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  gateway_id text NOT NULL REFERENCES gateway,
  sensor text NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('presence','load','condition','position','door','camera')),
  zone_id uuid NOT NULL REFERENCES zone,
  lot_id uuid REFERENCES lot,
  tare_mass_g bigint NOT NULL DEFAULT 0,     -- load: of the platform, beside the items' own
  tolerance_mass_g bigint NOT NULL DEFAULT 0 CHECK (tolerance_mass_g >= 0),
  max_gap_s int NOT NULL DEFAULT 15 CHECK (max_gap_s > 0),      -- silence after which it is lost
  missing_after_s int NOT NULL DEFAULT 10 CHECK (missing_after_s > 0), -- presence: unseen that long is missing
  CHECK (purpose <> 'load' OR lot_id IS NOT NULL),
  UNIQUE NULLS NOT DISTINCT (gateway_id, sensor, zone_id, lot_id)
);
-- Derived state, folded from readings in the transaction that stores them; rebuilt from them if lost.
CREATE TABLE sensor_state (
  gateway_id text NOT NULL,
  sensor text NOT NULL,
  last_at timestamptz,                       -- gateway's clock
  last_arrival_at timestamptz,               -- ours
  fresh_at timestamptz,                      -- ours: when the newest usable reading was made; older than last_arrival_at while a backlog comes in
  health text NOT NULL DEFAULT 'up',         -- up late silent implausible, as the gateway says
  tampered boolean NOT NULL DEFAULT false,   -- camera covered or moved, seal or door open
  "values" jsonb NOT NULL DEFAULT '{}',      -- last good value by quantity: {"mass": [unix_us, value, envelope_number, made_unix_us]}
  memory jsonb NOT NULL DEFAULT '{}',        -- what the detectors keep between readings (backend/collateral/rules)
  PRIMARY KEY (gateway_id, sensor)
);
-- The last sighting of an item by each reader that ever saw it. "listened" counts the time for which
-- that reader was heard to look: so silence, outages and clock steps make nothing go missing.
CREATE TABLE item_sighting (
  item_id uuid NOT NULL REFERENCES item,
  gateway_id text NOT NULL,
  sensor text NOT NULL,
  seen_us bigint NOT NULL,                   -- gateway's clock
  made_us bigint NOT NULL,                   -- ours
  listened_us bigint NOT NULL,
  streak_us bigint NOT NULL,                 -- listened when the present run of sightings began
  streak_reads int NOT NULL,
  rssi_cdbm smallint NOT NULL,
  envelope_number bigint NOT NULL,
  PRIMARY KEY (item_id, gateway_id, sensor)
);
CREATE TABLE item_state (
  item_id uuid PRIMARY KEY REFERENCES item,
  zone_id uuid REFERENCES zone,              -- where last seen
  seen_at timestamptz,                       -- gateway's clock
  seen_arrival_at timestamptz,
  rssi_cdbm smallint,
  gateway_id text,
  sensor text,
  envelope_number bigint,
  custody text NOT NULL DEFAULT 'unseen' CHECK (custody IN ('unseen','in_zone','relocated','missing'))
);
CREATE TABLE lot_state (
  lot_id uuid PRIMARY KEY REFERENCES lot,
  custody text NOT NULL DEFAULT 'missing' CHECK (custody IN ('in_zone','moving','relocated','missing')),
  quantity text NOT NULL DEFAULT 'unknown' CHECK (quantity IN ('whole','short','unknown')),
  short_mass_g bigint NOT NULL DEFAULT 0 CHECK (short_mass_g >= 0),
  measured_mass_g bigint,                    -- net, lower confidence bound; null: never measured
  condition text NOT NULL DEFAULT 'sound' CHECK (condition IN ('sound','at_risk','damaged')),
  condition_since timestamptz,               -- when the limit was first exceeded, gateway's clock
  surveillance text NOT NULL DEFAULT 'dark' CHECK (surveillance IN ('live','degraded','dark')),
  tampered boolean NOT NULL DEFAULT false,   -- a camera covered or moved, a door open, a stream forked
  evaluated boolean NOT NULL DEFAULT false,  -- false: the rules could not say; locks
  detail jsonb NOT NULL DEFAULT '{}',        -- what each dimension was decided from
  memory jsonb NOT NULL DEFAULT '{}',        -- what the detectors keep between readings, latches among them
  evaluated_at timestamptz,
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON sensor_binding (zone_id);
CREATE INDEX ON sensor_binding (lot_id);
CREATE INDEX ON lot (zone_id);
CREATE TABLE lot_event (                     -- who or what changed a lot, when, why; append-only
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lot_id uuid NOT NULL REFERENCES lot,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  what text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON lot_event (lot_id, at);
