-- Two roles without login: the api works under row-level security, the worker and the timekeeper
-- bypass it (COPY FROM is not supported under row-level security). Roles belong to the cluster, so
-- several databases share them and two migrations may run at once.
DO $$
BEGIN
  CREATE ROLE pledgewatch_api NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
  CREATE ROLE pledgewatch_worker NOLOGIN BYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
-- So that the migrating user may SET ROLE to them, superuser or not.
GRANT pledgewatch_api, pledgewatch_worker TO CURRENT_USER;

-- Who acts: set for one transaction by backend.db at the edge, read by every policy. Unset means nobody.
CREATE FUNCTION pw_role() RETURNS text LANGUAGE sql STABLE
  RETURN nullif(current_setting('pw.role', true), '');
CREATE FUNCTION pw_party() RETURNS uuid LANGUAGE sql STABLE
  RETURN nullif(current_setting('pw.party', true), '')::uuid;
