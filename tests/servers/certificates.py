"""A private CA and certificates for loopback."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class PrivateCA:
    """A certificate authority for one test.

    :param folder: the folder for its files.
    """

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))
        self._folder = folder

    def server_context(self, *names: str) -> ssl.SSLContext:
        """Return the TLS context of a server with these host names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def server_files(self, *names: str) -> tuple[Path, Path]:
        """Write the certificate and the key of a server, and return both files."""
        issued = self._ca.issue_cert(*names)
        certificate, key = self._folder / "server.pem", self._folder / "server.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key
