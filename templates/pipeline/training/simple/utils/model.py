"""The model: a linear classifier, trained in small batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from utils.data import Classes, Examples


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training examples came to. The model is trained on in place."""

    number: int
    model: Pipeline
    train_loss: float
    val_loss: float
    val_accuracy: float


def train_epochs(
    train: Examples, val: Examples, *, epochs: int, batch_size: int, seed: int
) -> Iterator[Epoch]:
    """Train and yield after each epoch. The same arguments give the same model."""
    if epochs < 1 or batch_size < 1:
        raise ValueError("epochs and batch_size must be at least 1")
    classes = np.unique(train.classes)
    if len(classes) < 2:
        raise ValueError(f"training needs two classes; there is only {list(classes)}")
    scaler = StandardScaler().fit(train.features)
    classifier = SGDClassifier(
        loss="log_loss",
        alpha=1e-2,
        learning_rate="constant",
        eta0=0.03,
        random_state=seed,
    )
    model = make_pipeline(scaler, classifier)
    rows = scaler.transform(train.features)
    order = np.random.default_rng(seed)
    for number in range(1, epochs + 1):
        shuffled = order.permutation(len(train))
        for start in range(0, len(shuffled), batch_size):
            batch = shuffled[start : start + batch_size]
            classifier.partial_fit(rows[batch], train.classes[batch], classes=classes)
        yield Epoch(
            number=number,
            model=model,
            train_loss=_loss(model, train),
            val_loss=_loss(model, val),
            val_accuracy=float(model.score(val.features, val.classes)),
        )


def majority_share(train: Classes, test: Classes) -> float:
    """The accuracy on `test` of always naming the class that is most frequent in `train`."""
    names, counts = np.unique(train, return_counts=True)
    return float((test == names[np.argmax(counts)]).mean())


def _loss(model: Pipeline, examples: Examples) -> float:
    known = np.isin(examples.classes, model.classes_)
    probabilities = model.predict_proba(examples.features[known])
    return float(
        log_loss(examples.classes[known], probabilities, labels=model.classes_)
    )
