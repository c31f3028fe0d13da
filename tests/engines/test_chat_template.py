"""What the router's chat templates make of messages, held against transformers' own."""

from __future__ import annotations

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from servers.router.chat_template import compile_template

# What templates of many models do, each in a few lines: loops that stop, white space, dates, JSON, refusals.
TEMPLATES = {
    "chatml": (
        "{% for message in messages %}\n"
        "    {% if loop.first and message['role'] != 'system' %}\n"
        "<|im_start|>system\nYou are helpful.<|im_end|>\n"
        "    {% endif %}\n"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}\n"
        "{% endfor %}\n"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}\n"
    ),
    "instructions": (
        "{%- if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
        "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif -%}\n"
        "{{- bos_token }}\n"
        "{%- for message in rest %}\n"
        "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
        "        {{- raise_exception('roles must alternate') }}\n"
        "    {%- endif %}\n"
        "    {%- if message['role'] == 'user' %}\n"
        "        {%- if loop.last and system is defined %}{{- '[INST] ' + system + '\\n\\n' + message['content'] }}\n"
        "        {%- else %}{{- '[INST] ' + message['content'] }}{%- endif %}{{- '[/INST]' }}\n"
        "    {%- else %}{% generation %}{{- ' ' + message['content'] | trim + eos_token }}{% endgeneration %}\n"
        "    {%- endif %}\n"
        "{%- endfor %}\n"
    ),
    "dates and JSON": (
        "{%- set ns = namespace(count=0) -%}\n"
        "{% for message in messages %}{% if message.role == 'tool' %}{% continue %}{% endif %}\n"
        "{% set ns.count = ns.count + 1 %}{{ ns.count }} {{ message | tojson }}\n"
        "{% if ns.count == 2 %}{% break %}{% endif %}\n"
        "{%- endfor %}{{ strftime_now('%Y') }}{{ tools is none }}{{ documents is defined }}"
        "{{ [1, {'ä': '<'}] | tojson(indent=2, sort_keys=true) }}"
    ),
}
TALKS = (
    [{"role": "user", "content": "Which month?"}],
    [
        {"role": "system", "content": "Be brief. <é>"},
        {"role": "user", "content": "Hi\n"},
        {"role": "assistant", "content": "  Hello. "},
        {"role": "user", "content": "{{ no }}"},
    ],
)


@pytest.mark.parametrize("talk", TALKS, ids=["one", "several"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_is_the_one_that_transformers_makes(name, talk):
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    theirs, _ = render_jinja_template(
        conversations=[talk], chat_template=TEMPLATES[name], add_generation_prompt=True, **tokens
    )
    given = {"messages": talk, "tools": None, "documents": None, "add_generation_prompt": True} | tokens
    assert compile_template(TEMPLATES[name]).render(**given) == theirs[0]
