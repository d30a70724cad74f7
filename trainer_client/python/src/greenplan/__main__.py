"""``python -m greenplan``: the command line's commands in this process, and ``tokenize``."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from greenplan import __version__, profile_json
from greenplan._output import csv_text, table_text
from greenplan._plan_options import BUDGET_OF, METHODS
from greenplan.curve import curve
from greenplan.errors import ArgumentError, Error
from greenplan.explain import explain
from greenplan.plan import Plan, plan
from greenplan.profile import Profile

_USAGE_ERRORS = ("INVALID_ARGUMENT", "FAILED_PRECONDITION")


class _Parser(argparse.ArgumentParser):
    """Refuses bad usage in one line, and flags that are only the beginning of one."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")

    def refuse(self, argument: str) -> NoReturn:
        """Refuses an argument that the command does not take, and names the flag that comes near it."""
        near = difflib.get_close_matches(argument.split("=")[0], list(self._option_string_actions), n=1)
        hint = f' (did you mean "{near[0]}"?)' if near and argument.startswith("-") else ""
        self.error(f"{argument} is no flag of this command; allowed: what --help says{hint}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; the process's by default.

    Returns:
        The exit code: 0, 2 for bad usage or input, 1 for anything else. A failure writes one line to stderr.
    """
    try:
        parsed, unknown = _parser().parse_known_args(arguments)
        if unknown:
            parsed.parser.refuse(unknown[0])
    except SystemExit as exit_:
        return int(exit_.code or 0)
    run: Callable[[argparse.Namespace], str] = parsed.run
    try:
        text = run(parsed)
    except (Error, OSError, ImportError) as error:
        message = _with_flag(error, parsed) if isinstance(error, Error) else str(error)
        print(f"greenplan {parsed.command}: {message}", file=sys.stderr)
        is_usage = isinstance(error, OSError) or getattr(error, "code", "") in _USAGE_ERRORS
        return 2 if is_usage else 1
    sys.stdout.write(text)
    return 0


def _with_flag(error: Error, parsed: argparse.Namespace) -> str:
    """The message with the flag in front in place of the option's name."""
    message = " ".join(str(error).split())
    found = re.match(r"\w+(?=[ :\[])", message)
    name = found.group() if found else ""
    flag = name
    if error.field == name == "path":  # Of a profile.
        flag = "output" if parsed.command == "profile" else "profile"
    return f"--{flag.replace('_', '-')}{message[len(name) :]}" if hasattr(parsed, flag) else message


def _parser() -> _Parser:
    parser = _Parser(prog="greenplan", description="Plans which parts of a model to train within a budget.")
    parser.add_argument("--version", action="version", version=f"greenplan {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    _add_profile(commands)
    _add_plan(commands)
    _add_whatif(commands)
    _add_explain(commands)
    _add_tokenize(commands)
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], str], text: str, example: str) -> _Parser:
    command: _Parser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: python -m greenplan {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run, parser=command)
    return command


def _add_format(command: _Parser) -> None:
    command.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")
    command.add_argument(
        "--quiet", action="store_true", help="accepted as by greenplan; nothing is printed beside results"
    )


def _add_inputs(command: _Parser, has_budget: bool = True) -> None:
    command.add_argument("--profile", required=True, help="the model's profile (.json, .json.gz)")
    command.add_argument(
        "--importance", help="what training each tensor is worth (an ImportanceReport); methods full and drop need none"
    )
    if has_budget:
        command.add_argument("--budget", help='a share in (0, 1], a cost with --budget-of absolute, or "auto"')
        command.add_argument(
            "--mean-drop-rate", type=float, help="method drop: the share of the blocks' cost to skip, in [0, 1)"
        )
        command.add_argument("--keep-plan", help="JSON file of the plan in force; see --churn-threshold")
    command.add_argument(
        "--budget-of",
        choices=BUDGET_OF,
        default="full",
        help="what the budget is a share of; full (the default) is forward and backward",
    )
    command.add_argument("--method", choices=METHODS, default="selection", help="what to plan; default: selection")
    command.add_argument(
        "--algorithm",
        choices=("exact", "downscaled"),
        help="exact (the default), or the dynamic program over cost steps",
    )
    command.add_argument("--resolution", type=int, help="cost steps of --algorithm downscaled; default: 1000")
    command.add_argument(
        "--allocation",
        choices=("sensitivity", "uniform"),
        help="whether each block has a drop rate of its own (the default), or all have the same",
    )
    command.add_argument(
        "--drop-objective", choices=("quadratic", "linear"), help="what drop rates minimise; default: quadratic"
    )
    command.add_argument("--min-drop-rate", type=float, help="lowest drop rate of a block; default: 0")
    command.add_argument("--max-drop-rate", type=float, help="highest drop rate of a block; default: 1")
    command.add_argument(
        "--drop-rate-bounds",
        nargs="+",
        action="extend",
        metavar="BLOCK=MIN:MAX",
        help="bounds on the drop rates of single blocks, in place of the two above",
    )
    command.add_argument(
        "--mu", type=float, help="method joint: weight of the harm of dropping against importance; default: 0"
    )
    command.add_argument("--max-saved-bytes", type=int, help="limit on activations kept for backward, in bytes")
    command.add_argument(
        "--always", nargs="+", action="extend", metavar="TENSOR", help="tensors that train in every plan"
    )
    command.add_argument("--never", nargs="+", action="extend", metavar="TENSOR", help="tensors that train in no plan")
    command.add_argument(
        "--churn-threshold",
        type=float,
        help="keep the plan in force unless the new one is better by this share; default: 0",
    )
    command.add_argument("--time-limit", help="plan at most this long: seconds, or a duration such as 250ms")
    command.add_argument("--seed", type=int, help="seed of the draws of dropped blocks; default: 0")
    _add_format(command)


_OPTIONS = (
    "mean_drop_rate algorithm allocation drop_objective min_drop_rate max_drop_rate mu churn_threshold time_limit "
    "resolution max_saved_bytes seed always never"
).split()


def _options(parsed: argparse.Namespace) -> dict[str, Any]:
    options = {name: getattr(parsed, name, None) for name in _OPTIONS}
    if parsed.drop_rate_bounds:
        options["drop_rate_bounds"] = dict(_bounds(text) for text in parsed.drop_rate_bounds)
    return options


def _bounds(text: str) -> tuple[str, tuple[float, float]]:
    block, _, rates = text.rpartition("=")
    low, _, high = rates.partition(":")
    try:
        return block, (float(low), float(high))
    except ValueError:
        raise ArgumentError(f"drop_rate_bounds is {text}; allowed: BLOCK=MIN:MAX", field="drop_rate_bounds") from None


def _budget(parsed: argparse.Namespace) -> float | int | str | None:
    text: str | None = parsed.budget
    if text is None:
        if parsed.method != "full" and parsed.mean_drop_rate is None:
            raise ArgumentError("budget is missing; allowed: a number in (0, 1]", field="budget")
        return None
    if text == "auto":
        return text
    try:
        budget = int(text) if text.isdigit() else float(text.replace("_", "no number"))
    except ValueError:
        raise ArgumentError(f'budget is {text}; allowed: a number, or "auto"', field="budget") from None
    if parsed.budget_of != "absolute" and math.isfinite(budget) and not 0 < budget <= 1:
        raise ArgumentError(f"budget is {text}; allowed: a number in (0, 1]", field="budget")
    return budget


def _plan_file(path: str | None, field: str) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        content = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise ArgumentError(f"{field}: {path} is not JSON: {error}", field=field) from None
    if not isinstance(content, dict):
        raise ArgumentError(f"{field}: {path} holds no plan", field=field)
    return content


def _printed(parsed: argparse.Namespace, result: dict[str, Any] | list[dict[str, Any]]) -> str:
    if parsed.format == "json":
        return json.dumps(result, separators=(",", ":"), ensure_ascii=False) + "\n"
    rows = [result] if isinstance(result, dict) else result
    if parsed.format == "csv":
        return csv_text(rows)
    return table_text(result)


def _add_profile(commands: Any) -> None:
    command = _command(
        commands,
        "profile",
        _run_profile,
        "Makes the profile of a model from its config.json, without weights.",
        "profile --config config.json --batch-size 8 --seq-len 512 --output model.json",
    )
    command.add_argument("--config", required=True, help="a Hugging Face config.json, or the folder that holds it")
    command.add_argument(
        "--batch-size", type=int, default=1, help="sequences, images or recordings in a step; default: 1"
    )
    command.add_argument("--seq-len", type=int, help="tokens of a sequence; mel frames for Whisper; not for images")
    command.add_argument("--target-len", type=int, help="tokens of the target, for encoder-decoders")
    command.add_argument(
        "--attention",
        choices=("sdpa", "eager"),
        default="sdpa",
        help="fused attention (the default), or separate products",
    )
    command.add_argument(
        "--dtype",
        default="float32",
        help="type of the activations: float32 (the default), bfloat16, float16 or float64",
    )
    command.add_argument(
        "--lora-rank", type=int, default=0, help="adapters of this rank over frozen weights; default: 0, none"
    )
    command.add_argument(
        "--head",
        default="",
        help="what stands on top: causal-lm, masked-lm, classifier or none; default: what the config says",
    )
    command.add_argument("--output", help="file to write (.json, .json.gz); default: stdout")
    _add_format(command)


def _run_profile(parsed: argparse.Namespace) -> str:
    profile = Profile.from_config(
        parsed.config,
        batch_size=parsed.batch_size,
        seq_len=parsed.seq_len,
        target_len=parsed.target_len,
        attention=parsed.attention,
        dtype=parsed.dtype,
        lora_rank=parsed.lora_rank,
        head=parsed.head,
    )
    if not parsed.output:
        return json.dumps(profile_json.to_json(profile.data), indent=1, ensure_ascii=False) + "\n"
    profile.save(parsed.output)
    full = profile.cost(profile.names)
    summary = {"model": profile.model, "output": parsed.output, "tensors": len(profile.names)}
    summary |= {"ops": len(profile.data.ops), "blocks": len(profile.blocks), "forward_cost": profile.forward_cost}
    return _printed(parsed, summary | {"full_backward_cost": full.backward_cost, "saved_bytes": full.saved_bytes})


def _add_plan(commands: Any) -> None:
    command = _command(
        commands,
        "plan",
        _run_plan,
        "Plans what to train within a budget.",
        "plan --profile model.json --importance importance.json --budget 0.5 --format json",
    )
    _add_inputs(command)


def _run_plan(parsed: argparse.Namespace) -> str:
    profile = Profile.load(parsed.profile)
    previous = _plan_file(parsed.keep_plan, "keep_plan")
    made = plan(
        profile,
        parsed.importance,
        _budget(parsed),
        parsed.budget_of,
        parsed.method,
        previous_plan=previous,
        **_options(parsed),
    )
    return _printed(parsed, made.to_json())


def _add_whatif(commands: Any) -> None:
    command = _command(
        commands,
        "whatif",
        _run_whatif,
        "Shows what every budget of a list would buy.",
        "whatif --profile model.json --importance importance.json --budgets 0.4:1:0.1",
    )
    command.add_argument("--budgets", required=True, help="START:END:STEP, or a list separated by commas")
    _add_inputs(command, has_budget=False)


def _run_whatif(parsed: argparse.Namespace) -> str:
    profile = Profile.load(parsed.profile)
    budgets = parsed.budgets.split(",")
    rows = curve(profile, parsed.importance, budgets, parsed.budget_of, parsed.method, **_options(parsed)).rows
    return _printed(parsed, rows)


def _add_explain(commands: Any) -> None:
    command = _command(
        commands,
        "explain",
        _run_explain,
        "Shows for each tensor what it would cost to add or save to leave out, and the budget at which it enters.",
        "explain --profile model.json --importance importance.json --budget 0.5",
    )
    command.add_argument("--plan", help="JSON file of the plan to explain in place of the one that the flags ask for")
    command.add_argument("--budgets", help="where to look for the entry: START:END:STEP, or a list separated by commas")
    _add_inputs(command)


def _run_explain(parsed: argparse.Namespace) -> str:
    given: Plan | dict[str, Any] | None = _plan_file(parsed.plan, "plan")
    rows = explain(
        Profile.load(parsed.profile),
        parsed.importance,
        None if given else _budget(parsed),
        parsed.budget_of,
        parsed.method,
        plan=given,
        previous_plan=_plan_file(parsed.keep_plan, "keep_plan"),
        budgets=parsed.budgets.split(",") if parsed.budgets else None,
        **_options(parsed),
    )
    return _printed(parsed, list(rows))


def _add_tokenize(commands: Any) -> None:
    command = _command(
        commands,
        "tokenize",
        _run_tokenize,
        "Makes {source_ids, target_ids} for greenplan-finetune with the model's own tokenizer.",
        "tokenize --model DIR --input train.jsonl --output train-ids.jsonl",
    )
    command.add_argument("--model", required=True, help="folder with the tokenizer's files")
    command.add_argument("--input", required=True, help="JSONL of {source, target}")
    command.add_argument("--output", required=True, help="JSONL of {source_ids, target_ids} to write")
    _add_format(command)


def _run_tokenize(parsed: argparse.Namespace) -> str:
    from greenplan.tokenize import tokenize_file

    return _printed(parsed, tokenize_file(parsed.model, parsed.input, parsed.output))


if __name__ == "__main__":
    sys.exit(main())
