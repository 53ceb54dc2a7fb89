-- Run once, by the image, when the database folder is empty: one role and one database for the
-- service, one of each for MLflow. Neither role is a superuser, and neither sees the other's data.

\set ON_ERROR_STOP on
\set vigie_password `cat /run/secrets/database_password`
\set mlflow_password `cat /run/secrets/mlflow_password`

CREATE ROLE vigie LOGIN PASSWORD :'vigie_password';
CREATE DATABASE vigie OWNER vigie;
REVOKE ALL ON DATABASE vigie FROM PUBLIC;

CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE mlflow OWNER mlflow;
REVOKE ALL ON DATABASE mlflow FROM PUBLIC;
