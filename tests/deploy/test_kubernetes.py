"""The Kubernetes manifests, checked against the schemas of several releases and against the rest of the installation."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml
from support.manifests import DEPLOY, load

MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "streamproc.yaml").read_text()))


def _of(kind: str) -> dict[str, Any]:
    (found,) = [manifest for manifest in MANIFESTS if manifest["kind"] == kind]
    return dict(found)


SETTINGS = yaml.safe_load(_of("ConfigMap")["data"]["streamproc.yaml"])
POD = _of("Deployment")["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("release", ["1.28", "1.30", "1.33"])
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_a_manifest_is_valid(manifest: dict[str, Any], release: str) -> None:
    kubernetes_validate.validate(manifest, release, strict=True)


def test_kubernetes_waits_longer_than_the_processor_takes_to_stop() -> None:
    assert POD["terminationGracePeriodSeconds"] > SETTINGS["shutdown_timeout_seconds"]


def test_the_pod_is_unprivileged_and_its_disk_read_only_except_for_tmp() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    writable = [mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]  # noqa: S108 - the container's own


def test_probes_ask_the_processors_endpoints() -> None:
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == SETTINGS["http"]["port"]
    paths = {probe: CONTAINER[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_selectors_meet_the_pods_labels() -> None:
    labels = _of("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert _of("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert _of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert _of("Service")["spec"]["selector"] == labels


def test_prometheus_finds_every_pod_through_the_headless_service() -> None:
    service = _of("Service")
    assert service["spec"]["clusterIP"] == "None"
    (job,) = load(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]
    assert discovery["names"] == [f"{service['metadata']['name']}.streamproc.svc.cluster.local"]
    assert discovery["port"] == service["spec"]["ports"][0]["port"] == SETTINGS["http"]["port"]
