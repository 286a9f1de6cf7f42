"""examples/kubernetes: what the API server, the operator, Dask, our loader and our command line make of it."""

import re
import shlex
from pathlib import Path

import dask.config
import distributed
import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from distributed.cli import dask_scheduler, dask_worker

from coval_load.cli.main import cli

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "kubernetes"
README = (EXAMPLE / "README.md").read_text("utf-8")
SHELL = [line for text in re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S) for line in text.splitlines()]
FILES = {path.name: list(yaml.safe_load_all(path.read_text("utf-8"))) for path in EXAMPLE.glob("*.yaml")}
OBJECTS = {(one["kind"], one["metadata"]["name"]): one for objects in FILES.values() for one in objects}
JOB = OBJECTS["DaskJob", "coval-load"]
CLUSTER = JOB["spec"]["cluster"]["spec"]
PODS = {
    "runner": JOB["spec"]["job"]["spec"],
    "scheduler": CLUSTER["scheduler"]["spec"],
    "worker": CLUSTER["worker"]["spec"],
    "results": OBJECTS["Pod", "coval-load-results"]["spec"],
}
CONTAINERS = {
    f"{pod}/{one['name']}": one
    for pod, spec in PODS.items()
    for one in spec["containers"] + spec.get("initContainers", [])
}
SCHEDULER = "tls://coval-load-scheduler:8786"


def as_shown(container):
    return CONTAINERS[container]["args"]


def options_of(command, words):
    with command.make_context(command.name, list(words)) as context:
        return context.params


def keys_of(settings, at=()):
    """Where each value of nested settings stands."""
    if not isinstance(settings, dict):
        return {at}
    return set().union(*(keys_of(value, (*at, key)) for key, value in settings.items()))


def secrets():
    """The keys of each secret that the commands of the page make."""
    for line in SHELL:
        match shlex.split(line):
            case ["kubectl", "create", "secret", "tls", name, *_]:
                yield name, {"tls.crt", "tls.key"}
            case ["kubectl", "create", "secret", "generic", name, *literals]:
                yield name, {re.fullmatch("--from-literal=([^=]+)=.*", literal)[1] for literal in literals}


def without_unknown_fields(schema):
    """As `kubectl` validates by default: a field that the schema does not have is refused."""
    if isinstance(schema, list):
        return [without_unknown_fields(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    stricter = {key: without_unknown_fields(value) for key, value in schema.items()}
    return stricter | (
        {"additionalProperties": False} if stricter.get("type") == "object" and "properties" in stricter else {}
    )


def test_every_object_is_one_and_goes_into_any_namespace():
    assert sorted(FILES) == ["job.yaml", "plan.yaml", "results.yaml", "settings.yaml"]
    assert len(OBJECTS) == sum(map(len, FILES.values()))
    versions = {"DaskJob": "kubernetes.dask.org/v1"}
    for (kind, name), one in OBJECTS.items():
        assert one["apiVersion"] == versions.get(kind, "v1")
        assert re.fullmatch("[a-z0-9-]+", name)
        assert set(one["metadata"]) == {"name"}


def test_the_job_is_what_the_operator_takes():
    schema = yaml.safe_load((Path(__file__).parent / "daskjob_schema.yaml").read_text("utf-8"))
    jsonschema.Draft202012Validator(without_unknown_fields(schema)).validate(JOB["spec"])


def test_the_service_leads_to_the_scheduler():
    service = CLUSTER["scheduler"]["service"]
    name = JOB["metadata"]["name"]  # the operator calls the cluster like the job, and this service {cluster}-scheduler
    assert service["selector"] == {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    ports = {port["name"]: port["containerPort"] for port in CONTAINERS["scheduler/scheduler"]["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    assert f"tls://{name}-scheduler:{ports['tcp-comm']}" == SCHEDULER


def test_a_run_is_not_run_again_whatever_it_exits_with():
    assert PODS["runner"]["restartPolicy"] == "Never"


def test_all_pods_have_one_image_and_the_dockerfile_makes_it():
    assert {container["image"] for container in CONTAINERS.values()} == {"coval-load:latest"}
    assert any(line.startswith("docker build -t coval-load:latest examples/kubernetes") for line in SHELL)
    dockerfile = (EXAMPLE / "Dockerfile").read_text("utf-8")
    assert re.search(r"^FROM python:3\.11-slim$", dockerfile, re.M)
    assert re.search(r"^RUN pip install \S+ coval-load ", dockerfile, re.M)
    assert "ENTRYPOINT" not in dockerfile  # `args` in the manifests are whole commands
    (user,) = re.findall(r"^USER (\d+)$", dockerfile, re.M)
    assert {pod["securityContext"]["runAsUser"] for pod in PODS.values()} == {int(user)}


def test_dask_knows_every_setting():
    settings = OBJECTS["ConfigMap", "coval-load-dask"]["data"]
    assert all(isinstance(value, str) for value in settings.values())
    known = yaml.safe_load(Path(distributed.__file__).with_name("distributed.yaml").read_text("utf-8"))
    there = keys_of(known)
    read = dask.config.update(known, dask.config.collect_env(settings))["distributed"]
    assert keys_of(known) == there
    assert read["comm"]["require-encryption"] is True
    assert read["worker"]["profile"]["enabled"] is False
    assert read["admin"]["low-level-log-length"] == 10
    assert read["scheduler"]["worker-ttl"] == "30s"
    tls = read["comm"]["tls"]
    assert tls["ca-file"] == "/tls/tls.crt"
    for role in ("scheduler", "worker", "client"):
        assert tls[role] == {"cert": "/tls/tls.crt", "key": "/tls/tls.key"}


@pytest.mark.parametrize("pod", ["runner", "scheduler", "worker"])
def test_each_pod_of_the_cluster_has_settings_and_certificate(pod):
    for container in PODS[pod]["containers"] + PODS[pod].get("initContainers", []):
        assert container["envFrom"] == [{"configMapRef": {"name": "coval-load-dask"}}]
        assert {"name": "tls", "mountPath": "/tls", "readOnly": True} in container["volumeMounts"]
    (tls,) = (volume for volume in PODS[pod]["volumes"] if volume["name"] == "tls")
    assert tls["secret"] == {"secretName": "coval-load-tls", "defaultMode": 0o440}


def test_what_is_referred_to_is_there():
    keys = dict(secrets())
    for pod in PODS.values():
        for volume in pod["volumes"]:
            match volume:
                case {"secret": {"secretName": name}}:
                    assert name in keys
                case {"configMap": {"name": name}}:
                    assert ("ConfigMap", name) in OBJECTS
                case {"persistentVolumeClaim": {"claimName": name}}:
                    assert ("PersistentVolumeClaim", name) in OBJECTS
                case _:
                    pytest.fail(f"a volume of another kind: {volume}")
        for container in pod["containers"] + pod.get("initContainers", []):
            assert {mount["name"] for mount in container["volumeMounts"]} <= {
                volume["name"] for volume in pod["volumes"]
            }
            for variable in container.get("env", []):
                wanted = variable["valueFrom"]["secretKeyRef"]
                assert wanted["key"] in keys[wanted["name"]]


def test_the_token_is_in_the_pod_of_the_run_alone():
    assert [name for name, container in CONTAINERS.items() if container.get("env")] == ["runner/run"]
    assert [variable["name"] for variable in CONTAINERS["runner/run"]["env"]] == ["AGENT_TOKEN"]


@pytest.fixture
def plan(tmp_path):
    """The files of the config map, as they are mounted."""
    for name, text in OBJECTS["ConfigMap", "coval-load-plan"]["data"].items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / "plan.yaml"


def test_the_plan_has_no_faults(plan, monkeypatch):
    monkeypatch.setenv("AGENT_TOKEN", "sesame")
    done = CliRunner().invoke(cli, ["check", str(plan), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "no faults: Support line" in done.stderr or "no faults: agent" in done.stderr
    assert "sesame" not in done.output
    assert yaml.safe_load(plan.read_text())["workers"] == {"when_lost": "take_over"}


def test_the_plan_needs_the_token(plan, monkeypatch):
    monkeypatch.delenv("AGENT_TOKEN", raising=False)
    done = CliRunner().invoke(cli, ["check", str(plan)], catch_exceptions=False)
    assert done.exit_code == 2
    assert "AGENT_TOKEN" in done.output


def test_a_kill_leaves_the_run_its_grace(plan):
    grace = yaml.safe_load(plan.read_text())["timeouts"]["grace"]
    assert PODS["runner"]["terminationGracePeriodSeconds"] > int(grace.removesuffix("s")) + 30


def test_the_run_is_a_command_of_ours(plan):
    name, command, mounted, *options = as_shown("runner/run")
    assert (name, command) == ("coval-load", "run")
    mounts = {mount["mountPath"]: mount for mount in CONTAINERS["runner/run"]["volumeMounts"]}
    assert Path(mounted).name in OBJECTS["ConfigMap", "coval-load-plan"]["data"]
    assert mounts[str(Path(mounted).parent)]["name"] == "plan"
    assert mounts[CONTAINERS["runner/run"]["workingDir"]]["name"] == "results"
    read = options_of(cli.get_command(cli.make_context("coval-load", ["run"]), "run"), [str(plan), *options])
    assert read["cluster"] == SCHEDULER
    assert not read["cluster_plaintext"]


def test_scheduler_and_workers_are_commands_of_dask():
    name, command, *words = as_shown("scheduler/scheduler")
    assert (name, command) == ("dask", "scheduler")
    read = options_of(dask_scheduler.main, words)
    assert (read["protocol"], read["dashboard"]) == ("tls", False)
    name, command, *words = as_shown("worker/worker")
    assert (name, command) == ("dask", "worker")
    read = options_of(dask_worker.main, words)
    assert (read["scheduler"], read["nthreads"], read["nanny"]) == (SCHEDULER, 1, False)
    assert (read["memory_limit"], read["name"]) == ("0", "$(DASK_WORKER_NAME)")  # which the operator sets


def test_a_worker_has_one_core_and_no_limit_of_it():
    resources = CONTAINERS["worker/worker"]["resources"]
    assert resources == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_the_run_begins_when_all_workers_are_there():
    python, option, script = as_shown("runner/wait-for-workers")
    assert (python, option) == ("python", "-c")
    compile(script, "wait", "exec")
    assert f'Client("{SCHEDULER}"' in script
    assert f"wait_for_workers({CLUSTER['worker']['replicas']}," in script


def test_the_commands_of_the_page_name_what_is_there():
    named = {kind: re.findall(rf"\b{kind}[/ ]([a-z-]+)", "\n".join(SHELL)) for kind in ("daskjob", "pod", "logs -f")}
    assert set(named["daskjob"]) == {"coval-load"}
    assert set(named["pod"]) == {"coval-load-runner", "coval-load-results"}  # the operator's is {job}-runner
    assert named["logs -f"] == ["coval-load-runner"]
    files = re.findall(r"-f (\S+\.yaml)", "\n".join(SHELL))
    assert {Path(file).name for file in files} == set(FILES)
    assert all((ROOT / file).exists() for file in files)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (EXAMPLE / target).exists(), target


def test_the_page_tells_of_every_file():
    for path in EXAMPLE.iterdir():
        assert path.name == "README.md" or f"| `{path.name}` |" in README
