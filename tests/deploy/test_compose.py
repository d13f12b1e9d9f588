"""docker-compose.yml without a Docker engine: its schema, and that the files and names in it agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.manifests import COMPOSE, DEPLOY, ROOT, load, services

STREAMPROC = load(DEPLOY / "compose" / "streamproc.yaml")
LONG_RUNNING = sorted(name for name, service in services().items() if service["restart"] != "no")


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _listeners(name: str) -> dict[str, str]:
    """Listener → host:port, of one of Kafka's settings."""
    return dict(entry.split("://") for entry in services()["kafka"]["environment"][name].split(","))


def test_the_compose_file_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_every_image_has_a_version_of_its_own() -> None:
    for name, service in services().items():
        _, _, tag = service["image"].partition(":")
        assert tag == "local" if "build" in service else re.fullmatch(r"v?\d+(\.\d+)+(-\w+)?", tag), name


def test_only_permissively_licensed_services_start_by_default() -> None:
    permissive = {"apache/kafka", "postgres", "versity/versitygw", "prom/prometheus", "streamproc"}
    started = {service["image"].partition(":")[0] for service in services().values() if "profiles" not in service}
    assert started == permissive
    assert services()["grafana"]["profiles"] == ["dashboards"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_that_stays_is_checked_restarted_and_limited(name: str) -> None:
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert "no-new-privileges:true" in service["security_opt"]


def test_a_dependency_is_awaited_until_it_is_healthy_or_has_done_its_work() -> None:
    for name, service in services().items():
        for dependency, condition in service.get("depends_on", {}).items():
            expected = "service_healthy" if dependency in LONG_RUNNING else "service_completed_successfully"
            assert condition["condition"] == expected, f"{name} on {dependency}"


def test_every_mounted_file_exists_and_is_read_only() -> None:
    for name, service in services().items():
        for volume in service.get("volumes", []):
            source, _, mode = volume.split(":") if volume.count(":") == 2 else (*volume.split(":"), "")
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert mode == "ro", f"{name}: {source}"
            else:
                assert source in load(COMPOSE)["volumes"], f"{name}: {source}"


def test_published_ports_are_bound_to_this_machine_and_differ() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_replicas_of_streamproc_can_stand_side_by_side() -> None:
    service = services()["streamproc"]
    assert service["deploy"]["replicas"] == 2
    assert "ports" not in service
    assert "container_name" not in service


def test_docker_waits_longer_than_the_processor_takes_to_stop() -> None:
    assert _seconds(services()["streamproc"]["stop_grace_period"]) > STREAMPROC["shutdown_timeout_seconds"]


def test_the_processor_runs_without_a_writable_disk_or_privileges() -> None:
    service = services()["streamproc"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
    assert service["cap_drop"] == ["ALL"]


def test_the_topics_made_at_start_are_those_of_the_configuration() -> None:
    script = (DEPLOY / "compose" / "create-topics.sh").read_text()
    kafka = STREAMPROC["kafka"]
    expected = {*kafka["input_topics"], kafka["output_topic"], kafka["dead_letter_topic"]}
    assert set(re.findall(r"^create (\S+)", script, re.MULTILINE)) == expected
    assert services()["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_containers_and_this_machine_each_have_a_listener_of_kafka_that_names_an_address_they_can_reach() -> None:
    advertised = _listeners("KAFKA_ADVERTISED_LISTENERS")
    listening = _listeners("KAFKA_LISTENERS")
    assert advertised["INTERNAL"] == STREAMPROC["kafka"]["bootstrap_servers"]
    assert advertised["INTERNAL"] == services()["topics"]["environment"]["BOOTSTRAP_SERVERS"]
    assert advertised["HOST"] == "localhost:9092"
    assert services()["kafka"]["ports"] == ["127.0.0.1:9092:9092"]
    for listener, address in advertised.items():
        assert listening[listener] == ":" + address.partition(":")[2], listener


def test_the_store_in_the_configuration_is_the_one_that_is_started_and_its_bucket_the_one_that_is_made() -> None:
    endpoint, bucket = services()["bucket"]["command"]
    assert STREAMPROC["models"]["s3_endpoint_url"] == endpoint
    assert STREAMPROC["models"]["store"] == f"s3://{bucket}"
    store = services()["s3"]
    assert f"http://s3{store['environment']['VGW_PORT']}" == endpoint
    for user in ("bucket", "streamproc"):
        assert services()[user]["environment"]["AWS_ACCESS_KEY_ID"] == store["environment"]["ROOT_ACCESS_KEY"]
        assert services()[user]["environment"]["AWS_SECRET_ACCESS_KEY"] == store["environment"]["ROOT_SECRET_KEY"]


def test_the_database_in_the_configuration_is_the_one_that_is_started() -> None:
    postgres = services()["postgres"]["environment"]
    url = f"postgresql+psycopg://{postgres['POSTGRES_USER']}@postgres:5432/{postgres['POSTGRES_DB']}"
    assert STREAMPROC["models"]["database_url"] == url
    assert services()["streamproc"]["environment"]["PGPASSWORD"] == postgres["POSTGRES_PASSWORD"]


def test_prometheus_finds_every_replica_and_the_rules() -> None:
    configuration = load(DEPLOY / "compose" / "prometheus.yml")
    (job,) = configuration["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]
    assert job["job_name"] == "streamproc"
    assert discovery["names"] == ["streamproc"]
    assert discovery["port"] == STREAMPROC["http"]["port"]
    assert services()["streamproc"]["expose"] == [str(STREAMPROC["http"]["port"])]
    mounts = dict(volume.split(":")[:2] for volume in services()["prometheus"]["volumes"])
    assert f"--config.file={mounts['./deploy/compose/prometheus.yml']}" in services()["prometheus"]["command"]
    (rules,) = configuration["rule_files"]
    inside = Path(mounts["./deploy/compose/prometheus.yml"]).parent / rules
    assert mounts["./deploy/prometheus/rules.yml"] == str(inside).replace("/compose/..", "")


def test_grafana_shows_the_committed_dashboard_on_the_started_prometheus() -> None:
    mounts = dict(volume.split(":")[:2] for volume in services()["grafana"]["volumes"])
    (provider,) = load(DEPLOY / "compose" / "grafana" / "dashboards.yml")["providers"]
    assert Path(mounts["./deploy/grafana/streamproc.json"]).parent == Path(provider["options"]["path"])
    (source,) = load(DEPLOY / "compose" / "grafana" / "datasources.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"


def test_no_secret_stands_in_the_file_except_as_a_development_default() -> None:
    for name, service in services().items():
        environment: dict[str, Any] = service.get("environment", {})
        for variable, value in environment.items():
            if re.search(r"PASSWORD|SECRET|ACCESS_KEY", variable):
                assert re.fullmatch(r"\$\{\w+:-development-only\}", value), f"{name}: {variable}"


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.y*ml")), ids=lambda path: path.name)
def test_every_yaml_file_of_the_installation_parses(path: Path) -> None:
    assert list(yaml.safe_load_all(path.read_text()))
