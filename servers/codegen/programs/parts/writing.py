"""Writing: numbers as text, and the answer as loupe.type.v1.Answer in JSON."""

# mypy: disable-error-code="type-arg"

import re

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only


class Unanswerable(Exception):
    """What was read does not hold the answer; the message says why."""


def written(number: float, unit: str, decimals: int) -> str:
    """Return a number as the text prints it: "45%", "$3.2 million", "12 kg"."""
    text = f"{number:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = "0" if text == "-0" else text
    sign = re.search(r"[$€£¥₹]|\bUSD\b|\bEUR\b|\bGBP\b", unit)
    if sign:
        symbol = {"USD": "$", "EUR": "€", "GBP": "£"}.get(sign.group(), sign.group())
        rest = " ".join(unit.replace(sign.group(), "").split())
        text = f"-{symbol}{text[1:]}" if text.startswith("-") else f"{symbol}{text}"
        return f"{text} {rest}" if rest else text
    return f"{text}{unit}" if unit.startswith("%") or not unit else f"{text} {unit}"


def shown(item: pd.Series) -> str:
    """Return an item's number as the text prints it, as it stands in the figure where that has a word for its size."""
    if has_size_word(item["printed"]):
        return str(item["printed"])
    return written(item["number"], item["unit"], int(item["decimals"]))


def told(item: pd.Series) -> str:
    """Return an item's name with its number; a number of the question goes without: it stands on no value."""
    return f"{item['name']} ({shown(item)})" if item["ids"] else str(item["name"])


def short(item: pd.Series) -> str:
    """Return an item's number in its shortest form: no separators, of the unit only %, a currency or a size."""
    if has_size_word(item["printed"]):
        return str(item["printed"])
    sign = re.search(r"%|[$€£¥₹]|\bUSD\b|\bEUR\b|\bGBP\b", item["unit"])
    text = written(item["number"], sign.group() if sign else "", int(item["decimals"]))
    return text.replace(",", "")


def has_size_word(printed: str) -> bool:
    """Return whether a number is printed with a word or letter for its size: "1.31 million", "$5bn", "12K"."""
    pattern = r"[$€£¥₹]?\s*[-−]?\d[\d,.]*\s*(?:thousand|million|billion|trillion|[kmbt]|bn|mn|tn)"
    return re.fullmatch(pattern, printed, re.IGNORECASE) is not None


def value_of(item: pd.Series) -> dict:
    """Return one number of the answer, with the figure values it was computed from."""
    number = float(f"{item['number']:.12g}")
    return {
        "name": item["name"][:500],
        "number": number,
        "unit": item["unit"],
        "text": shown(item),
        "value_ids": list(item["ids"])[:2000],
    }


def answered(text: str, short_text: str, items: pd.DataFrame) -> dict:
    """Return an answer that stands on these items."""
    numbers = [value_of(item) for _, item in items.iterrows() if item["ids"]]
    return {
        "status": "ANSWER_STATUS_ANSWERED",
        "text": text,
        "short_text": short_text[:1000],
        "values": numbers[:1000],
        "reason": "",
    }


def unanswerable(reason: str) -> dict:
    """Return the answer that says why there is none."""
    return {
        "status": "ANSWER_STATUS_UNANSWERABLE",
        "text": f"This can't be answered from the figure: {reason}.",
        "short_text": "",
        "values": [],
        "reason": reason,
    }


def with_doubts(answer: dict, values: pd.DataFrame) -> dict:
    """Return the answer with a word on each value it stands on that was read with low confidence, or not at all."""
    used = {identifier for value in answer["values"] for identifier in value["value_ids"]}
    doubtful = quoted(values[values["id"].isin(used) & values["doubt"]])
    if doubtful:
        answer["text"] += f" Read with low confidence: {doubtful}."
    missing = values[values["number"].isna() & values["series"].isin(values[values["id"].isin(used)]["series"])]
    if len(used) > 1 and len(missing):
        answer["text"] += f" Left out, as no number could be read: {quoted(missing)}."
    return answer


def with_cautions(answer: dict, figures: list[dict]) -> dict:
    """Return the answer with a word on each figure it stands on whose reading should be looked at first."""
    ids = [name for value in answer["values"] for name in value["value_ids"]] + answer.get("quoted_value_ids", [])
    for figure in figures:
        is_used = any(name.startswith(f"{figure['figure_id']}.") for name in ids)
        if is_used and figure.get("fidelity", "") in ("FIDELITY_REVIEW", "FIDELITY_FAIL"):
            # The code of the reason, not its message: numbers there are none of the answer's.
            doubts = [reason.get("code", "").replace("_", " ") for reason in figure.get("reasons", [])]
            why = f": {', '.join(dict.fromkeys(doubts))}" if any(doubts) else ""
            answer["text"] += f" The reading of the figure should be checked first{why}."
    return answer


def quoted(values: pd.DataFrame) -> str:
    """Return the categories of some values, quoted, the first few."""
    names = [f"“{name}”" for name in values["category"].unique()]
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def write_data(values: pd.DataFrame, path: str) -> None:
    """Write the figure's data: a row for each category, a column for each series."""
    texts = values["printed"].where(values["number"].isna(), [fixed(row) for _, row in values.iterrows()])
    table = values.assign(text=texts).pivot(index="category", columns="series", values="text")
    table = table.reindex(index=values["category"].unique(), columns=values["series"].unique())
    table.index.name = "category"
    table.to_csv(path, lineterminator="\n")


def fixed(value: pd.Series) -> str:
    """Return a value's number for the data file: a plain decimal number of stated precision, or nothing."""
    return "" if pd.isna(value["number"]) else f"{value['number']:.{int(value['decimals'])}f}"


def add_support(answer: dict, support: dict) -> None:
    """Add to an answer what another operation found."""
    answer["text"] += f" {support['text']}"
    answer["values"] += support["values"]
