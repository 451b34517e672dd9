-- The signed messages as they travelled. The tables of readings are made by backend/telemetry/layout.py
-- after this file: hypertables where TimescaleDB is installed, else native daily partitions. They belong
-- to pledgewatch_worker, because COPY FROM is not supported under row-level security; the api reads them
-- through the visible_* views only.
CREATE TABLE envelope (
  gateway_id text NOT NULL REFERENCES gateway,
  number bigint NOT NULL,
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  key_id bytea NOT NULL,
  base_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  readings int NOT NULL,
  bytes bytea NOT NULL,                     -- the signed message as it travelled
  PRIMARY KEY (gateway_id, key_id, number)  -- a new key's stream counts from 1 again
);
ALTER TABLE envelope ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE envelope OWNER TO pledgewatch_worker;

-- What was refused, and why. Bounded by the worker (bytes cut, rows limited an hour).
CREATE TABLE refused_envelope (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at timestamptz NOT NULL,
  topic text NOT NULL,
  gateway_id text,                          -- as claimed
  number bigint,                            -- as claimed
  reason text NOT NULL,
  detail text NOT NULL,
  sha256 bytea NOT NULL,
  bytes bytea NOT NULL
);
CREATE INDEX ON refused_envelope (gateway_id, received_at);
