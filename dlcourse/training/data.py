"""Data: small real data sets that come with scikit-learn, their preparation, and batches.

A data set is a pair of arrays, the inputs x and the targets y, with an example in each row.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dlcourse.ops import Array


class Dataset(NamedTuple):
    """The inputs x and the targets y of N examples: arrays with N rows."""

    x: Array
    y: Array


# --- Data sets ------------------------------------------------------------------------------------


def digits(dtype: Any = np.float64) -> Dataset:
    """Handwritten digits, 8 by 8 pixels.

    Returns:
        A Dataset, with x of the given ``dtype``

        - x: (1797, 64), the pixels row by row, grey levels from 0 (white) to 16 (black).
        - y: (1797,), int64, the digit from 0 to 9.

    Raises:
        ImportError: scikit-learn is missing.

    Source: Alpaydin & Kaynak (1998), Optical recognition of handwritten digits, UCI (its test
    part); sklearn.datasets.load_digits.
    """
    return _load("digits", dtype)


def iris(dtype: Any = np.float64) -> Dataset:
    """Flowers of three species of iris.

    Returns:
        A Dataset, with x of the given ``dtype``

        - x: (150, 4), length and width of the sepals, length and width of the petals, in cm.
        - y: (150,), int64: 0 setosa, 1 versicolor, 2 virginica.

    Raises:
        ImportError: scikit-learn is missing.

    Source: Fisher (1936), The use of multiple measurements in taxonomic problems;
    sklearn.datasets.load_iris.
    """
    return _load("iris", dtype)


def wine(dtype: Any = np.float64) -> Dataset:
    """Wines of three growers, analysed.

    Returns:
        A Dataset, with x of the given ``dtype``

        - x: (178, 13), alcohol, malic acid, ash, alkalinity of ash, magnesium, total phenols,
          flavonoids, nonflavonoid phenols, proanthocyanins, colour intensity, hue, OD280/OD315
          of diluted wines, proline; each in a unit of its own (the source gives none).
        - y: (178,), int64, the grower from 0 to 2.

    Raises:
        ImportError: scikit-learn is missing.

    Source: Aeberhard & Forina (1991), Wine, UCI; sklearn.datasets.load_wine.
    """
    return _load("wine", dtype)


def breast_cancer(dtype: Any = np.float64) -> Dataset:
    """Tumours of the breast, described by the cell nuclei in a digitised picture.

    Returns:
        A Dataset, with x of the given ``dtype``

        - x: (569, 30), of ten measures of a nucleus (radius, texture, perimeter, area, smoothness,
          compactness, concavity, concave points, symmetry, fractal dimension) the mean over the
          nuclei, its standard error, and the mean of the three largest; lengths in pixels.
        - y: (569,), int64: 0 malignant, 1 benign.

    Raises:
        ImportError: scikit-learn is missing.

    Source: Wolberg, Mangasarian, Street & Street (1993), Breast cancer Wisconsin (diagnostic), UCI;
    sklearn.datasets.load_breast_cancer.
    """
    return _load("breast_cancer", dtype)


def diabetes(dtype: Any = np.float64) -> Dataset:
    """How diabetes progressed within a year; a regression.

    Returns:
        A Dataset, with x of the given ``dtype``

        - x: (442, 10), age (years), sex (1 or 2), body mass index (kg/m2), blood pressure (mm Hg),
          and six blood measurements s1 to s6, as they were measured.
        - y: (442,), of ``dtype``: a measure of the progression, from 25 to 346.

    Raises:
        ImportError: scikit-learn is missing.

    Source: Efron et al. (2004), Least angle regression; sklearn.datasets.load_diabetes with
    scaled=False.
    """
    x, y = _load("diabetes", dtype, scaled=False)
    return Dataset(x, y.astype(dtype))


def _load(name: str, dtype: Any, **options: Any) -> Dataset:
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise ImportError(
            f"dlcourse.training.data.{name} comes with scikit-learn, which is not installed; "
            "run: pip install scikit-learn"
        ) from error
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    return Dataset(np.asarray(x, dtype), y.astype(np.int64) if y.dtype.kind == "i" else y)


# --- Preparation ----------------------------------------------------------------------------------


def split(
    data: tuple[Array, Array],
    test: float | int,
    generator: np.random.Generator,
    stratified: bool = False,
) -> tuple[Dataset, Dataset]:
    """Two parts of a data set, for training and for testing; each example is in one of them.

    Args:
        data: x and y, arrays with N rows.
        test: How many examples are for testing: a share between 0 and 1, rounded to the nearest
            number of examples, or that number.
        generator: Decides which, and their order.
        stratified: Whether each class y has its share in both parts, to within one example.

    Returns:
        (training, test)

    Raises:
        ValueError: The lengths differ, or a part would be empty.

    Source: sklearn.model_selection.train_test_split.
    """
    x, y = (np.asarray(a) for a in data)
    n = _common_length("split", (x, y))
    count = round(test * n) if isinstance(test, float | np.floating) else test
    if not 0 < count < n:
        raise ValueError(
            f"split: expected a test share between 0 and 1, or a number of examples from 1 to "
            f"{n - 1}, so that no part is empty; got test={test!r} of {n} examples"
        )
    order = generator.permutation(n)
    if stratified:
        order = _stratified(order, y, count, generator)
    first, last = order[count:], order[:count]
    return Dataset(x[first], y[first]), Dataset(x[last], y[last])


def _stratified(order: Array, y: Array, count: int, generator: np.random.Generator) -> Array:
    """``order`` changed so that its first ``count`` examples have each class's share."""
    _, classes, sizes = np.unique(y, axis=0, return_inverse=True, return_counts=True)
    shares = count * sizes / len(y)
    quotas = np.floor(shares).astype(int)
    # What is left over goes to the largest fractions (Hare's method).
    quotas[np.argsort(quotas - shares, kind="stable")[: count - quotas.sum()]] += 1
    sorted_classes = np.reshape(classes, -1)[order]
    is_test = np.zeros(len(y), bool)
    for number, quota in enumerate(quotas):
        is_test[np.flatnonzero(sorted_classes == number)[:quota]] = True
    parts = [generator.permutation(order[chosen]) for chosen in (is_test, ~is_test)]
    return np.concatenate(parts)


def standardise(train: Array, *others: Array) -> list[Array]:
    """Each column minus its mean, over its standard deviation, both those of ``train``.

    So nothing of the test data gets into training. A constant column becomes 0.

    Args:
        train, others: Floating point arrays (N, ...), whose rows have one shape.

    Returns:
        The arrays in order, of the dtype that each had.

    Source: sklearn.preprocessing.StandardScaler.
    """
    for array in (train, *others):
        if array.dtype.kind != "f" or array.shape[1:] != train.shape[1:]:
            raise ValueError(
                "standardise: expected floating point arrays whose rows have the shape "
                f"{train.shape[1:]}, got shape {array.shape}, dtype {array.dtype}"
            )
    if not len(train):
        raise ValueError("standardise: expected at least one example, got none")
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    constant = train.min(axis=0) == train.max(axis=0)  # where rounding may leave a deviation
    scale = np.where(constant, 1, deviation)
    return [((array - mean) / scale).astype(array.dtype) for array in (train, *others)]


# --- Batches --------------------------------------------------------------------------------------


def batches(
    *arrays: Any,
    size: int,
    generator: np.random.Generator | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[Array, ...]]:
    """An epoch: the examples in batches, each example once.

        for epoch in range(10):
            for x, y in batches(X, Y, size=32, generator=generator):

    Args:
        arrays: With an example in each row; their lengths N are the same.
        size: The number of examples in a batch; the last has the rest.
        generator: Shuffles the examples, differently in each call. Without it they come in order.
        drop_last: Leave the last batch out if it is smaller than ``size``.

    Returns:
        An iterator of tuples, with the batch of each array.

    Raises:
        ValueError: The lengths differ, there is no array, or size < 1.
    """
    examples = [np.asarray(a) for a in arrays]
    n = _common_length("batches", examples)
    if size < 1:
        raise ValueError(f"batches: expected size >= 1, got {size}")
    order = np.arange(n) if generator is None else generator.permutation(n)
    stop = n - n % size if drop_last else n
    return (
        tuple(a[order[start : start + size]] for a in examples) for start in range(0, stop, size)
    )


def _common_length(name: str, arrays: Any) -> int:
    shapes = [a.shape for a in arrays]
    if not shapes or () in shapes or len({shape[0] for shape in shapes}) > 1:
        raise ValueError(
            f"{name}: expected arrays with an example in each row, equally many; got shapes "
            f"{', '.join(map(str, shapes)) or 'none'}"
        )
    n: int = shapes[0][0]
    return n
