"""The recommendation, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.recommendation import Recommendation
from lamplighter.backtest.runs import Run
from tests.backtest.fakes import flat, points, realistic, setting

#: Ten seeds in steps of 0.008: mean 0.836, standard deviation 0.02422, in area 0.75 times as much.
BASE = [0.8 + 0.008 * i for i in range(10)]


def raised(by: float, steps: Sequence[float] = ()) -> list[float]:
    """The base, higher by the same in every seed, and by a step of its own."""
    return [height + by + step for height, step in zip(BASE, steps or [0.0] * 10, strict=True)]


def advice(heights: Mapping[str, Sequence[float]], **seconds: float) -> Recommendation:
    return Outcome.of(setting(), flat(heights, seconds=seconds)).recommendation


def test_a_clear_winner() -> None:
    # Areas 0.75 * 0.876 = 0.657, 0.75 * 0.836 = 0.627; error 0.75 * 0.02422 / sqrt 10 = 0.0057.
    # Ten of ten up: 2 / 2^10 = 0.00195, of two tests 0.0039. The curve of badge rises from 0 to 0.876
    # between 10 and 20 labels, and is at 0.836 with 10 + 10 * 0.836 / 0.876 = 19.5; random with 20.
    found = advice({"random": raised(0), "margin": raised(0.02), "badge": raised(0.04)})
    assert found == Recommendation(
        "badge",
        "Use badge: it beats random with a mean accuracy over the curve of 0.657 ± 0.006 against "
        "0.627 ± 0.006 (p = 0.0039, 10 seeds); it is significantly better than every other strategy; it "
        "reaches random's final accuracy of 0.836 with 20 labels, no fewer than the 20 of random.",
        thin=False,
    )


MIXED = [0.004, -0.004, 0.005, -0.003, 0.006, -0.006, 0.002, -0.002, 0.003, -0.001]


def test_others_that_cannot_be_told_apart_are_named() -> None:
    found = advice({"random": raised(0), "badge": raised(0.04), "typiclust": raised(0.039, MIXED)})
    assert found.strategy == "badge"
    assert found.equals == ("typiclust",)
    assert "; typiclust cannot be told apart from it; " in found.sentence
    assert not found.thin


def saving(cost_per_label: float | None) -> str:
    """Margin is at random's 0.8 of 50 labels with 20, each seed alike."""
    runs = [
        Run(strategy=name, seed=seed, points=points([10, 20, 30, 40, 50], values))
        for name, values in {
            "random": [0.5, 0.6, 0.7, 0.75, 0.8],
            "margin": [0.5, 0.8, 0.85, 0.9, 0.9],
        }.items()
        for seed in range(8)
    ]
    return Outcome.of(setting(cost_per_label=cost_per_label), runs).recommendation.sentence


def test_the_saving_is_told_with_its_interval_and_its_worth() -> None:
    # Areas (0.65 + 0.825 + 0.875 + 0.9) / 4 and (0.55 + 0.65 + 0.725 + 0.775) / 4; p = 2 / 2^8.
    assert saving(cost_per_label=2.5) == (
        "Use margin: it beats random with a mean accuracy over the curve of 0.812 ± 0.000 against "
        "0.675 ± 0.000 (p = 0.0078, 8 seeds); it reaches random's final accuracy of 0.800 with 20 labels "
        "instead of 50 (30 or 60% fewer, 95% interval 30 to 30, worth 75.00)."
    )
    assert saving(cost_per_label=None).endswith("(30 or 60% fewer, 95% interval 30 to 30).")


def test_a_winner_that_ends_below_random_says_so() -> None:
    runs = [
        Run(strategy=name, seed=seed, points=points([10, 20, 30], values))
        for name, values in {"random": [0.5, 0.6, 0.8], "margin": [0.5, 1.0, 0.79]}.items()
        for seed in range(8)
    ]
    falling = Outcome.of(setting(), runs).recommendation.sentence
    assert "it reaches random's final accuracy of 0.800 with 16 labels instead of 30" in falling
    low = [run.model_copy(update={"points": run.points[:1] + run.points[2:]}) for run in runs]
    low += [Run(strategy="late", seed=s, points=points([10, 20, 30], [0.7, 0.75, 0.79])) for s in range(8)]
    late = Outcome.of(setting(), low).recommendation
    assert late.strategy == "late"
    assert late.sentence.endswith("; it does not reach random's final accuracy of 0.800.")


def test_a_goal_met_at_the_first_point_is_a_bound() -> None:
    def told(random: list[float]) -> str:
        curves = {"random": random, "margin": [0.8, 0.85, 0.9]}
        runs = [
            Run(strategy=name, seed=seed, points=points([10, 20, 30], values))
            for name, values in curves.items()
            for seed in range(8)
        ]
        return Outcome.of(setting(), runs).recommendation.sentence

    assert told([0.5, 0.6, 0.7]).endswith(
        "with at most 10 labels instead of 30 (at least 20 or 67% fewer, 95% interval 20 to 20, worth 2.00)."
    )
    assert told([0.7, 0.6, 0.7]).endswith("with at most 10 labels, as random itself does.")


def test_a_default_as_good_as_the_best_stays_if_it_is_the_faster() -> None:
    heights = {"random": raised(0), "margin": raised(0.0395, MIXED), "badge": raised(0.04)}
    found = advice(heights, random=0.1, margin=0.8, badge=2.1)
    assert (found.strategy, found.thin, found.equals) == ("margin", True, ("badge",))
    assert found.sentence == (
        "Use margin: it beats random with a mean accuracy over the curve of 0.657 ± 0.006 against "
        "0.627 ± 0.006 (p = 0.0039, 10 seeds); badge differs from it by 0.0001, within the standard error of "
        "0.0010, so the evidence is too thin to part the two, and margin is faster (0.8 s against 2.1 s a "
        "round); it reaches random's final accuracy of 0.836 with 20 labels, no fewer than the 20 of random."
    )


def test_a_default_as_good_as_the_best_stays_if_the_times_are_close() -> None:
    heights = {"random": raised(0), "margin": raised(0.0395, MIXED), "badge": raised(0.04)}
    found = advice(heights, random=0.1, margin=2.2, badge=2.1)
    assert found.strategy == "margin"
    assert "too thin to part the two, and margin is the campaign's own; " in found.sentence


def test_a_best_that_is_faster_than_a_default_as_good_is_used() -> None:
    heights = {"random": raised(0), "margin": raised(0.0395, MIXED), "badge": raised(0.04)}
    found = advice(heights, random=0.1, margin=2.1, badge=0.8)
    assert found.strategy == "badge"
    assert found.thin
    assert "margin differs from it by 0.0001" in found.sentence
    assert "and badge is faster (0.8 s against 2.1 s a round); " in found.sentence


def test_equal_winners_are_parted_by_their_time() -> None:
    heights = {"random": raised(0), "badge": raised(0.04), "typiclust": raised(0.04)}
    assert advice(heights, badge=3.0, typiclust=1.0).strategy == "typiclust"
    assert advice(heights, badge=1.0, typiclust=3.0).strategy == "badge"


def test_a_higher_mean_by_luck_is_passed_over() -> None:
    # Mean 0.875, area 0.65625: above margin's 0.856 and 0.642, but five seeds are below random.
    wild = [1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.7, 0.75, 0.75, 0.85]
    heights = {"random": raised(0), "margin": raised(0.02), "wild": wild}
    found = advice(heights)
    assert found.strategy == "margin"
    assert "; wild has 0.656 ± 0.033, but not reliably more than random; " in found.sentence


def test_too_few_seeds_keep_the_default() -> None:
    heights = {"random": BASE[:3], "margin": raised(0.02)[:3], "badge": raised(0.04)[:3]}
    found = advice(heights)
    assert found == Recommendation(
        "margin",
        "The evidence is too thin to choose by: with 3 seeds no difference can be significant (7 seeds are "
        "needed); badge leads with a mean accuracy over the curve of 0.636 ± 0.003; keep margin, the "
        "campaign's own, until more are run.",
        thin=True,
        equals=("badge", "random"),
    )


@pytest.mark.parametrize(
    ("best", "seconds", "pick", "said"),
    [
        (
            "margin",
            {},
            "margin",
            "margin leads with a mean accuracy over the curve of 0.660; keep it, the camp",
        ),
        ("badge", {"margin": 3.0, "badge": 1.0}, "badge", "; use it until more are run."),
        ("badge", {"margin": 1.0, "badge": 3.0}, "margin", "; keep margin, the campaign's own, until"),
    ],
)
def test_one_seed(best: str, seconds: dict[str, float], pick: str, said: str) -> None:
    heights = {"random": [0.8], "margin": [0.82], "badge": [0.84]} | {best: [0.88]}
    found = advice(heights, **seconds)
    assert found.strategy == pick
    assert found.sentence.startswith("The evidence is too thin to choose by: with 1 seed no difference")
    assert said in found.sentence


def test_too_few_seeds_without_the_default_take_the_best() -> None:
    found = advice({"random": BASE[:3], "badge": raised(0.04)[:3]})
    assert found.strategy == "badge"
    assert found.sentence.endswith("; use it until more are run.")


def test_seven_seeds_of_six_strategies_are_too_few() -> None:
    assert Outcome.of(setting(), realistic(7)).recommendation.thin
    assert not Outcome.of(setting(), realistic(8)).recommendation.thin


def test_where_nothing_beats_random_random_is_the_cheapest() -> None:
    found = advice({"random": BASE, "margin": raised(0.0005, MIXED), "badge": raised(-0.1)})
    assert found == Recommendation(
        "random",
        "Use random, the cheapest: the evidence does not show that choosing rows pays here; with 10 seeds no "
        "strategy beats random significantly (random has a mean accuracy over the curve of 0.627 ± 0.006, "
        "the best other, margin, 0.628 ± 0.006, p = 0.51); significantly worse: badge.",
        thin=True,
        equals=("margin",),
    )


def test_what_is_clearly_faster_than_random_and_not_worse_is_used() -> None:
    heights = {"random": BASE, "margin": raised(0, MIXED), "badge": raised(-0.1)}
    assert advice(heights, random=2.0, margin=1.0, badge=0.1).strategy == "margin"
    assert advice(heights, random=1.1, margin=1.0, badge=0.1).strategy == "random"


def test_all_equal() -> None:
    found = advice({"margin": BASE, "random": BASE, "badge": BASE})
    assert (found.strategy, found.thin, found.equals) == ("random", True, ("margin", "badge"))
    assert "the best other, margin, 0.627 ± 0.006, p = 1)." in found.sentence


def test_without_random() -> None:
    found = advice({"margin": raised(0), "badge": raised(0.04)})
    assert found == Recommendation(
        "badge",
        "Use badge, but random was not run, so whether choosing rows pays at all is not known: it has a mean "
        "accuracy over the curve of 0.657 ± 0.006 (10 seeds); it is significantly better than every other "
        "strategy.",
        thin=True,
    )
    close = advice({"margin": raised(0.0395, MIXED), "badge": raised(0.04)}, margin=0.8, badge=2.1)
    assert close.strategy == "margin"
    assert close.sentence.endswith("(10 seeds); badge cannot be told apart from it.")


def test_one_strategy() -> None:
    assert advice({"badge": BASE}) == Recommendation(
        "badge",
        "Only badge was run, with a mean accuracy over the curve of 0.627 ± 0.006, so there is nothing to "
        "choose between: run it beside random.",
        thin=True,
    )
    assert advice({"random": [0.5]}).sentence == (
        "Only random was run, with a mean accuracy over the curve of 0.375, so there is nothing to choose "
        "between: run it beside another strategy."
    )


def test_where_less_is_better() -> None:
    runs = [
        Run(strategy=name, seed=seed, points=points([10, 20], [1.0, end + 0.01 * seed], "log_loss"))
        for name, end in {"random": 0.6, "margin": 0.4}.items()
        for seed in range(8)
    ]
    # Means over seeds 0.035 more: at the end 0.635 and 0.435, areas (1 + 0.635) / 2 and (1 + 0.435) / 2.
    # Margin is at 0.635 with 10 + 10 * 0.365 / 0.565 labels.
    assert Outcome.of(setting("log_loss"), runs).recommendation.sentence == (
        "Use margin: it beats random with a mean log loss over the curve (less is better) of 0.718 ± 0.004 "
        "against 0.818 ± 0.004 (p = 0.0078, 8 seeds); it reaches random's final log loss of 0.635 with 16 "
        "labels instead of 20 (4 or 18% fewer, 95% interval 3 to 4, worth 0.35)."
    )


def test_of_many_equals_the_first_are_named() -> None:
    many = {f"s{i}": raised(0.03 + i / 1e5, MIXED[i:] + MIXED[:i]) for i in range(7)}
    found = advice({"random": raised(0), **many})
    assert found.equals == ("s5", "s4", "s3", "s2", "s1", "s0")
    assert " and 2 others cannot be told apart from it" in found.sentence


def test_a_name_cannot_break_the_sentence() -> None:
    found = advice({"random": raised(0), "a\n\u202eb" + "x" * 100: raised(0.04)})
    assert "\n" not in found.sentence
    assert "\u202e" not in found.sentence
    assert found.sentence.startswith("Use a \\u202eb")
    assert "x" * 41 not in found.sentence
