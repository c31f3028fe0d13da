"""The locked environment that user code runs on: build it, find it, say what is in it.

    python -m sandbox.runtime build --uv .build/uv/bin/uv

Layout of the runtime directory: one folder per build, named by its digest, and `current`, a link to the one in use. A
service resolves the link once, so a build beside a running service disturbs nothing.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

PYTHON = "/usr/bin/python3.11"
"""Inside the sandbox only the read-only system is visible, so the interpreter is the system's."""

RECIPE = 1
"""Raised whenever the steps below change, so that an older build counts as out of date."""

_MANIFEST = "loupe-runtime.json"
_MATPLOTLIB = "share/loupe/matplotlib"
_KEPT_BUILDS = 2  # the current one and the one a service started before may still use

# svg.hashsalt makes the ids in an SVG repeatable; everything else stays as the library ships it.
_MATPLOTLIBRC = "backend: Agg\nsvg.hashsalt: loupe\n"

# Only the fonts that come in matplotlib's wheel (DejaVu first among them): a chart must not change with the fonts of a
# machine.
_FONT_CACHE_PROGRAM = """
import sys
from pathlib import Path
import matplotlib
from matplotlib import font_manager
own = Path(matplotlib.get_data_path())
manager = font_manager.FontManager()
for fonts in (manager.ttflist, manager.afmlist):
    fonts[:] = sorted((f for f in fonts if Path(f.fname).is_relative_to(own)), key=lambda f: (f.fname, str(f)))
font_manager.json_dump(manager, str(Path(sys.argv[1]) / f"fontlist-v{manager.__version__}.json"))
"""

_PACKAGES_PROGRAM = """
import json
from importlib import metadata
print(json.dumps(sorted([d.name, d.version] for d in metadata.distributions())))
"""


class RuntimeMissing(Exception):
    """There is no usable runtime; the message is the command that makes one."""


class Package(BaseModel):
    """One installed distribution."""

    model_config = ConfigDict(frozen=True)
    name: str
    version: str


class Runtime(BaseModel):
    """One finished build."""

    model_config = ConfigDict(frozen=True)
    digest: str
    """SHA-256 of the exported locked requirements, hexadecimal."""
    recipe: int
    python_version: str
    packages: tuple[Package, ...]
    path: Path = Path()
    """Where it lies on this machine, links resolved; not part of the manifest."""

    @property
    def matplotlib_config(self) -> str:
        """Folder with matplotlibrc and the font cache, relative to the runtime's root."""
        return _MATPLOTLIB


def default_directory() -> Path:
    """Return a folder every ordinary uid can read: root's own home can't be, hence /var/lib for root."""
    if os.geteuid() == 0:
        return Path("/var/lib/loupe/runtime")
    return Path.home() / ".local/share/loupe/runtime"


def find(directory: Path) -> Runtime:
    """Return the current runtime.

    Raises:
      RuntimeMissing: never built, half built, or built by another recipe; the message says what to run.
    """
    current = (directory / "current").resolve()
    try:
        runtime = Runtime.model_validate_json((current / _MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise RuntimeMissing(f"no sandbox runtime in {directory}: run `make runtime`") from error
    if runtime.recipe != RECIPE or not Path(PYTHON).exists():
        raise RuntimeMissing(f"the sandbox runtime in {directory} is out of date: run `make runtime` (needs {PYTHON})")
    return runtime.model_copy(update={"path": current})


def build(*, uv: Path, project: Path, directory: Path) -> Runtime:
    """Make the runtime that the project's lock describes the current one; at once when it already is.

    Args:
      uv: the uv program.
      project: folder with pyproject.toml and uv.lock.
      directory: where builds live; made world-readable.
    Raises:
      subprocess.CalledProcessError: uv failed; its own message went to stderr.
    """
    requirements = subprocess.run(
        [uv, "export", "--only-group", "runtime", "--frozen", "--no-emit-project", "--no-header", "--no-annotate"],
        cwd=project,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    digest = hashlib.sha256(requirements).hexdigest()
    with _exclusive(directory):
        with contextlib.suppress(RuntimeMissing):
            runtime = find(directory)
            if runtime.digest == digest:
                return runtime
        target = directory / f"{digest[:16]}-{RECIPE}"
        with tempfile.TemporaryDirectory(prefix=".building-", dir=directory) as scratch:
            environment = Path(scratch) / "environment"
            _install(uv, project, environment)
            _finish(environment, digest)
            shutil.rmtree(target, ignore_errors=True)
            environment.rename(target)
        _switch(directory, target)
    return find(directory)


def _install(uv: Path, project: Path, environment: Path) -> None:
    subprocess.run(
        [
            *(str(uv), "sync", "--only-group", "runtime", "--frozen", "--no-install-project", "--compile-bytecode"),
            *("--python", PYTHON, "--no-python-downloads", "--quiet"),
        ],
        cwd=project,
        check=True,
        # Copies: links into a user's cache would dangle inside the sandbox and change under a running service.
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment), "UV_LINK_MODE": "copy"},
        umask=0o022,
    )


def _finish(environment: Path, digest: str) -> None:
    """Add what the installer doesn't: matplotlib's settings and font cache, the manifest, read rights for all."""
    python = environment / "bin/python"
    config = environment / _MATPLOTLIB
    config.mkdir(parents=True)
    (config / "matplotlibrc").write_text(_MATPLOTLIBRC)
    clean = {"PATH": "/usr/bin:/bin", "MPLCONFIGDIR": str(config), "HOME": str(environment)}
    subprocess.run([python, "-I", "-c", _FONT_CACHE_PROGRAM, config], env=clean, check=True)
    packages = subprocess.run([python, "-I", "-c", _PACKAGES_PROGRAM], env=clean, check=True, stdout=subprocess.PIPE)
    version = subprocess.run(
        [python, "-I", "-c", "import platform; print(platform.python_version())"],
        env=clean,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    pairs = TypeAdapter(list[tuple[str, str]]).validate_json(packages.stdout)
    manifest = Runtime(
        digest=digest,
        recipe=RECIPE,
        python_version=version,
        packages=tuple(Package(name=name, version=number) for name, number in pairs),
    )
    (environment / _MANIFEST).write_text(manifest.model_dump_json(indent=1, exclude={"path"}) + "\n")
    for folder, _, files in os.walk(environment):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(file.stat().st_mode & 0o777 | 0o444)


def _switch(directory: Path, target: Path) -> None:
    """Point `current` at a finished build, in one step, and drop builds older than the one before."""
    link = directory / ".current-new"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(directory / "current")
    builds = sorted((p for p in directory.iterdir() if _is_build(p)), key=lambda p: p.stat().st_ctime, reverse=True)
    for old in [build for build in builds if build != target][_KEPT_BUILDS - 1 :]:
        shutil.rmtree(old)


def _is_build(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and (path / _MANIFEST).exists()


@contextlib.contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory against another build, making it first."""
    directory.mkdir(parents=True, exist_ok=True)
    for folder in (directory, directory.parent):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build the runtime and print where it lies."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.runtime", description="The environment user code runs on.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="make it, or return at once when it is current")
    command.add_argument("--uv", type=Path, default=Path(".build/uv/bin/uv"), help="the uv program (%(default)s)")
    command.add_argument("--project", type=Path, default=Path.cwd(), help="folder of pyproject.toml (%(default)s)")
    command.add_argument(
        "--directory",
        type=Path,
        default=Path(os.environ.get("LOUPE_SANDBOX_RUNTIME_DIR") or default_directory()),
        help="where to put it; LOUPE_SANDBOX_RUNTIME_DIR (%(default)s)",
    )
    options = parser.parse_args()
    if not Path(PYTHON).exists():
        parser.exit(1, f"{PYTHON} is missing: install Debian's python3.11\n")
    try:
        runtime = build(uv=options.uv.absolute(), project=options.project, directory=options.directory.absolute())
    except FileNotFoundError as error:
        parser.exit(1, f"{error.filename} is missing\n")
    except subprocess.CalledProcessError as error:
        parser.exit(1, f"the runtime could not be built: {error}\n")
    sys.stdout.write(f"{runtime.path}\n")


if __name__ == "__main__":
    main()
