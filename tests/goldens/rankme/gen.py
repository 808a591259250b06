"""Golden figures of RankMe by numpy's SVD in float64, equations 1 and 2 of Garrido et al. 2023 with epsilon 1e-7.

`case.json`: `cases`, each with its `name`, the `rows` of the matrix (fp32 numbers) and `rankme`.
"""

import json
from pathlib import Path

import numpy

EPSILON = 1e-7


def rankme(matrix: numpy.ndarray) -> float:
    """The exponential of the entropy of the normalised singular values."""
    values = numpy.linalg.svd(matrix.astype(numpy.float64), compute_uv=False)
    p = values / numpy.abs(values).sum() + EPSILON
    return float(numpy.exp(-(p * numpy.log(p)).sum()))


def main() -> None:
    generator = numpy.random.default_rng(20230)
    normal = generator.normal(size=(40, 12))
    cases = {
        "normal": normal,
        "wide": generator.normal(size=(5, 16)),
        "one_text": generator.normal(size=(1, 7)),
        "low_rank": generator.normal(size=(30, 3)) @ generator.normal(size=(3, 12)),
        "one_line": numpy.outer(generator.normal(size=20), generator.normal(size=6)),
        "decaying": normal * 0.5 ** numpy.arange(12),
    }
    found = []
    for name, matrix in cases.items():
        matrix = matrix.astype(numpy.float32)
        found.append({"name": name, "rows": matrix.tolist(), "rankme": rankme(matrix)})
    text = json.dumps({"numpy": numpy.__version__, "cases": found})
    Path(__file__).with_name("case.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
