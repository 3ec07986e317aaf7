"""Reads of the register that chain."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F, Func, Q, Value

from businesses.normalise import normalise_name

if TYPE_CHECKING:
    from businesses.models import Business  # noqa: F401  names the type parameter


class BusinessQuerySet(models.QuerySet["Business"]):
    """`Business.objects.with_embedding_of("m").…`"""

    def with_embedding_of(self, model: str) -> Self:
        """Companies that `model` has a vector for, even an outdated one."""
        return self.filter(embedding_model=model)

    def needing_embedding(self, model: str, template: str) -> Self:
        """Companies whose vector is missing, made by another model or template, or from another text.

        Written as the partial index of `embeddings.indexes` is, so that Postgres sees that the index answers it.
        """
        current = Func(
            Value(f"{template}:"),
            F("text_hash"),
            template="(%(expressions)s)",
            arg_joiner=" || ",
            output_field=models.TextField(),
        )
        return self.filter(~Q(embedding_model=model) | ~Q(embedding_hash=current))

    def matching_text(self, text: str) -> Self:
        """Companies by number, or by the beginning of the name: what an index answers on millions of rows."""
        number = text.strip().upper()
        by_number = Q(company_number=number.zfill(8) if number.isdigit() else number)
        prefix = normalise_name(text)
        return self.filter(by_number | Q(name_normalised__startswith=prefix)) if prefix else self.filter(by_number)
