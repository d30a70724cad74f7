"""A planner service as the planner of a training run: its jobs, rounds and barrier."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from greenplan import _protocol, profile_json
from greenplan._plan_options import naming_options
from greenplan._service import Service
from greenplan.errors import Error, RoundTakenError
from greenplan.plan import Plan
from greenplan.profile import Profile


class RemotePlanner:
    """One training job at a planner service. Thread-safe.

    Attributes:
        job: Its id.
        created_with: The JSON of the PlanOptions that it was created with.
        profile_digest: SHA-256 of the profile, in hexadecimal.
    """

    def __init__(
        self,
        service: Service,
        profile: Profile,
        options: Mapping[str, Any],
        *,
        job: str = "",
        world_size: int = 1,
        rank: int = 0,
        created_with: Mapping[str, Any] | None = None,
    ) -> None:
        """Creates the job, or joins it if it is there with the same content.

        Args:
            service: Where to plan.
            profile: Of the job; every rank gives the same.
            options: The JSON of a PlanOptions.
            job: The job's id, 1 to 128 characters of A-Z, a-z, 0-9, ``.``, ``_`` and ``-``; by default a new one.
            world_size: How many ranks report in each round.
            rank: Which of them this is.
            created_with: The options that the job was created with, if it is there and has other ones by now.

        Raises:
            Error: ALREADY_EXISTS if the id is taken by a job of other content; what the service answers otherwise.
        """
        self._service = service
        self._profile = profile
        self._rank = rank
        self.job = job or f"python-{uuid.uuid4().hex}"
        self.created_with = dict(options if created_with is None else created_with)
        content = {
            "name": f"jobs/{self.job}",
            "profile": profile_json.to_json(profile.data),
            "options": self.created_with,
            "world_size": world_size,
        }
        answer = self._call("CreateJob", "CreateJobRequest", {"job": content}, "Job")
        self.profile_digest: str = answer.profile_digest
        # None: not known, as somebody has updated the job.
        self._options: dict[str, Any] | None = self.created_with if answer.profile_revision == 1 else None
        self.set_options(options)

    def plan(self, round_number: int, report: Mapping[str, Any] | None) -> Plan:
        """Reports this rank's measurements and waits for the plan that all ranks of the round get.

        Args:
            round_number: 0, 1, 2, ... The same round with the same report gets the same plan again.
            report: The JSON of an ImportanceReport, whose round, rank and profile_digest are filled in.

        Raises:
            RoundTakenError: ALREADY_EXISTS; this rank has sent another report for the round.
            Error: UNAVAILABLE if the planner is away; FAILED_PRECONDITION if the round before has no plan; what the
                service answers otherwise.
        """
        filled = dict(report or {}) | {"round": str(round_number), "rank": self._rank}
        filled["profile_digest"] = self.profile_digest
        request = {"job": f"jobs/{self.job}", "report": filled}
        try:
            answer = self._call("PlanRound", "PlanRoundRequest", request, "Plan")
        except Error as error:
            if error.code == "ALREADY_EXISTS":
                raise RoundTakenError(str(error), code=error.code) from None
            raise
        return plan_of_message(answer, self._profile)

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Plans the rounds that have not begun with other options. If they are the same, nothing changes.

        Args:
            options: The JSON of a PlanOptions.

        Raises:
            Error: What the service answers.
        """
        if dict(options) == self._options:
            return
        content = {"job": {"name": f"jobs/{self.job}", "options": dict(options)}}
        self._call("UpdateJob", "UpdateJobRequest", content, "Job")
        self._options = dict(options)

    def _call(self, method: str, request: str, content: dict[str, Any], response: str) -> Any:
        from google.protobuf import json_format

        message = json_format.ParseDict(content, _protocol.message(f"greenplan.v1.{request}")())
        try:
            return self._service.call(method, message, f"greenplan.v1.{response}")
        except Error as error:
            raise naming_options(error) from None


def plan_of_message(message: Any, profile: Profile) -> Plan:
    """Reads a v1.Plan: names in place of bits and indices."""
    tensors, blocks = profile.names, profile.blocks
    bits = message.trainable
    trainable = tuple(name for k, name in enumerate(tensors) if bits[k // 8] >> (k % 8) & 1)

    def label(field: str, prefix: str) -> str:
        values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
        return str(values[getattr(message, field)].name).removeprefix(prefix)

    names = (
        "message predicted_cost predicted_backward_cost budget full_cost value upper_bound saved_bytes seed "
        "profile_revision profile_digest digest"
    )
    return Plan(
        method=label("method", "METHOD_").lower(),
        algorithm=label("algorithm", "ALGORITHM_").lower(),
        status=label("status", "PLAN_STATUS_"),
        trainable=trainable,
        drop_rates=dict(zip(blocks, message.drop_rates, strict=False)),
        profile=profile,
        **{name: getattr(message, name) for name in names.split()},
    )
