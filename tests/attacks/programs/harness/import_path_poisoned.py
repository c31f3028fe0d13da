# A file named as a library is the program's own business.
# expect: held
import sys

for name in ("json", "os", "socket", "random", "numpy", "sitecustomize"):
    open(f"/work/{name}.py", "w").write("raise SystemExit(9)")
sys.path.insert(0, "/work")
print("held")
