"""Text from tokens as they come: however they are cut, the same is said, and never half a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from servers.router.detokenizing import Detokenizer, StopStrings
from tests.engines import word_tokenizer

BYTES = word_tokenizer.tokenizer()


def pieced():
    """A tokenizer as Llama's: a mark for each space, bytes for what it has no piece of, no space before the first."""
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    pieces = ["▁", *"abcdefghijklmnopqrstuvwxyz", "▁the", "▁coffee"]
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", "<s>", *bytes_, *pieces])}
    made = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(
        [decoders.Metaspace(prepend_scheme="first"), decoders.ByteFallback(), decoders.Fuse()]
    )
    made.add_special_tokens(["<s>"])
    return made


PIECED = pieced()


def heard(tokenizer, ids, prompt=()):
    text = Detokenizer(lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True), prompt)
    pieces = [text.feed([token]) for token in ids]
    return [piece for piece in [*pieces, text.flush()] if piece]


@pytest.mark.parametrize("tokenizer", [BYTES, PIECED], ids=["bytes", "pieces"])
@given(said=st.text(max_size=40))
def test_what_was_said_is_heard_whole_and_no_piece_holds_half_a_character(tokenizer, said):
    said = said.replace("▁", "").replace("\ufffd", "").strip()
    pieces = heard(tokenizer, tokenizer.encode(said, add_special_tokens=False).ids)
    assert "".join(pieces).strip() == said
    assert not any("\ufffd" in piece for piece in pieces)


@given(ids=st.lists(st.integers(0, 258), max_size=60))
def test_tokens_that_make_no_text_are_told_as_the_whole_would_be_up_to_the_last_characters(ids):
    whole = BYTES.decode(ids, skip_special_tokens=True)
    assert "".join(heard(BYTES, ids)).rstrip("\ufffd") == whole.rstrip("\ufffd")


def test_a_space_after_the_prompt_is_kept_where_the_decoder_would_take_the_first():
    ids = [PIECED.token_to_id(piece) for piece in ("▁the", "▁coffee")]
    prompt = PIECED.encode("a b", add_special_tokens=False).ids
    assert heard(PIECED, ids, prompt) == [" the", " coffee"]


def test_control_tokens_without_end_say_nothing_and_what_follows_is_told():
    assert heard(BYTES, [*[BYTES.token_to_id("<|end|>")] * 500, *BYTES.encode("é!").ids]) == ["é", "!"]


@given(
    pieces=st.lists(st.text("abE", max_size=4), max_size=12),
    stops=st.lists(st.text("abE", min_size=1, max_size=3), max_size=3),
)
def test_a_text_is_cut_at_its_first_stop_string_however_it_comes(pieces, stops):
    reader = StopStrings(stops)
    told = "".join([reader.feed(piece) for piece in pieces]) + reader.flush()
    whole = "".join(pieces)
    ends = [whole.find(stop) + len(stop) for stop in stops if stop in whole]
    if not ends:
        assert told == whole
        assert not reader.has_stopped
    else:
        assert reader.has_stopped
        assert whole.startswith(told)
        assert not any(stop in told for stop in stops)
