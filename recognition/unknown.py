"""Faces that are nobody's: which of them are of one person. Decided face by face, as they come.

A face joins the cluster to whose faces it is nearest on average, if that is near enough; the average, because joining
by the nearest face alone chains strangers together. Clusters and their faces are bounded: of a cluster the best are
kept, of the clusters those seen last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from recognition.types import Embedding, UnknownCluster


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """`distance_max` is Euclidean, on average over the faces of a cluster. It is stricter than the distance for a name:
    two strangers in one cluster would be enrolled as one.
    """

    distance_max: float = 0.5
    members_max: int = 5
    clusters_max: int = 200


@dataclass(frozen=True, slots=True)
class Join:
    """The face belongs to this cluster. `keep`: it is worth keeping; `replaces`: in place of this member."""

    cluster_id: str
    keep: bool
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """The face begins a cluster; `drops` are clusters that have to go for it, seen the longest ago."""

    drops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignore:
    """The face is one that is to be ignored; nothing of it is kept."""

    cluster_id: str


def assign(
    embedding: Embedding, quality: float, clusters: Sequence[UnknownCluster], policy: ClusterPolicy
) -> Join | Begin | Ignore:
    """Where a face, float32 (128,), belongs among clusters of the same model."""
    distances = [_mean_distance(cluster, embedding) for cluster in clusters]
    best = int(np.argmin(distances)) if distances else -1
    if best >= 0 and distances[best] <= policy.distance_max:
        nearest = clusters[best]
        if nearest.ignored:
            return Ignore(nearest.cluster_id)
        if len(nearest.members) < policy.members_max:
            return Join(nearest.cluster_id, keep=True)
        worst = min(nearest.members, key=lambda member: member.quality)
        better = quality > worst.quality
        return Join(nearest.cluster_id, keep=better, replaces=worst.member_id if better else None)
    # Those that are to be ignored are bounded too, but not pushed out by strangers who pass by.
    open_ones = sorted(
        (cluster for cluster in clusters if not cluster.ignored), key=lambda cluster: cluster.last_seen_at
    )
    surplus = max(0, len(open_ones) + 1 - policy.clusters_max)
    return Begin(tuple(cluster.cluster_id for cluster in open_ones[:surplus]))


def near(clusters: Iterable[UnknownCluster], embeddings: Sequence[Embedding], distance_max: float) -> list[str]:
    """The clusters of which any face is as near as that to any of these: what is left of a person elsewhere."""
    if not embeddings:
        return []
    wanted = np.stack(list(embeddings))
    return [
        cluster.cluster_id
        for cluster in clusters
        if any(
            float(np.linalg.norm(wanted - member.embedding, axis=1).min()) <= distance_max for member in cluster.members
        )
    ]


def _mean_distance(cluster: UnknownCluster, embedding: Embedding) -> float:
    if not cluster.members:
        return float("inf")
    rows = np.stack([member.embedding for member in cluster.members])
    return float(np.linalg.norm(rows - embedding, axis=1).mean())
