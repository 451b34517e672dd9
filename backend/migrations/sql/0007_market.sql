CREATE TABLE instrument (
  id text PRIMARY KEY CHECK (id ~ '^[A-Z0-9][A-Z0-9-]{0,31}$'),
  name text NOT NULL,
  unit text NOT NULL CHECK (unit IN ('KGM','TNE','LBR')),  -- UNECE Rec 20
  currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  max_price_age_s bigint NOT NULL CHECK (max_price_age_s > 0),
  jump_max_bps int NOT NULL DEFAULT 5000 CHECK (jump_max_bps > 0), -- a greater move waits for a second source
  haircut_floor_bps int NOT NULL CHECK (haircut_floor_bps BETWEEN 0 AND 10000),
  short_history_haircut_bps int NOT NULL DEFAULT 5000 CHECK (short_history_haircut_bps BETWEEN 0 AND 10000), -- while too few days are known
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE price (                         -- append-only
  instrument_id text NOT NULL REFERENCES instrument,
  source text NOT NULL,
  at timestamptz NOT NULL,
  value numeric NOT NULL CHECK (value > -1000000000 AND value < 1000000000),  -- per unit; zero and below are real
  quality text NOT NULL CHECK (quality IN ('accepted','held')),  -- held: waits for a second source
  received_at timestamptz NOT NULL,
  PRIMARY KEY (instrument_id, source, at)
);
CREATE INDEX ON price (instrument_id, at DESC);
-- Each day's last accepted price, whoever quoted it: what volatility is measured on.
CREATE TABLE daily_price (
  instrument_id text NOT NULL REFERENCES instrument,
  day date NOT NULL,                         -- UTC
  at timestamptz NOT NULL,
  value numeric NOT NULL,
  PRIMARY KEY (instrument_id, day)
);
-- Measured when a price is accepted, so that no valuation reads years of prices.
CREATE TABLE volatility (
  instrument_id text PRIMARY KEY REFERENCES instrument,
  sigma_daily double precision NOT NULL CHECK (sigma_daily >= 0),
  days int NOT NULL CHECK (days >= 0),       -- daily prices that it rests on
  at timestamptz NOT NULL                    -- of the newest of them
);
ALTER TABLE lot ADD FOREIGN KEY (instrument_id) REFERENCES instrument;
