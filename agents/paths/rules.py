"""What ties are worth and who is left out: `rules.toml`, checked when it is loaded; and the address key, in Python."""

import hashlib
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from businesses.normalise import normalise_name

FILE = Path(__file__).parent / "rules.toml"
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    officer_companies: Annotated[int, Field(ge=2)]
    address_companies: Annotated[int, Field(ge=2)]
    tie_half_life_years: Annotated[float, Field(gt=0)]
    resigned: Share
    known_overlap_years: Annotated[float, Field(gt=0)]
    least_overlap: Share
    address: Share


class ListedName(_Strict):
    name: str
    reason: str


class ListedAddress(_Strict):
    line1: str
    postcode: str
    companies: int
    reason: str


class Rules(_Strict):
    version: str
    limits: Limits
    roles: dict[str, Share]
    names: tuple[ListedName, ...] = ()
    addresses: tuple[ListedAddress, ...] = ()

    @property
    def left_out_names(self) -> list[str]:
        return sorted({normalise_name(one.name) for one in self.names})

    @property
    def left_out_addresses(self) -> list[UUID]:
        keys = (address_key(one.line1, one.postcode) for one in self.addresses)
        return sorted(key for key in keys if key)


@cache
def load_rules() -> Rules:
    """Raises `ValidationError`, naming the field."""
    return Rules.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))


def address_key(line1: str, postcode: str) -> UUID | None:
    """Equal for one address in several spellings; None without a first line or a postcode.

    As `oppspot_address_key` of the database: letters and digits only, capitals, hashed.
    """
    line, code = (re.sub(r"[^A-Za-z0-9]", "", text).upper() for text in (line1, postcode))
    if not (line and code):
        return None
    return UUID(hashlib.md5(f"{line}|{code}".encode(), usedforsecurity=False).hexdigest())
