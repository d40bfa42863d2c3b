"""Finds the file system that a path is on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: File systems of other machines: their locks may do nothing, and their writes may come late.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|9p|afs|ceph|glusterfs|lustre|beegfs|gpfs|ocfs2|orangefs|virtiofs|"
    # Folders of the host in a virtual machine, in WSL 2 (/mnt/c) and in Docker Desktop.
    r"drvfs|vboxsf|prl_fs|vmhgfs|fakeowner|fuse\.(vmhgfs-fuse|grpcfuse|osxfs)|"
    r"fuse\.(sshfs|s3fs|goofys|rclone|gcsfuse|glusterfs|ceph|mountpoint-s3|davfs|blobfuse2?)"
)
_MEMORY = ("tmpfs", "ramfs")
_IMAGE = ("overlay", "aufs", "fuse.fuse-overlayfs")
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    :param point: the folder where it is mounted.
    :param kind: its type, e.g. ``"ext4"``.
    :param is_read_only: whether nobody can write to it.
    """

    point: Path
    kind: str
    is_read_only: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether another machine holds the files."""
        return _NETWORK.fullmatch(self.kind) is not None

    @property
    def is_fuse(self) -> bool:
        """Whether a program serves it: what its locks do depends on that program."""
        return self.kind.startswith("fuse") and not (self.is_remote or self.is_image)

    @property
    def is_memory(self) -> bool:
        """Whether a restart of the machine empties it."""
        return self.kind in _MEMORY

    @property
    def is_image(self) -> bool:
        """Whether it is the root of a container, which is removed with the container."""
        return self.kind in _IMAGE


def mount_of(path: Path, mounts: str | None = None) -> Mount | None:
    """Return the file system of a path, which need not exist; ``None`` if unknown.

    :param mounts: the content of Linux's ``mountinfo``; by default that of this process.
    """
    try:
        text = _MOUNTS.read_text(encoding="utf-8") if mounts is None else mounts
        real = path.resolve()
    except (OSError, RuntimeError):  # no Linux; a loop of symbolic links
        return None
    found = None
    for line in text.splitlines():
        mount = _parse(line)
        # The last of several mounts on one folder hides the others.
        if real.is_relative_to(mount.point) and (
            found is None or len(mount.point.parts) >= len(found.point.parts)
        ):
            found = mount
    return found


def _parse(line: str) -> Mount:
    # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    left, _, right = line.partition(" - ")
    fields, (kind, *source) = left.split(), right.split()
    point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
    # The mount may be read-only, or the whole file system.
    is_read_only = "ro" in fields[5].split(",") or "ro" in source[-1].split(",")
    return Mount(Path(point), kind, is_read_only)
