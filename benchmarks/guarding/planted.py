"""Planted personal data and decoys, from a generator; people and numbers are invented."""

import random
import string
from collections.abc import Callable


def digits(rng: random.Random, count: int) -> str:
    """Random digits."""
    return "".join(rng.choice(string.digits) for _ in range(count))


def token(rng: random.Random, count: int) -> str:
    """Random letters and digits."""
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(count))


def name(rng: random.Random) -> str:
    """The first part of an invented address."""
    return (
        rng.choice(("orla", "bram", "tamsin", "ludo", "wanda"))
        + rng.choice((".", "_", ""))
        + rng.choice(("quill", "fenn", "harrow", "stroud"))
    )


def host(rng: random.Random) -> str:
    """The host of an invented address."""
    return rng.choice(("northmail", "kelpworks", "dunmere-post", "mail.oakhold")) + rng.choice(
        (".net", ".org", ".co.uk", ".de")
    )


def card(rng: random.Random) -> str:
    """A card number with a right check digit."""
    body = rng.choice(("4", "51", "55", "6011")) + digits(rng, 16)
    body = body[:15]
    for check in string.digits:
        total = 0
        for place, digit in enumerate(reversed(body + check)):
            value = int(digit) * (2 if place % 2 else 1)
            total += value - 9 if value > 9 else value
        if total % 10 == 0:
            return body + check
    raise AssertionError


def iban(rng: random.Random) -> str:
    """A German IBAN with right check digits."""
    body = digits(rng, 18)
    check = 98 - int(body + "131400") % 97
    return f"DE{check:02d}{body}"


def spaced(number: str, step: int = 4, by: str = " ") -> str:
    """A number in groups."""
    return by.join(number[place : place + step] for place in range(0, len(number), step))


Make = Callable[[random.Random], str]
PLANTED: dict[str, tuple[str, Make]] = {
    "e-mail address": ("e-mail", lambda r: f"Write to {name(r)}@{host(r)} about the boiler."),
    "e-mail, written out (at, dot)": ("e-mail", lambda r: f"Write to {name(r)} at {host(r).replace('.', ' dot ')}."),
    "telephone, international": ("telephone", lambda r: f"My number: +44 20 7{digits(r, 3)} {digits(r, 4)}."),
    "telephone, American": ("telephone", lambda r: f"She lives there, (212) {r.randint(200, 554)}-{digits(r, 4)}."),
    "telephone, national, after a word": ("telephone", lambda r: f"Please call me, 030 90{digits(r, 6)}."),
    "telephone, national, without one": ("telephone", lambda r: f"It is 030 90{digits(r, 6)}."),
    "IPv4": ("ip", lambda r: f"The box answers at {r.randint(81, 95)}.{r.randint(40, 250)}.{r.randint(1, 250)}.{r.randint(1, 250)} only."),
    "IPv6": ("ip", lambda r: f"ping 2a02:8109:{r.randint(4096, 65535):x}:{r.randint(256, 65535):x}::{r.randint(16, 255):x} now"),
    "key, known prefix": ("key", lambda r: "curl -H token " + r.choice(("ghp_" + token(r, 36), "AKIA" + token(r, 16).upper(), "sk_live_" + token(r, 24), "AIza" + token(r, 35)))),
    "key, by name and entropy": ("key", lambda r: r.choice(('api_key = "{}"', "SECRET_KEY: {}", "password={}")).format(token(r, 32))),
    "key, neither": ("key", lambda r: f"then paste {token(r, 40)} there"),
    "private key": ("key", lambda r: f"-----BEGIN RSA PRIVATE KEY-----\n{token(r, 64)}\n{token(r, 64)}\n-----END RSA PRIVATE KEY-----"),
    "card, in groups": ("card", lambda r: f"I paid by {spaced(card(r), by=r.choice((' ', '-')))} yesterday."),
    "card, bare, after a word": ("card", lambda r: f"My credit card is {card(r)}."),
    "card, bare, without one": ("card", lambda r: f"I wrote {card(r)} on the form."),
    "IBAN": ("identity", lambda r: f"Send it to {spaced(iban(r))}, please."),
    "SSN": ("identity", lambda r: f"Number on file: {r.randint(100, 600)}-{r.randint(10, 99)}-{r.randint(1000, 9999)}."),
}  # fmt: skip
DECOYS: dict[str, Make] = {
    "version": lambda r: f"Update to {r.choice(('v', 'version ', 'build '))}{r.randint(1, 20)}.{r.randint(0, 99)}.{r.randint(0, 9999)}.{r.randint(0, 200)}.",
    "four numbers like a version, no word": lambda r: f"We run openssl {r.randint(1, 9)}.{r.randint(0, 12)}.{r.randint(0, 25)}.{r.randint(0, 25)} here.",
    "git hash": lambda r: f"commit {''.join(r.choice('0123456789abcdef') for _ in range(40))}",
    "SHA-256 as token": lambda r: f"sha256: {''.join(r.choice('0123456789abcdef') for _ in range(64))}",
    "UUID": lambda r: f"token={token(r, 0)}{''.join(r.choice('0123456789abcdef') for _ in range(8))}-1b2c-4d3e-8f4a-{''.join(r.choice('0123456789abcdef') for _ in range(12))}",
    "ISBN": lambda r: f"ISBN 978-{r.randint(0, 9)}-{digits(r, 3)}-{digits(r, 5)}-{r.randint(0, 9)}",
    "date and time": lambda r: f"20{r.randint(10, 24)}-{r.randint(10, 12)}-{r.randint(10, 28)} {r.randint(10, 23)}:{r.randint(10, 59)}:{r.randint(10, 59)}, {r.randint(1500000000, 1700000000)}",
    "coordinates": lambda r: f"at {r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f} or +{r.uniform(10, 90):.6f}",
    "example.com": lambda r: f"mail {name(r)}@example.com or you@yourdomain.com, see 192.0.2.{r.randint(1, 254)}",
    "private network": lambda r: f"ssh pi@192.168.{r.randint(0, 255)}.{r.randint(1, 254)} via 10.{r.randint(0, 255)}.0.1",
    "price and sum": lambda r: f"It cost ${r.randint(1, 999)},{digits(r, 3)}.{digits(r, 2)} of {digits(r, 12)} lovelace.",
    "order number": lambda r: f"Order {digits(r, 3)}-{digits(r, 7)}-{digits(r, 7)} left on Monday.",
    "16 digits": lambda r: f"id = {r.choice('456')}{digits(r, 15)}",
    "phone for stories": lambda r: f"Ring ({r.randint(201, 989)}) 555-01{digits(r, 2)} and ask for her.",
    "test card": lambda r: r.choice(("4242 4242 4242 4242", "4111-1111-1111-1111", "card 378282246310005")),
    "placeholder key": lambda r: r.choice(("api_key = YOUR_API_KEY_GOES_HERE_12345", "AKIAIOSFODNN7EXAMPLE", "token: xxxxxxxxxxxxxxxxxxxxxxxxxxxx1")),
}  # fmt: skip
