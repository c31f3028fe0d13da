"""Names that stand on charts: categories, series, titles, sources."""

from __future__ import annotations

from random import Random

_COUNTRIES = (
    "Germany", "France", "Japan", "Brazil", "India", "United States", "South Korea", "United Kingdom", "Mexico",
    "Canada",
    "Nigeria", "Egypt", "South Africa", "Indonesia", "Türkiye", "Spain", "Italy", "Poland", "Saudi Arabia", "Vietnam",
    "Argentina", "New Zealand", "Costa Rica", "Norway", "Kenya", "Thailand", "Peru", "Greece", "Sweden", "Chile",
)  # fmt: skip
_ANSWERS = (
    "Strongly agree", "Somewhat agree", "Neither agree nor disagree", "Somewhat disagree", "Strongly disagree",
    "Don't know", "Prefer not to say", "A great deal", "A fair amount", "Not too much", "None at all",
)  # fmt: skip
_PRODUCTS = (
    "Laptops", "Smartphones", "Tablets", "Smart watches", "Headphones", "Game consoles", "Printers", "Monitors",
    "Desk lamps", "Office chairs", "Coffee makers", "Washing machines", "Vacuum cleaners", "Air fryers",
)  # fmt: skip
_DEPARTMENTS = (
    "Sales", "Marketing", "Research and development", "Human resources", "Finance", "Legal", "Operations",
    "Customer support", "Engineering", "Procurement", "Public relations", "Quality control",
)  # fmt: skip
_TOPICS = (
    "Health care", "Education", "Climate change", "Housing costs", "Public transport", "Jobs and wages", "Immigration",
    "National security", "Tax reform", "Crime", "Energy prices", "Food safety", "Data privacy",
)  # fmt: skip
_AGES = ("18–24", "25–34", "35–44", "45–54", "55–64", "65–74", "75+")
_CHANNELS = (
    "Social media", "Television", "Radio", "Print newspapers", "Podcasts", "Search engines", "Friends and family",
    "News apps", "Email newsletters", "Video platforms",
)  # fmt: skip
_SOURCES = (
    "Hydropower", "Wind", "Solar", "Nuclear", "Coal", "Natural gas", "Oil", "Biomass", "Geothermal", "Waste",
)  # fmt: skip
_CITIES = (
    "Oslo", "Lima", "Cairo", "Quito", "Hanoi", "Vienna", "Boston", "Dublin", "Naples", "Tampa", "Osaka", "Porto",
    "Buenos Aires", "Cape Town", "Mexico City", "San Francisco", "Kuala Lumpur", "Rio de Janeiro",
)  # fmt: skip
_MODELS = (
    "Baseline",
    "Model A",
    "Model B",
    "LSTM",
    "ResNet-50",
    "Ours",
    "Ours (large)",
    "Random forest",
    "XGBoost",
    "SVM",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LISTS = (_COUNTRIES, _ANSWERS, _PRODUCTS, _DEPARTMENTS, _TOPICS, _AGES, _CHANNELS, _SOURCES, _CITIES, _MODELS)
_SERIES = (
    ("Male", "Female"), ("Men", "Women", "All"), ("North", "South", "East", "West"), ("Urban", "Rural"), ("Online",
    "In store"),
    ("Plan", "Actual"), ("Revenue", "Costs", "Profit"), ("Republican", "Democrat", "Independent"),
    ("Under 30", "30 to 49", "50 and over"), ("Imports", "Exports"), ("Primary", "Secondary", "Tertiary"),
    ("Very satisfied", "Satisfied", "Dissatisfied", "Very dissatisfied"), ("2019", "2020", "2021"), ("2010", "2022"),
    ("Coal", "Gas", "Wind", "Solar", "Nuclear"), ("Android", "iOS", "Other"), ("Favorable", "Unfavorable",
    "No opinion"),
    ("Product A", "Product B", "Product C", "Product D"), ("Germany", "France", "Italy", "Spain", "Poland"),
    ("Train", "Validation", "Test"), ("Control", "Treatment"), ("Short term", "Long term"), ("Asia", "Europe",
    "Africa", "Americas"),
    ("China", "India", "Brazil", "Japan"), ("Direct", "Indirect", "Induced"),
)  # fmt: skip
_SUBJECTS = (
    "Visitors by city", "Market share", "Average response time", "How people get their news", "Annual spending",
    "Sales by product group", "Share of respondents", "Output per worker", "Energy use", "Number of active users",
    "Monthly orders", "Cost of living", "Unemployment", "Research funding", "Hospital admissions",
    "Rainfall and temperature",
    "Trust in institutions", "Household debt", "Passengers carried", "New registrations",
)  # fmt: skip
_PLACES = (
    "worldwide",
    "in Europe",
    "in the United States",
    "by region",
    "in selected countries",
    "per capita",
    "over time",
)
_AUTHORS = (
    "National Statistics Office", "Institute for Public Opinion", "company reports", "World Trade Survey",
    "own calculations",
    "Ministry of Transport", "Health Monitor", "Center for Energy Studies",
)  # fmt: skip


def categories(rng: Random, count: int, *, longest: int = 40) -> list[str]:
    """Return distinct category names of one field, none longer than `longest` letters."""
    fits = [
        names for names in ([n for n in some if len(n) <= longest] for some in _LISTS) if len(names) >= count
    ] or [[n for n in (*_COUNTRIES, *_CITIES) if len(n) <= longest]]  # fmt: skip
    names = rng.choice(fits)
    if names[0] == _AGES[0]:
        start = rng.randint(0, len(names) - count)
        return names[start : start + count]
    return rng.sample(names, count)


def years(rng: Random, count: int, *, step: int = 1) -> list[int]:
    """Return years one after the other, none in the future."""
    first = rng.randint(max(1950, 2024 - 40), 2024 - step * (count - 1)) if step * (count - 1) < 40 else 1950
    return [first + step * index for index in range(count)]


def series(rng: Random, count: int) -> list[str]:
    """Return distinct series names."""
    fits = [names for names in _SERIES if len(names) >= count]
    names = rng.choice(fits)
    return list(names[:count])


def title(rng: Random) -> str:
    """Return a chart's heading."""
    text = rng.choice(_SUBJECTS)
    if rng.random() < 0.5:
        text += " " + rng.choice(_PLACES)
    if rng.random() < 0.3:
        first = rng.randint(1990, 2018)
        text += rng.choice((f", {first}", f" ({first})", f", {first} to {first + rng.randint(2, 6)}"))
    return text


def subtitle(rng: Random) -> str:
    """Return the line under a heading."""
    return rng.choice(
        (
            "% of respondents who say ...",
            "In thousand units",
            "Percent of total",
            "Index, constant prices",
            "By age group",
        )
    )


def source(rng: Random) -> str:
    """Return a source note."""
    lead = rng.choice(("Source: ", "Sources: ", "Note: Figures may not add up. Source: ", "Data: "))
    return f"{lead}{rng.choice(_AUTHORS)}" + rng.choice(
        ("", f", {rng.randint(2012, 2024)}", f" ({rng.randint(2012, 2024)})")
    )
