"""Renders the Helm chart with values of every kind, and checks what comes out without a cluster.

usage: chart_test.py HELM GREENPLAND CHART
"""

import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import yaml

import manifests

HELM, GREENPLAND, CHART = sys.argv[1:4]

SQLITE = {"tls.existingSecret": "planner-tls"}
POSTGRESQL = {"store.kind": "postgresql", "store.postgresql.existingSecret": "planner-database"}
EVERYTHING = {
    "tls.clientCertificates": "true",
    "tokens.existingSecret": "planner-tokens",
    "networkPolicy.enabled": "true",
    "serviceMonitor.enabled": "true",
    "serviceMonitor.labels.release": "prometheus",
    "prometheusRule.enabled": "true",
    "dashboard.enabled": "true",
    "podAnnotations.note": "x",
    "serviceAccount.annotations.note": "x",
    "nodeSelector.disk": "ssd",
    "imagePullSecrets[0].name": "registry",
    "store.sqlite.storageClassName": "fast",
    "extraArgs[0]": "--log-level=debug",
    "fullnameOverride": "planner",
}
CASES = {
    "sqlite": SQLITE,
    "sqlite, in clear text": {"insecure": "true"},
    "sqlite, everything": SQLITE | EVERYTHING,
    "postgresql": SQLITE | POSTGRESQL,
    "postgresql, scaled": SQLITE | POSTGRESQL | {"autoscaling.enabled": "true"},
    "postgresql, everything": SQLITE | POSTGRESQL | EVERYTHING | {"autoscaling.enabled": "true"},
}
REFUSED = {
    "tls.existingSecret is missing": {},
    "store.postgresql.existingSecret is missing": SQLITE | {"store.kind": "postgresql"},
    "tls.clientCertificates is true without tls.existingSecret": {"insecure": "true", "tls.clientCertificates": "true"},
    "autoscaling.enabled is true with store.kind sqlite": SQLITE | {"autoscaling.enabled": "true"},
    "autoscaling.minReplicas is above": SQLITE
    | POSTGRESQL
    | {"autoscaling.enabled": "true", "autoscaling.minReplicas": "20"},
    "store": SQLITE | {"store.kind": "mysql"},  # The schema's words are helm's.
    "replica": SQLITE | {"replica": "3"},
    "quorumTimeout": SQLITE | {"quorumTimeout": "60"},
}


def run_helm(*arguments, values):
    settings = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [HELM, *arguments, *settings], capture_output=True, text=True, env={"HOME": home, "PATH": os.environ["PATH"]}
        )


def render(values):
    """Returns the manifests."""
    result = run_helm("template", "release", CHART, values=values)
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def workload_of(rendered):
    return next(manifest for manifest in rendered if manifest["apiVersion"] == "apps/v1")


def make_certificate(folder):
    folder.mkdir(parents=True)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", folder / "tls.key", "-out", folder / "tls.crt", "-days", "2", "-subj", "/CN=planner"]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())


class ChartTest(unittest.TestCase):
    def test_passes_helms_lint(self):
        result = run_helm("lint", "--strict", CHART, values=SQLITE)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_what_it_renders_fits_together(self):
        for name, values in CASES.items():
            with self.subTest(name):
                self.assertEqual(manifests.find_problems(render(values)), [])

    def test_a_mistake_in_a_manifest_would_be_found(self):
        rendered = render(CASES["postgresql, everything"])
        spoiled = [
            (lambda w: w["spec"]["template"]["metadata"]["labels"].clear(), "selects"),
            (lambda w: w["spec"]["template"]["spec"].update(volumes=[]), "volumes"),
            (lambda w: w["spec"]["template"]["spec"]["containers"][0].update(arg=["x"]), "arg is no field"),
            (lambda w: w["spec"]["template"]["spec"]["containers"][0]["ports"].pop(), "is no port of the pod"),
            (lambda w: w["spec"].update(replicas="3"), "replicas is '3'; allowed: an integer"),
        ]
        for spoil, message in spoiled:
            with self.subTest(message):
                copied = copy.deepcopy(rendered)
                spoil(workload_of(copied))
                self.assertIn(message, "\n".join(manifests.find_problems(copied)))

    def test_the_daemon_takes_its_flags(self):
        for name, values in CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                root = pathlib.Path(folder)
                make_certificate(root / "etc/greenplan/tls")
                (root / "etc/greenplan/tokens").mkdir()
                sha256 = "0" * 64
                tokens = f'[[token]]\ntenant = "a"\nrole = "admin"\nsha256 = "{sha256}"\n'
                (root / "etc/greenplan/tokens/tokens.toml").write_text(tokens)
                container = workload_of(render(values))["spec"]["template"]["spec"]["containers"][0]
                arguments = [a.replace("=/", f"={folder}/") for a in container["args"]]
                environment = {"GREENPLAN_STORE": "postgresql://u:p@db:5432/g"} if container.get("env") else {}
                result = subprocess.run(
                    [GREENPLAND, *arguments, "--check-config"], capture_output=True, text=True, env=environment
                )
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_values_that_do_not_go_together_are_refused(self):
        for message, values in REFUSED.items():
            with self.subTest(message):
                result = run_helm("template", "release", CHART, values=values)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(message, result.stderr)

    def test_rules_and_dashboard_are_the_files(self):
        rendered = {m["kind"]: m for m in render(CASES["sqlite, everything"])}
        files = pathlib.Path(CHART) / "files"
        self.assertEqual(rendered["PrometheusRule"]["spec"], yaml.safe_load((files / "alerts.yml").read_text()))
        dashboard = json.loads(rendered["ConfigMap"]["data"]["greenplan.json"])
        self.assertEqual(dashboard, json.loads((files / "dashboard.json").read_text()))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
