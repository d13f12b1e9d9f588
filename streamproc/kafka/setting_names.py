"""The names of librdkafka's settings: what exists, what is another name for what, and what users may not change.

`KNOWN` serves suggestions and sorting only. A name that is not in it is handed to librdkafka, which knows its own version best.
"""

from __future__ import annotations

SHARED = frozenset(
    """
    client.id metadata.broker.list bootstrap.servers message.max.bytes message.copy.max.bytes receive.message.max.bytes
    max.in.flight.requests.per.connection metadata.recovery.strategy metadata.recovery.rebootstrap.trigger.ms
    topic.metadata.refresh.interval.ms metadata.max.age.ms topic.metadata.refresh.fast.interval.ms
    topic.metadata.refresh.sparse topic.metadata.propagation.max.ms topic.blacklist debug socket.timeout.ms
    socket.send.buffer.bytes socket.receive.buffer.bytes socket.keepalive.enable socket.nagle.disable socket.max.fails
    broker.address.ttl broker.address.family socket.connection.setup.timeout.ms connections.max.idle.ms
    reconnect.backoff.ms reconnect.backoff.max.ms statistics.interval.ms log_level log.thread.name enable.random.seed
    log.connection.close api.version.request api.version.request.timeout.ms api.version.fallback.ms
    broker.version.fallback allow.auto.create.topics security.protocol ssl.cipher.suites ssl.curves.list
    ssl.sigalgs.list ssl.key.location ssl.key.password ssl.key.pem ssl.certificate.location ssl.certificate.pem
    ssl.ca.location https.ca.location https.ca.pem ssl.ca.pem ssl.ca.certificate.stores ssl.crl.location
    ssl.keystore.location ssl.keystore.password ssl.providers ssl.engine.location ssl.engine.id
    enable.ssl.certificate.verification ssl.endpoint.identification.algorithm sasl.mechanisms
    sasl.kerberos.service.name sasl.kerberos.principal sasl.kerberos.kinit.cmd sasl.kerberos.keytab
    sasl.kerberos.min.time.before.relogin sasl.username sasl.password sasl.oauthbearer.config
    enable.sasl.oauthbearer.unsecure.jwt sasl.oauthbearer.method sasl.oauthbearer.client.id
    sasl.oauthbearer.client.secret sasl.oauthbearer.scope sasl.oauthbearer.extensions
    sasl.oauthbearer.token.endpoint.url sasl.oauthbearer.grant.type sasl.oauthbearer.assertion.algorithm
    sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.private.key.passphrase
    sasl.oauthbearer.assertion.private.key.pem sasl.oauthbearer.assertion.file plugin.library.paths client.rack
    retry.backoff.ms retry.backoff.max.ms client.dns.lookup enable.metrics.push
    """.split()  # noqa: SIM905  # 60 quoted names would hide the names
)

CONSUMER = frozenset(
    """
    group.id group.instance.id partition.assignment.strategy session.timeout.ms heartbeat.interval.ms
    group.protocol.type group.protocol group.remote.assignor coordinator.query.interval.ms max.poll.interval.ms
    enable.auto.commit auto.commit.interval.ms enable.auto.offset.store queued.min.messages
    queued.max.messages.kbytes fetch.wait.max.ms fetch.queue.backoff.ms fetch.message.max.bytes fetch.max.bytes
    fetch.min.bytes fetch.error.backoff.ms offset.store.method isolation.level enable.partition.eof check.crcs
    auto.offset.reset consume.callback.max.messages
    """.split()  # noqa: SIM905  # 60 quoted names would hide the names
)

PRODUCER = frozenset(
    """
    transactional.id transaction.timeout.ms enable.idempotence enable.gapless.guarantee queue.buffering.max.messages
    queue.buffering.max.kbytes queue.buffering.max.ms message.send.max.retries queue.buffering.backpressure.threshold
    compression.codec batch.num.messages batch.size delivery.report.only.error sticky.partitioning.linger.ms
    request.required.acks request.timeout.ms message.timeout.ms queuing.strategy partitioner compression.level
    """.split()  # noqa: SIM905  # 60 quoted names would hide the names
)

ALIASES = {
    "metadata.broker.list": "bootstrap.servers",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "sasl.mechanism": "sasl.mechanisms",
    "sasl.oauthbearer.client.credentials.client.id": "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.credentials.client.secret": "sasl.oauthbearer.client.secret",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
    "linger.ms": "queue.buffering.max.ms",
    "retries": "message.send.max.retries",
    "compression.type": "compression.codec",
    "acks": "request.required.acks",
    "delivery.timeout.ms": "message.timeout.ms",
    "auto.commit.enable": "enable.auto.commit",
}

KNOWN = SHARED | CONSUMER | PRODUCER | ALIASES.keys()

_GUARANTEE = "streamproc sets it; its guarantees depend on it"
_OWN_CODE = "it takes code, and streamproc's own is there"

REFUSED = {
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "group.id": "set kafka.group_id",
    "group.protocol": "set kafka.group_protocol",
    "transactional.id": "set kafka.transactional_id",
    "auto.offset.reset": "set kafka.auto_offset_reset",
    "security.protocol": "set kafka.security.protocol",
    "sasl.mechanisms": "set kafka.security.mechanism",
    "sasl.username": "set kafka.security.username",
    "sasl.password": "set kafka.security.password or password_file",
    "ssl.ca.location": "set kafka.security.ca_file",
    "ssl.certificate.location": "set kafka.security.cert_file",
    "ssl.key.location": "set kafka.security.key_file",
    "enable.auto.commit": _GUARANTEE,
    "enable.auto.offset.store": _GUARANTEE,
    "offset.store.method": _GUARANTEE,
    "isolation.level": _GUARANTEE,
    "partition.assignment.strategy": _GUARANTEE,
    "enable.partition.eof": _GUARANTEE,
    "enable.idempotence": _GUARANTEE,
    "request.required.acks": _GUARANTEE,
    "max.in.flight.requests.per.connection": _GUARANTEE,
    "message.send.max.retries": _GUARANTEE,
    "queuing.strategy": _GUARANTEE,
    "delivery.report.only.error": _GUARANTEE,
    "allow.auto.create.topics": "streamproc creates no topics",
    "statistics.interval.ms": "streamproc reads the lag from these statistics",
    "partitioner": "it is murmur2_random, as in Java clients, so that outputs lie where their readers expect them",
    "enabled_events": _OWN_CODE,
    "log.queue": _OWN_CODE,
    "logger": _OWN_CODE,
    "opaque": _OWN_CODE,
    "interceptors": _OWN_CODE,
    "default.topic.config": "write its settings directly",
    "on_delivery": _OWN_CODE,
    "on_commit": _OWN_CODE,
    "msg_order_cmp": _OWN_CODE,
}
"""Canonical name → why not, or where instead. Names that end in `_cb` are refused too."""


def canonical(name: str) -> str:
    """The name that a setting is known by here; itself where it has only one."""
    return ALIASES.get(name, name)


def refusal(name: str) -> str | None:
    """Why users may not set this one; None where they may."""
    name = canonical(name)
    return _OWN_CODE if name.endswith("_cb") else REFUSED.get(name)
