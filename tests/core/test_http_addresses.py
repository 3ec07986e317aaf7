"""Where a guarded call may lead, in every spelling of where it must not. Nothing may ever reach 127.0.0.1."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppspot.core.http import ANYWHERE, PUBLIC, Client, ForbiddenAddress, UnknownHost
from oppspot.core.http.addresses import NOT_PUBLIC_V4, NOT_PUBLIC_V6, is_public
from oppspot.core.http.bounds import Deadline
from oppspot.core.http.network import VettedBackend, check_peer
from oppspot.core.http.urls import vetted_url
from tests.core.http_stub import ALLOWED, HOSTS, Names, Stub, canary, policy, redirect, reply, was_reached

pytestmark = pytest.mark.allow_hosts(HOSTS)

INTERNAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.168.1.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1",
    "2001:0:53aa:64c::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2620:4f:8000::1", "2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:a9fe:a9fe", "3fff::1",
    "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "ff0e::1",
]  # fmt: skip
PUBLIC_ADDRESSES = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "168.63.129.15", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "198.17.0.1",
    "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:200::1",
    "2a00:1450::5efe:808:808", "2003::1",
]  # fmt: skip
SPELLINGS = [  # what getaddrinfo, a browser or another parser takes for 127.0.0.1, or for another host than we would
    "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.1./", "http://127.0.0.01/",
    "http://0/", "http://00000000.0x0/", "http://①②⑦.⓪.⓪.①/", "http://\uff11\uff12\uff17.0.0.1/", "http://127。0。0。1/",
    "http://127%2e0%2e0%2e1/", "http://%6cocalhost/", "http://localhost/", "http://LOCALHOST./", "http://a.localhost/",
    "http://printer.local/", "http://metadata.google.internal/", "http://router.home.arpa/", "http://postgres/",
    "http://127.0.0.1\\@company.test/", "http://company.test\\@127.0.0.1/", "http://company.test@127.0.0.1/",
    "http://user:secret@company.test/", "http://@company.test/", "http://company.test:80@127.0.0.1/",
    "http://127.0.0.1#@company.test/", "http://127.0.0.1?@company.test/", "http://127.0.0.1;company.test/",
    "http://company.test,127.0.0.1/", "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::1%25lo]/", "http://[v1.a]/", "http://[127.0.0.1]/", "http://[::1]company.test/", "http://::1/",
    "http://company.test:22/", "http://company.test:8_0/", "http://company.test:80:80/", "http://company.test:99999/",
    "http://company.test:\uff18\uff10/", "http://company.test: 80/", "http://company.test:-80/", "http://company.test:0/",
    "http://", "http:///path", "http:company.test", "http:/company.test/", "//company.test/", "company.test", "",
    "/path", "ftp://company.test/", "file:///etc/passwd", "gopher://company.test/", "javascript:alert(1)",
    "http://company.test\r\nHost: 127.0.0.1/", "http://company.test/\r\nX: y", "http://company.test/a\0b",
    "http://company.test/\tb", "http:// company.test/", "http://company.test /", " http://company.test/ \n",
    "http://com_pany.test/", "http://-a.test/", "http://a-.test/", "http://.company.test/", "http://company..test/",
    f"http://{'a' * 64}.test/", f"http://{'a.' * 130}test/", "http://company.test/" + "a" * 9_000,
    "http://company.\u202etest/", "http://comp\u200bany.test/", "http://company.test/\ud800", "http://☃.☃/",
    "http://company.test%00.example.com/", "http://company.test%0d%0a/", "http://*.company.test/", "http://1.2.3/",
    "http://1.2.3.4.5/", "http://256.1.1.1/", "http://company.123/", "http://company.0x10/",
]  # fmt: skip


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """Listens where nobody may come; the test fails if somebody came."""
    with canary() as listener:
        yield listener
        assert not was_reached(listener)


def port(listener: socket.socket) -> int:
    number: int = listener.getsockname()[1]
    return number


@pytest.mark.parametrize("text", INTERNAL)
def test_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC_ADDRESSES)
def test_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1))
def test_forms_that_hold_an_address_are_no_way_around(number: int) -> None:
    """Whatever the IPv4 address, no IPv6 address that stands for it is public, but an ISATAP one for a public one."""
    for prefix in ("::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | number))
    assert not is_public(IPv6Address(0x2002 << 112 | number << 80 | 1))
    assert not is_public(IPv6Address(0x20010000 << 96 | number ^ 0xFFFFFFFF))  # Teredo
    isatap = IPv6Address(int(IPv6Address("2a00:1450::5efe:0:0")) | number)
    assert is_public(isatap) == is_public(IPv4Address(number))


@pytest.mark.parametrize("network", [*NOT_PUBLIC_V4, *NOT_PUBLIC_V6], ids=str)
def test_networks_are_excluded_to_their_ends(network: object) -> None:
    assert not is_public(network[0])  # type: ignore[index]
    assert not is_public(network[-1])  # type: ignore[index]


@pytest.mark.parametrize("text", INTERNAL)
def test_an_internal_address_as_host(text: str, nobody: socket.socket) -> None:
    host = f"[{text}]" if ":" in text else text
    client = Client(policy(port(nobody)))
    for url in (f"http://{host}/", f"http://{host}:{port(nobody)}/", f"https://{host}/"):
        with pytest.raises(ForbiddenAddress):
            client.fetch(url, seconds=10)
    with pytest.raises(ForbiddenAddress):
        vetted_url(f"http://{host}/", PUBLIC)  # before anything is called: for forms that take a URL


@pytest.mark.parametrize("text", INTERNAL)
def test_an_internal_address_behind_a_name(text: str, nobody: socket.socket) -> None:
    for answer in ([text], ["1.1.1.1", text], [text, "1.1.1.1"]):
        client = Client(policy(port(nobody), addresses_of=Names(company_test=[answer])))
        with pytest.raises(ForbiddenAddress, match=r"company\.test") as caught:
            client.fetch(f"http://company.test:{port(nobody)}/", seconds=10)
        assert text not in str(caught.value)


@pytest.mark.parametrize("url", SPELLINGS)
def test_odd_urls(url: str, nobody: socket.socket) -> None:
    asked = Names(company_test=[[ALLOWED]])
    client = Client(policy(port(nobody), addresses_of=asked))
    for each in (url, url.replace("127.0.0.1/", f"127.0.0.1:{port(nobody)}/")):
        with pytest.raises(ForbiddenAddress) as caught:
            client.fetch(each, seconds=10)
        assert "secret" not in str(caught.value)
    assert asked.asked == []


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://", "http://company.test", "http://[", "//"]))
def test_any_text_is_a_url_or_forbidden(text: str, start: str) -> None:
    try:
        url = vetted_url(start + text, PUBLIC)
    except ForbiddenAddress:
        return
    assert url.scheme in {"http", "https"}
    assert not url.userinfo
    assert url.raw_host.decode().isascii()


@pytest.mark.parametrize(
    ("url", "is_read_as"),
    [
        ("HTTP://Company.TEST", "http://company.test"),
        ("http://company.test:80/a b?q=ü#part", "http://company.test/a%20b?q=%C3%BC"),
        ("https://bücher.test/", "https://xn--bcher-kva.test/"),
        ("https://company.test:443", "https://company.test"),
        ("http://company.test?a=//b@c", "http://company.test?a=//b@c"),
        ("http://xn--a.test/", "http://xn--a.test/"),
        ("http://company.test./", "http://company.test./"),
        ("http://1.1.1.1/", "http://1.1.1.1/"),
        ("http://[2606:4700:4700::1111]/", "http://[2606:4700:4700::1111]/"),
    ],
)
def test_usual_urls(url: str, is_read_as: str) -> None:
    assert str(vetted_url(url, PUBLIC)) == is_read_as


def test_hosts_of_our_own_choice() -> None:
    for url in ("http://localhost:8000/", "http://postgres:1/", "http://127.0.0.1:5/", "http://[::1]:80/"):
        vetted_url(url, ANYWHERE)
    for url in ("http://user:secret@localhost/", "ftp://localhost/", "http://local\\host/", "http://127.1/"):
        with pytest.raises(ForbiddenAddress):
            vetted_url(url, ANYWHERE)


def test_a_name_is_resolved_once_and_called_by_its_name(nobody: socket.socket) -> None:
    """Rebinding: the second answer, for whoever asked again, leads inside."""
    stub = Stub()
    stub.on("/", reply(b"hello"))
    asked = Names(company_test=[[ALLOWED], ["127.0.0.1"]])
    client = Client(policy(stub.port, port(nobody), addresses_of=asked))
    assert client.fetch(stub.url()).body == b"hello"
    assert asked.asked == ["company.test"]
    assert stub.received[0].headers["host"] == f"company.test:{stub.port}"
    with pytest.raises(ForbiddenAddress):
        client.fetch(f"http://company.test:{port(nobody)}/")
    stub.close()


def test_a_redirect_is_resolved_and_vetted_anew(nobody: socket.socket) -> None:
    stub = Stub()
    stub.on("/", redirect(f"http://company.test:{port(nobody)}/"))
    asked = Names(company_test=[[ALLOWED], ["127.0.0.1"]])
    with pytest.raises(ForbiddenAddress):
        Client(policy(stub.port, port(nobody), addresses_of=asked)).fetch(stub.url())
    assert len(asked.asked) == 2
    stub.close()


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/", "//127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/", "http://2130706433:{port}/", "http://user@127.0.0.1:{port}/",
        "http://localhost:{port}/", "\\\\127.0.0.1:{port}/", "/\\127.0.0.1:{port}/", "file:///etc/passwd",
        "http://inside.test:{port}/", "ftp://company.test/", "http://company.test:6379/", "http:127.0.0.1:{port}/",
    ],
)  # fmt: skip
def test_redirects_inside(location: str, nobody: socket.socket) -> None:
    stub = Stub()
    stub.on("/", redirect(location.format(port=port(nobody))))
    asked = Names(company_test=[[ALLOWED]], inside_test=[["127.0.0.1"]])
    with pytest.raises(ForbiddenAddress):
        Client(policy(stub.port, port(nobody), addresses_of=asked)).fetch(stub.url())
    assert len(stub.received) == 1
    stub.close()


def test_the_peer_is_looked_at_once_connected() -> None:
    with canary() as listener:
        for meant, where in ((ALLOWED, ANYWHERE), ("127.0.0.1", policy())):  # another one, and a forbidden one
            connection = socket.create_connection(listener.getsockname())
            with pytest.raises(ForbiddenAddress):
                check_peer(connection, ip_address(meant), "company.test", where)
            assert connection.fileno() == -1


def test_a_connection_led_astray_is_closed_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens between the vetted address and the socket."""
    stub = Stub("127.0.0.1")
    stub.on("/", reply(b"secret"))
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, **rest: real(("127.0.0.1", stub.port), **rest))
    with pytest.raises(ForbiddenAddress):
        Client(policy(stub.port)).fetch(stub.url())
    assert stub.received == []
    stub.close()


def test_post_and_streams_are_guarded_too(nobody: socket.socket) -> None:
    client = Client(policy(port(nobody)))
    url = f"http://127.0.0.1:{port(nobody)}/"
    with pytest.raises(ForbiddenAddress):
        client.post(url, b"{}", content_type="application/json")
    with pytest.raises(ForbiddenAddress), client.stream_lines(url):
        pass


@pytest.mark.parametrize("answer", [[], ["not an address"]])
def test_a_name_without_addresses(answer: list[str]) -> None:
    with pytest.raises(UnknownHost):
        Client(policy(addresses_of=Names(company_test=[answer]))).fetch("http://company.test/")


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(UnknownHost, match=r"no host nowhere\.test"):
        Client(policy()).fetch("http://nowhere.test/")


def test_the_next_address_is_tried() -> None:
    stub = Stub()
    stub.on("/", reply(b"hello"))
    found = Names(company_test=[["127.0.0.1", ALLOWED]])
    backend = VettedBackend(replace(ANYWHERE, addresses_of=found), Deadline(5))
    stream = backend.connect_tcp("company.test", stub.port, timeout=2)
    stream.close()
    stub.close()
