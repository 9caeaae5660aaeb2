"""The files with which users deploy replicas: valid, and in step with the code."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from app.config.settings import Settings
from app.config.sources import unknown_names
from app.main import create_app
from app.server import process
from tests.support.doubles import settings
from tests.support.processes import ROOT

DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final = DEPLOY / "compose.yaml"
MANIFESTS: Final = sorted((DEPLOY / "kubernetes").iterdir())
BALANCER: Final = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
# TODO(operations): import these once `app.server.process` has them, and skip nothing.
DRAIN_SECONDS: Final[float] = getattr(process, "DRAIN_SECONDS", 5)
STOP_SECONDS: Final[float] = getattr(process, "STOP_SECONDS", 33) + process.FORCED_EXIT_SECONDS

KUBERNETES: Final = ("1.28.0", kubernetes_validate.latest_version())
"""The oldest version and the newest one that the manifests are checked against."""


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def manifest(kind: str) -> dict[str, Any]:
    [found] = [content for content in map(read, MANIFESTS) if content["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    [only] = pod()["containers"]
    assert isinstance(only, dict)
    return only


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# They are valid


def test_compose_is_valid() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    checked = subprocess.run(  # noqa: S603 - our own words
        [*checker, "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_manifest_is_valid(path: Path, version: str) -> None:
    kubernetes_validate.validate(read(path), version, strict=True)


def test_a_folder_that_is_applied_as_it_is_has_no_secret_to_fill_in() -> None:
    applied = [path for path in MANIFESTS if path.suffix in {".yaml", ".yml", ".json"}]
    assert {read(path)["kind"] for path in MANIFESTS} - {
        read(path)["kind"] for path in applied
    } == {"Secret"}


# They are in step with the code


def test_what_they_ask_of_a_replica_is_there() -> None:
    routes = create_app(settings()).openapi()["paths"]
    probes = {container()[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")}
    assert probes == {"/healthz"}
    ready = container()["readinessProbe"]["httpGet"]["path"]
    [checked] = re.findall(r"http-check send meth GET uri (\S+)", BALANCER)
    assert ready == checked == "/servez"
    assert "/healthz" in routes
    if "/servez" not in routes:
        pytest.skip("/servez is not built yet")


def test_they_agree_on_ports() -> None:
    [port] = container()["ports"]
    assert port["containerPort"] == Settings.model_fields["port"].default
    [service] = manifest("Service")["spec"]["ports"]
    [allowed] = manifest("NetworkPolicy")["spec"]["ingress"][0]["ports"]
    assert service["targetPort"] == allowed["port"] == port["name"]
    assert f" broker:{port['containerPort']} " in BALANCER
    [bound] = re.findall(r"^  bind :(\d+)$", BALANCER, re.MULTILINE)
    [published] = read(COMPOSE)["services"]["haproxy"]["ports"]
    assert published.endswith(f":{bound}")


def test_a_replica_has_the_time_that_it_needs_to_stop() -> None:
    [_, pause] = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert pod()["terminationGracePeriodSeconds"] > int(pause) + STOP_SECONDS
    assert seconds(read(COMPOSE)["services"]["broker"]["stop_grace_period"]) > STOP_SECONDS


def test_balancers_hear_of_a_stop_while_the_replica_still_answers() -> None:
    [(inter, fall)] = re.findall(r"default-server check inter (\d+)s fall (\d+)", BALANCER)
    assert int(inter) * int(fall) < DRAIN_SECONDS
    probe = container()["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < DRAIN_SECONDS


def test_every_setting_that_they_set_exists() -> None:
    compose = read(COMPOSE)["services"]["broker"]["environment"]
    secret = manifest("Secret")["stringData"]
    named = {variable["name"] for variable in container()["env"]}
    for given in (compose, secret, dict.fromkeys(named, "x")):
        assert unknown_names(Settings.model_fields, {}, given) == ([], [])


def test_pods_are_what_services_budgets_and_policies_select() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    peers = manifest("NetworkPolicy")["spec"]["ingress"][0]["from"][0]["podSelector"]
    for selected in (
        manifest("Deployment")["spec"]["selector"]["matchLabels"],
        manifest("Service")["spec"]["selector"],
        manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        peers["matchLabels"],
        pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ):
        assert selected == labels
    [secret] = [source["secretRef"]["name"] for source in container()["envFrom"]]
    assert secret == manifest("Secret")["metadata"]["name"]


def test_a_rolling_deploy_never_has_fewer_replicas_and_the_user_is_the_images() -> None:
    strategy = manifest("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = pod()["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in dockerfile


def test_the_broker_trusts_the_balancer_and_nobody_else() -> None:
    services = read(COMPOSE)["services"]
    trusted = services["broker"]["environment"]["TRUSTED_PROXIES"]
    assert trusted == services["haproxy"]["networks"]["default"]["ipv4_address"]
