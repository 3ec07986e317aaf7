"""What is asked of a language model: the messages, what they may cost at most, and a key to find their answer by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Generic, Literal

from agents.llm.contract import M, Untrusted
from agents.llm.fencing import PLACEHOLDERS, RULES, Marks, fenced, new_marks
from agents.llm.prices import Price
from agents.llm.schemas import schema_of
from agents.llm.templates import Template, get_template

Format = Literal["json_schema", "json_object", "none"]  # how an answer's form is asked for; servers know fewer
FORMATS: tuple[Format, ...] = ("json_schema", "json_object", "none")
MESSAGE_TOKENS, REQUEST_TOKENS = 16, 256  # that a provider adds, generously
SCHEMA_FACTOR = 2  # a provider may write the schema out in a form of its own

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Question(Generic[M]):
    """One question with its schema. Each has boundaries and a canary of its own."""

    prompt: str
    schema: type[M]
    facts: Mapping[str, Any] = field(default_factory=dict)
    untrusted: Sequence[Untrusted] = ()
    temperature: float = 0.0
    max_tokens: int = 1_500
    marks: Marks = field(default_factory=new_marks)

    @property
    def is_kept(self) -> bool:
        """Whether its answer is, to be used again."""
        return self.temperature == 0

    @cached_property
    def template(self) -> Template:
        return get_template(self.prompt)

    @cached_property
    def _schema(self) -> tuple[dict[str, Any], bool]:
        return schema_of(self.schema)

    @cached_property
    def sha256(self) -> str:
        """Of the messages, as if the random marks in them were the same each time."""
        return sha256(json.dumps(self._messages(PLACEHOLDERS)).encode()).hexdigest()

    def key(self, model: str) -> str:
        """Of the answer: the same for what is the same question in every respect."""
        parts = [model, self.sha256, self._schema[0], self.temperature, self.max_tokens]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def messages(self, form: Format) -> Messages:
        messages = self._messages(self.marks)
        if form != "json_schema":
            messages[0]["content"] += f"\n\nThe JSON schema of the answer:\n{json.dumps(self._schema[0])}"
        return messages

    def _messages(self, marks: Marks) -> Messages:
        system, user = self.template.filled(self.facts)
        rules = RULES.format(boundary=marks.boundary, canary=marks.canary)
        texts = fenced(self.untrusted, marks)
        return [
            {"role": "system", "content": f"{system}\n{rules}"},
            {"role": "user", "content": f"{user}\n\n{texts}" if texts else user},
        ]

    def response_format(self, form: Format) -> dict[str, Any]:
        if form == "none":
            return {}
        if form == "json_object":
            return {"type": form}
        schema, is_strict = self._schema
        return {"type": form, "json_schema": {"name": self.prompt, "schema": schema, "strict": is_strict}}

    def tokens_at_most(self, messages: Messages, form: Format) -> int:
        """That are read: a token is at least a byte."""
        sent = sum(len(message["content"].encode()) + MESSAGE_TOKENS for message in messages)
        return sent + SCHEMA_FACTOR * len(json.dumps(self.response_format(form))) + REQUEST_TOKENS

    def cost_at_most(self, messages: Messages, form: Format, price: Price) -> Any:
        """US dollars, whatever the answer."""
        return price.of(self.tokens_at_most(messages, form), self.max_tokens)
