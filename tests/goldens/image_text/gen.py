"""Golden figures of retrieval between pictures and captions, by numpy and by enumeration, and of principal components, by
scikit-learn.

`case.json`:

- `ranks`: scores of queries (rows) and candidates, which candidates are relevant for each query, the rank of the best of
  them where candidates with equal scores that are not relevant come first, and the means that follow;
- `chance`: for numbers of candidates and relevant ones, the share of hits among the first k and the mean reciprocal rank
  over all orders;
- `pca`: features, and the variances and absolute coordinates of their principal components.
"""

import argparse
import json
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import sklearn
from sklearn.decomposition import PCA

KS = [1, 5, 10]


def ranks(rng) -> dict:
    scores = rng.normal(size=(30, 24)).astype(np.float32)
    # Scores with one digit have many equals.
    scores[15:] = np.round(scores[15:], 1)
    relevant = [sorted(rng.choice(24, size=rng.integers(1, 4), replace=False).tolist()) for _ in scores]
    found = []
    for row, own in zip(scores, relevant):
        # Sorted by falling score, and of equal scores the relevant ones last.
        order = np.lexsort((np.isin(np.arange(len(row)), own), -row))
        found.append(1 + int(np.flatnonzero(np.isin(order, own))[0]))
    found = np.array(found)
    return {
        "scores": scores.tolist(),
        "relevant": relevant,
        "ranks": found.tolist(),
        "recall": {k: float((found <= k).mean()) for k in KS},
        "mrr": float((1 / found).mean()),
    }


def chance() -> list:
    cases = []
    for documents, relevant in [(1, 1), (5, 1), (7, 3), (9, 9), (12, 2), (12, 5)]:
        # Every set of places of the relevant ones is as likely as any other.
        firsts = [min(places) for places in combinations(range(1, documents + 1), relevant)]
        hit = {k: float(Fraction(sum(first <= k for first in firsts), len(firsts))) for k in KS}
        mrr = float(sum(Fraction(1, first) for first in firsts) / len(firsts))
        cases.append({"documents": documents, "relevant": relevant, "hit": hit, "mrr": mrr})
    return cases


def pca(rng) -> list:
    cases = []
    for rows, features, count in [(40, 6, 4), (9, 20, 5), (9, 20, 30)]:
        x = rng.normal(size=(rows, features)) * 0.8 ** np.arange(features) + rng.normal(size=features)
        x = x.astype(np.float32)
        fitted = PCA(n_components=min(count, rows - 1, features), svd_solver="full").fit(x.astype(np.float64))
        cases.append({
            "features": x.tolist(),
            "count": count,
            "variances": fitted.explained_variance_.tolist(),
            "coordinates": np.abs(fitted.transform(x.astype(np.float64))).tolist(),
        })
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    rng = np.random.default_rng(0)
    case = {
        "versions": {"numpy": np.__version__, "sklearn": sklearn.__version__},
        "ranks": ranks(rng),
        "chance": chance(),
        "pca": pca(rng),
    }
    (out / "case.json").write_text(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
