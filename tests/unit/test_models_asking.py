"""The JSON schema of a message, the reading of answers, and the prompts that ship."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from loupe.critic.v1.critic_pb2 import Verdict
from loupe.reasoning.v1.analysis_pb2 import Analysis, Filter, Operation, Selection
from servers.kit.models.asking import Unfit
from servers.kit.models.prompts import Prompt, read_prompt
from servers.kit.models.schema import schema_of
from servers.kit.models.structured import Form, as_data
from servers.reasoning.engines.model import NOT_THE_MODELS as NOT_THE_PLANNERS
from servers.router.configuration import Configuration, RouteSection
from servers.vision.opinion import form as vision_form

PROMPTS = [
    ("servers.reasoning", "plan"),
    ("servers.codegen", "program"),
    ("servers.critic", "review"),
    ("servers.vision", "read"),
]


def test_a_schema_has_names_bounds_and_what_is_required():
    leave_out = [f"loupe.critic.v1.Finding.{name}" for name in ("tool", "is_blocking", "column", "end_line")]
    leave_out += [f"loupe.critic.v1.Verdict.{name}" for name in ("is_approved", "code_sha256", "policy_version")]
    assert schema_of(Verdict.DESCRIPTOR, [*leave_out, "loupe.critic.v1.Finding.end_column"]) == {
        "type": "object",
        "properties": {
            "findings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "rule": {"type": "string", "maxLength": 400},
                        "severity": {"enum": ["SEVERITY_LOW", "SEVERITY_MEDIUM", "SEVERITY_HIGH"]},
                        "message": {"type": "string", "maxLength": 400},
                        "line": {"type": "integer", "minimum": 0, "maximum": 4294967295},
                    },
                    "additionalProperties": False,
                },
            }
        },
        "additionalProperties": False,
    }
    operation = schema_of(Operation.DESCRIPTOR)
    assert operation["required"] == ["kind", "operands"]
    assert (operation["properties"]["operands"]["minItems"], operation["properties"]["operands"]["maxItems"]) == (1, 20)
    selection = schema_of(Selection.DESCRIPTOR)["properties"]
    assert selection["figure_id"] == {"type": "string", "pattern": "^(f[1-9][0-9]{0,3})?$"}
    assert selection["first"] == {"type": "integer", "minimum": 0, "maximum": 2000}
    assert "maxItems" not in selection["categories"]  # 2000: no grammar counts so far


def test_one_of_several_is_an_alternative_each_and_nothing_holds_itself():
    made = schema_of(Filter.DESCRIPTOR)
    assert [one["required"] for one in made["anyOf"]] == [["threshold", "comparison"], ["operand", "comparison"]]
    inner = made["anyOf"][1]["properties"]["operand"]["anyOf"][0]["properties"]["selection"]["properties"]
    assert "filters" not in inner


def test_a_field_may_be_required_beyond_its_rules():
    required = Form(Selection, require=["loupe.reasoning.v1.Selection.series"])
    assert required.schema["required"] == ["series"]
    assert required.schema["properties"]["series"]["minItems"] == 1
    with pytest.raises(Unfit, match="it has no series"):
        required.read('{"series": [], "first": 1}')


def test_what_no_model_can_write_must_be_left_out():
    with pytest.raises(TypeError, match=r"positive_int_value is of a type that a model can't write"):
        schema_of(descriptor_pb2.UninterpretedOption.DESCRIPTOR)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ("{" * 100_000, "it is no JSON"),
        ('{"operations": [{"kind": "SUM"}]}', "does not fit the schema"),
        ('{"operations": [], "more": 1}', "does not fit the schema"),
        ('{"operations": []}', "it breaks a limit: operations"),
        ('{"question": "other", "operations": []}', "the field question is not yours"),
        ('{"operations": [{"kind": "OPERATION_KIND_TOTAL", "operands": [{"constant": NaN}]}]}', "does not fit"),
    ],
)
def test_an_answer_that_is_no_such_message_says_why(text: str, why: str):
    with pytest.raises(Unfit, match=why.replace("[", r"\[")):
        Form(Analysis, leave_out=["loupe.reasoning.v1.Analysis.question"]).read(text)


def test_fences_and_raw_control_characters_are_read_over():
    text = '```json\n{"assumptions": ["a\tb"], "operations": [{"kind": 9, "operands": [{"constant": 1}]}]}\n```'
    assert Form(Analysis).read(text).assumptions == ["a\tb"]


def test_data_can_close_no_tag():
    assert as_data({"title": "</figures> é"}) == '{"title":"\\u003c/figures\\u003e é"}'


@pytest.mark.parametrize(("package", "name"), PROMPTS)
def test_every_prompt_names_its_version_and_the_card_it_was_written_from(package: str, name: str):
    prompt = read_prompt(package, name)
    assert isinstance(prompt, Prompt)
    assert prompt.reference == f"{name}@1"
    assert prompt.model_card == f"https://huggingface.co/{prompt.written_for}"
    assert "instruction" in prompt.text  # of what is only data


def test_no_model_can_claim_evidence_or_limits():
    schema = json.dumps(vision_form().schema)
    for name in ("box", "confidence", "origin", "value_id", "fidelity", "reasons"):
        assert f'"{name}"' not in schema
    assert "loupe.reasoning.v1.Action.run_code" in NOT_THE_PLANNERS


def test_the_files_of_providers_on_the_page_are_usable_ones():
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)]
    files = [Configuration.model_validate(block) for block in blocks if "providers" in block]
    models = {model.name: model for file in files for provider in file.providers for model in provider.models}
    for server, model in re.findall(r"LOUPE_(\w+)_ENGINE=routed\s+LOUPE_\w+_MODEL=(\S+)", page):
        needs_json = server not in ("CODEGEN", "SPEECH")
        assert models[model].json_schema is needs_json
    routes = [
        RouteSection.model_validate(route) for block in blocks if "providers" not in block for route in block["routes"]
    ]
    assert [route.policy for route in routes] == ["quality"]
    assert models["qwen-vl"].vision
