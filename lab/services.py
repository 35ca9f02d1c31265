"""The servers on the lab's network: a DNS server, and an ACME authority instead of Let's Encrypt.

Both are test programs of the Let's Encrypt project (Debian's `pebble`), and both listen on the bridge's own
address. The authority makes a new root for each lab. Hosts trust it through the system's certificates, as
real hosts trust Let's Encrypt's.
"""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from lab.command import run, wait_until
from lab.names import Names
from lab.process import Cgroup, Process

_ACME_PORT = 14000
_ACME_MANAGEMENT_PORT = 15000
_DNS_MANAGEMENT_PORT = 8055

# As long as Let's Encrypt's: the `certbot renew` of a host's timer finds nothing to do.
_VALIDITY = 90 * 24 * 3600

# Requests are sent to the programs directly, even if the controller uses a proxy for the Internet.
_DIRECT = urllib.request.ProxyHandler({})


def directory(names: Names) -> str:
    """The address of the ACME server, for certbot."""
    return f"https://{names.gateway}:{_ACME_PORT}/dir"


class Services:
    """The lab's DNS server and ACME authority.

    + names: the lab's names
    + folder: where they keep certificates and logs
    """

    def __init__(self, names: Names, folder: Path) -> None:
        self._names = names
        self._folder = folder
        self._cgroup = Cgroup(names.cgroup("services"))

    @property
    def api_certificate(self) -> Path:
        """The certificate that a client must trust to connect to the authority."""
        return self._folder / "api.pem"

    def start_dns(self) -> Process:
        """Start the DNS server: it knows only the hosts, and answers at once for other names, too."""
        self._folder.mkdir(exist_ok=True)
        address = self._names.gateway
        started = self._cgroup.start(
            [
                "pebble-challtestsrv",
                *("-dns01", f"{address}:53"),
                *("-management", f"{address}:{_DNS_MANAGEMENT_PORT}"),
                *("-defaultIPv4", "", "-defaultIPv6", ""),
                *("-http01", "", "-https01", "", "-tlsalpn01", ""),
            ],
            self._folder / "dns.log",
            env={},
        )
        # Any answer is enough, even an error status.
        wait_until(lambda: self._answers(self._dns("")), "an answer of the DNS server")
        return Process.of(started.pid)

    def start_acme(self) -> Process:
        """Start the ACME authority; the DNS server must run."""
        self._make_api_certificate()
        config = self._folder / "pebble.json"
        config.write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"{self._names.gateway}:{_ACME_PORT}",
                        "managementListenAddress": (f"{self._names.gateway}:{_ACME_MANAGEMENT_PORT}"),
                        "certificate": str(self.api_certificate),
                        "privateKey": str(self._folder / "api.key"),
                        "httpPort": 80,
                        "tlsPort": 443,
                        "ocspResponderURL": "",
                        "externalAccountBindingRequired": False,
                        "certificateValidityPeriod": _VALIDITY,
                    }
                }
            )
        )
        started = self._cgroup.start(
            ["pebble", "-config", str(config), "-dnsserver", f"{self._names.gateway}:53"],
            self._folder / "acme.log",
            # Pebble makes errors on purpose. The lab needs an authority that behaves the same way each time:
            # no refused nonces, no waiting, and a new validation for each order.
            env={
                "PEBBLE_WFE_NONCEREJECT": "0",
                "PEBBLE_VA_NOSLEEP": "1",
                "PEBBLE_AUTHZREUSE": "0",
            },
        )
        wait_until(lambda: self._answers(self._acme("roots/0")), "an answer of the ACME authority")
        return Process.of(started.pid)

    def issuing_root(self) -> str:
        """The root of the hosts' certificates, in PEM."""
        return self._fetch(self._acme("roots/0"))

    def add_name(self, name: str, address: str) -> None:
        """Set the address of a name in the lab's DNS; it replaces earlier ones."""
        for what, more in (("clear-a", {}), ("add-a", {"addresses": [address]})):
            self._fetch(self._dns(what), json.dumps({"host": f"{name}."} | more))

    def _make_api_certificate(self) -> None:
        run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "3650", "-subj", "/CN=Lab ACME API"),
            *("-addext", f"subjectAltName=IP:{self._names.gateway}"),
            *("-keyout", self._folder / "api.key", "-out", self.api_certificate),
        )

    def _dns(self, path: str) -> str:
        return f"http://{self._names.gateway}:{_DNS_MANAGEMENT_PORT}/{path}"

    def _acme(self, path: str) -> str:
        return f"https://{self._names.gateway}:{_ACME_MANAGEMENT_PORT}/{path}"

    def _fetch(self, url: str, body: str | None = None) -> str:
        handlers: list[urllib.request.BaseHandler] = [_DIRECT]
        if url.startswith("https:"):
            context = ssl.create_default_context(cafile=str(self.api_certificate))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        data = None if body is None else body.encode()
        with urllib.request.build_opener(*handlers).open(url, data=data, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def _answers(self, url: str) -> bool:
        try:
            self._fetch(url)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
