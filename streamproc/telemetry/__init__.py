"""Metrics, HTTP endpoints and logging: the only place that imports prometheus_client."""
