"""A Kafka streaming prediction processor: each tenant its own model."""
