"""How long the dashboards' queries take on a large federation, on a real PostgreSQL."""
