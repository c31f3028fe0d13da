"""Programs that the critic's tests judge: honest ones, and hostile ones with the rule that must stop each."""

from __future__ import annotations

CHART_ANALYSIS = '''\
"""Growth of each series of the chart, year over year."""
from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator


@dataclass(frozen=True)
class Reading:
    series: str
    label: str
    number: float
    value_id: str


def read_figures(path: Path) -> list[Reading]:
    """Read every number of the first figure."""
    figures = json.loads(path.read_text(encoding="utf-8"))
    readings = []
    for series in figures[0]["chart"]["series"]:
        for point in series["points"]:
            number = point["y"].get("number")
            if number is None or math.isnan(number):
                continue
            readings.append(Reading(series["name"], point["label"], float(number), point["y"]["value_id"]))
    return readings


def main() -> None:
    readings = read_figures(Path("chart.json"))
    frame = pd.DataFrame([vars_of(reading) for reading in readings])
    wide = frame.pivot_table(index="label", columns="series", values="number", aggfunc="first", sort=False)
    growth = wide.pct_change().replace([np.inf, -np.inf], np.nan).round(6)
    fastest = growth.max(axis=1).idxmax()

    with open("data.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\\n")
        writer.writerow(["label", *wide.columns])
        for label, row in wide.iterrows():
            writer.writerow([label, *(f"{number:.6g}" for number in row)])

    with plt.rc_context({"font.family": "DejaVu Sans", "axes.grid": True}):
        figure, axes = plt.subplots(figsize=(8, 5), dpi=100)
        colors = plt.cm.viridis(np.linspace(0, 1, max(1, wide.shape[1])))
        for (name, column), color in zip(wide.items(), colors):
            axes.plot(column.index, column.to_numpy(), marker="o", label=name, color=color)
        axes.set_title("Growth by year (source: https://example.org/report)")
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(loc="best")
        figure.tight_layout()
        figure.savefig("chart.png", metadata={"Software": None})
        plt.close(figure)

    ids = [reading.value_id for reading in readings if reading.label == fastest]
    answer = {"status": "ANSWER_STATUS_ANSWERED", "text": f"{fastest} grew fastest", "values": [{"value_ids": ids}]}
    Path("answer.json").write_text(json.dumps(answer, indent=2, sort_keys=True) + "\\n", encoding="utf-8")
    print(f"read {len(readings)} values")


def vars_of(reading: Reading) -> dict[str, object]:
    return {"series": reading.series, "label": reading.label, "number": reading.number}


if __name__ == "__main__":
    main()
'''

HONEST = {
    "a chart's analysis": CHART_ANALYSIS,
    "one line": "print(1)\n",
    "windows line ends": "x = 1\r\nprint(x)\r\n",
    "an empty program of comments": "# nothing to do\n",
    "scipy and scikit-learn": """\
import numpy as np
from scipy import stats
from scipy.optimize import curve_fit
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

x = np.arange(10.0)
y = 3 * x + np.random.default_rng(7).normal(size=10)
model = LinearRegression().fit(x.reshape(-1, 1), y)
slope, intercept, r, p, error = stats.linregress(x, y)
popt, _ = curve_fit(lambda t, a, b: a * t + b, x, y)
print(model.coef_, r2_score(y, model.predict(x.reshape(-1, 1))), slope, popt, np.linalg.norm(y))
""",
    "pandas with queries and strings": """\
import warnings
from datetime import datetime

import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    df = pd.read_csv("data.csv", parse_dates=["date"])
limit = 10
print(df.query("value > @limit and name == 'x'"), df["date"].dt.year.max(), datetime(2020, 1, 1).isoformat())
df = df.rename(columns=str.lower).assign(total=lambda d: d["a"] + d["b"])
df.groupby("name", as_index=False).agg(total=("total", "sum")).to_csv("out.csv", index=False)
df.to_json("out.json", orient="records")
print(pd.__version__, pd.api.types.is_numeric_dtype(df["a"]), pd.options.display.max_rows)
""",
    "names of modules as variables inside a function": """\
import statistics
import time


def summary(values, statistics=None, time=0):
    string = "a/b".replace("/", "-")
    return sum(values), statistics, time, string


print(summary([1, 2]), statistics.mean([1, 2]), time.strftime("%Y"))
""",
    "builtin names as variables": """\
rows = [(1, 2), (3, 4)]
input = [low for low, _ in rows]
vars = {"a": sum(input)}
print(vars, max(input))


def read(input, compile=1):
    return input, compile


open_price, close_price = 1, 2
print(read(input), open_price / close_price)
""",
    "a class with private parts": """\
class Table:
    __slots__ = ("_rows", "__hidden")

    def __init__(self, rows):
        self._rows = list(rows)
        self.__hidden = 0

    def __len__(self):
        return len(self._rows)

    def __add__(self, other):
        return Table(self._rows + other._rows)

    def _total(self):
        return sum(self._rows) + self.__hidden


class Long(Table):
    def __init__(self, rows):
        super().__init__(rows)


table = Long([1, 2]) + Table([3])
print(len(table), type(table).__name__, table._total())
""",
    "pillow": """\
from pathlib import Path

from PIL import Image, ImageDraw

image = Image.new("RGB", (40, 40), "white")
ImageDraw.Draw(image).line((0, 0, 39, 39), fill="black", width=2)
image.resize((20, 20), Image.Resampling.LANCZOS).save("small.png")
print(Image.open(Path("small.png")).size, sorted(path.name for path in Path().glob("*.png")))
""",
    "matplotlib with dates and patches": """\
import matplotlib.dates as mdates
import matplotlib.patches as mpatches
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

plt.style.use("ggplot")
plt.rcParams.update({"font.size": 11})
fig, axs = plt.subplots(2, 2)
ax = axs.flat[0]
ax.add_patch(mpatches.Rectangle((0, 0), 1, 1, facecolor="C0"))
ax.xaxis.set_major_formatter(mdates.DateFormatter("%Y-%m"))
ax.text(0.5, 0.5, "12 km/h, 3 runs/day", transform=ax.transAxes)
ax.imshow(np.zeros((2, 2)), cmap=ListedColormap(["red", "blue"]))
plt.savefig("chart.png", dpi=150, bbox_inches="tight")
plt.close("all")
""",
    "literals that look like paths": """\
label = "/month"
unit = "USD/year"
for part in "a/b".split("/"):
    print(part, f"{label}/{unit}", "... and so on", "1..5")
""",
    "what a chart says, quoted": '''\
"""Answers: what is {0.__class__} of ../usage, see http://a.b and /etc/passwd?"""
labels = ["{0.__class__} sold", "usage of __class__", "~/music", "../up", "http://a.b/c", "/month"]
print(labels)
''',
    "attribute names given as literals": """\
from operator import attrgetter, itemgetter
from types import SimpleNamespace

points = [SimpleNamespace(x=1, y=2), SimpleNamespace(x=0, y=3)]
points.sort(key=attrgetter("x"))
print(getattr(points[0], "y", None), sorted([{"a": 1}], key=itemgetter("a")))
""",
    "a linked chain": """\
from pathlib import Path

node = Path("a/b/c/d")
while node != Path():
    node = node.parent
array = __import_free = [1]
print(node, array, __import_free)
""",
    "aliases of modules": """\
import numpy as np

rng = np.random
rng.seed(1)
rad = np.pi
print(rng.normal(), rad, np.ma.masked_array([1], mask=[0]))
""",
}

HOSTILE = [
    # imports
    ("import os\nos.system('id')", "import-not-allowed"),
    ("import os as innocent", "import-not-allowed"),
    ("from os import system", "import-not-allowed"),
    ("from os import *", "import-not-allowed"),
    ("from math import *", "star-import"),
    ("import importlib\nimportlib.import_module('os')", "import-not-allowed"),
    ("import sys\nsys.modules['os']", "import-not-allowed"),
    ("import builtins", "import-not-allowed"),
    ("import subprocess", "import-not-allowed"),
    ("import socket", "import-not-allowed"),
    ("import ctypes", "import-not-allowed"),
    ("import pickle", "import-not-allowed"),
    ("import matplotlib.cbook", "import-not-allowed"),
    ("import scipy.io", "import-not-allowed"),
    ("import pandas.io.common", "import-not-allowed"),
    ("from numpy.f2py import compile", "import-not-allowed"),
    ("from . import secret", "import-not-allowed"),
    ("import urllib.request\nurllib.request.urlopen('http://a.b')", "import-not-allowed"),
    ("def f():\n    import requests\n    return requests", "import-not-allowed"),
    # modules reached through modules
    ("import numpy as np\nnp.ctypeslib", "name-not-allowed"),
    ("from numpy import ctypeslib", "name-not-allowed"),
    ("import pathlib\npathlib.os.system('id')", "name-not-allowed"),
    ("import json\njson.codecs.open('x')", "name-not-allowed"),
    ("import json as j\nk = j\nk.codecs", "name-not-allowed"),
    ("import matplotlib.pyplot as plt\nplt.os", "name-not-allowed"),
    ("import matplotlib.pyplot as plt\nplt.sys.modules", "name-not-allowed"),
    ("import matplotlib as m\nm.cbook", "name-not-allowed"),
    ("import pandas as pd\npd.io.common.os.system('id')", "name-not-allowed"),
    ("import scipy\nscipy.io.loadmat('x')", "name-not-allowed"),
    ("import random\nrandom._os", "name-not-allowed"),
    ("import dataclasses\ndataclasses.sys", "name-not-allowed"),
    ("import traceback\ntraceback.walk_stack(None)", "name-not-allowed"),
    ("import types\ntypes.CodeType", "name-not-allowed"),
    ("import types\ntypes.FunctionType", "name-not-allowed"),
    ("import numpy as np\nx = [np]\nx[0].f2py", "module-as-value"),
    ("import numpy as np\ndef f(m=np):\n    return m.linalg", "module-as-value"),
    ("import numpy as np\ndef f():\n    return np\nf().linalg", "module-as-value"),
    ("import numpy\ngetattr(numpy, 'linalg')", "module-as-value"),
    ("import numpy as np\nclass A:\n    m = np", "module-as-value"),
    ("class A:\n    import pathlib\nA.pathlib.Path", "module-as-value"),
    ("import numpy as np\nclass A: pass\nA.m = np", "module-as-value"),
    ("import numpy as np\nif (m := np): m.linalg", "module-as-value"),
    ("import numpy\na = b = 1\na = b\nb = a\na = numpy\nb = a\nb.ctypeslib", "name-not-allowed"),
    ("import pathlib\nimport numpy as np\ndef f():\n    global np\n    np = pathlib\nf()\nnp.os", "name-not-allowed"),
    (
        "import pathlib\ndef f():\n    x = 1\n    def g():\n        nonlocal x\n        x = pathlib\n    g()\n    x.os",
        "name-not-allowed",
    ),
    # code from text
    ("eval('1')", "call-not-allowed"),
    ("exec('x = 1')", "call-not-allowed"),
    ("compile('1', '', 'eval')", "call-not-allowed"),
    ("f = eval\nf('1')", "call-not-allowed"),
    ("(lambda f=eval: f('1'))()", "call-not-allowed"),
    ("@exec\n@input\nclass A: pass", "call-not-allowed"),
    ("[*map(eval, ['1'])]", "call-not-allowed"),
    ("if False:\n    eval = 1\neval('1')", "call-not-allowed"),
    ("eval = 1\ndel eval\neval('1')", "call-not-allowed"),
    ("try:\n    1 / 0\nexcept Exception as eval:\n    pass\neval('1')", "call-not-allowed"),
    ("[(eval := 0) if False else eval('1') for _ in 'a']", "call-not-allowed"),
    ("[eval for eval in eval('1')]", "call-not-allowed"),
    ("class A:\n    eval = eval", "call-not-allowed"),
    ("eval = eval('1')", "call-not-allowed"),
    ("__import__('os')", "dunder-not-allowed"),
    ("import pandas as pd\npd.eval('1')", "call-not-allowed"),
    ("import pandas as pd\nf = pd.eval\nf('1')", "call-not-allowed"),
    ("from pandas import eval as harmless", "call-not-allowed"),
    ("import typing\ntyping.get_type_hints(int)", "call-not-allowed"),
    ("def f(x: \"__import__('os').system('id')\"): pass", "dunder-not-allowed"),
    ("def f(x: \"'eval'\"): pass", "call-not-allowed"),
    ("import matplotlib\nmatplotlib.use('module://os')", "text-not-allowed"),
    ("breakpoint()", "call-not-allowed"),
    ("input()", "call-not-allowed"),
    # namespaces and special attributes
    ("__builtins__.eval('1')", "dunder-not-allowed"),
    ("getattr(__builtins__, 'ev' + 'al')('1')", "dunder-not-allowed"),
    ("globals()['x']", "call-not-allowed"),
    ("print(locals(), vars())", "call-not-allowed"),
    ("().__class__.__base__.__subclasses__()", "dunder-not-allowed"),
    ("type(1).mro()", "attribute-not-allowed"),
    ("print.__self__", "dunder-not-allowed"),
    ("(lambda: 0).__globals__", "dunder-not-allowed"),
    ("(lambda: 0).__code__.co_consts", "dunder-not-allowed"),
    ("def f():\n    yield\nf().gi_frame.f_builtins", "attribute-not-allowed"),
    ("try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame", "dunder-not-allowed"),
    ("import warnings\nwarnings.catch_warnings()._module", "private-attribute"),
    ("import pandas as pd\npd.DataFrame()._mgr", "private-attribute"),
    ("import numpy as np\nnp.zeros(1).ctypes", "attribute-not-allowed"),
    ("class A:\n    def f(self):\n        return __class__", "dunder-not-allowed"),
    ("class A:\n    __match_args__ = ('__globals__',)", "dunder-not-allowed"),
    ("match 1:\n    case object(__class__=c):\n        print(c)", "dunder-not-allowed"),
    ("type('X', (), {'a': 1})", "call-not-allowed"),
    ("getattr(1, 'real' + '')", "dynamic-attribute"),
    ("name = 'x'\ngetattr(1, name)", "dynamic-attribute"),
    ("getattr(1, '__class__')", "dunder-not-allowed"),
    ("getattr(*[1, 'real'])", "dynamic-attribute"),
    ("g = getattr\ng(1, '__class__')", "dunder-not-allowed"),
    ("setattr(1, '__class__', 2)", "dunder-not-allowed"),
    ("import functools\nfunctools.reduce(getattr, ['real'], 1)", "indirect-use"),
    ("[getattr][0](1, 'real')", "indirect-use"),
    ("getattr.__call__(1, 'real')", "indirect-use"),
    ("from operator import attrgetter as a\na('__class__')(1)", "dunder-not-allowed"),
    ("import operator\noperator.attrgetter('a.__class__')(1)", "dunder-not-allowed"),
    ("import operator\noperator.methodcaller('mro')(int)", "call-not-allowed"),
    ("'{0.__class__}'.format(1)", "hidden-name"),
    ('"""{0.__class__}"""\n__doc__.format(1)', "dunder-not-allowed"),
    ("t = 'x {0.__globals__}'\nt.format(1)", "hidden-name"),
    ("import pandas as pd\npd.DataFrame().agg('__class__')", "hidden-name"),
    ("f'{().__class__}'", "dunder-not-allowed"),
    ("import string\nstring.Formatter().get_field('0.real', (1,), {})", "call-not-allowed"),
    # files and network
    ("open('/etc/passwd')", "path-outside-folder"),
    ("open(b'/etc/passwd')", "path-outside-folder"),
    ("open('/et' + 'c/passwd')", "path-outside-folder"),
    ("name = '/etc'\nopen(f'{name}/passwd')", "path-outside-folder"),
    ("name = '/etc/passwd'\nopen(name)", "path-outside-folder"),
    ("open(file='../secret')", "path-outside-folder"),
    ("open('a/../../secret')", "path-outside-folder"),
    ("open('C:\\\\secret')", "path-outside-folder"),
    ("open(3)", "path-outside-folder"),
    ("f = open\nf('/secret', 'w')", "path-outside-folder"),
    ("(open,)[0]('x')", "indirect-use"),
    ("open(*['x'])", "indirect-use"),
    ("import io\nio.open('/secret')", "path-outside-folder"),
    ("import io\nio.FileIO('x')", "call-not-allowed"),
    ("from pathlib import Path\nPath('..').resolve()", "path-outside-folder"),
    ("from pathlib import Path\nPath('a', '/secret').read_text()", "path-outside-folder"),
    ("from pathlib import Path\nPath('a') / '..' / 'b'", "path-outside-folder"),
    ("from pathlib import Path\nPath('a').joinpath('/secret')", "path-outside-folder"),
    ("from pathlib import Path\nPath.home()", "call-not-allowed"),
    ("from pathlib import Path\nPath('a').symlink_to('b')", "attribute-not-allowed"),
    ("import contextlib\ncontextlib.chdir('x')", "call-not-allowed"),
    ("import pandas as pd\npd.read_csv('http://a.b/c.csv')", "network-address"),
    ("import pandas as pd\nu = 'https://a.b/c.csv'\npd.read_csv(u)", "network-address"),
    ("import pandas as pd\npd.read_json(f'https://a.b/{1}')", "network-address"),
    ("import pandas as pd\npd.read_csv('s3://bucket/key')", "network-address"),
    ("import pandas as pd\nr = pd.read_csv\nr('ftp://a.b')", "network-address"),
    ("import pandas as pd\npd.DataFrame().to_csv('/tmp/x.csv')", "path-outside-folder"),
    ("import matplotlib.pyplot as plt\nplt.gcf().savefig('../x.png')", "path-outside-folder"),
    ("import numpy as np\nnp.savetxt('/secret', [1])", "path-outside-folder"),
    ("from sklearn.datasets import fetch_openml", "call-not-allowed"),
    # pickles and queries
    ("import numpy as np\nnp.load('a.npy', allow_pickle=True)", "pickle-not-allowed"),
    ("import numpy as np\nnp.load('a.npy', None, True)", "pickle-not-allowed"),
    ("import numpy as np\nnp.load('a.npy', **{'allow_pickle': True})", "pickle-not-allowed"),
    ("import pandas as pd\npd.read_pickle('x')", "call-not-allowed"),
    ("import pandas as pd\npd.read_hdf('x')", "call-not-allowed"),
    ("import pandas as pd\npd.DataFrame().to_pickle('x')", "attribute-not-allowed"),
    ("import pandas as pd\npd.DataFrame().query('@pd.io.common.os.getcwd()')", "query-reaches-out"),
    ("import pandas as pd\npd.DataFrame().eval('a.__class__')", "query-reaches-out"),
    ("import pandas as pd\nq = 'a'\nfor q in ['@x()']:\n    pd.DataFrame().query(q)", "query-not-literal"),
    ("import pandas as pd\npd.DataFrame().query(f'a == {1}')", "query-not-literal"),
    ("import pandas as pd\nq = pd.DataFrame().query\nq('a')", "indirect-use"),
    # what can't be read
    ("x = (", "syntax-error"),
    ("return 1", "syntax-error"),
    ("for x in []:\n    pass\nbreak", "syntax-error"),
    ("x = 1\x00", "hidden-character"),
    ("x = 'safe\u202e'", "hidden-character"),
    ("x = 1\rimport os", "hidden-character"),
    ("# coding: utf-7\nx = 1", "encoding"),
    ("# coding: latin-1\nx = 'é'", "encoding"),
    ("# coding: no-such-thing\n", "encoding"),
    ("x = '\ud800'", "encoding"),
    ("(" * 5000, "syntax-error"),
    ("x = " + "-" * 100_000 + "1", "nested-too-deeply"),
    ("x = " + "[" * 150 + "]" * 150, "nested-too-deeply"),
    ("x" + ".a" * 100_000, "nested-too-deeply"),
    ("x = " + "1 + " * 60_000 + "1", "nested-too-deeply"),
    ("x = " + "9" * 200_000, "syntax-error"),
    ("a\n" * 131_072, "too-large"),
    # certain to crash
    ("print(no_such_name)", "F821"),
    ("print('%d %d' % (1,))", "F507"),
]
