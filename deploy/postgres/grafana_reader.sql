-- Makes the role that Grafana reads with, or brings it up to date: it may read the views
-- `grafana_*` and nothing else. Run it as a superuser, in the service's database, after
-- `vigie db upgrade`; it is safe to run again:
--
--   PASSWORD_FILE=secrets/grafana_reader_password.txt psql -d vigie -f deploy/postgres/grafana_reader.sql

\set ON_ERROR_STOP on
\set password `cat "$PASSWORD_FILE"`

SELECT 'CREATE ROLE vigie_grafana'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigie_grafana') \gexec

ALTER ROLE vigie_grafana LOGIN NOINHERIT CONNECTION LIMIT 20 PASSWORD :'password';
ALTER ROLE vigie_grafana SET default_transaction_read_only = on;
ALTER ROLE vigie_grafana SET statement_timeout = '30s';

SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO vigie_grafana', current_database()) \gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO vigie_grafana;

SELECT format('GRANT SELECT ON %I.%I TO vigie_grafana', schemaname, viewname)
FROM pg_views
WHERE schemaname = 'public' AND viewname LIKE 'grafana\_%' \gexec
