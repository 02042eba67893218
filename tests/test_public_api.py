"""What every public name must be like; found by looking, so that new names fall under it."""

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sklearn.base import BaseEstimator

import pyro_favae as fv
from pyro_favae.errors import FavaeError
from pyro_favae.models.declaration import Declaration
from tests.hostile.declarations import GOOD

#: what no argument may be called, and what it is called here
WORDS = {
    **dict.fromkeys(["model_fit", "fit_result", "trained"], "fit"),
    **dict.fromkeys(["X", "dataset_", "inputs", "observations"], "data"),
    **dict.fromkeys(["view_name", "modality", "target"], "view"),
    **dict.fromkeys(["condition", "conditions", "context", "known"], "given"),
    **dict.fromkeys(["n_samples", "num_samples"], "n"),
    **dict.fromkeys(["random_state", "rng"], "seed"),
    **dict.fromkeys(["verbose", "show_progress", "quiet"], "progress"),
    **dict.fromkeys(["num_epochs", "n_epochs", "max_iter", "iterations"], "epochs"),
    **dict.fromkeys(["lr", "step_size"], "learning_rate"),
    **dict.fromkeys(["axis", "axes"], "ax"),
    **dict.fromkeys(["filename", "file"], "path"),
}
MODULES = [value for value in map(fv.__dict__.get, fv.__all__) if isinstance(value, types.ModuleType)]


def public() -> Iterator[tuple[str, Any]]:
    """Every public name: those of the package, and those of its public modules."""
    for module in [fv, *MODULES]:
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
        for name in names:
            value = getattr(module, name)
            if not isinstance(value, types.ModuleType):
                yield (
                    f"{module.__name__.removeprefix('pyro_favae.').replace('pyro_favae', 'fv')}.{name}",
                    value,
                )


PUBLIC = dict(public())
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
DECLARATIONS = {
    name: cls
    for name, cls in CLASSES.items()
    if issubclass(cls, Declaration) and cls.group and not inspect.isabstract(cls)
}


def callables() -> Iterator[tuple[str, Callable]]:
    """Public functions and the public methods of public classes, initialisers included."""
    yield from FUNCTIONS.items()
    for name, cls in CLASSES.items():
        for method, value in vars(cls).items():
            value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if inspect.isfunction(value) and (not method.startswith("_") or method == "__init__"):
                yield f"{name}.{method}", value


CALLABLES = dict(callables())


def everything(names: dict[str, Any]) -> Any:
    return pytest.mark.parametrize("name", sorted(names))


def test_all_is_true():
    for module in [fv, *MODULES]:
        names = getattr(module, "__all__", [])
        assert len(set(names)) == len(names)
        assert all(hasattr(module, name) for name in names)


@everything(FUNCTIONS | CLASSES)
def test_it_says_what_it_is(name):
    documented = PUBLIC[name].__doc__
    assert documented
    assert not documented.startswith(f"{PUBLIC[name].__name__}("), "dataclass wrote it"


@everything(CALLABLES)
def test_a_public_method_says_what_it_does(name):
    value = CALLABLES[name]
    if value.__name__ == "__init__":
        return  # the class does
    owner = CLASSES.get(name.rpartition(".")[0])
    inherited = owner is not None and any(vars(base).get(value.__name__) for base in owner.__mro__[1:])
    assert value.__doc__ or inherited


@everything(CALLABLES)
def test_arguments_have_the_house_names(name):
    owner = CLASSES.get(name.rpartition(".")[0])
    if owner is not None and issubclass(owner, BaseEstimator):
        return  # scikit-learn's names are part of its interface
    arguments = set(inspect.signature(CALLABLES[name]).parameters)
    strange = {argument: WORDS[argument] for argument in arguments & set(WORDS)}
    assert not strange, "each is called otherwise elsewhere"


@everything(FUNCTIONS)
def test_arguments_and_results_have_types(name):
    hints = inspect.get_annotations(FUNCTIONS[name])
    missing = set(inspect.signature(FUNCTIONS[name]).parameters) - set(hints)
    assert not missing
    assert "return" in hints


@everything(FUNCTIONS)
def test_a_function_over_a_fit_takes_it_first(name):
    hints, parameters = (
        inspect.get_annotations(FUNCTIONS[name]),
        list(inspect.signature(FUNCTIONS[name]).parameters),
    )
    fits = [argument for argument in parameters if hints[argument] is fv.Fit]
    assert fits == parameters[: len(fits)]
    assert all(argument.startswith("fit") for argument in fits)


@everything({name: value for name, value in CLASSES.items() if issubclass(value, BaseException)})
def test_an_error_derives_from_the_library_s_own(name):
    assert issubclass(CLASSES[name], FavaeError | Warning)


@everything(DECLARATIONS)
def test_a_declaration_is_frozen_comparable_and_read_back(name):
    cls = DECLARATIONS[name]
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    examples = [one for one in GOOD if type(one) is cls]
    assert examples, "tests/hostile/declarations.py needs an example of each kind"
    for example in examples:
        copy = dataclasses.replace(example) if dataclasses.fields(cls) else cls()
        assert copy == example
        assert hash(copy) == hash(example)
        assert fv.from_json(fv.to_json(example)) == example
        assert "\n" not in repr(example) or cls is fv.FAVAE


def test_there_is_something_to_look_at():
    assert len(DECLARATIONS) > 20
    assert len(FUNCTIONS) > 20
    assert "fv.fit" in FUNCTIONS
    assert "Fit" in {cls.__name__ for cls in CLASSES.values()}
