"""Events of the tests."""

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("sample/work.do")
class Work(BaseModel):
    """What the function is to do; `steps` of it take `seconds` and leave a trace each, what follows takes `then`."""

    what: str = "nothing"
    steps: int = 0
    seconds: float = 0.0
    then: float = 0.0
    key: str = ""


@event("sample/nobody.listens")
class Unheard(BaseModel):
    number: int


@event("sample/brief.do")
class Brief(Work):
    """Work that has a second and a half."""


@event("sample/hardy.do")
class Hardy(Work):
    """Work that is tried until it is done."""


@event("sample/limited.do")
class Limited(Work):
    """Work of which two of a key are done at a time."""


@event("sample/parent.do")
class Parent(BaseModel):
    """Work for as many children, which take so many seconds each."""

    children: int
    seconds: float = 0.0
