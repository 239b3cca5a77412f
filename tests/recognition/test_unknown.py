from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recognition.types import Embedding, UnknownCluster, UnknownMember
from recognition.unknown import Begin, ClusterPolicy, Ignore, Join, assign, near

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POLICY = ClusterPolicy(distance_max=0.5, members_max=3, clusters_max=3)


def at(*coordinates: float) -> Embedding:
    """A point near the origin of the 128 dimensions; only the first ones differ."""
    vector = np.zeros(128, np.float32)
    vector[: len(coordinates)] = coordinates
    return vector


def cluster(name: str, *places: float, ignored: bool = False, minutes: int = 0) -> UnknownCluster:
    members = tuple(
        UnknownMember(f"{name}{number}", at(place), 0.5 + 0.1 * number) for number, place in enumerate(places)
    )
    return UnknownCluster(name, members, NOON + timedelta(minutes=minutes), ignored)


def test_the_first_face_begins_a_cluster() -> None:
    assert assign(at(0), 0.5, [], POLICY) == Begin()


def test_a_face_joins_the_nearest_cluster_that_is_near_enough() -> None:
    clusters = [cluster("a", 0.0), cluster("b", 0.9)]
    assert assign(at(0.4), 0.5, clusters, POLICY) == Join("a", keep=True)
    assert assign(at(0.5), 0.5, clusters, POLICY) == Join("b", keep=True)
    assert assign(at(1.5), 0.5, clusters, POLICY) == Begin()


def test_strangers_are_not_chained_together_by_the_nearest_face() -> None:
    # Near to the last one, but to all three only far away.
    assert assign(at(1.2), 0.5, [cluster("a", 0.0, 0.4, 0.8)], POLICY) == Begin()


@pytest.mark.parametrize(("quality", "expected"), [(0.55, Join("a", True, "a0")), (0.5, Join("a", False))])
def test_of_a_full_cluster_the_best_faces_are_kept(quality: float, expected: Join) -> None:
    assert assign(at(0.1), quality, [cluster("a", 0.0, 0.1, 0.2)], POLICY) == expected


def test_a_face_to_be_ignored_leaves_nothing() -> None:
    clusters = [cluster("a", 0.0, ignored=True), cluster("b", 0.9)]
    assert assign(at(0.1), 0.9, clusters, POLICY) == Ignore("a")
    assert assign(at(0.8), 0.9, clusters, POLICY) == Join("b", keep=True)


def test_one_cluster_too_many_pushes_out_the_one_seen_longest_ago_and_none_that_is_ignored() -> None:
    clusters = [
        cluster("ignored", 9.0, ignored=True, minutes=-60),
        cluster("new", 2.0, minutes=3),
        cluster("old", 4.0, minutes=1),
        cluster("middle", 6.0, minutes=2),
    ]
    assert assign(at(0), 0.5, clusters, POLICY) == Begin(drops=("old",))
    assert assign(at(0), 0.5, clusters, ClusterPolicy(clusters_max=1)) == Begin(drops=("old", "middle", "new"))
    assert assign(at(0), 0.5, clusters, ClusterPolicy(clusters_max=4)) == Begin()


def test_a_cluster_without_faces_is_nobodys() -> None:
    assert assign(at(0), 0.5, [cluster("empty")], POLICY) == Begin()


def test_what_is_near_to_any_face_of_a_person_is_found() -> None:
    clusters = [cluster("a", 0.0, 2.0), cluster("b", 5.0), cluster("ignored", 0.3, ignored=True), cluster("empty")]
    assert near(clusters, [at(9.0), at(1.8)], 0.6) == ["a"]
    assert near(clusters, [at(0.2)], 0.6) == ["a", "ignored"]
    assert near(clusters, [], 0.6) == []
    assert near([], [at(0)], 0.6) == []


def test_faces_that_come_one_by_one_end_up_by_person() -> None:
    random = np.random.default_rng(3)
    people = [random.standard_normal(128).astype(np.float32) for _ in range(5)]
    clusters: list[UnknownCluster] = []
    owner: dict[str, int] = {}
    for number in range(60):
        who = int(random.integers(5))
        face = people[who] + (0.02 * random.standard_normal(128)).astype(np.float32)
        decision = assign(face, float(random.random()), clusters, ClusterPolicy(members_max=4))
        if isinstance(decision, Begin):
            clusters.append(UnknownCluster(str(number), (UnknownMember("m", face, 0.5),), NOON))
            owner[str(number)] = who
        else:
            assert isinstance(decision, Join)
            assert owner[decision.cluster_id] == who
    assert sorted(owner.values()) == [0, 1, 2, 3, 4]
