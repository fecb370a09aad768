"""What answers add up to in whole rounds: consensus, gold, overlap, relabeling, weights, annotators."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lamplighter import learner, rng, tables, votes
from lamplighter.checking import check
from lamplighter.errors import ConfigError, PoolError, UnknownClass
from lamplighter.labelers.base import BatchRow
from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import sample_weights
from lamplighter.quality.dawid_skene import dawid_skene
from lamplighter.quality.majority import majority
from lamplighter.rounds import CollectDone, RoundFacts, SelectDone, TrainDone, decide
from lamplighter.standing import Standing
from tests.campaigns import CLASSES
from tests.quality_rounds.crews import FIRST_GOLD, batches, consensus_of, crew, quality_of, rounds

GOOD = {"ann": 0.95, "bob": 0.9, "cid": 0.9}
GOLD = {"gold": {"url": "gold.parquet", "share": 0.2}}


def votes_of(standing: Standing) -> Answers:
    return Answers.read(standing.annotations, CLASSES)


def by_purpose(rows: tuple[BatchRow, ...], purpose: str) -> list[BatchRow]:
    return [row for row in rows if row.purpose == purpose]


def test_without_a_section_the_majority_counts_and_is_measured(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, None, GOOD, crew={"each": 3}), 2)
    done = standing.steps(CollectDone)[-1]
    assert done.consensus is None
    found = quality_of(standing)
    plain = votes.consensus(standing.annotations, CLASSES, seed=11)
    assert standing.labels.label.tolist() == plain.label.tolist()
    assert (found.rows, found.votes) == (len(plain), 3 * len(plain))
    assert [person.name for person in found.annotators] == ["ann", "bob", "cid"]
    assert found.agreement is not None
    assert found.agreement.alpha is not None
    assert found.agreement.rows == found.rows


def test_a_round_without_answers_has_no_quality(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, GOLD, GOOD), 1)
    assert standing.steps(CollectDone)[-1].quality is None


def test_gold_goes_out_among_the_rest_and_never_in_training(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, GOLD, GOOD), 3)
    sent = batches(standing)
    gold = [by_purpose(tuple(batch.rows), "gold") for batch in sent]
    assert [len(rows) for rows in gold] == [12, 4, 4]  # a fifth of batch and holdout
    ids = [row.id for rows in gold for row in rows]
    assert len(set(ids)) == len(ids)
    assert standing.training.ids.to_pylist()
    assert not set(ids) & {*standing.training.ids.to_pylist(), *standing.holdout.ids.to_pylist()}
    places = [at for at, row in enumerate(sent[0].rows) if row.purpose == "gold"]
    assert places != list(range(12))
    for row in (r for rows in gold for r in rows):
        assert row.display["text"] == f"fruit {row.id}"
    models = [by_purpose(tuple(batch.rows), "gold")[0].proba for batch in sent]
    assert models[0] is None  # as the rest of the batch: there was no model yet
    assert models[-1] is not None
    assert sent[-1].rows[-1].proba is not None


def test_gold_measures_people(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, GOLD, {"ann": 0.7}), 2)
    table = pq.read_table(tmp_path / "gold.parquet")
    truth = dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))
    said = [
        row["label"] == truth[row["id"]]
        for row in standing.annotations.to_pylist()
        if row["id"] >= FIRST_GOLD
    ]
    found = quality_of(standing)
    assert found.gold is not None
    assert found.gold.n == len(said) == 12
    assert found.gold.value == pytest.approx(np.mean(said))
    assert found.annotators[0].gold == found.gold
    assert standing.steps(CollectDone)[-1].abstained == 0


def test_used_up_gold_is_said(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, {"gold": {"url": "gold.parquet", "share": 0.9}}, GOOD), 2)
    first, second = standing.steps(SelectDone)
    assert (first.extra_rows, second.extra_rows) == (54, 6)
    assert first.notices == ()
    assert second.notices == ("gold rows used up: 6 of 18 were left; add to the file",)


def test_gold_of_an_unknown_class_is_refused(tmp_path: Path) -> None:
    driver = crew(tmp_path, GOLD, GOOD)
    table = pq.read_table(tmp_path / "gold.parquet")
    at = table.column_names.index("label")
    pq.write_table(table.set_column(at, "label", [["plumm"] * len(table)]), tmp_path / "gold.parquet")
    with pytest.raises(UnknownClass, match="unknown class 'plumm'; did you mean 'plum'"):
        rounds(driver, 1)


def test_overlap_is_a_random_share_that_several_answer(tmp_path: Path) -> None:
    overlap = {"overlap": {"share": 0.3, "annotators": 3}}
    standing = rounds(crew(tmp_path, overlap, GOOD), 2)
    rows = batches(standing)[0].rows
    ids = tables.as_ids([row.id for row in rows])
    several = rng.row_uniform(ids, rng.key(11, 0, "overlap")) < 0.3
    assert [row.annotators for row in rows] == [3 if s else None for s in several]
    count = Counter(row["id"] for row in standing.annotations.to_pylist())
    assert [count[row.id] for row in rows] == [3 if s else 1 for s in several]


def test_disputed_rows_go_back_for_one_more_answer(tmp_path: Path) -> None:
    quality = {"relabel": {"share": 0.25}}
    standing = rounds(crew(tmp_path, quality, {"ann": 0.7, "bob": 0.7, "cid": 1.0}, crew={"each": 2}), 3)
    sent = batches(standing)
    again = by_purpose(tuple(sent[1].rows), "again")
    assert len(again) == 5
    assert len(by_purpose(tuple(sent[1].rows), "batch")) == 15
    assert {(row.answered, row.annotators) for row in again} == {(2, 3)}
    early = [row for row in standing.annotations.to_pylist() if row["round"] == 2]
    for row in again:
        said = {answer["label"] for answer in early if answer["id"] == row.id}
        assert len(said) == 2, "a row that two people agree on was asked again before a disputed one"
        assert row.display["text"] == f"fruit {row.id}"
    answers = votes_of(standing)
    count = dict(zip(answers.ids.to_pylist(), answers.per_row.tolist(), strict=True))
    assert all(count[row.id] == 3 for row in again)
    later = {row.id for row in by_purpose(tuple(sent[2].rows), "again")}
    assert not later & {row.id for row in again}, "settled rows went back"


def test_a_row_waits_for_its_further_answer_once(tmp_path: Path) -> None:
    quality = {"relabel": {"share": 0.25}}
    standing = rounds(crew(tmp_path, quality, {"ann": 0.6, "bob": 0.6, "cid": 1.0}, crew={"each": 2}), 2)
    asked = [row.id for row in by_purpose(tuple(batches(standing)[-1].rows), "again")]
    # Nobody answers these from now on: their third answer stays out.
    driver = crew(
        tmp_path,
        quality,
        {"ann": 0.6, "bob": 0.6},
        crew={"each": 2},
        labeler={"name": "simulated", "params": {"labels": "truth.parquet", "delay_rounds": 9}},
    )
    later = rounds(driver, 2)
    more = [r.id for batch in batches(later)[2:] for r in by_purpose(tuple(batch.rows), "again")]
    assert not set(asked) & set(more)


def test_weights_are_what_the_labels_are_sure_of(tmp_path: Path) -> None:
    quality = {"consensus": "weighted", "weights": True}
    standing = rounds(crew(tmp_path, quality, {"ann": 0.6, "bob": 0.9}, crew={"each": 2}), 2)
    rows, config = standing.training, standing.driver.campaign.learner
    assert rows.confidence is not None
    assert len(set(rows.confidence.round(6))) > 1
    weights = sample_weights(rows.confidence, len(CLASSES))
    fitted = learner.fit(config, rows.x, rows.label, CLASSES, seed=11, round=2, weights=weights)
    kept = standing.model(standing.steps(TrainDone)[-1])
    assert kept is not None
    assert kept.predict_proba(rows.x).tolist() == fitted.predict_proba(rows.x).tolist()
    plain = learner.fit(config, rows.x, rows.label, CLASSES, seed=11, round=2)
    assert kept.predict_proba(rows.x).tolist() != plain.predict_proba(rows.x).tolist()


def test_the_consensus_is_kept_and_is_what_the_method_gives(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, {"consensus": "dawid_skene"}, GOOD, crew={"each": 3}), 2)
    expected = dawid_skene(votes_of(standing), seed=11).consensus
    table = consensus_of(standing)
    assert table.column("id").to_pylist() == expected.ids.to_pylist()
    assert table.column("label").to_pylist() == [CLASSES[c] for c in expected.label]
    assert table.column("confidence").to_pylist() == expected.confidence.tolist()
    assert standing.labels.label.tolist() == expected.label.tolist()


@pytest.mark.parametrize("skill", [{"ann": 1.0}, {"ann": 1.0, "bob": 1.0, "cid": 1.0}])
def test_single_votes_keep_their_labels(tmp_path: Path, skill: dict[str, float]) -> None:
    """EM would find it likeliest that one class explains them all."""
    standing = rounds(crew(tmp_path, {"consensus": "dawid_skene"}, skill), 3)
    plain = majority(votes_of(standing), seed=11)
    assert len(set(dawid_skene(votes_of(standing), seed=11).consensus.label)) < len(set(plain.label))
    assert standing.labels.label.tolist() == plain.label.tolist()
    found = quality_of(standing)
    assert found.consensus == "majority"
    assert "labels by majority: dawid_skene needs 3 votes on the median row" in found.warnings[0]


@pytest.mark.parametrize("measure", ["gold", "agreement"])
def test_who_is_below_the_bound_is_left_out(tmp_path: Path, measure: str) -> None:
    quality = {**GOLD, "annotators": {"bound": 0.75, "measure": measure, "leave_out": True}}
    skill = {"ann": 1.0, "bad": 0.05, "cid": 1.0, "dee": 1.0, "eve": 1.0}
    standing = rounds(crew(tmp_path, quality, skill, crew={"each": 5}), 2)
    found = quality_of(standing)
    assert [person.name for person in found.annotators if person.left_out] == ["bad"]
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("annotator 'bad' has ")
    assert found.votes == 4 * found.rows
    table = pq.read_table(tmp_path / "truth.parquet")
    truth = dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))
    labels = consensus_of(standing)
    assert labels.column("label").to_pylist() == [truth[i] for i in labels.column("id").to_pylist()]


def test_a_model_does_not_help_to_find_the_labels_it_is_measured_on(tmp_path: Path) -> None:
    from lamplighter.steps.judge import _Bench  # noqa: PLC0415 - the law is about what is inside

    standing = rounds(crew(tmp_path, {"consensus": "crowdlab"}, GOOD, crew={"each": 2}), 3)
    bench = _Bench(standing)
    known = ~np.isnan(bench.proba).all(axis=1)
    assert known.tolist() == (~standing.in_holdout(bench.counted.ids)).tolist()
    assert known.any()


def test_alarms_name_what_fell(tmp_path: Path) -> None:
    quality = {**GOLD, "alarm": {"alpha": 0.99, "gold": 0.01}}
    found = quality_of(rounds(crew(tmp_path, quality, {"ann": 0.6, "bob": 0.6}, crew={"each": 2}), 2))
    assert [alarm.measure for alarm in found.alarms] == ["alpha"]
    assert found.alarms[0].value < found.alarms[0].bound == 0.99


def test_a_budget_pays_for_overlap_and_gold(tmp_path: Path) -> None:
    quality = {**GOLD, "overlap": {"share": 0.5, "annotators": 3}}
    driver = crew(tmp_path, quality, GOOD, budget={"labels": 150})
    standing = rounds(driver, 3)
    table = standing.annotations
    paid = pc.sum(pc.equal(table.column("status"), "labelled")).as_py()
    assert paid <= 150
    assert standing.steps(SelectDone)[1].notices[0].startswith("batch cut from 20 to ")


@pytest.mark.parametrize("left", range(8))
def test_the_budget_ends_where_it_leaves_room_for_no_row(tmp_path: Path, left: int) -> None:
    """Else rounds that can ask for nothing would follow each other for ever."""
    quality = {**GOLD, "overlap": {"share": 0.5, "annotators": 3}}
    driver = crew(tmp_path, quality, GOOD, budget={"labels": 100})
    now = RoundFacts(4, 50, 100 - left, 0.0, 0, None, None, None)
    stop = decide([now], driver.rules)
    most = (1 + 1) * 3  # the row and a gold row, and both may be of those that three people answer
    assert (stop is not None) == (left < most) == (driver.expense.affordable(left) == 0)


@pytest.mark.parametrize(
    ("quality", "why"),
    [
        ({"annotators": {"bound": 0.7}}, "measured on gold rows, and there are none"),
        ({"alarm": {"gold": 0.7}}, "alarm.gold watches gold rows, and there are none"),
        ({"alarm": {}}, "an alarm without a bound never goes off"),
        ({"concensus": "majority"}, "did you mean 'consensus'"),
        ({"relabel": {"shares": 0.1}}, "did you mean 'share'"),
        ({"consensus": "mace"}, "quality.consensus"),
    ],
)
def test_what_a_section_may_not_say(tmp_path: Path, quality: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        crew(tmp_path, quality, GOOD)


def test_a_learner_without_weights_cannot_be_given_any(tmp_path: Path) -> None:
    neighbours = {"name": "sklearn.neighbors.KNeighborsClassifier"}
    with pytest.raises(ConfigError, match="KNeighborsClassifier' takes no sample weights"):
        crew(tmp_path, {"weights": True}, GOOD, learner=neighbours)


def test_check_reads_the_gold_file(tmp_path: Path) -> None:
    driver = crew(tmp_path, GOLD, GOOD)
    check(driver)
    (tmp_path / "gold.parquet").unlink()
    with pytest.raises(PoolError, match=r"gold\.parquet"):
        check(crew(tmp_path, GOLD, GOOD))


@pytest.mark.parametrize("section", [{"overlap": {}}, {"relabel": {}}])
def test_a_machine_has_no_second_opinion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: dict[str, Any]
) -> None:
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    machine = {"name": "function", "params": {"path": "tests.labelers.rules:guess_fruit"}}
    with pytest.raises(ConfigError, match="labeler 'function' is a machine, which has no second opinion"):
        crew(tmp_path, section, GOOD, labeler=machine)
