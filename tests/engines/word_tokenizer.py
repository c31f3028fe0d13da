"""The files of a model whose tokens are the word model's words, and else bytes: tokenizer, settings, chat template."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from tests.engines.word_model import WORDS

PLACEHOLDER = "<|picture|>"
CONTROL = ("<|begin|>", "<|end|>", PLACEHOLDER)
TEMPLATE = """\
{{- bos_token }}
{%- for message in messages %}
    {{- message['role'] + ': ' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for part in message['content'] %}
            {{- part['text'] if part['type'] == 'text' else '<|picture|>' }}
        {%- endfor %}
    {%- endif %}
    {{- eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}
"""


def tokenizer() -> Tokenizer:
    """Return the tokenizer: one token for each byte, each word with and without its space, and control tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    spaced = [f" {word}" for word in WORDS]
    made.add_tokens([AddedToken(token, normalized=False) for token in (*spaced, *WORDS)])
    return made


def write(folder: Path, template: str = TEMPLATE) -> Path:
    """Write the files into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>", "special": True}, "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
