"""The study that Optuna keeps of a search: ``study.db``, and what decides which trial comes next."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from microtwin.errors import InputError
from microtwin.perception.search_settings import Search

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler

STUDY = "study.db"
STARTUP = 5  # trials before any is cut short
SPARED = 0.25  # of the epochs: none is cut short before


@contextlib.contextmanager
def opened(settings: Search, folder: Path, images: int) -> Iterator["Study"]:
    """The folder's study, new or found; trials that a kill left at work are counted as failed.

    Raises:
        InputError: the file cannot be read, or the study began with other images.
    """
    import optuna
    from optuna.exceptions import StorageInternalError
    from optuna.trial import TrialState
    from sqlalchemy.exc import SQLAlchemyError

    file = folder / STUDY
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = None
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}")
        study = optuna.create_study(
            storage=storage,
            study_name=settings.kind,
            direction="maximize" if settings.maximise else "minimize",
            pruner=optuna.pruners.MedianPruner(STARTUP, n_warmup_steps=int(SPARED * settings.epochs)),
            load_if_exists=True,
        )
        began_with = study.user_attrs.get("images", images)
        if began_with != images:
            raise InputError(f"{folder} began with {began_with} images, these are {images}: give it the same ones")
        study.set_user_attr("images", images)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot use {file} ({reason}): begin again with another --out") from None
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()
        optuna.logging.set_verbosity(verbosity)


def sampler(seed: int, done: int) -> "BaseSampler":
    """What draws the trial after so many that have ended; the same whether the search was stopped between or not."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=int(np.random.SeedSequence([seed, done]).generate_state(1)[0]))
