"""Installs the servers that tests start, with Debian's apt-get.

Without apt-get or the right to use it, this prints what is missing. Tests that need a missing
server are skipped; under ``CI=true`` they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess

PACKAGES = (
    "chromium",
    "chromium-driver",
    "clickhouse-server",
    "influxdb",
    "galera-4",
    "mariadb-server",
    "pgbouncer",
    "postgresql",
    "redis-server",
    "rsync",
    "valgrind",
    "victoria-metrics",
    "wrk",
)


def main() -> None:
    if shutil.which("apt-get") is None:
        print("servers: no apt-get here; tests whose server is not installed are skipped")
        return
    missing = [package for package in PACKAGES if not is_installed(package)]
    if not missing:
        print("servers: all packages are installed")
        return
    root = find_way_to_root()
    if root is None:
        print(f"servers: cannot become root, so these are missing: {' '.join(missing)}")
        return
    print(f"servers: installing {' '.join(missing)}", flush=True)
    if not install(missing, root):
        print("servers: apt-get failed; tests whose server is not installed are skipped")


def is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, check=False).stdout == b"installed"


def find_way_to_root() -> list[str] | None:
    """Return the prefix that runs a command as root; ``None`` if that is not possible."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "--non-interactive"]
    if shutil.which("sudo") and run([*sudo, "true"]):
        return sudo
    return None


def install(packages: list[str], root: list[str]) -> bool:
    # DPkg::Lock::Timeout: another apt-get may be running.
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive"]
    apt += ["apt-get", "--option=DPkg::Lock::Timeout=120"]
    command = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    return run([*apt, "update"]) and run(command)


def run(command: list[str]) -> bool:
    """Run a command without its standard output, and return whether it succeeded."""
    nothing = subprocess.DEVNULL
    return subprocess.run(command, stdin=nothing, stdout=nothing, check=False).returncode == 0


if __name__ == "__main__":
    main()
