"""Tiny models with real architectures and random weights: `python -m tests.engines.tiny_models DIR`.

They go through the loading code of real ones, in seconds: Qwen2.5-VL, Mistral, DeepSeek-Coder (Llama), Whisper. What
they say means nothing. `head_dim` is 32, the least that vLLM takes on a CPU.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

CONTEXT_TOKENS = 8192
_HEAD_DIM = 32
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}{% endif %}<|im_end|>\\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
_VIDEO = "<|video_pad|>"


def write_all(folder: Path) -> None:
    """Write every model into a folder of its name."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name, write in (
        ("mistral", _write_mistral),
        ("deepseek-coder", _write_deepseek_coder),
        ("qwen2.5-vl", _write_qwen_vl),
        ("whisper", _write_whisper),
    ):
        torch.manual_seed(7)
        write(folder / name)


def _write_mistral(folder: Path) -> None:
    tokenizer = _tokenizer()
    config = transformers.MistralConfig(**_text(tokenizer), sliding_window=None)
    _save(transformers.MistralForCausalLM(config), tokenizer, folder)


def _write_deepseek_coder(folder: Path) -> None:
    tokenizer = _tokenizer()
    config = transformers.LlamaConfig(**_text(tokenizer))
    _save(transformers.LlamaForCausalLM(config), tokenizer, folder)


def _write_qwen_vl(folder: Path) -> None:
    tokenizer = _tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (*_CONTROL, _VIDEO)}
    # Time, height and width share the half of each head that turns.
    rope = {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e6}
    text = {name: value for name, value in _text(tokenizer).items() if name != "head_dim"} | {"rope_parameters": rope}
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "num_heads": 2,
        "intermediate_size": 128,
        "out_hidden_size": text["hidden_size"],
        "fullatt_block_indexes": [1],
        "window_size": 56,
    }
    config = transformers.Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids[_VIDEO],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
    )
    _save(transformers.Qwen2_5_VLForConditionalGeneration(config), tokenizer, folder)
    transformers.Qwen2VLImageProcessorPil().save_pretrained(folder)


def _write_whisper(folder: Path) -> None:
    names = "endoftext startoftranscript en translate transcribe startoflm startofprev nospeech notimestamps"
    tokens = tuple(f"<|{name}|>" for name in names.split())
    byte_level = _byte_level((*tokens, *(f"<|{second / 50:.2f}|>" for second in range(1501))))
    vocabulary = {token: number for token, number in byte_level.get_vocab().items() if not token.startswith("<|")}
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: byte_level.token_to_id(token) for token in tokens}
    config = transformers.WhisperConfig(
        vocab_size=byte_level.get_vocab_size(),
        d_model=128,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=byte_level, eos_token="<|endoftext|>", bos_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    wrapped.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    generation = json.loads((folder / "generation_config.json").read_text())
    generation.pop("_from_model_config", None)  # with it transformers looks for a configuration of long ago
    generation |= {
        "is_multilingual": True,
        "lang_to_id": {"<|en|>": ids["<|en|>"]},
        "task_to_id": {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "max_length": 64,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation))


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 4 * _HEAD_DIM,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": _HEAD_DIM,
        "max_position_embeddings": CONTEXT_TOKENS,
        "bos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
        "pad_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        "tie_word_embeddings": False,
    }


def _tokenizer() -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=_byte_level((*_CONTROL, _VIDEO)),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=_TEMPLATE,
    )


def _byte_level(control: tuple[str, ...]) -> Tokenizer:
    """Return a tokenizer with one token for each byte, and control tokens after them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    # Words that never end by themselves: a test says when. The row of the end is as far from all as can be.
    with torch.no_grad():
        for token in (*_CONTROL, _VIDEO):
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(token)] = 0
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
