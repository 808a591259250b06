"""Golden intervals of scipy: Wilson's, and percentile bootstraps with so many samples that theirs are nearly exact.

`case.json`: `wilson`, each with `successes`, `total`, `confidence`, `low` and `high`; `quantiles`, the ends of the
interval of given figures (numpy); `means`, the interval and the standard error of a mean; `pairs`, those of the
difference of two means over the same examples, with the p-value of the centred differences.
"""

import argparse
import json
from pathlib import Path

import numpy
import scipy
from scipy.stats import binomtest, bootstrap

SAMPLES = 200_000


def wilson() -> list[dict]:
    cases = [(0, 1, 0.95), (1, 1, 0.95), (0, 20, 0.95), (20, 20, 0.95), (1, 20, 0.95), (13, 20, 0.95), (50, 100, 0.9),
             (873, 872 + 1000, 0.99), (17_300, 18_000, 0.999), (5, 9, 0.5), (3, 7, 0.999999)]
    intervals = [(case, binomtest(case[0], case[1]).proportion_ci(case[2], method="wilson")) for case in cases]
    return [{"successes": successes, "total": total, "confidence": confidence, "low": float(interval.low),
             "high": float(interval.high)} for (successes, total, confidence), interval in intervals]


def quantiles(generator) -> list[dict]:
    cases = []
    for count, confidence in [(1, 0.95), (2, 0.95), (11, 0.9), (40, 0.95), (41, 0.5), (100, 0.99)]:
        figures = numpy.round(generator.normal(size=count), 3)
        low, high = numpy.quantile(figures, [(1 - confidence) / 2, 1 - (1 - confidence) / 2])
        cases.append({"figures": figures.tolist(), "confidence": confidence, "low": float(low), "high": float(high)})
    return cases


def resample(generator, scores: tuple, statistic, confidence: float):
    return bootstrap(scores, statistic, paired=True, vectorized=True, n_resamples=SAMPLES, batch=2_000,
                     confidence_level=confidence, method="percentile", rng=generator)


def means(generator) -> list[dict]:
    cases = []
    for scores, confidence in [((generator.random(200) < 0.8).astype(float), 0.95),
                               (numpy.round(generator.random(30), 3), 0.9)]:
        found = resample(generator, (scores,), lambda x, axis: x.mean(axis=axis), confidence)
        cases.append({"scores": scores.tolist(), "confidence": confidence,
                      "low": float(found.confidence_interval.low), "high": float(found.confidence_interval.high),
                      "standard_error": float(found.standard_error)})
    return cases


def pairs(generator) -> list[dict]:
    cases = []
    for count, gain in [(150, 0.2), (60, 0.15), (100, 0.05)]:
        skill = generator.random(count)
        first = (generator.random(count) < skill + gain).astype(float)
        second = (generator.random(count) < skill).astype(float)
        found = resample(generator, (first, second), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), 0.95)
        observed = first.mean() - second.mean()
        as_far = numpy.abs(found.bootstrap_distribution - observed) >= abs(observed) - 1e-12
        cases.append({"first": first.tolist(), "second": second.tolist(), "difference": float(observed),
                      "low": float(found.confidence_interval.low), "high": float(found.confidence_interval.high),
                      "standard_error": float(found.standard_error), "p_value": float(as_far.mean())})
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    generator = numpy.random.default_rng(21)
    parts = {
        "made_with": {library.__name__: library.__version__ for library in (numpy, scipy)},
        "wilson": wilson(),
        "quantiles": quantiles(generator),
        "means": means(generator),
        "pairs": pairs(generator),
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items())
    (out / "case.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
