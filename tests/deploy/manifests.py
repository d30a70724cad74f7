"""Kubernetes manifests, checked without a cluster: fields, names and what refers to what.

The schema below is the part of Kubernetes' API that the chart uses. A field that it lacks is reported, so a new one has
to be added here, by the API's reference, together with its use.
"""

STRING, INTEGER, BOOLEAN, ANY = "a string", "an integer", "true or false", "anything"
STRINGS = {"*": STRING}

META = {"name": STRING, "labels": STRINGS, "annotations": STRINGS}
SELECTOR = {"matchLabels": STRINGS}
PROBE = {
    "httpGet": {"path": STRING, "port": ANY},
    "periodSeconds": INTEGER,
    "timeoutSeconds": INTEGER,
    "failureThreshold": INTEGER,
}
CONTAINER = {
    "name": STRING,
    "image": STRING,
    "imagePullPolicy": STRING,
    "args": [STRING],
    "env": [{"name": STRING, "valueFrom": {"secretKeyRef": {"name": STRING, "key": STRING}}}],
    "ports": [{"name": STRING, "containerPort": INTEGER}],
    "startupProbe": PROBE,
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "securityContext": {
        "allowPrivilegeEscalation": BOOLEAN,
        "readOnlyRootFilesystem": BOOLEAN,
        "capabilities": {"drop": [STRING]},
    },
    "resources": {"requests": STRINGS, "limits": STRINGS},
    "volumeMounts": [{"name": STRING, "mountPath": STRING, "readOnly": BOOLEAN}],
}
POD = {
    "metadata": {"labels": STRINGS, "annotations": STRINGS},
    "spec": {
        "serviceAccountName": STRING,
        "automountServiceAccountToken": BOOLEAN,
        "terminationGracePeriodSeconds": INTEGER,
        "imagePullSecrets": [{"name": STRING}],
        "securityContext": {
            "runAsNonRoot": BOOLEAN,
            "runAsUser": INTEGER,
            "runAsGroup": INTEGER,
            "fsGroup": INTEGER,
            "fsGroupChangePolicy": STRING,
            "seccompProfile": {"type": STRING},
        },
        "containers": [CONTAINER],
        "volumes": [{"name": STRING, "emptyDir": {}, "secret": {"secretName": STRING, "defaultMode": INTEGER}}],
        "topologySpreadConstraints": [
            {"maxSkew": INTEGER, "topologyKey": STRING, "whenUnsatisfiable": STRING, "labelSelector": SELECTOR}
        ],
        "nodeSelector": STRINGS,
        "tolerations": ANY,
        "affinity": ANY,
    },
}
CLAIM = {
    "metadata": {"name": STRING},
    "spec": {"accessModes": [STRING], "storageClassName": STRING, "resources": {"requests": STRINGS}},
}
PEERS = [{"podSelector": SELECTOR, "namespaceSelector": SELECTOR}]
SPECS = {
    "apps/v1 StatefulSet": {
        "spec": {
            "selector": SELECTOR,
            "serviceName": STRING,
            "replicas": INTEGER,
            "volumeClaimTemplates": [CLAIM],
            "template": POD,
        }
    },
    "apps/v1 Deployment": {
        "spec": {
            "selector": SELECTOR,
            "replicas": INTEGER,
            "strategy": {"rollingUpdate": {"maxSurge": INTEGER, "maxUnavailable": INTEGER}},
            "template": POD,
        }
    },
    "v1 Service": {
        "spec": {
            "clusterIP": STRING,
            "selector": STRINGS,
            "ports": [{"name": STRING, "port": INTEGER, "targetPort": ANY}],
        }
    },
    "v1 ServiceAccount": {"automountServiceAccountToken": BOOLEAN},
    "v1 ConfigMap": {"data": STRINGS},
    "policy/v1 PodDisruptionBudget": {"spec": {"maxUnavailable": INTEGER, "selector": SELECTOR}},
    "autoscaling/v2 HorizontalPodAutoscaler": {
        "spec": {
            "scaleTargetRef": {"apiVersion": STRING, "kind": STRING, "name": STRING},
            "minReplicas": INTEGER,
            "maxReplicas": INTEGER,
            "metrics": [
                {
                    "type": STRING,
                    "resource": {"name": STRING, "target": {"type": STRING, "averageUtilization": INTEGER}},
                }
            ],
        }
    },
    "networking.k8s.io/v1 NetworkPolicy": {
        "spec": {
            "podSelector": SELECTOR,
            "policyTypes": [STRING],
            "ingress": [{"from": PEERS, "ports": [{"port": ANY}]}],
        }
    },
    "monitoring.coreos.com/v1 ServiceMonitor": {
        "spec": {"selector": SELECTOR, "endpoints": [{"port": STRING, "path": STRING, "interval": STRING}]}
    },
    "monitoring.coreos.com/v1 PrometheusRule": {"spec": {"groups": ANY}},
}


def check_schema(value, schema, path):
    """Returns what in `value` is not as `schema` says, each with its path."""
    if schema is ANY:
        return []
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{path} is {value!r}; allowed: an object"]
        problems = []
        for key, item in value.items():
            known = schema.get(key, schema.get("*"))
            if known is None:
                problems.append(f"{path}.{key} is no field")
            else:
                problems += check_schema(item, known, f"{path}.{key}")
        return problems
    if isinstance(schema, list):
        if not isinstance(value, list) or not value:
            return [f"{path} is {value!r}; allowed: a list with elements"]
        return [p for i, item in enumerate(value) for p in check_schema(item, schema[0], f"{path}[{i}]")]
    is_right = {
        STRING: isinstance(value, str) and value != "",
        INTEGER: isinstance(value, int) and not isinstance(value, bool),
        BOOLEAN: isinstance(value, bool),
    }[schema]
    return [] if is_right else [f"{path} is {value!r}; allowed: {schema}"]


def selects(selector, labels):
    """Whether `selector`, which has labels, matches an object that has `labels`."""
    return bool(selector) and selector.items() <= labels.items()


def find_problems(manifests):
    """Returns what is wrong with the manifests of one planner, as lines."""
    problems = []
    by_kind = {}
    for manifest in manifests:
        kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
        name = manifest.get("metadata", {}).get("name", "")
        place = f"{manifest.get('kind')} {name}"
        if kind not in SPECS:
            problems.append(f"{place} is {kind}; allowed: {', '.join(SPECS)}")
            continue
        if kind in by_kind:
            problems.append(f"there are two of {kind}")
        by_kind[kind] = manifest
        if not 0 < len(name) <= 63:
            problems.append(f"{place} has a name of {len(name)} characters; allowed: 1 to 63")
        schema = {"apiVersion": STRING, "kind": STRING, "metadata": META, **SPECS[kind]}
        problems += check_schema(manifest, schema, place)
    return problems + find_broken_references(by_kind)


def find_broken_references(by_kind):
    """Returns what refers to something that is not there."""
    problems = []
    workloads = [m for kind, m in by_kind.items() if kind.startswith("apps/v1 ")]
    if len(workloads) != 1:
        return [f"there are {len(workloads)} workloads; allowed: one"]
    workload = workloads[0]
    spec, pod = workload["spec"], workload["spec"]["template"]["spec"]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    container = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    def require(condition, what):
        if not condition:
            problems.append(what)

    def get(kind):
        return by_kind.get(kind, {"spec": {}, "metadata": {}})

    service = by_kind["v1 Service"]
    for place, selector in {
        "the workload": spec["selector"]["matchLabels"],
        "the Service": service["spec"]["selector"],
        "spreading": pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        "the PodDisruptionBudget": get("policy/v1 PodDisruptionBudget")["spec"].get("selector", {}).get("matchLabels"),
        "the NetworkPolicy": get("networking.k8s.io/v1 NetworkPolicy")["spec"]
        .get("podSelector", {})
        .get("matchLabels"),
    }.items():
        require(selector is None or selects(selector, labels), f"{place} selects {selector}; the pods have {labels}")

    for port in service["spec"]["ports"]:
        require(port["targetPort"] in ports, f"the Service's targetPort {port['targetPort']} is no port of the pod")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container[name]["httpGet"]
        require(ports.get(probe["port"]) == 7438, f"{name} asks port {probe['port']}; allowed: the HTTP port")
        require(probe["path"] in ("/livez", "/readyz"), f"{name} asks {probe['path']}; allowed: /livez, /readyz")
    for rule in get("networking.k8s.io/v1 NetworkPolicy")["spec"].get("ingress", []):
        for port in rule["ports"]:
            require(port["port"] in ports, f"the NetworkPolicy opens {port['port']}, which is no port of the pod")
    monitor = by_kind.get("monitoring.coreos.com/v1 ServiceMonitor")
    if monitor:
        selector = monitor["spec"]["selector"]["matchLabels"]
        require(selects(selector, service["metadata"]["labels"]), f"the ServiceMonitor selects {selector}")
        names = [port["name"] for port in service["spec"]["ports"]]
        require(monitor["spec"]["endpoints"][0]["port"] in names, "the ServiceMonitor reads no port of the Service")

    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    require(volumes == mounts, f"the volumes are {sorted(volumes)}; mounted are {sorted(mounts)}")
    account = by_kind["v1 ServiceAccount"]["metadata"]["name"]
    require(pod["serviceAccountName"] == account, f"the pod's service account is not {account}")
    if workload["kind"] == "StatefulSet":
        require(spec["serviceName"] == service["metadata"]["name"], "serviceName is not the Service's")
        require(spec["replicas"] == 1, "a database of one process has several replicas")
    scaler = by_kind.get("autoscaling/v2 HorizontalPodAutoscaler")
    if scaler:
        target = scaler["spec"]["scaleTargetRef"]
        require(
            (target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"]),
            f"the autoscaler scales {target}",
        )
        require("replicas" not in spec, "the workload sets replicas, which its autoscaler does too")
    return problems
