from conversion_sync.sandbox.traffic import Call, RateLimit, Traffic


def test_no_sliding_second_has_more_than_the_rate():
    limit = RateLimit(2)
    assert [limit.take("k", now) for now in (0.0, 0.9, 0.95)] == [0, 0, 1]
    assert [limit.take("k", now) for now in (1.0, 1.5, 2.0)] == [0, 1, 0]


def test_each_key_has_its_own_and_none_is_none():
    limit = RateLimit(1)
    assert [limit.take(key, 0.0) for key in "aab"] == [0, 1, 0]
    limit.clear()
    assert limit.take("a", 0.0) == 0
    assert {RateLimit(0).take("a") for _ in range(100)} == {0}
    assert RateLimit(1).take("a") == 0


def test_the_worst_second_is_kept():
    traffic = Traffic(limit=2)
    for now in (0.0, 0.5, 0.99, 1.0, 5.0):
        traffic.arrived(Call(0, "GET", "/x", client="c"), "GET /x", now)
    assert traffic.worst_second == 3
    assert len(traffic.calls) == 2
    traffic.answered(traffic.calls[0], 200)
    assert traffic.calls[0].status == 200
    assert traffic.counters() == {
        "calls": 5,
        "worst_second": 3,
        "statuses": {"200": 1},
        "endpoints": {"GET /x": 5},
        "clients": {"c": 5},
    }
    traffic.reset()
    assert (traffic.calls, traffic.worst_second, traffic.total) == ([], 0, 0)


def test_a_call_as_json_holds_no_body():
    assert "body" not in Call(0, "GET", "/x", body={"a": 1}).as_json()
