-- What a reader learnt of a tag, and the evidence that it has gone. Every number is whole, so that readings leave the same behind
-- however they are cut into batches.
ALTER TABLE item_sighting
  ADD COLUMN arrived_us bigint NOT NULL DEFAULT 0,       -- ours: when the last sighting came; the times below are ours, too
  ADD COLUMN effective_us bigint NOT NULL DEFAULT 0,     -- clock of the item's shelf at that reader: slower than "listened" while it is blocked
  ADD COLUMN doubt_mnat int NOT NULL DEFAULT 0,          -- evidence that the item had gone, after the last sighting, in thousandths of a nat
  ADD COLUMN settled_us bigint NOT NULL DEFAULT 0,       -- last read without such doubt
  ADD COLUMN peak_mnat int NOT NULL DEFAULT 0,           -- most evidence since
  ADD COLUMN away_from_us bigint NOT NULL DEFAULT 0,     -- the last absence beyond doubt that ended
  ADD COLUMN away_until_us bigint NOT NULL DEFAULT 0,
  ADD COLUMN away_arrived_us bigint NOT NULL DEFAULT 0,  -- when the sighting came that ended it
  ADD COLUMN stay_us bigint NOT NULL DEFAULT 0,          -- read here since, again and again
  ADD COLUMN learnt bigint[] NOT NULL DEFAULT '{}';      -- sums of looks, listening, reports and levels (backend/collateral/rules/presence_rates.py)
