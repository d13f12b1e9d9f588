"""What an operator sees of a running replica: metrics, health, logs. Only here prometheus_client and structlog are known."""
