-- Images of cameras, fetched from gateways because somebody asked, and taken only under the digest in a signed reading.
ALTER TABLE gateway_command DROP CONSTRAINT gateway_command_type_check;
ALTER TABLE gateway_command ADD CONSTRAINT gateway_command_type_check CHECK (type IN ('challenge','configure','rotate','fetch_image'));
CREATE TABLE image_request (
  gateway_id text NOT NULL REFERENCES gateway,
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  channel_id int NOT NULL REFERENCES channel,  -- of the sensor whose reading names the image
  reading_at timestamptz NOT NULL,
  envelope_number bigint NOT NULL,             -- where it does, under the gateway's signature
  asked_at timestamptz NOT NULL,
  asked_by uuid NOT NULL REFERENCES account,
  state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked','here','refused')),
  reason text CHECK (reason IN ('not_kept','no_answer','not_sent','chunks_lost','digest_mismatch','no_image','dropped')),
  detail text CHECK (length(detail) <= 500),
  ended_at timestamptz,
  attempts int NOT NULL DEFAULT 0,
  command_number bigint,                       -- of the last command for it
  PRIMARY KEY (gateway_id, sha256),
  CHECK ((state = 'refused') = (reason IS NOT NULL)),
  CHECK ((state = 'asked') = (ended_at IS NULL))
);
CREATE INDEX ON image_request (asked_at) WHERE state = 'asked';
CREATE TABLE image (
  gateway_id text NOT NULL,
  sha256 bytea NOT NULL CHECK (sha256 = sha256(bytes)),
  bytes bytea NOT NULL CHECK (length(bytes) <= 2097152),
  stored_at timestamptz NOT NULL,
  PRIMARY KEY (gateway_id, sha256),
  FOREIGN KEY (gateway_id, sha256) REFERENCES image_request
);
ALTER TABLE image ALTER COLUMN bytes SET STORAGE EXTERNAL;  -- A JPEG grows no smaller.
-- Events with an image are rare, and asked for by its digest.
CREATE INDEX ON event_reading (image_sha256) WHERE image_sha256 IS NOT NULL;

ALTER TABLE image_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE image ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON image_request TO pledgewatch_worker;
GRANT SELECT, INSERT, DELETE ON image TO pledgewatch_worker;
GRANT SELECT, INSERT ON image_request TO pledgewatch_api;
GRANT UPDATE (state, reason, detail, ended_at, attempts, command_number, asked_at, asked_by) ON image_request TO pledgewatch_api;
GRANT SELECT ON image TO pledgewatch_api;
CREATE POLICY worker ON image_request TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON image TO pledgewatch_worker USING (true) WITH CHECK (true);
CREATE POLICY read ON image_request FOR SELECT TO pledgewatch_api USING (channel_id IN (SELECT pw_channels()));
CREATE POLICY read ON image FOR SELECT TO pledgewatch_api USING (EXISTS
  (SELECT 1 FROM image_request r WHERE r.gateway_id = image.gateway_id AND r.sha256 = image.sha256));
CREATE POLICY add ON image_request FOR INSERT TO pledgewatch_api WITH CHECK (state = 'asked' AND command_number IS NULL
  AND pw_role() IN ('lender','logistics','operator') AND channel_id IN (SELECT pw_channels()));
-- Asking again is all that a person may change; that an image is here is the worker's word.
CREATE POLICY change ON image_request FOR UPDATE TO pledgewatch_api
  USING (state = 'refused' AND pw_role() IN ('lender','logistics','operator') AND channel_id IN (SELECT pw_channels()))
  WITH CHECK (state = 'asked' AND command_number IS NULL);
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON image_request FOR EACH STATEMENT EXECUTE FUNCTION pw_notify();
