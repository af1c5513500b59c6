"""Make an environment with SpikingJelly 0.0.0.0.14 beside this one's torch, and run the checks in it.

    python tests/neurons/old_spikingjelly/make_environment.py

The environment lives in a temporary folder and is gone afterwards. It holds SpikingJelly only; everything else it
takes from the environment this script runs in. It fetches one small package, and takes about a minute.
"""

import site
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

VERSION = "0.0.0.0.14"
CHECKS = Path(__file__).with_name("checks.py")


def make(folder: Path) -> Path:
    """A virtual environment in `folder`; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([python, *quiet, f"spikingjelly=={VERSION}"], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    # addsitedir reads the .pth files there too, so an editable install of this project is found
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (own / "beside.pth").write_text("\n".join(lines) + "\n")
    return python


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        python = make(Path(folder))
        return subprocess.run([python, CHECKS]).returncode


if __name__ == "__main__":
    sys.exit(main())
