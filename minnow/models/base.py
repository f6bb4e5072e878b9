"""What every architecture has: a configuration that travels as JSON, and weights under names.

An architecture is one file with its configuration and its module. It knows numbers, not text, files or losses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from minnow.errors import BundleError, RecipeError, UnknownNameError
from minnow.strict import read_record, write_record


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a model; subclassed in the architecture's own file."""

    model_type: ClassVar[str]
    # Modules are made before weights are read, so a damaged configuration must not ask for a million.
    most_layers: ClassVar[int] = 64

    def check_sizes(self, *names: str) -> None:
        """Raise RecipeError unless these fields are at least 1."""
        for name in names:
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} must be at least 1, but got {name}={getattr(self, name)}")

    def check_layers(self, *names: str) -> None:
        """Raise RecipeError unless these numbers of layers are such that a machine could hold them."""
        self.check_sizes(*names)
        for name in names:
            if getattr(self, name) > self.most_layers:
                raise RecipeError(
                    f"{name} must be at most {self.most_layers}, but got {name}={getattr(self, name)}; try 2"
                )

    def check_rates(self, *names: str) -> None:
        """Raise RecipeError unless these dropouts lie in [0, 1)."""
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name} must lie in [0, 1), but got {name}={getattr(self, name)}; try 0.1")

    def to_dict(self) -> dict[str, Any]:
        return {"model_type": self.model_type, **write_record(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read ``config.json``.

        Raises:
            BundleError: an unknown key, which names the nearest field, or a value that cannot be.
        """
        try:
            return read_record(cls, {key: value for key, value in values.items() if key != "model_type"}, "config.json")
        except (RecipeError, UnknownNameError) as error:
            raise BundleError(str(error)) from error
