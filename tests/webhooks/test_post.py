"""A message goes to the server that its name leads to at one look, over TLS of that name, and to nothing that is not public."""

from __future__ import annotations

import asyncio
import socket

import pytest

from billing import post as posting
from billing.post import MOST_READ, Net, Undelivered, post
from tests.webhooks.hooks import HOST, OTHER, PUBLIC, URL, Hooks, World, saying, silence, status
from tests.webhooks.test_addresses import NOT_PUBLIC

HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
NOT_THERE = "The server's name leads to an address that is not public."


async def refusal(world: World, url: str = URL, *, seconds: float = 5) -> str:
    with pytest.raises(Undelivered) as undelivered:
        await post(url, HEADERS, b"{}", world.net, seconds=seconds)
    return str(undelivered.value)


async def test_it_is_posted_whole_to_the_name_and_its_address(hooks: Hooks) -> None:
    world = hooks.net()
    body = '{"said": "Grüße"}'.encode()
    assert await post(URL, HEADERS, body, world.net) == 204
    (request,) = hooks.requests
    assert request.line == "POST /landlord?of=acme HTTP/1.1"
    assert request.body == body
    assert request.server_name == HOST
    assert request.headers == HEADERS | {
        "host": HOST,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": "Landlord-Webhooks/1.0",
        "connection": "close",
    }
    assert (world.asked, world.dialled) == ([HOST], [PUBLIC])


@pytest.mark.parametrize("code", [200, 204, 301, 307, 400, 410, 500, 503])
async def test_the_status_is_answered_and_no_redirect_is_followed(hooks: Hooks, code: int) -> None:
    world = hooks.net()
    hooks.answers = [status(code, "Location: https://hooks.globex.example/")]
    assert await post(URL, HEADERS, b"{}", world.net) == code
    assert (hooks.connections, world.asked) == (1, [HOST])


async def test_what_comes_before_the_answer_is_passed_over(hooks: Hooks) -> None:
    hooks.answers = [
        saying(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 A\r\n\r\n")
    ]
    assert await post(URL, HEADERS, b"{}", hooks.net().net) == 202


async def test_a_name_that_leads_elsewhere_at_a_second_look_is_not_looked_up_twice(hooks: Hooks) -> None:
    """A rebinding server of names: public when it is asked first, and this machine from then on."""
    told: list[str] = []

    async def rebinding(host: str) -> list[str]:
        told.append(PUBLIC if not told else "127.0.0.1")
        return told[-1:]

    world = hooks.net()
    net = Net(rebinding, world.net.dial, world.tls)
    assert await post(URL, HEADERS, b"{}", net) == 204
    assert (told, world.dialled) == ([PUBLIC], [PUBLIC])
    # and at the next message it is this machine that it leads to
    with pytest.raises(Undelivered, match=NOT_THERE):
        await post(URL, HEADERS, b"{}", net)
    assert (world.dialled, hooks.connections) == ([PUBLIC], 1)


async def test_the_operating_system_is_not_asked_for_the_name_again(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real lookup and the real connection, in between a name server that lies the second time."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lying(host: str | None, port: int, *rest: object, **more: object) -> object:
        if host != HOST:
            return real(host, port, *rest, **more)  # type: ignore[arg-type]
        asked.append(host)
        address = PUBLIC if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    world = hooks.net()
    net = Net(posting.look_up, world.net.dial, world.tls)
    assert await post(URL, HEADERS, b"{}", net) == 204
    assert (asked, world.dialled) == ([HOST], [PUBLIC])


async def test_a_connection_goes_to_the_very_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        monkeypatch.setattr(posting, "PORT", listening.getsockname()[1])
        with await posting.dial("127.0.0.1") as dialled:
            assert dialled.getpeername() == listening.getsockname()
    with pytest.raises(OSError):
        await posting.dial("127.0.0.1")  # nobody listens there any more


@pytest.mark.parametrize("address", [one for one in NOT_PUBLIC if one])
async def test_nothing_is_sent_to_what_is_not_public(hooks: Hooks, address: str) -> None:
    world = hooks.net(**{HOST: [address]})
    assert await refusal(world) == NOT_THERE
    assert (world.dialled, hooks.connections) == ([], 0)


async def test_one_address_that_is_not_public_among_others_is_one_too_many(hooks: Hooks) -> None:
    for addresses in ([PUBLIC, "169.254.169.254"], ["::1", PUBLIC], [PUBLIC] * 5 + ["10.0.0.1"]):
        world = hooks.net(**{HOST: addresses})
        assert await refusal(world) == NOT_THERE
        assert world.dialled == []


async def test_where_the_first_address_does_not_answer_the_next_does(hooks: Hooks) -> None:
    world = hooks.net(**{HOST: [PUBLIC, OTHER]})
    world.dead = {PUBLIC}
    assert await post(URL, HEADERS, b"{}", world.net) == 204
    assert world.dialled == [PUBLIC, OTHER]
    world.dead = {PUBLIC, OTHER}
    assert await refusal(world) == "The connection to the server broke, or was refused."


async def test_ipv4_is_tried_first_and_three_addresses_at_most(hooks: Hooks) -> None:
    newer = [f"2600:1f18::{number}" for number in range(1, 5)]
    world = hooks.net(**{HOST: [*newer, PUBLIC, OTHER]})
    world.dead = {PUBLIC}
    assert await post(URL, HEADERS, b"{}", world.net) == 204
    assert world.dialled == [PUBLIC, OTHER]
    world = hooks.net(**{HOST: newer})
    world.dead = set(newer)
    assert await refusal(world) == "The connection to the server broke, or was refused."
    assert world.dialled == newer[:3]


async def test_a_name_that_leads_nowhere_is_told(hooks: Hooks) -> None:
    world = hooks.net(**{"hooks.globex.example": []})
    for url in ("https://nowhere.example/", "https://hooks.globex.example/"):
        assert await refusal(world, url) == "The server's name leads nowhere."
    assert world.dialled == []


async def test_an_address_that_the_api_would_not_take_is_not_looked_up(hooks: Hooks) -> None:
    world = hooks.net()
    for url in ("http://hooks.acme.example/", "https://127.0.0.1/", "https://a@hooks.acme.example/"):
        assert await refusal(world, url) == "This is no address that messages are sent to."
    assert world.asked == []


async def test_the_certificate_has_to_be_the_names(hooks: Hooks) -> None:
    world = hooks.net(**{"hooks.initech.example": [PUBLIC]})
    said = await refusal(world, "https://hooks.initech.example/")
    assert said.startswith("The server's certificate is not good: Hostname mismatch")
    assert hooks.requests == []
    async with Hooks.open("stranger") as stranger:
        assert "Hostname mismatch" in await refusal(stranger.net())
        assert stranger.requests == []


async def test_the_certificate_has_to_be_of_an_authority_that_is_believed(hooks: Hooks) -> None:
    world = hooks.net()
    world.tls = Net().tls  # those of this machine
    assert (await refusal(world)).startswith("The server's certificate is not good: ")
    assert hooks.requests == []


async def test_a_server_without_tls_gets_nothing() -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        world = Hooks(port=server.sockets[0].getsockname()[1]).net()
        assert await refusal(world) == "The server speaks no TLS that we do."
    assert b"POST" not in b"".join(heard)


@pytest.mark.parametrize(
    "answer",
    [silence, saying(*[b"H", b"T", b"T", b"P"] * 100, pause=0.05), saying(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 99, pause=0.05)],
    ids=["silent", "a byte at a time", "never done with continuing"],
)  # fmt: skip
async def test_it_takes_so_long_in_all_and_no_longer(hooks: Hooks, answer: object) -> None:
    hooks.otherwise = answer  # type: ignore[assignment]
    assert await refusal(hooks.net(), seconds=0.3) == "The server did not answer within 0 seconds."


async def test_a_name_that_is_looked_up_for_ever_is_given_up() -> None:
    async def never(host: str) -> list[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(Undelivered, match="did not answer"):
        await post(URL, HEADERS, b"{}", Net(look_up=never), seconds=0.05)


async def test_an_answer_without_end_is_not_read_to_its_end(hooks: Hooks) -> None:
    hooks.answers = [
        saying(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 10_000),
        saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    ]
    assert await refusal(hooks.net()) == "The server's answer has no end."
    assert await refusal(hooks.net()) == "The server's answer was no HTTP."
    assert MOST_READ < 25 * 10_000


async def test_of_a_good_answer_the_rest_is_not_waited_for(hooks: Hooks) -> None:
    hooks.answers = [saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", *[b"x" * 1000] * 100, pause=0.05)]
    assert await post(URL, HEADERS, b"{}", hooks.net().net, seconds=2) == 200


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100])
async def test_what_is_no_answer_is_told(hooks: Hooks, said: bytes) -> None:
    hooks.answers = [saying(said)]
    assert await refusal(hooks.net()) in ("The server's answer was no HTTP.", "The server hung up without an answer.",
                                          "The connection to the server broke, or was refused.")  # fmt: skip
