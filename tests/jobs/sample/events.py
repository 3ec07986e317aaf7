"""Events of the tests."""

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("sample/work.do")
class Work(BaseModel):
    """What the function is to do; `steps` of it leave a trace each."""

    what: str = "nothing"
    steps: int = 0
    seconds: float = 0.0
    key: str = ""


@event("sample/nobody.listens")
class Unheard(BaseModel):
    number: int
