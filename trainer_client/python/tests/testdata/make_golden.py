"""Writes the profiles that the C++ profiler reads off its own LLaMA and OPT, for test_golden.py.

Use, from the repository's root, with grpcio-tools and numpy beside this package's requirements:

    ./dev build //trainer_client/finetune:greenplan-finetune //planner/daemon:greenpland
    python trainer_client/python/tests/testdata/make_golden.py bazel-bin

greenplan-finetune sends the profile of its first batch to a daemon; what the daemon then tells of the job is written
here, one *.json for each entry of golden_models.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import numpy
from google.protobuf.json_format import MessageToDict
from grpc_tools import protoc

HERE = Path(__file__).parent
PROTO = HERE.parents[3] / "proto"


def compile_protos(folder: Path) -> None:
    """Makes the Python modules of the service in ``folder`` and puts it on the path."""
    files = [str(path) for path in (PROTO / "greenplan/v1").glob("*.proto")]
    if (
        protoc.main(
            [
                "protoc",
                f"-I{PROTO}",
                f"-I{Path(protoc.__file__).parent / '_proto'}",
                f"--python_out={folder}",
                f"--grpc_python_out={folder}",
                *files,
            ]
        )
        != 0
    ):
        raise SystemExit("protoc failed")
    sys.path.insert(0, str(folder))


def start_daemon(binaries: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    port_file = folder / "port"
    daemon = subprocess.Popen(
        [binaries / "planner/daemon/greenpland", "--listen", "127.0.0.1:0", "--port-file", port_file]
    )
    while not port_file.exists() or not port_file.read_text().strip():
        if daemon.poll() is not None:
            raise SystemExit("greenpland ended")
        time.sleep(0.05)
    return daemon, f"127.0.0.1:{port_file.read_text().strip()}"


def profile_of(entry: dict[str, object], name: str, binaries: Path, address: str, folder: Path) -> dict[str, object]:
    from greenplan.v1 import planner_service_pb2, planner_service_pb2_grpc  # type: ignore[import-not-found]

    config = folder / f"{name}.json"
    config.write_text(json.dumps(entry["config"]))
    tokens = folder / "tokens.npy"
    numpy.save(tokens, numpy.arange(1000, dtype=numpy.int32) % 90 + 3)
    subprocess.run(
        [binaries / "trainer_client/finetune/greenplan-finetune", "--model-config", config, "--train", tokens]
        + ["--batch-size", str(entry["batch_size"]), "--seq-len", str(entry["seq_len"])]
        + ["--attention", str(entry["attention"]), "--epochs", "1", "--budget", "0.9"]
        + ["--planner", address, "--job", name],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with grpc.insecure_channel(address) as channel:
        request = planner_service_pb2.GetJobRequest(name=f"jobs/{name}")
        job = planner_service_pb2_grpc.PlannerServiceStub(channel).GetJob(request)
    return MessageToDict(job.profile, preserving_proto_field_name=True)


def main() -> None:
    binaries = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        compile_protos(folder)
        daemon, address = start_daemon(binaries, folder)
        try:
            for name, entry in json.loads((HERE / "golden_models.json").read_text()).items():
                profile = profile_of(entry, name, binaries, address, folder)
                (HERE / f"{name}.json").write_text(json.dumps(profile, indent=1) + "\n")
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
