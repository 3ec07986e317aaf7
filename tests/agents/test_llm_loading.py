"""An import of the openai client that is interrupted half-way does not spoil the process."""

import subprocess
import sys

SCRIPT = """
import sys

class Interrupted(BaseException):
    pass

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == "openai.lib.azure" and self in sys.meta_path:
            sys.meta_path.remove(self)
            raise Interrupted

from agents.llm.loading import whole

sys.meta_path.insert(0, Interrupter())
try:
    with whole("openai"):
        import openai
except Interrupted:
    pass
else:
    sys.exit("nothing was interrupted")
assert not [name for name in sys.modules if name.partition(".")[0] == "openai"]
with whole("openai"):
    import openai
client = openai.OpenAI(api_key="key", base_url="http://127.0.0.1:9/v1", max_retries=0)
try:
    client.chat.completions.create(messages=[{"role": "user", "content": "x"}], model="m")
except openai.APIConnectionError:
    print("asked")
"""


def test_an_interrupted_import_is_done_anew() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.returncode) == ("asked", 0), done.stderr
