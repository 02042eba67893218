"""Factor analysis in the manner of scikit-learn's estimators: tables of numbers in, no declarations."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_consistent_length, check_random_state, check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from pyro_favae.errors import SpecError
from pyro_favae.fitting import fit
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, Gamma, WeightPrior
from pyro_favae.models.views import Categorical, Real, View
from pyro_favae.models.views.real import RealEmission
from pyro_favae.results import Prediction

TABLE: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
ALL, TARGET = "X", "y"  # names of views


class _FactorEstimator(TransformerMixin, BaseEstimator):
    """What the estimators have in common.

    X: (rows, columns), NaN where an entry is missing. n_factors: at most; fewer where columns or rows are fewer.
    views: by name, the columns of each, as a slice, positions, booleans or names; each column in one view. One view
    of all when None. weights: their prior, ARD when None. epochs, tolerance, device: as in ``fv.fit``. Columns are
    standardised, and have a noise of their own. ``fit_`` is the fit, for plots and diagnostics.
    """

    def __init__(
        self,
        n_factors: int = 10,
        *,
        views: Mapping[str, Any] | None = None,
        weights: WeightPrior | None = None,
        epochs: int = 200,
        tolerance: float = 1e-5,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.n_factors = n_factors
        self.views = views
        self.weights = weights
        self.epochs = epochs
        self.tolerance = tolerance
        self.random_state = random_state
        self.device = device

    def transform(self, X: Any) -> np.ndarray:
        """Posterior means of the factors, (rows, K)."""
        rows = self._rows(X)
        return self.fit_.transform(self._given(rows)).mean

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """``factor0`` and so on."""
        check_is_fitted(self, "fit_")
        return np.array([f"factor{k}" for k in range(self.n_factors_)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _learn(self, X: np.ndarray, target: View | None = None, y: np.ndarray | None = None) -> None:
        """Fit a model of the columns' views, and of the target as one more."""
        self.columns_ = self._columns()
        views: dict[str, View] = {
            name: Real(self._names(columns), standardise="feature", noise=Gamma(per_feature=True))
            for name, columns in self.columns_.items()
        }
        data = self._given(X)
        if target is not None and y is not None:
            views[TARGET], data[TARGET] = target, y
        check_scalar(self.n_factors, "n_factors", Integral, min_val=1)
        size = sum(view.latent_dim for view in views.values())
        self.n_factors_ = max(1, min(int(self.n_factors), size, len(X) - 1))
        model = FAVAE(views, self.n_factors_, weights=self.weights or ARD())
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        self.fit_ = fit(
            model,
            data,
            seed=int(seed),
            epochs=self.epochs,
            tolerance=self.tolerance,
            device=self.device,
            progress=False,
        )

    def _columns(self) -> dict[str, np.ndarray]:
        """Positions of each view's columns."""
        if self.views is None:
            return {ALL: np.arange(self.n_features_in_)}
        columns = {name: self._positions(name, chosen) for name, chosen in self.views.items()}
        if TARGET in columns:
            raise SpecError(f"views: {TARGET!r} is the name of the target; choose another")
        count = np.bincount(np.concatenate(list(columns.values())), minlength=self.n_features_in_)
        if (count != 1).any():
            column = int((count != 1).argmax())
            raise SpecError(
                f"views: column {column} is in {count[column]} views, expected each in exactly one"
            )
        return columns

    def _positions(self, name: str, chosen: Any) -> np.ndarray:
        """Columns by a slice, by positions, by booleans or by names."""
        if not isinstance(chosen, slice):
            chosen = np.atleast_1d(chosen)
            if chosen.dtype.kind in "UO":
                index = pd.Index(getattr(self, "feature_names_in_", [])).get_indexer(chosen)
                if (index < 0).any():
                    raise SpecError(
                        f"views: {name!r} names column {chosen[index < 0][0]!r}, which X does not have"
                    )
                return index
        try:
            return np.arange(self.n_features_in_)[chosen]
        except IndexError as error:
            raise SpecError(
                f"views: {name!r} is {chosen!r}, for {self.n_features_in_} columns: {error}"
            ) from error

    def _names(self, columns: np.ndarray) -> int | tuple[str, ...]:
        names = getattr(self, "feature_names_in_", None)
        return len(columns) if names is None else tuple(names[columns])

    def _given(self, X: np.ndarray) -> dict[str, np.ndarray]:
        return {name: X[:, columns] for name, columns in self.columns_.items()}

    def _rows(self, X: Any) -> np.ndarray:
        """New rows, checked."""
        check_is_fitted(self, "fit_")
        return validate_data(self, X, **TABLE, reset=False)

    def _target(self, X: Any) -> Prediction:
        rows = self._rows(X)
        return self.fit_.predict(TARGET, self._given(rows))


class FactorAnalysis(_FactorEstimator):
    """Bayesian factor analysis of one table, or of several side by side, as a transformer.

    ``components_`` (K, columns), ``mean_`` and ``noise_variance_`` (columns,): posterior expectations, in X's units.
    """

    def fit(self, X: Any, y: Any = None) -> "FactorAnalysis":
        """Learn from X (rows, columns); y is ignored."""
        X = validate_data(self, X, **TABLE, ensure_min_samples=2)
        self._learn(X)
        k, d = self.n_factors_, X.shape[1]
        self.components_, self.mean_, self.noise_variance_ = np.empty((k, d)), np.empty(d), np.empty(d)
        for name, columns in self.columns_.items():
            view, emission = (
                self.fit_.posterior.view(name),
                cast(RealEmission, self.fit_.model.emission(name)),
            )
            self.components_[:, columns] = self.fit_.weights(name).T
            self.mean_[columns] = emission.decode(view.weights.bias).cpu().numpy()
            self.noise_variance_[columns] = (view.noise.mean_inverse * emission.unit.square()).cpu().numpy()
        return self

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Expected rows (rows, columns) of given factors (rows, K)."""
        check_is_fitted(self, "fit_")
        factors = check_array(X, dtype=np.float64)
        if factors.shape[1] != self.n_factors_:
            raise ValueError(f"{factors.shape[1]} factors, expected {self.n_factors_}")
        return factors @ self.components_ + self.mean_

    def score_samples(self, X: Any) -> np.ndarray:
        """Log density of what is observed of each row, (rows,), nats, at the posterior expectations.

        log N(x; mean_, components_ᵀ components_ + diag noise_variance_), the factors integrated out.
        """
        deviation = self._rows(X) - self.mean_
        seen = ~np.isnan(deviation)
        deviation = np.where(seen, deviation, 0.0)
        precision = seen / self.noise_variance_
        weighted = self.components_.T[:, :, None] * self.components_.T[:, None, :]  # (D, K, K)
        inner = np.eye(self.n_factors_) + np.tensordot(precision, weighted, 1)  # (rows, K, K)
        pull = (precision * deviation) @ self.components_.T
        squares = (precision * deviation**2).sum(1) - (
            pull * np.linalg.solve(inner, pull[..., None])[..., 0]
        ).sum(1)
        logs = np.where(seen, np.log(2 * np.pi * self.noise_variance_), 0.0).sum(1)
        return -0.5 * (squares + logs + np.linalg.slogdet(inner)[1])

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log density of a row, nats; y is ignored."""
        return float(self.score_samples(X).mean())


class FactorRegressor(RegressorMixin, _FactorEstimator):
    """Targets predicted through the factors that they share with the columns of X; NaN in y is a missing target."""

    def fit(self, X: Any, y: Any) -> "FactorRegressor":
        """Learn from X (rows, columns) and y (rows,) or (rows, targets)."""
        X, y = validate_data(
            self, X, y, validate_separately=(TABLE | {"ensure_min_samples": 2}, TABLE | {"ensure_2d": False})
        )
        check_consistent_length(X, y)
        targets = y.reshape(len(y), -1)
        self.target_shape_ = y.shape[1:]
        view = Real(targets.shape[1], standardise="feature", noise=Gamma(per_feature=True))
        self._learn(X, view, targets)
        return self

    def predict(self, X: Any, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predictive means of the targets, (rows,) or (rows, targets), with standard deviations if asked for."""
        target = self._target(X)
        mean, sd = (values.reshape(len(values), *self.target_shape_) for values in (target.mean, target.sd))
        return (mean, sd) if return_std else mean

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags


class FactorClassifier(ClassifierMixin, _FactorEstimator):
    """Classes predicted through the factors that they share with the columns of X."""

    def fit(self, X: Any, y: Any) -> "FactorClassifier":
        """Learn from X (rows, columns) and y (rows,), two classes or more."""
        X, y = validate_data(self, X, y, **TABLE, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("FactorClassifier: y holds 1 class, expected two classes or more")
        self._learn(X, Categorical(len(self.classes_)), codes.astype(float))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, (rows, classes)."""
        return self._target(X).mean

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (rows,)."""
        codes = self.predict_proba(X).argmax(1)
        return self.classes_[codes]
