# What the harness describes figures and values with is replaced by the program.
# expect: held or failed
import json, numpy, os, reprlib
import matplotlib.pyplot as plt
plt.plot([1, 2])
def broken(*args, **kwargs):
    raise RecursionError
numpy.asarray = numpy.isfinite = numpy.ma.asarray = reprlib.Repr.repr = broken
json.dumps = lambda *args, **kwargs: '{"figures": ' * 100_000
print("held")
[1, 2]
