"""Language models: asked through one door, with a reservation before each request.

answer = ctx.llm.ask("research_snapshot", Snapshot, facts={"name": name}, untrusted=[Untrusted("w1", "Website", text)])
"""

from agents.llm.contract import LLM, Answer, BudgetExceeded, LLMFailed, UnknownPrice, Untrusted

__all__ = ["LLM", "Answer", "BudgetExceeded", "LLMFailed", "UnknownPrice", "Untrusted"]
