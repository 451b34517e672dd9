#!/usr/bin/env bash
# First start of the database container: the programs' role and database. The role owns its database
# and is no superuser; the image has already put TimescaleDB into template1.
set -euo pipefail
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v password="$PLEDGEWATCH_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE pledgewatch LOGIN CREATEROLE PASSWORD :'password';
ALTER ROLE pledgewatch SET createrole_self_grant = 'set, inherit';
CREATE DATABASE pledgewatch OWNER pledgewatch ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
\connect pledgewatch
CREATE EXTENSION IF NOT EXISTS timescaledb;
SQL
