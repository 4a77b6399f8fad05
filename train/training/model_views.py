"""A detector's faces while it is trained: what learns, what is measured, what is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import keras


@dataclass(frozen=True)
class Nets:
    """One detector three times; `sync` brings the latter two up to what was learnt.

    Attributes:
        plain: of standard layers, what is saved. It is not spread over devices and predicts
            without the help of other hosts.
        measured: what validation looks at: the plain net, or the int8 net that it will become.
        members: what the training adds to the saved file, by name.
        shared: whether the trained net has the very variables of the plain one.
    """

    plain: keras.Model
    measured: keras.Model
    members: Callable[[], dict[str, str]] = field(default=dict)
    shared: bool = False

    def sync(self, trained: keras.Model) -> None:
        if not self.shared:
            self.plain.set_weights(trained.get_weights())
