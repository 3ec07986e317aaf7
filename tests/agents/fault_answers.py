"""What the server of language models answers each prompt when it means well: from the text that it is shown."""

import re
from typing import Any

from agents.llm import templates
from tests.agents.llm_server import Handler, Json, LLMServer, instance

MODEL = "gpt-4.1-mini"
PRICES = {MODEL: {"in": 0.40, "out": 1.60}}
QUOTE = "a £3m facility is in place"
_FACT = re.compile(r"^\[(\w+)\] (.+?)\.?$", re.MULTILINE)


def read_news(_: Json) -> Json:
    return {"type": "funding_round", "is_about_company": True, "quote": QUOTE, "amount": "£3m"}


def say_a_fact(body: Json) -> Any:
    """The least that fits the schema, each text in it being a fact of the question with its id."""
    fact = _FACT.search(body["messages"][1]["content"])
    schema = body["response_format"]["json_schema"]["schema"]
    return instance(schema, text=f"{fact[2]} [{fact[1]}]." if fact else "")


ANSWERS: dict[str, Handler] = {"scout_news": read_news}


def answer_well(server: LLMServer) -> LLMServer:
    """Have the server answer the prompts of all kinds: those without an answer of their own by a fact."""
    for path in templates.FOLDER.glob("*.toml"):
        server.handlers[path.stem] = ANSWERS.get(path.stem, say_a_fact)
    return server
