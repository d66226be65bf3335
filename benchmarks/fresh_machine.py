"""Do README's two commands work on a bare Debian, and how long do they take?

Makes a root of Debian with git, make, Python with venv and certificates, and nothing else; clones the repository's HEAD
into it, and runs the commands there, as they stand in README.md. Needs root and debootstrap. Of this machine's
configuration the root gets only what its network needs: resolver, certificates, proxies and package indexes.

    make fresh-machine DEBIAN=trixie                     # half an hour on 2 cores
    .venv/bin/python benchmarks/fresh_machine.py sid --commands 'make setup'
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stage_processes import ROOT

from mlsl_mx.system.processor import CPUINFO, cpu_model
from mlsl_mx.system.whole_files import write_bytes, write_json

RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = "git,make,python3,python3-venv,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NETWORK = re.compile(r"(https?|no)_proxy|PIP_(INDEX_URL|CERT|DEFAULT_TIMEOUT)|SSL_CERT_FILE|REQUESTS_CA_BUNDLE", re.I)
CLONE = Path("root/mlsl-mx")


def readme_commands() -> list[str]:
    """The first block of commands in README.md, without its comments."""
    section = (ROOT / "README.md").read_text().split("## Two commands\n")[1]
    block = re.search(r"^(?:    .+\n)+", section, re.MULTILINE).group()
    return [line.split("#")[0].strip() for line in block.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("debian", choices=("bookworm", "trixie", "sid"))
    parser.add_argument("--commands", nargs="+", default=readme_commands(), help="others than README's")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        print("a bare root takes root and debootstrap (apt-get install debootstrap)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="fresh-machine-") as folder:
        root = Path(folder)
        bare(options.debian, root)
        subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(root / CLONE)], check=True)
        facts = {
            "debian": options.debian,
            "python": output(root, "python3 --version"),
            "revision": output(root, f"git -C /{CLONE} rev-parse HEAD"),
            "cpu": cpu_model(CPUINFO),
            "cpus": os.cpu_count(),
        }
        runs = [run(root, command) for command in options.commands]
    write_json(options.results / f"fresh_machine-{options.debian}.json", {**facts, "commands": [r[0] for r in runs]})
    write_bytes(options.results / f"fresh_machine-{options.debian}.log", "".join(r[1] for r in runs).encode())
    return max(told["exit_code"] for told, _ in runs)


def bare(debian: str, root: Path) -> None:
    """Debian's smallest system with PACKAGES, from the mirror that this machine uses."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    mirror = subprocess.run(targets, capture_output=True, text=True).stdout.split()[:1]
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", debian, str(root), *mirror]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for path in (Path("/etc/resolv.conf"), Path("/etc/hosts"), CERTIFICATES):
        if path.exists():
            shutil.copy(path, root / path.relative_to("/"))


def inside(root: Path, command: str) -> list[str]:
    """A command line that runs `command` in the root; what is mounted for it is gone when it ends."""
    environment = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    environment.update(HOME="/root", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TERM="dumb")
    mounts = (
        'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" env -i "${@:2}" bash -c "$1"'
    )
    given = [f"{name}={value}" for name, value in environment.items()]
    return ["unshare", "--mount", "--pid", "--fork", "bash", "-c", mounts, str(root), command, *given]


def output(root: Path, command: str) -> str:
    return subprocess.run(inside(root, command), check=True, capture_output=True, text=True).stdout.strip()


def run(root: Path, command: str) -> tuple[dict, str]:
    """({"command", "seconds", "exit_code"}, its log): the log is also shown as it comes."""
    print(f"# {command}", flush=True)
    lines, started = [f"# {command}\n"], time.perf_counter()
    process = subprocess.Popen(
        inside(root, f"cd /{CLONE} && {command}"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    for line in shown(process.stdout):
        print(line, end="", flush=True)
        lines.append(line)
    code, seconds = process.wait(), time.perf_counter() - started
    lines.append(f"# exit code {code} after {seconds:.0f} seconds\n")
    print(lines[-1], end="")
    return {"command": command, "seconds": round(seconds, 1), "exit_code": code}, "".join(lines)


def shown(stream) -> Iterator[str]:
    """Lines as a terminal shows them in the end: of progress bars the last state alone."""
    for line in stream:
        yield line.decode(errors="replace").rstrip("\r\n").rsplit("\r", 1)[-1] + "\n"


if __name__ == "__main__":
    sys.exit(main())
