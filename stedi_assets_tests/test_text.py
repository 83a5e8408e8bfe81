"""Text for people."""

from collections import Counter

from stedi_assets.text import ranked


def test_equal_counts_stand_by_name_in_whatever_order_they_came():
    reasons = {"truncated": 1, "rule:x": 3, "not_json": 1, "bad_encoding": 1}
    shown = [("rule:x", 3), ("bad_encoding", 1), ("not_json", 1), ("truncated", 1)]
    assert ranked(Counter(reasons)) == shown
    assert ranked(Counter(dict(reversed(reasons.items())))) == shown
