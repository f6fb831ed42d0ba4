"""lamv: how label augmentation (label smoothing, the Mixup family) shapes what a neural network learns.

    run = lamv.train("digits_tag", "runs/demo")    a recipe and a workdir
    run = lamv.load("runs/demo")                   what a workdir holds

These are functions of lamv.api, imported when they are first used, as is jax. `lamv.train` is a package too, and the
function is what calling it does; `from lamv.api import train` is the same.
"""

import types
from typing import Any

__version__ = "0.1.0"
#: What is imported when it is first used.
DOOR = ("load", "recipe", "register", "train")


def __getattr__(name: str) -> Any:
    if name not in DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "train":
        import lamv.train as package

        return package
    from lamv import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *DOOR])


class CallablePackage(types.ModuleType):
    """The class of the package lamv.train, so that it may be called as well as imported from.

    A function in its place would be replaced by the package as soon as anything imports from there.
    """

    def __call__(self, recipe: Any, workdir: Any, overrides: Any = None) -> Any:
        """lamv.api.train."""
        from lamv import api

        return api.train(recipe, workdir, overrides)
