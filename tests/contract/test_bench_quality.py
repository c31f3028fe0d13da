"""Measured quality: models of known fidelity, measured through a real router, and what a router then chooses."""

from __future__ import annotations

import base64
import io
import json
import logging
from contextlib import asynccontextmanager

import numpy as np
import pytest
from PIL import Image

from loupe.type.v1.figure_pb2 import ChartType
from servers.kit.errors import NotReady
from servers.router.quality import read_quality
from tests.bench import quality
from tests.fake_models import fake_models, refusal, whole
from tests.routing import provider, routing
from tests.running import running
from tests.specimens import draw
from tests.specimens.reading import read

NO_ANSWER = {"figures": [{"chart": {"type": "no such type"}}]}


def told(specimen, *, wrong_each=0):
    """What a model says that reads all of a chart, but each so many values three times too large."""
    (true,) = specimen.truth
    ((_, column),) = true.values.items()
    points = [
        {"label": label, "y": {"number": number * (3 if wrong_each and index % wrong_each == 0 else 1)}}
        for index, (label, number) in enumerate(column.items())
    ]
    kind = ChartType.Name(ChartType.ValueType(true.kind))
    return {"figures": [{"chart": {"type": kind, "series": [{"points": points}]}}]}


BAR, PIE = draw("bar", 9104), draw("pie", 9100)  # 12 and 8 values


def is_of(picture, specimen):
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return shown.shape == specimen.rgb.shape and bool((shown == specimen.rgb).all())


def reader(bars, pies):
    """A model server that knows both pictures by their pixels."""

    async def answer(asked, writer):
        url = asked.body["messages"][1]["content"][0]["image_url"]["url"]
        picture = base64.b64decode(url.partition(",")[2])
        if is_of(picture, BAR):
            said = bars
        else:
            assert is_of(picture, PIE)
            said = pies
        await whole(json.dumps(said))(asked, writer)

    return answer


@asynccontextmanager
async def two_models(home):
    """A reads three quarters of the bars right and the pie; B reads the bars, and of the pie nothing that is of use."""
    first = reader(told(BAR, wrong_each=4), told(PIE))
    second = reader(told(BAR), NO_ANSWER)
    async with fake_models(first) as a, fake_models(second) as b:
        sections = [
            f'[[providers]]\nname = "{name}"\nkind = "openai"\nbase_url = "{at.base_url}"\n[[providers.models]]\n'
            'name = "m"\nrevision = "r7"\njson_schema = true\nvision = true\n'
            for name, at in (("a", a), ("b", b))
        ]
        (home / "router.toml").write_text("".join(sections))
        async with running("router", home, listen=f"unix:{home}/run/router.sock"):
            yield a, b


async def measured(home, kind, seed, *models):
    arguments = ["--home", str(home), "--out", str(home / "quality.json"), "--without-builtin"]
    await quality.main([*arguments, "--models", ",".join(models), "--kinds", kind, "--seeds", str(seed)])
    return json.loads((home / "quality.json").read_text())


async def test_what_a_model_reads_right_is_measured_and_a_router_chooses_by_it(home, capsys):
    async with two_models(home) as (a, b):
        bars = await measured(home, "bar", 9104, "a/m", "b/m")
        assert bars["models"]["a/m"] == {
            "revision": "r7",
            "prompt": "read@1",
            "unanswered": 0,
            "kinds": {"bar": {"fidelity": 0.75, "count": 1}},
        }
        assert bars["models"]["b/m"]["kinds"] == {"bar": {"fidelity": 1.0, "count": 1}}
        assert "| fidelity: bar | a/m 0.75, b/m 1.00 | n=1 |" in capsys.readouterr().out
        pies = await measured(home, "pie", 9100, "a/m", "b/m")
        assert pies["models"]["a/m"]["kinds"] == {"pie": {"fidelity": 1.0, "count": 1}}
        assert pies["models"]["b/m"] == {
            "revision": "r7",
            "prompt": "read@1",
            "unanswered": 1,
            "kinds": {"pie": {"fidelity": 0.0, "count": 1}},
        }
        # As vision asks: the same prompt, the same schema, and once more where the answer was of no use.
        assert "You read charts and tables" in a.asked[0].body["messages"][0]["content"]
        assert a.asked[0].body["response_format"]["type"] == "json_schema"
        assert len(b.asked) == 3
    for name in ("a/m", "b/m"):
        bars["models"][name]["kinds"] |= pies["models"][name]["kinds"]
    table = home / "both.json"
    table.write_text(json.dumps(bars))
    targets = [{"provider": "a", "model": "m"}, {"provider": "b", "model": "m"}]
    route = {"routes": [{"name": "eyes", "policy": "quality", "targets": targets}], "quality_file": table}
    async with fake_models() as one, fake_models() as other:
        both = [provider(name, at.base_url, {"name": "m", "revision": "r7"}) for name, at in (("a", one), ("b", other))]
        async with routing(home, *both, **route) as it:
            made = await it.complete(model="eyes", figure_kind="bar")
            assert (made.decision.provider, made.decision.reasons[0]) == ("b", "b/m: fidelity 1.000 for bar")
            assert (await it.complete(model="eyes", figure_kind="pie")).decision.provider == "a"
            # Nobody says which kind it is: the mean of all.
            made = await it.complete(model="eyes")
            assert (made.decision.provider, made.decision.reasons[0]) == ("a", "a/m: fidelity 0.875 for all kinds")


async def test_a_model_that_can_t_be_asked_is_not_measured_as_one_that_reads_nothing(home):
    async with two_models(home) as (a, _):
        a.says(refusal(401))
        with pytest.raises(SystemExit, match="a/m can't be measured"):
            await measured(home, "bar", 9104, "a/m")
        assert not (home / "quality.json").exists()


def test_a_measurement_of_another_revision_says_nothing_of_this_one(home, caplog):
    table = home / "quality.json"
    entry = {"revision": "r6", "kinds": {"bar": {"fidelity": 0.5, "count": 3}}}
    table.write_text(json.dumps({"date": "2026-11-21", "models": {"a/m": entry, "b/m": entry, "c/m": entry}}))
    with caplog.at_level(logging.WARNING):
        found = read_quality(table, {"a/m": "r7", "b/m": "r6", "c/m": ""})
    assert found == {"b/m": {"bar": 0.5}, "c/m": {"bar": 0.5}}
    assert [record.message for record in caplog.records] == ["measured quality is of another revision"]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"m": {"bar": 2}}',
        '{"m": {"bar": true}}',
        '{"m": 1}',
        '{"models": {"m": {}}}',
        '{"models": {"m": 1}}',
    ],
)
def test_what_is_no_table_of_fidelities_keeps_the_router_from_serving(home, content):
    (home / "quality.json").write_text(content)
    with pytest.raises(NotReady, match="is no table of fidelities"):
        read_quality(home / "quality.json", {})
    assert read_quality(None, {}) == {}


def test_the_rules_stand_beside_the_models_kind_by_kind():
    rules = quality.of_builtin([read("bar", 9102)[0]])
    model = quality.Fidelities("a/m", "r7", "read@1", {"bar": [0.5], "stacked_bar": [0.25]}, unanswered=1)
    assert 0.5 < rules.scores["bar"][0] <= 1
    first, second, last = quality.rows([quality.Fidelities("builtin", "4", scores={"bar": [1.0]}), model])
    assert (first.what, first.value, first.note) == ("fidelity: bar", "builtin 1.00, a/m 0.50", "n=1")
    assert (second.what, second.value) == ("fidelity: stacked bar", "a/m 0.25")
    assert last.value == "builtin 1.00, a/m 0.38"
    assert last.note == "builtin: revision 4, 0 unanswered; a/m: revision r7, 1 unanswered"
