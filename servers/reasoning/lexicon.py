"""The words that say what a question asks for. All are keys as `words.key_of` makes them."""

from __future__ import annotations

from servers.reasoning.words import MONTHS, key_of


def _keys(text: str) -> frozenset[str]:
    return frozenset(key_of(word) for word in text.split())


HIGH = _keys(
    """
    highest maximum max greatest largest biggest most top best peak peaked lead led topped tallest longest
    upmost leading
    leader major main dominant costliest richest strongest heaviest priciest busiest hottest warmest fastest
    """
)
LOW = _keys(
    """
    lowest minimum min smallest least fewest shortest worst weakest cheapest poorest slightest lightest bottom
    coldest slowest quietest
    """
)
MORE = _keys(
    """
    more greater higher larger bigger above over exceed exceeds exceeded exceeding surpass surpassed taller longer
    overtake overtakes overtook overtaken ahead
    """
)
MORE |= _keys("outnumber beat beats outperform outsell")
FEWER = _keys("less lower smaller fewer below under beneath shorter behind")
EQUAL = _keys("equal equals same identical equivalent")
SUM = _keys("sum total combined altogether together add added combine cumulative aggregate overall summed plus")
MEAN = _keys("average mean avg")
MEDIAN = _keys("median")
PRODUCT = _keys("product multiplied multiply")
DIFFERENCE = _keys("difference gap differ differs margin spread")
RATIO = _keys("ratio")
RISE = _keys(
    """
    increase increased increasing rise rose risen rising grow grew grown growing growth gain gained climb climbed
    jump jumped surge surged expand expanded improve improved improvement upward upwards
    """
)
FALL = _keys(
    """
    decrease decreased decreasing decline declined declining drop dropped dropping fall fell fallen falling shrink
    shrank reduction reduced dip dipped plunge plunged loss lost lose downward downwards
    """
)
CHANGE = _keys("change changed changes changing")
TREND = _keys("trend pattern evolve evolved evolution tendency develop developed trajectory")
SHARP = _keys(
    """
    sharp sharpest steep steepest rapid rapidly fast fastest quickest quickly strongest sudden dramatic
    """
)
SHARE = _keys("share percentage percent proportion fraction part portion %")
DESCRIBE = _keys("describe summarize summarise summary overview explain analyze analyse extract insight takeaway")
WHY = _keys("why reason because explain")
FORECAST = _keys(
    """predict predicted predicts prediction forecast forecasted projection project projected projects extrapolate
    extrapolated extrapolating extrapolation outlook"""
)
# Words for methods, whatever the figure shows.
METHODS = _keys(
    """
    correlation correlate correlated correlates uncorrelated relationship relation related relate association
    associated linear linearly regression fit fitted slope gradient intercept equation squared r2 coefficient
    determination residual residuals outlier outliers anomaly anomalies anomalous unusual cluster clusters clustered
    clustering spearman pearson monotonic trendline scatter histogram bin bins distribution distributed skew skewed
    skewness symmetric asymmetric mode modal interquartile iqr range whisker whiskers quartile quartiles percentile
    percentiles deviation deviations standard variance variability variation variable varied dispersion box boxes
    boxplot cagr compound compounded annual annually annualized yearly monthly quarterly moving rolling running window
    seasonal seasonality seasonally cyclical cycle periodic cross crosses crossed crossing crossover intersect
    intersects intersection intersected meet trough drawdown closest nearest close near positive positively negative
    negatively inverse inversely direct directly weak strong strength statistically significant significance p n rho
    farthest furthest deviate deviates tail tails interval intervals frequency frequent method holt smoothing
    exponential continue continues continued following point points farthest breakdown successive consecutive
    """
)
OTHERS = _keys("other others rest remaining remainder")

_COUNTING = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty"""
_RANKING = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
CARDINALS = {word: number for number, word in enumerate(_COUNTING.split(), start=1)}
ORDINALS = {word: number for number, word in enumerate(_RANKING.split(), start=1)}
SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "k": 1e3, "m": 1e6, "bn": 1e9, "b": 1e9}

# Words for a mark of a chart or a place in a table: they name no item of the data.
MARKS = _keys(
    """
    bar bars column columns segment slice line lines graph chart plot figure table row rows point dot section area
    pie image picture diagram value values data category categories item items entry entries legend label stack
    """
)
# What a number is of: asking for "the highest price" asks for a number.
MEASURES = _keys(
    """price cost revenue population profit income sale temperature expenditure spending market budget salary wage"""
)
VALUE_NOUNS = MEASURES | _keys(
    """
    value percentage percent share number amount rate total figure score count proportion ratio level average median
    sum difference quantity size volume rating result growth increase decrease change drop decline gap
    """
)
# What an item of an axis may be called: asking for "the highest year" asks for a name.
TIME_NOUNS = _keys("year month quarter day date week period time season decade semester hour")
AGE_NOUNS = _keys("age ages bracket cohort")
ITEM_NOUNS = (
    TIME_NOUNS
    | AGE_NOUNS
    | _keys(
        """
    country region state city nation continent company brand product group category item type kind name team player
    person party sector industry place location area bar segment slice line entity subject option opinion activity
    sport game source cause reason language department school university mode option league field topic service
    platform app model demographic gender race religion generation website network channel store species food fruit
    race color
    """
    )
)
QUALITIES = _keys(
    """
    popular common likely frequent important expensive populous profitable prevalent preferred favored used
    """
)
WHICH = _keys("which who whom whose where when")
AUXILIARIES = _keys("is are was were do does did has have had can could will would am be been isn wasn doesn didn aren")
AUXILIARIES |= {"is", "was", "does", "has", "s", "doe", "wa", "ha"}

# Words without content of their own; a question that has no others left names nothing unknown.
PLAIN = _keys(
    """
    a an the of in on at by for to from with without and or than then as that this these those it its their there
    them they what how many much each all any some every both either neither only just also not no yes about between
    among per during over under across within through throughout until till since after before around up down out
    off into given shown show shows showing display displayed represent represents represented indicate indicates
    indicated depict depicted according based see seen observed record recorded recorded reach reached reaching hit
    go went come came get got give gave tell find calculate compute compare compared comparison versus vs list name
    identify please me us we you i my our your one ones entire whole exactly approximately roughly nearly almost
    least most more less very respectively same different following mentioned given last latest recent early
    earliest first final next previous left right leftmost rightmost upper lower top bottom middle high low make
    made take took say said say saying think who whom use used using choose chose choosing answer answered
    respondent respondents people person adult participant new old while so if whether twice half double triple
    quarter degree unit color colour colored coloured big small large great fall rise able there here where when
    which why been being be was were is are do does did has have had will would can could should may might must s t
    d re ll have own consider considering ever never always sell sold selling earn earned lead led leading topped
    top better best good rank ranked ranking ranks sort sorted order ordered arrange arranged descending ascending
    put far apart minus divided factor mark account accounted contribute contributed contribution arithmetic stand
    stood stay stayed happen happened look looked work worked own owned pay paid spend spent use produce produced
    reported report please hold held bring brought start started end ended begin began
    """
)
# Words that say nothing on what a figure measures.
KNOWN = frozenset().union(
    *(HIGH, LOW, MORE, FEWER, EQUAL, SUM, MEAN, MEDIAN, PRODUCT, DIFFERENCE, RATIO, RISE, FALL, CHANGE, TREND, SHARP),
    *(SHARE, DESCRIBE, OTHERS, MARKS, VALUE_NOUNS, ITEM_NOUNS, QUALITIES, WHICH, AUXILIARIES, PLAIN),
    *(CARDINALS, ORDINALS, SCALES, MONTHS, METHODS, FORECAST),
)

# Labels that hold what the others add up to or their average; they take no part in ranks and totals.
TOTALS = _keys("total overall")
WHOLE_LABELS = frozenset(
    {"all", "total", "overall", "both", "both sex", "all age", "world", "average", "mean", "sum", "all adult"}
)
# Labels that are grammar in most sentences.
GRAMMAR_LABELS = _keys(
    """
    more less all other no yes never both total average value none same a i most many few not any some good
    """
)
