"""Mutual TLS between servers on different machines: each side shows a certificate that the mesh's own authority signed.

That a caller is of the mesh is all this proves; which server it is, and on whose behalf it asks, stands in its token.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class TlsFolder:
    """The folder of a process's own certificate. Files are PEM, named as in a Kubernetes secret of type tls.

    They are read when a server starts and when it first calls another: renewing them takes a restart.
    """

    path: Path

    @property
    def authority(self) -> Path:
        """Certificate of the authority that signed everybody's."""
        return self.path / "ca.crt"

    @property
    def certificate(self) -> Path:
        """This process's certificate; it names the host that others know it by."""
        return self.path / "tls.crt"

    @property
    def key(self) -> Path:
        """The certificate's private key."""
        return self.path / "tls.key"

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return what lets in callers of the mesh, and nobody else.

        Raises:
          OSError: a file can't be read.
        """
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_credentials([pair], self.authority.read_bytes(), require_client_auth=True)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return what calls servers of the mesh only, by the host in their certificate. Raises OSError, likewise."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )

    def server_context(self) -> ssl.SSLContext:
        """Return the same as `server_credentials`, for a listener that is not gRPC. Raises OSError, likewise."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.certificate, self.key)
        return context


def is_local(address: str) -> bool:
    """Return whether an address is a socket of this machine, which no TLS is spoken on."""
    return address.startswith("unix:")
