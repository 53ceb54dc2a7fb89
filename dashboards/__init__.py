"""Grafana dashboards as code, and the files that set up Grafana, Prometheus and Alertmanager."""
