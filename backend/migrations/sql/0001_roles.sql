-- Two roles without login. The api acts under row-level security for one party at a time; the worker
-- and the timekeeper see every row by policies of their own. Neither is a superuser, nor needs one to
-- be made. Roles belong to the cluster: several databases share them, and two migrations may run at once.
DO $$
BEGIN
  CREATE ROLE pledgewatch_api NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
  CREATE ROLE pledgewatch_worker NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
-- So that the migrating user may SET ROLE to them, superuser or not.
DO $$
BEGIN
  IF NOT (pg_has_role(current_user, 'pledgewatch_api', 'MEMBER') AND pg_has_role(current_user, 'pledgewatch_worker', 'MEMBER')) THEN
    GRANT pledgewatch_api, pledgewatch_worker TO CURRENT_USER;
  END IF;
END $$;
GRANT USAGE ON SCHEMA public TO pledgewatch_api;
GRANT USAGE, CREATE ON SCHEMA public TO pledgewatch_worker;  -- It owns the reading tables and adds their partitions.

-- Who acts: set for one transaction by backend.db at the edge, read by every policy. Unset means nobody.
CREATE FUNCTION pw_role() RETURNS text LANGUAGE sql STABLE
  RETURN nullif(current_setting('pw.role', true), '');
CREATE FUNCTION pw_party() RETURNS uuid LANGUAGE sql STABLE
  RETURN nullif(current_setting('pw.party', true), '')::uuid;
