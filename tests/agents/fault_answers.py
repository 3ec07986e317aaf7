"""What the server of language models answers each prompt when it means well: from the text that it is shown."""

import json
import re
from typing import Any

from agents.llm import templates
from tests.agents.llm_server import Handler, Json, LLMServer, instance

MODEL = "gpt-4.1-mini"
PRICES = {MODEL: {"in": 0.40, "out": 1.60}}
QUOTE = "a £3m facility is in place"
_SENTENCE = re.compile(r'^\{"place": .*\}$', re.MULTILINE)
_FACT = re.compile(r"^\[(\w+)\] (.+?)\.?$", re.MULTILINE)


def read_news(_: Json) -> Json:
    return {"type": "funding_round", "is_about_company": True, "quote": QUOTE, "amount": "£3m"}


def say_a_fact(body: Json) -> Any:
    """The least that fits the schema, each text in it being a fact of the question with its id."""
    fact = _FACT.search(body["messages"][1]["content"])
    schema = body["response_format"]["json_schema"]["schema"]
    return instance(schema, text=f"{fact[2]} [{fact[1]}]." if fact else "")


def rewrite_draft(body: Json) -> Json:
    """The sentences that are shown, the reason to write with some more words."""
    told = [json.loads(line) for line in _SENTENCE.findall(body["messages"][1]["content"])]
    return {
        "parts": [{"place": one["place"], "evidence": one["evidence"], "text": _in_other_words(one)} for one in told]
    }


def _in_other_words(told: Json) -> str:
    sentence: str = told["sentence"]
    return f"{sentence[:-1]}, and thought of writing to you." if told["place"] == "reason" else sentence


ANSWERS: dict[str, Handler] = {"scout_news": read_news, "writer_draft": rewrite_draft}


def answer_well(server: LLMServer) -> LLMServer:
    """Have the server answer the prompts of all kinds: those without an answer of their own by a fact."""
    for path in templates.FOLDER.glob("*.toml"):
        server.handlers[path.stem] = ANSWERS.get(path.stem, say_a_fact)
    return server
