from __future__ import annotations

import gzip
import json
import random
import subprocess

import pytest

import greenplan
from binaries import greenplan_binary
from planning import best_value, random_profile


def importance_of(profile, seed=0):
    draw = random.Random(seed)
    return {name: float(draw.randrange(-2, 9)) for name in profile.names}


@pytest.mark.parametrize("seed", range(8))
def test_no_mask_within_the_budget_is_worth_more(seed):
    profile = random_profile(seed)
    importance = importance_of(profile, seed)
    plan = greenplan.plan(profile, importance, budget=0.6)
    assert plan.predicted_cost == profile.cost(plan.trainable).predicted_cost <= plan.budget
    assert plan.value == sum(importance[name] for name in plan.trainable)
    assert plan.value == best_value(profile, importance, plan.budget)
    assert plan.status in ("OPTIMAL", "EMPTY")


@pytest.mark.parametrize("allocation", ["sensitivity", "uniform"])
@pytest.mark.parametrize("method", ["selection", "drop", "joint"])
def test_plans_are_those_of_the_command_line_byte_for_byte(tmp_path, method, allocation):
    profile = random_profile(1)
    report = {"importance": [3, 1, 2, 5, 0.1, 7, -1, 2, 0], "sensitivity": [1, 0.25, 2]}
    profile.save(tmp_path / "profile.json")
    (tmp_path / "importance.json").write_text(json.dumps(report))
    command = [greenplan_binary(), "plan", "--profile", "profile.json", "--importance", "importance.json"]
    command += ["--budget", "0.7", "--method", method, "--mu", "0.5", "--seed", "7", "--format", "json"]
    command += ["--allocation", allocation]
    result = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    plan = greenplan.plan(profile, report, budget=0.7, method=method, mu=0.5, seed=7, allocation=allocation)
    if allocation == "uniform":
        assert len(set(plan.drop_rates.values())) <= 1
    assert json.dumps(plan.to_json(), separators=(",", ":")) == json.dumps(
        json.loads(result.stdout), separators=(",", ":")
    )
    assert plan.digest == json.loads(result.stdout)["digest"]


def test_every_form_of_importance_gives_the_same_plan(tmp_path):
    profile = random_profile(2)
    by_name = importance_of(profile, 2)
    values = [by_name[name] for name in profile.names]
    (tmp_path / "i.json").write_text(json.dumps({"importance": values}))
    (tmp_path / "i.json.gz").write_bytes(gzip.compress(json.dumps({"importance": values}).encode()))
    forms = [by_name, values, tuple(values), {"importance": values}, tmp_path / "i.json", str(tmp_path / "i.json.gz")]
    plans = [greenplan.plan(profile, form, budget=0.5) for form in forms]
    assert all(plan == plans[0] for plan in plans)


def test_a_tensor_that_a_dict_leaves_out_is_not_selected():
    profile = random_profile(3)
    importance = {name: 1.0 for name in profile.names}
    assert greenplan.plan(profile, importance, budget=1.0).trainable == profile.trainable_names
    del importance["layer0.weight"]
    assert "layer0.weight" not in greenplan.plan(profile, importance, budget=1.0).trainable


def test_options_reach_the_planner():
    profile = random_profile(4)
    importance = importance_of(profile, 4)
    plan = greenplan.plan(profile, importance, 1.0, always=["layer1.weight"], never=["layer2.weight"])
    assert "layer1.weight" in plan.trainable
    assert "layer2.weight" not in plan.trainable
    assert greenplan.plan(profile, importance, 1.0, max_saved_bytes=0).saved_bytes == 0
    assert greenplan.plan(profile, importance, 70, "absolute").budget == 70
    assert greenplan.plan(profile, method="full").trainable == profile.trainable_names
    assert greenplan.plan(profile, importance, algorithm="downscaled", resolution=50).algorithm == "downscaled"
    for limit in (2, 2.5, "2s", "2500ms", "0.1m"):
        assert greenplan.plan(profile, importance, 1.0, time_limit=limit).status == "OPTIMAL"
    kept = greenplan.plan(profile, importance, 1.0, previous_plan=plan, churn_threshold=9)
    assert kept.trainable == plan.trainable


def test_drop_rates_and_their_draw():
    profile = random_profile(5)
    plan = greenplan.plan(
        profile, method="drop", mean_drop_rate=0.4, sensitivity={"a": 1.0, "b": 2.0}, drop_rate_bounds={"b": (0, 0.5)}
    )
    assert set(plan.drop_rates) == {"a", "b", "c"}
    assert plan.drop_rates["b"] <= 0.5
    draws = [greenplan.draw_blocks(profile, plan, step) for step in range(400)]
    for block, rate in plan.drop_rates.items():
        assert sum(block in drawn for drawn in draws) / 400 == pytest.approx(rate, abs=0.1)
    assert draws[7] == greenplan.draw_blocks(profile, plan, 7)
    assert greenplan.draw_blocks(profile, greenplan.plan(profile, method="full"), 0) == []


BAD = [
    (dict(budget=1.5), "budget", "1.5"),
    (dict(budget=0), "budget", "(0, 1]"),
    (dict(budget=1.0000000000000002), "budget", "budget is 1.0000000000000002"),
    (dict(budget=float("nan")), "budget", "finite"),
    (dict(budget="half"), "budget", "half"),
    (dict(budget=0.5, budget_of="ful"), "budget_of", 'did you mean "full"'),
    (dict(budget_of="absolute"), "budget", "missing"),
    (dict(budget=-3, budget_of="absolute"), "budget", "-3"),
    (dict(method="select"), "method", 'did you mean "selection"'),
    (dict(min_drop_rte=0.1), "option", 'did you mean "min_drop_rate"'),
    (dict(min_drop_rate=2), "min_drop_rate", "2"),
    (dict(mu="much"), "mu", "much"),
    (dict(always="layer1.weight"), "always", "list"),
    (dict(always=["layer99.weight"]), "always[0]", "layer99.weight"),
    (dict(mean_drop_rate=0.5, budget=0.5), "mean_drop_rate", "one of them"),
    (dict(drop_rate_bounds={"a": 1}), "drop_rate_bounds", "pair"),
    (dict(time_limit=0), "time_limit", "0"),
    (dict(time_limit="3 days"), "time_limit", "3 days"),
    (dict(time_limit=[1]), "time_limit", "[1]"),
    (dict(resolution=0), "resolution", "0"),
    (dict(seed=1.5), "seed", "1.5"),
    (dict(importance=[1.0]), "importance", "9"),
    (dict(importance={"layer1.wight": 1.0}), "importance", 'did you mean "layer1.weight"'),
    (dict(importance=[float("inf")] * 9), "importance[0]", "finite"),
    (dict(importance=[10**400] * 9), "importance[0]", "finite"),
    (dict(importance=set(range(9))), "importance", "a list"),
    (dict(importance=5), "importance", "5"),
    (dict(importance=None), "importance", "missing"),
    (dict(sensitivity=[1.0]), "sensitivity", "3"),
]


@pytest.mark.parametrize("arguments, field, text", BAD)
def test_a_bad_argument_is_named(arguments, field, text):
    profile = random_profile(6)
    arguments = {"importance": importance_of(profile)} | arguments
    with pytest.raises(ValueError) as caught:
        greenplan.plan(profile, **arguments)
    assert isinstance(caught.value, greenplan.Error)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.field == field
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "ask, arguments",
    [
        (greenplan.plan, ([1.0],)),
        (greenplan.curve, ([1.0], [0.5])),
        (greenplan.explain, ([1.0],)),
        (greenplan.draw_blocks, (greenplan.Plan(method="drop", drop_rates={"a": 0.5}), 1)),
    ],
)
def test_the_path_of_a_profile_is_none(ask, arguments):
    with pytest.raises(ValueError, match=r"profile is str; allowed: a greenplan.Profile, as Profile.load\(path\)"):
        ask("profile.json", *arguments)


def test_a_report_of_another_profile_is_a_failed_precondition():
    with pytest.raises(greenplan.Error) as caught:
        greenplan.plan(random_profile(6), {"importance": [1.0] * 9, "profile_digest": "x"})
    assert caught.value.code == "FAILED_PRECONDITION"


def test_a_curve_is_a_list_of_plans():
    profile = random_profile(7)
    importance = importance_of(profile, 7)
    curve = greenplan.curve(profile, importance, "0.4:1:0.3")
    assert curve.budgets == [0.4, 0.7, 1.0]
    assert [plan.value for plan in curve] == sorted(plan.value for plan in curve)
    assert curve[1] == greenplan.plan(profile, importance, 0.7)
    assert curve.rows[2]["trainable_count"] == len(curve[2].trainable)
    assert curve.rows[2]["value_per_cost"] >= 1
    assert "value per cost" in curve._repr_html_()
    for budgets in ([], "1:0:1", "x", [2.0], 0.5):
        with pytest.raises(ValueError, match="budgets"):
            greenplan.curve(profile, importance, budgets)


def test_an_explanation_has_a_row_per_tensor():
    profile = random_profile(8)
    importance = importance_of(profile, 8)
    rows = greenplan.explain(profile, importance, 0.6)
    assert [row["tensor"] for row in rows] == list(profile.names)
    plan = greenplan.plan(profile, importance, 0.6)
    for row in rows:
        others = [name for name in plan.trainable if name != row["tensor"]]
        with_it, without = profile.cost([*others, row["tensor"]]), profile.cost(others)
        assert row["marginal_cost"] == with_it.backward_cost - without.backward_cost
    assert greenplan.explain(profile, importance, plan=plan, budgets=[0.6, 1.0])[0]["trainable"] == rows[0]["trainable"]
    page = rows._repr_html_()
    assert "entry budget" in page and "<td>yes</td>" in page and "None" not in page


def test_what_notebooks_show():
    plan = greenplan.plan(random_profile(9), importance_of(random_profile(9)), 0.7, method="joint", mu=0.1)
    assert "predicted cost" in plan._repr_html_()
    assert plan.trainable[0] in plan._repr_html_()
    read = greenplan.Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert read == plan
    with pytest.raises(greenplan.Error, match="profile"):
        read.plot()


def test_tables_for_pandas():
    pytest.importorskip("pandas")
    profile = random_profile(9)
    plan = greenplan.plan(profile, importance_of(profile), 0.7)
    table = plan.to_pandas()
    assert list(table[table.trainable].tensor) == list(plan.trainable)
    assert len(greenplan.curve(profile, importance_of(profile), [0.5, 1.0]).to_pandas()) == 2


def test_pictures():
    pytest.importorskip("matplotlib").use("agg")
    profile = random_profile(9)
    plan = greenplan.plan(profile, importance_of(profile), 0.7)
    assert len(plan.plot().patches) == 2 * len(profile.blocks)
    assert greenplan.curve(profile, importance_of(profile), [0.5, 1.0]).plot().lines
