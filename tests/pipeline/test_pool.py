from pipeline.loading import load
from pipeline.pool import PoolSettings, PoolStage


def stage(**settings) -> PoolStage:
    return PoolStage(PoolSettings(**{"answers": {}, "prompts": {}, "factor": 2, **settings}))


def test_keeps_the_best_of_each_domain_by_votes_then_age(make_rows, run) -> None:
    rows = [{"domain": "big", "votes": v} for v in (5, 9, None, 9, 7, 1, 2, 3)]
    rows += [{"domain": "tiny", "votes": 1}]
    kept, dropped, _ = run(stage(answers={"stem": 2}, temperature=1000), make_rows(rows))
    assert kept["id"].to_list() == ["r001", "r003", "r004", "r008"]
    assert set(kept["domain_rows"]) == {8, 1}
    assert set(dropped["reason"]) == {"over_quota"}
    detail = dict(zip(dropped["id"], dropped["detail"], strict=True))["r002"]
    assert detail == (
        "the pool of stem holds 4 rows, 3 of them for big; this row is number 8 there by votes"
    )


def test_prompts_have_a_pool_of_their_own(make_rows, run) -> None:
    rows = [{"response": None, "votes": v} for v in range(5)] + [{"split": "test"}, {}]
    kept, dropped, _ = run(stage(answers={"stem": 1}, prompts={"stem": 1}), make_rows(rows))
    assert kept["id"].to_list() == ["r004", "r005", "r006"]
    assert "prompts of stem" in dropped["detail"][0]


def test_a_group_without_quota_is_held_only_as_refill(make_rows, run) -> None:
    frame = make_rows([{"group": "other"}] * 5)
    kept, dropped, _ = run(stage(answers={"stem": 2}), frame)
    assert len(kept) == 0
    assert dropped["detail"][0] == "the recipe asks for no other"
    kept, _, _ = run(stage(answers={"stem": 2}, refill=True), frame)
    assert len(kept) == 4


def test_files_and_their_order_do_not_show(make_rows, run) -> None:
    frame = make_rows([{"domain": f"d{i % 3}", "votes": i % 7} for i in range(60)])
    one = run(stage(answers={"stem": 10}), frame)
    two = run(stage(answers={"stem": 10}), frame[40:].reverse(), frame[:40])
    assert one[0].equals(two[0])
    assert one[1].equals(two[1])


def test_settings_hold_only_what_the_pool_reads() -> None:
    one = PoolSettings.of(load("lima"))
    assert one == PoolSettings.of(load("lima", ["select.method=votes", "embed.batch=1"]))
    assert one.answers["authored"] == 250
    assert one.prompts == {"reddit": 70, "authored": 230}
