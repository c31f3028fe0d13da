# What the harness would report is written by the program instead: figures of numbers that are none, and of any size.
# expect: held
import json, os, stat
axis = {"label": "", "kind": "NUMBER", "scale": "linear", "lower": 0, "upper": 1, "categories": [], "ticks": []}
series = {"name": "a", "kind": "LINE", "x": [], "y": [1e308] * 9000, "base": [], "labels": [], "row_count": 4294967295,
          "column_count": 4294967295, "point_count": 4294967295}
axes = {"title": "x" * 500, "x_axis": axis, "y_axis": axis, "series": [series] * 3, "omitted_series_count": 0}
figure = {"title": "t", "axes": [axes], "omitted_axes_count": 0, "files": ["../../etc/passwd", "/etc/passwd"]}
lines = [{"error": None, "figures": ["../../etc/passwd"], "notes": []}, {"figures": [figure], "value": None}]
forged = "".join(json.dumps(line) + "\n" for line in lines).encode()
for name in os.listdir("/proc/self/fd"):
    fd = int(name)
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        continue
    if fd > 2 and (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        try:
            os.write(fd, forged)
        except OSError:
            pass
print("held")
