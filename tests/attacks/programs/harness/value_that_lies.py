# The last value calls itself a data frame, and breaks whoever looks.
# expect: held
import pandas
class Lying(pandas.DataFrame):
    @property
    def index(self):
        raise SystemExit(9)
    @property
    def shape(self):
        return (-1, 10**30)
    def __repr__(self):
        raise KeyboardInterrupt
print("held")
Lying({"a": [1]})
