"""Golden figures of probes by scikit-learn and numpy in float64.

`case.safetensors`: the features (fp32, or fp64 for CKA) and labels of every case, under the case's name. `cases.json`:

- `logistic`: the optimum of LogisticRegression's objective for each case and C, with and without StandardScaler: the
  `objective` of the better of two solvers, and the `labels` that it predicts for the rows of `NAME.test`;
- `selection`: for each case, the `accuracies` of each C of the `grid` on given folds, and the C that is chosen;
- `cka`: biased and debiased CKA from whole kernels;
- `online`: the online code of LogisticRegression on given portions;
- `knn`: what KNeighborsClassifier predicts, and weighted votes as in DINO's evaluation.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case  # noqa: E402

CS = [0.01, 1.0, 100.0, 1e4]
GRID = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]
FRACTIONS = [0.002, 0.004, 0.01, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0]
DINO_TEMPERATURE = 0.07


def labelled(rng, n: int, width: int, classes: int, *, noise: float, skew: float = 0.0) -> tuple:
    """Features with correlated columns, and labels of a noisy linear rule; `skew` makes the first classes commoner."""
    mix = rng.normal(size=(width, width)) * 0.7 ** np.arange(width)[:, None] + np.eye(width)
    x = rng.normal(size=(n, width)) @ mix + rng.normal(size=width)
    scores = x @ rng.normal(size=(width, classes)) / np.sqrt(width) - skew * np.arange(classes)
    return x, (scores + noise * rng.gumbel(size=scores.shape)).argmax(axis=1)


def logistic_data(rng) -> dict[str, tuple]:
    """The name, the features and the labels of each case. The last third of the rows is the test part."""
    cases = {
        "two": labelled(rng, 300, 12, 2, noise=1.0),
        "seven_unbalanced": labelled(rng, 900, 16, 7, noise=0.6, skew=0.7),
        "wide": labelled(rng, 150, 80, 3, noise=0.5),
        "scales": labelled(rng, 360, 10, 4, noise=0.7),
        "two_separable": labelled(rng, 240, 6, 2, noise=0.0),
        "seven_separable": labelled(rng, 450, 12, 7, noise=0.0),
    }
    x, y = cases["scales"]
    cases["scales"] = x * 10.0 ** np.linspace(-1.5, 1.5, 10), y
    # Twice the same column, the sum of two others, two constant columns.
    x, y = labelled(rng, 330, 10, 3, noise=0.7)
    constant = np.ones((len(x), 2)) * [0.1, -7.3]
    cases["collinear"] = np.concatenate([x, x[:, :1], x[:, 1:2] + x[:, 2:3], constant], axis=1), y
    return {name: (x.astype(np.float32), y) for name, (x, y) in cases.items()}


def objective(model, x: np.ndarray, y: np.ndarray) -> float:
    """The mean loss and the penalty, `||W||^2 / (2 C n)`, of a trained LogisticRegression."""
    scores = x @ model.coef_.T + model.intercept_
    if len(model.classes_) == 2:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    top = scores.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
    own = scores[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return (log_sum - own).mean() + (model.coef_**2).sum() / (2 * model.C * len(y))


def optimum(x: np.ndarray, y: np.ndarray, c: float) -> tuple:
    """The best of two solvers and its objective; both must agree to 1e-7."""
    found = []
    for solver in ["lbfgs", "newton-cholesky"]:
        with warnings.catch_warnings():
            # Newton's method says that it cannot improve on rounding.
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=c, solver=solver, tol=1e-10, max_iter=100_000).fit(x, y)
        found.append((objective(model, x, y), model))
    found.sort(key=lambda pair: pair[0])
    assert found[1][0] - found[0][0] < 1e-7 * found[0][0], (c, found)
    return found[0]


def logistic_cases(data: dict[str, tuple], tensors: dict) -> list[dict]:
    cases = []
    for name, (x32, y) in data.items():
        part = len(y) * 2 // 3
        tensors |= {f"{name}.train": x32[:part], f"{name}.train_labels": y[:part], f"{name}.test": x32[part:]}
        tensors[f"{name}.test_labels"] = y[part:]
        for standardize in [True, False]:
            x = x32.astype(np.float64)
            if standardize:
                x = StandardScaler().fit(x[:part]).transform(x)
            # Without regularisation to speak of, features as they are take too many steps.
            for c in CS if standardize else CS[:3]:
                value, model = optimum(x[:part], y[:part], c)
                labels = model.predict(x[part:]).tolist()
                case = {"data": name, "standardize": standardize, "c": c, "objective": value, "labels": labels}
                cases.append(case)
    return cases


def selection_cases(data: dict[str, tuple], tensors: dict) -> list[dict]:
    """The mean accuracy of each C over the folds, each standardised with the rows outside of the fold."""
    cases = []
    for name in ["two", "seven_unbalanced", "wide", "two_separable"]:
        x, y = data[name]
        part = len(y) * 2 // 3
        x, y = x[:part].astype(np.float64), y[:part]
        folds = np.zeros(part, dtype=np.int64)
        splits = list(StratifiedKFold(4, shuffle=True, random_state=3).split(x, y))
        for fold, (_, inside) in enumerate(splits):
            folds[inside] = fold
        accuracies = []
        for c in GRID:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-10, max_iter=100_000))
            accuracies.append(np.mean([model.fit(x[a], y[a]).score(x[b], y[b]) for a, b in splits]))
        tensors[f"{name}.folds"] = folds
        # Means of the same counts may differ in their last digit.
        best = np.asarray(accuracies) > max(accuracies) - 1e-9
        cases.append({"data": name, "accuracies": accuracies, "c": GRID[int(np.argmax(best))]})
    return cases


def hsic_unbiased(k: np.ndarray, m: np.ndarray) -> float:
    """The unbiased estimator of Song et al. 2012, from kernels."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    sums = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    return (np.trace(k @ m) + sums) / (n * (n - 3))


def hsic_biased(k: np.ndarray, m: np.ndarray) -> float:
    n = len(k)
    centring = np.eye(n) - 1 / n
    return np.trace(k @ centring @ m @ centring)


def cka_cases(rng, tensors: dict) -> list[dict]:
    base = rng.normal(size=(500, 24))
    pairs = {
        "independent_32": (rng.normal(size=(32, 128)), rng.normal(size=(32, 96))),
        "tall": (base + 3.0, base[:, :10] @ rng.normal(size=(10, 17)) + rng.normal(size=(500, 17)) - 1.0),
        "wide": (base[:20], base[:20] @ rng.normal(size=(24, 60)) + rng.normal(size=(20, 60))),
        "one_wide": (base[:40, :3], base[:40] @ rng.normal(size=(24, 70))),
        "rotated": (base[:60], 2.5 * base[:60] @ np.linalg.qr(rng.normal(size=(24, 24)))[0] + 4.0),
        "offset": (base + 1e4, base[:, :5] * [1, 2, 3, 4, 5] + rng.normal(size=(500, 5)) + 1e5),
        "four_rows": (base[:4, :6], rng.normal(size=(4, 3))),
    }
    cases = []
    for name, (x, y) in pairs.items():
        tensors |= {f"cka.{name}.x": x, f"cka.{name}.y": y}
        # Kernels of centred vectors, which HSIC does not see and float64 does.
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        k, m = x @ x.T, y @ y.T
        case = {"name": name}
        for key, hsic in [("biased", hsic_biased), ("debiased", hsic_unbiased)]:
            case[key] = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
        cases.append(case)
    return cases


def online_cases(rng, tensors: dict) -> list[dict]:
    """The prequential code in a given order, of vectors standardised over all rows, which the receiver has. Where the rows
    before lack a class, the code is mixed with the uniform one."""
    cases = []
    for name, classes, skew, c in [("online_two", 2, 0.0, 1.0), ("online_six", 6, 0.8, 0.1)]:
        x, y = labelled(rng, 600, 9, classes, noise=0.8, skew=skew)
        x, order = x.astype(np.float32), rng.permutation(600)
        tensors |= {f"{name}.x": x, f"{name}.labels": y, f"{name}.order": order}
        sent_x, sent_y = StandardScaler().fit_transform(x[order].astype(np.float64)), y[order]
        ends = [int(fraction * len(y)) for fraction in FRACTIONS]
        portions = [ends[0] * np.log2(classes)]
        for before, end in zip(ends, ends[1:]):
            x_before, y_before = sent_x[:before], sent_y[:before]
            p = np.zeros((end - before, classes))
            seen = np.unique(y_before)
            if len(seen) == 1:
                p[:, seen[0]] = 1.0
            else:
                model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000)
                p[:, seen] = model.fit(x_before, y_before).predict_proba(sent_x[before:end])
            if len(seen) < classes:
                p = (before * p + 1 / classes) / (before + 1)
            portions.append(-np.log2(p[np.arange(end - before), sent_y[before:end]]).sum())
        bits, uniform = sum(portions), len(y) * np.log2(classes)
        case = {"data": name, "classes": classes, "c": c, "ends": ends, "portions": portions, "bits": bits}
        cases.append(case | {"compression": uniform / bits})
    return cases


def dino_votes(train: np.ndarray, y: np.ndarray, queries: np.ndarray, k: int, classes: int) -> np.ndarray:
    """The weighted votes of the k nearest, a row of classes for each query."""
    cosines = torch.tensor(queries) @ torch.tensor(train).T
    near, indices = cosines.topk(k, dim=1)
    one_hot = torch.nn.functional.one_hot(torch.tensor(y)[indices], classes)
    return (one_hot * (near / DINO_TEMPERATURE).exp()[:, :, None]).sum(dim=1).numpy()


def knn_cases(rng, tensors: dict) -> list[dict]:
    cases = []
    x, y = labelled(rng, 700, 14, 5, noise=0.4, skew=0.3)
    x32 = x.astype(np.float32)
    train, queries, y = x32[:500], x32[500:], y[:500]
    tensors |= {"knn.train": train, "knn.labels": y, "knn.queries": queries}
    train, queries = train.astype(np.float64), queries.astype(np.float64)
    train /= np.linalg.norm(train, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    nearest_first = -np.sort(-(queries @ train.T), axis=1)
    tied = 0
    for k in [1, 2, 4, 10, 20, 100]:
        gaps = nearest_first[:, k - 1] - nearest_first[:, k]
        assert gaps.min() > 1e-6, "which neighbours are taken would be chance"
        model = KNeighborsClassifier(k, metric="cosine").fit(train, y)
        near = model.kneighbors(queries, return_distance=False)
        counts = np.stack([(y[near] == label).sum(axis=1) for label in range(5)], axis=1)
        tied += int(((counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
        votes = np.sort(dino_votes(train, y, queries, k, 5), axis=1)
        assert (votes[:, -1] / np.maximum(votes[:, -2], 1e-9) > 1.0001).all(), "votes that rounding may turn"
        weighted = dino_votes(train, y, queries, k, 5).argmax(axis=1).tolist()
        cases.append({"k": k, "majority": model.predict(queries).tolist(), "weighted": weighted})
    assert tied > 20, "too few tied votes are tested"
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    rng = np.random.default_rng(1909)
    tensors: dict[str, np.ndarray] = {}
    data = logistic_data(rng)
    cases = {
        "logistic": logistic_cases(data, tensors),
        "selection": selection_cases(data, tensors),
        "cka": cka_cases(rng, tensors),
        "online": online_cases(rng, tensors),
        "knn": knn_cases(rng, tensors),
    }
    facts = {"numpy": np.__version__, "sklearn": sklearn.__version__}
    arrays = {name: torch.tensor(np.ascontiguousarray(array)) for name, array in tensors.items()}
    save_case(out / "case.safetensors", arrays, **facts)
    shared = {"grid": GRID, "fractions": FRACTIONS, "temperature": DINO_TEMPERATURE}
    parts = [f' "{key}": {json.dumps(value)}' for key, value in shared.items()]
    for key, rows in cases.items():
        lines = ",\n".join("  " + json.dumps(row) for row in rows)
        parts.append(f' "{key}": [\n{lines}\n ]')
    (out / "cases.json").write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
