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
