"""Settings → one replica of the processor."""

from __future__ import annotations

import gc
from importlib.metadata import version
from typing import Self

from threadpoolctl import threadpool_limits

from streamproc.app.brokers import open_awaited_topics, open_sink, open_source
from streamproc.app.models import open_infos, open_models, open_store
from streamproc.app.schemas import open_schemas
from streamproc.avro.decoder import Decoder
from streamproc.avro.encoder import PredictionEncoder
from streamproc.avro.outputs import OutputWriter
from streamproc.clock import SYSTEM_CLOCK, Clock, Shutdown, StageClock
from streamproc.config import Settings
from streamproc.dead_letters import StopShare
from streamproc.delivery import Delivery
from streamproc.inference.predictor import LoopPredictor
from streamproc.inference.repository import CompilingRepository
from streamproc.models.cache import CachedModelRepository, byte_cache
from streamproc.models.loader import ModelLoader
from streamproc.models.serving import TenantModels
from streamproc.models.sql.infos import SQLAlchemyModelInfoRepository
from streamproc.pipeline import Pipeline
from streamproc.pipeline.fused import FusedModels
from streamproc.pipeline.native import NativePath
from streamproc.pipeline.warm import warm_kernels
from streamproc.processor import LoopLimits, StreamProcessor
from streamproc.telemetry.health import Health
from streamproc.telemetry.http import TelemetryServer
from streamproc.telemetry.metrics import Metrics
from streamproc.telemetry.observers import Observers

_STALL_SECONDS = 180.0
"""Longer than a delivery may take (`message.timeout.ms`): a loop that shows no progress for so long hangs."""
_FLUSH_SECONDS = 130.0
"""Longer than `message.timeout.ms`: the client itself decides when a delivery has failed."""
_SHUTDOWN_SHARE = 0.75
"""The part of `shutdown_timeout_seconds` for finishing and committing; the rest is for leaving and closing."""
_PARKED_BATCHES = 10
"""How many of the largest batches may be parked before reading pauses."""
_MODELS = "model registry and artifact store"


class Replica:
    """The processor, its loader threads and its HTTP endpoints. Use it as a context manager."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Put it together; talks to no other process yet.

        Raises:
            ConfigurationError: it can't work like this; names the setting.

        """
        metrics = Metrics(
            version=version("streamproc"),
            tenant_limit=settings.metrics.tenant_limit,
            tenants=settings.metrics.tenants,
            wall=clock.wall,
        )
        self.health = Health(
            monotonic=clock.monotonic,
            stall_seconds=_STALL_SECONDS,
            dependencies=[_MODELS],
            missing=lambda: self._loader.unavailable or self._awaited_topics.reason,
        )
        self._awaited_topics = open_awaited_topics(settings)
        self._infos = open_infos(settings)
        cached, self._loader = _models(settings, self._infos, metrics, self.health, clock)
        writer = OutputWriter(settings.models.scores)
        fused = FusedModels(writer)
        serving = TenantModels(self._loader, cached, fused, metrics, monotonic=clock.monotonic)
        stages = StageClock(clock)
        pipeline = _pipeline(settings, serving, fused, writer, stages, clock)
        self.processor = _processor(settings, serving, pipeline, Observers([metrics, self.health]), stages, clock)
        self._server = TelemetryServer(metrics.registry, self.health, host=settings.http.host, port=settings.http.port)

    def run(self) -> None:
        """Process until `processor.stop()`; see `StreamProcessor.run` for what it raises."""
        self._loader.start()
        self._awaited_topics.start()
        warm_kernels()
        gc.collect()
        gc.freeze()  # what is loaded now stays; to look at it again and again would cost half of the throughput
        with threadpool_limits(1):  # parallelism comes from replicas; a pool for each prediction would fight over the cores
            self.processor.run()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._awaited_topics.close()
        self._loader.close()
        self._infos.close()
        self._server.close()


def _models(
    settings: Settings, infos: SQLAlchemyModelInfoRepository, metrics: Metrics, health: Health, clock: Clock
) -> tuple[CachedModelRepository, ModelLoader]:
    models = settings.models
    cached = CachedModelRepository(
        CompilingRepository(open_models(settings, infos), observer=metrics),
        byte_cache(models.cache_bytes),
        observer=metrics,
        monotonic=clock.monotonic,
    )
    loader = ModelLoader(
        infos,
        cached,
        threads=models.loader_threads,
        refresh_seconds=models.refresh_seconds,
        max_wait_seconds=models.max_wait_seconds,
        monotonic=clock.monotonic,
        probes=[open_store(settings).check],
        answered=lambda: health.answered(_MODELS),
    )
    return cached, loader


def _pipeline(
    settings: Settings, serving: TenantModels, fused: FusedModels, writer: OutputWriter, stages: StageClock, clock: Clock
) -> Pipeline:
    decoder = Decoder(
        open_schemas(settings),
        framing=settings.avro.framing,
        tenant_field=settings.records.tenant_field,
        event_time_field=settings.records.event_time_field,
        max_record_bytes=settings.avro.max_record_bytes,
    )
    predictor, encoder = LoopPredictor(monotonic=clock.monotonic), PredictionEncoder(settings.models.scores)
    return Pipeline(
        decoder,
        serving,
        fused,
        NativePath(predictor, encoder, stages=stages, clock=clock),
        writer,
        output_topic=settings.kafka.output_topic,
        max_seconds=settings.batch.max_seconds,
        stages=stages,
        clock=clock,
    )


def _processor(
    settings: Settings, serving: TenantModels, pipeline: Pipeline, observer: Observers, stages: StageClock, clock: Clock
) -> StreamProcessor:
    shutdown = Shutdown(clock, _SHUTDOWN_SHARE * settings.shutdown_timeout_seconds)
    delivery = Delivery(
        open_sink(settings, patience=shutdown.seconds_left, waiting=observer.waiting),
        StopShare(settings.dead_letters.stop_share, settings.dead_letters.over_records),
        dead_letter_topic=settings.kafka.dead_letter_topic,
        flush_seconds=_FLUSH_SECONDS,
    )
    return StreamProcessor(
        open_source(settings),
        delivery,
        pipeline,
        serving,
        observer,
        stages=stages,
        limits=_limits(settings),
        shutdown=shutdown,
        clock=clock,
    )


def _limits(settings: Settings) -> LoopLimits:
    batch = settings.batch
    return LoopLimits(
        max_records=batch.max_records,
        max_bytes=batch.max_bytes,
        max_parked_records=_PARKED_BATCHES * batch.max_records,
        max_parked_bytes=_PARKED_BATCHES * batch.max_bytes // 4,
        commit_interval_seconds=settings.commit_interval_seconds,
    )
