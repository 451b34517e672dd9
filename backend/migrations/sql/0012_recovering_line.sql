-- To which line a facility recovers: the lowest that the valuations counted so far support.
ALTER TABLE facility ADD COLUMN recovering_to text CHECK (recovering_to IN ('above','warning','call'));
GRANT UPDATE (recovering_to) ON facility TO pledgewatch_api;
