-- What an alert is worth believing, since when it is so, and how its life goes on.
ALTER TABLE alert ADD COLUMN probability double precision NOT NULL DEFAULT 1 CHECK (probability BETWEEN 0 AND 1);
ALTER TABLE alert ADD COLUMN began_at timestamptz;      -- when the readings say that it began, by our clock; null: they do not
ALTER TABLE alert ADD COLUMN critical_at timestamptz;   -- since when it is critical; null: it is not
ALTER TABLE alert ADD COLUMN eased_at timestamptz;      -- since when it is found less grave than its severity, which stays
ALTER TABLE alert ADD COLUMN unattended_at timestamptz; -- when it was noted that nobody had acknowledged it in time
UPDATE alert SET critical_at = opened_at WHERE severity = 'critical';
CREATE INDEX ON alert (critical_at) WHERE state = 'open' AND severity = 'critical' AND unattended_at IS NULL;
GRANT UPDATE (probability, began_at, critical_at, eased_at) ON alert TO pledgewatch_api;

ALTER TABLE alert_evidence ADD COLUMN expected text NOT NULL DEFAULT '';  -- what would have been said if nothing were wrong
ALTER TABLE alert_evidence ADD COLUMN log_odds double precision;          -- by how much it moved the finding; null: not weighed
