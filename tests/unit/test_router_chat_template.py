"""A model's chat template: what it is given, and what it can't do to the router."""

from __future__ import annotations

import asyncio
import json
import os

import psutil
import pytest

from loupe.router.v1.router_pb2 import CompleteRequest, Image, Message, MessageRole, Part, ToolCall
from servers.kit.errors import NotReady
from servers.router.failures import ProviderFailure
from servers.router.providers.vllm_prompts import ModelPrompts
from servers.router.template_process import TemplateFailed, TemplateProcess
from tests.engines import word_tokenizer

ROLES = {
    "system": MessageRole.MESSAGE_ROLE_SYSTEM,
    "user": MessageRole.MESSAGE_ROLE_USER,
    "assistant": MessageRole.MESSAGE_ROLE_ASSISTANT,
}


async def rendered(source, **variables):
    template = TemplateProcess(source)
    try:
        return await template.render(variables)
    finally:
        await template.close()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # A tag on a line of its own leaves no line and no indentation.
        ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"),
        ("{% for x in 'abc' %}{% if x == 'a' %}{% continue %}{% endif %}{{ x }}{% break %}{% endfor %}", "b"),
        ("{% generation %}said{% endgeneration %}", "said"),
        ("""{{ {"b": "<é>", "a": [1, none]} | tojson }}""", """{"b": "<é>", "a": [1, null]}"""),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{{ strftime_now('%%') }}", "%"),
        ("{% set ns = namespace(found=false) %}{% set ns.found = true %}{{ ns.found }}", "True"),
        ("{{ missing is defined }}{{ '<b>' }}", "False<b>"),
    ],
)
async def test_a_template_has_what_transformers_gives_it(source, text):
    assert await rendered(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ messages.append(1) }}",
        "{% for x in range(999999999) %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ 'x' * 10**9 }}",
        "{% include 'secret' %}",
        "{% if %}",
        "{{ none.at.all }}",
    ],
)
async def test_what_a_template_may_not_do_makes_no_prompt(source):
    with pytest.raises(TemplateFailed):
        await rendered(source, messages=[])


async def test_a_template_without_end_is_ended_and_the_next_prompt_is_made():
    template = TemplateProcess(
        "{% for a in range(n) %}{% for b in range(n) %}{% endfor %}{% endfor %}{{ n }}", limit_s=0.2
    )
    try:
        assert await template.render({"n": 2}) == "2"
        with pytest.raises(TemplateFailed, match=r"took over 0.2 s"):
            await template.render({"n": 99999})
        assert await template.render({"n": 3}) == "3"
    finally:
        await template.close()


async def test_a_process_that_was_killed_is_started_again():
    template = TemplateProcess("{{ n }}")
    try:
        assert await template.render({"n": 1}) == "1"
        (child,) = [one for one in psutil.Process().children() if "chat_template.py" in " ".join(one.cmdline())]
        child.kill()
        await asyncio.to_thread(os.waitid, os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert await template.render({"n": 2}) == "2"
    finally:
        await template.close()


def chat(*said):
    return CompleteRequest(messages=[Message(role=ROLES[role], parts=parts) for role, parts in said])


TEXT = [Part(text="What "), Part(text="is it?")]
PICTURE = [Part(image=Image(content=b"")), Part(text="Tea")]


async def prompt(folder, request):
    prompts = ModelPrompts(folder)
    try:
        ids = await prompts.tokens(request)
    finally:
        await prompts.close()
    return word_tokenizer.tokenizer().decode(ids, skip_special_tokens=False)


async def test_special_tokens_and_the_parts_of_a_message_reach_the_template(home):
    folder = word_tokenizer.write(home / "m")
    assert await prompt(folder, chat(("system", [Part(text="Be brief.")]), ("user", TEXT))) == (
        "<|begin|>system: Be brief.<|end|>user: What is it?<|end|>assistant: "
    )
    assert await prompt(folder, chat(("user", PICTURE))) == "<|begin|>user: <|picture|>Tea<|end|>assistant: "


async def test_a_template_that_knows_lists_of_parts_only_gets_them(home):
    lists = "{% for m in messages %}{% for part in m['content'] %}({{ part['text'] }}){% endfor %}{% endfor %}"
    assert await prompt(word_tokenizer.write(home / "m", lists), chat(("user", TEXT))) == "(What )(is it?)"


async def test_a_template_stands_in_a_file_of_its_own_or_under_a_name_too(home):
    folder = word_tokenizer.write(home / "m", "the settings'")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["chat_template"] = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "named"}]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert await prompt(folder, chat(("user", TEXT))) == "named"
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "the processor's"}))
    assert await prompt(folder, chat(("user", TEXT))) == "the processor's"
    (folder / "chat_template.jinja").write_text("its own")
    assert await prompt(folder, chat(("user", TEXT))) == "its own"


async def test_tools_and_a_model_without_a_template_are_refused(home):
    folder = word_tokenizer.write(home / "m")
    request = chat(("assistant", TEXT))
    request.messages[0].tool_calls.append(ToolCall(id="1", name="look"))
    with pytest.raises(ProviderFailure, match="calls no tools"):
        await prompt(folder, request)
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ProviderFailure, match="no chat template"):
        await prompt(folder, chat(("user", TEXT)))
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(NotReady, match="holds no object"):
        ModelPrompts(folder)
