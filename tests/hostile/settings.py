"""Settings that cannot be meant."""

from typing import Any

from hypothesis import strategies as st

import pyro_favae as fv
from tests.hostile.family import Family
from tests.hostile.tables import DATA
from tests.hostile.values import anything, spoilt

MODEL = fv.FAVAE({"table": fv.views.Real(3), "behind": fv.views.Tabular(["u", "v"], 1, hidden=(3,))}, 1)
ROWS = {name: DATA[name] for name in MODEL.views}
LEARNT = fv.fit(MODEL, ROWS, epochs=1, seed=0, progress=False, device="cpu")
ALONE = fv.pretrain(MODEL.views["behind"], ROWS["behind"], epochs=1, seed=0, progress=False, device="cpu")


def stop(record: Any) -> bool:
    return True


GOOD = {
    "epochs": 1,
    "tolerance": 1e-3,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "schedule": "joint",
    "train": None,
    "seed": 0,
    "device": "cpu",
    "callbacks": (stop,),
}


def learn(options: dict[str, Any]) -> None:
    fv.fit(**({"model": MODEL, "data": ROWS, "progress": False} | options))


def go_on(options: dict[str, Any]) -> None:
    fv.refine(**({"fitted": LEARNT, "data": ROWS, "progress": False} | options))


def train_alone(options: dict[str, Any]) -> None:
    fv.pretrain(**({"view": MODEL.views["behind"], "data": ROWS["behind"], "progress": False} | options))


def another_view(options: dict[str, Any]) -> None:
    fv.add_view(**({"epochs": 1, "progress": False, "seed": 0, "device": "cpu"} | options))


def without(options: dict[str, Any]) -> None:
    fv.remove_view(**options)


def pair(options: dict[str, Any]) -> None:
    fv.pyro_pair(**options)


OF_FIT = GOOD | {
    "model": MODEL,
    "data": ROWS,
    "pretrained": None,
    "start": "pca",
    "every": 1,
    "resume": False,
}
OF_PRETRAIN = {
    name: GOOD[name] for name in ("epochs", "batch_size", "learning_rate", "seed", "device", "callbacks")
}
OF_PRETRAIN |= {"view": MODEL.views["behind"], "data": ROWS["behind"]}
OF_ADD = {
    "fitted": LEARNT,
    "name": "labels",
    "view": fv.views.Bernoulli(["a", "b"]),
    "data": ROWS | {"labels": DATA["labels"]},
    "pretrained": None,
    "refine": False,
}
PRETRAINED = st.sampled_from([{"behind": ALONE}, {"table": ALONE}, {"behind": 1}, {"other": ALONE}, ALONE])
FAMILIES = [
    Family("settings of fit", spoilt(OF_FIT, st.one_of(anything(), anything(), PRETRAINED)), learn, 1.2),
    Family("settings of refine", spoilt(GOOD | {"fitted": LEARNT, "data": ROWS}, anything()), go_on, 0.5),
    Family("settings of pretrain", spoilt(OF_PRETRAIN, anything()), train_alone, 0.5),
    Family("views to add", spoilt(OF_ADD, st.one_of(anything(), PRETRAINED)), another_view, 0.7),
    Family("views to remove", spoilt({"fitted": LEARNT, "name": "table"}, anything()), without, 0.2),
    Family("Pyro pairs", spoilt({"model": MODEL, "n_rows": 2}, anything()), pair, 0.2),
]
