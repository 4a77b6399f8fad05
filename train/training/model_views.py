"""Model views: the trained, evaluated and exported side of one detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import keras


@dataclass(frozen=True)
class ModelViews:
    """One detector as three models; `sync` brings the latter two up to what was learnt.

    The trained one is not among them: it may lie on several devices.

    Attributes:
        export: of standard layers, what is saved. It is not spread over devices and predicts
            without the help of other hosts.
        evaluation: what validation looks at: the export view, or the int8 net it will become.
        members: what the training adds to the saved file, by name.
        shared: whether the trained model has the very variables of the export view.
    """

    export: keras.Model
    evaluation: keras.Model
    members: Callable[[], dict[str, str]] = field(default=dict)
    shared: bool = False

    def sync(self, trained: keras.Model) -> None:
        """Take over the weights of the trained model."""
        if not self.shared:
            self.export.set_weights(trained.get_weights())
