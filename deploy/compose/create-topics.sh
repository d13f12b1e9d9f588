#!/usr/bin/env bash
# Creates the topics of streamproc.yaml where they are missing; leaves the settings of existing ones alone.
set -euo pipefail
: "${BOOTSTRAP_SERVERS:?address of a broker, host:port}"
TOPICS_COMMAND=${TOPICS_COMMAND:-/opt/kafka/bin/kafka-topics.sh}

days() { echo $(($1 * 24 * 60 * 60 * 1000)); }

create() { # name, setting...
  local arguments=(--bootstrap-server "$BOOTSTRAP_SERVERS" --create --if-not-exists --topic "$1" --partitions 6 --replication-factor 1)
  shift
  for setting in "$@"; do arguments+=(--config "$setting"); done
  "$TOPICS_COMMAND" "${arguments[@]}"
}

# Outputs and dead letters are larger than the inputs that they come from (at most avro.max_record_bytes): twice the broker's limit.
create events cleanup.policy=delete "retention.ms=$(days 7)"
create predictions cleanup.policy=delete "retention.ms=$(days 7)" max.message.bytes=2097152
create events.dead-letters cleanup.policy=delete "retention.ms=$(days 30)" max.message.bytes=2097152
