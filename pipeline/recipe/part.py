"""What all parts of a recipe have in common."""

import difflib
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.record import GROUPS

Share = Annotated[float, Field(ge=0, le=1)]


Count = Annotated[int, Field(ge=0)]


OWN_SEED = "Set it only to differ from the recipe's seed."


class Part(BaseModel):
    """Base of all parts: nothing unknown, nothing changed later, no number that JSON cannot hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("true and false are no value here")
        return value


def _known_group(name: str) -> str:
    if name not in GROUPS:
        close = difflib.get_close_matches(name, GROUPS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{name!r} is no group; groups are {', '.join(GROUPS)}{hint}")
    return name


Group = Annotated[str, AfterValidator(_known_group)]
