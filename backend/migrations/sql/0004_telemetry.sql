-- Raw rows, append-only. Native daily partitions here; backend/telemetry/layout.py turns them into
-- hypertables where TimescaleDB is installed. No btree on the ingest path: it costs three quarters
-- of the COPY rate. BRIN on time, because rows arrive nearly in time order.
CREATE TABLE envelope (
  gateway_id text NOT NULL REFERENCES gateway,
  number bigint NOT NULL,
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  key_id bytea NOT NULL,
  base_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  readings int NOT NULL,
  bytes bytea NOT NULL,                     -- the signed message as it travelled
  PRIMARY KEY (gateway_id, number)
);
ALTER TABLE envelope ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE scalar_reading (
  at timestamptz NOT NULL,
  channel_id int NOT NULL,
  envelope_number bigint NOT NULL,
  value double precision NOT NULL,
  quality smallint NOT NULL                 -- schemas.quantities.QUALITY_CODES
) PARTITION BY RANGE (at);
CREATE TABLE sighting_reading (
  at timestamptz NOT NULL,
  channel_id int NOT NULL,
  envelope_number bigint NOT NULL,
  epc bytea NOT NULL,
  antenna smallint NOT NULL,
  rssi_cdbm smallint NOT NULL,              -- -32768: unknown
  count int NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE event_reading (
  at timestamptz NOT NULL,
  channel_id int NOT NULL,
  envelope_number bigint NOT NULL,
  type text NOT NULL,
  body jsonb NOT NULL,
  image_sha256 bytea
) PARTITION BY RANGE (at);

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
