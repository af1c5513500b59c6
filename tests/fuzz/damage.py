"""Damage to files: bytes at random, and values at random where a file has a structure. One seed, one damage."""

import copy
import csv
import io
import json
import random
from collections.abc import Callable
from typing import Any

Damage = Callable[[bytes, random.Random], bytes]
NUMBERS = (0, -1, 1, 0.5, 2**31, 2**63, 10**12, 10**400, 1e308, -1e308, 5e-324, float("nan"), float("inf"))
TEXTS = ("", " ", "x", "0", "-1", "1e999", "nan", "\ud800", "\0", "../x", "/", "a" * 500, "é", "null", "[1]", "{}")
LISTS = ([], {}, [[]], [None], [[0, 1e308]], [[1, 0]], [1.5], [10**30], [[1, 2, 3]] * 2, {"a": {}}, list(range(50)))
ABSURD: tuple[Any, ...] = (None, True, False, *NUMBERS, *TEXTS, *LISTS)


def flip(content: bytes, draw: random.Random) -> bytes:
    """Some bytes flipped, dropped, doubled, put in or cut off, a byte order mark in front, line ends of Windows."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(len(data)) if data else 0
        kind = draw.randrange(8)
        if kind == 0 and data:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del data[at : at + draw.choice([1, 8, 100])]
        elif kind == 2:
            data = data[:at]
        elif kind == 3:
            data[at:at] = bytes(draw.randrange(256) for _ in range(draw.choice([1, 4])))
        elif kind == 4:
            data[0:0] = draw.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\0"])
        elif kind == 5:
            data += data[at : at + 100]
        elif kind == 6:
            data = bytearray(bytes(data).replace(b"\n", b"\r\n"))
        else:
            data[at : at + 1] = draw.choice([b"9999999999", b"-1", b"nan", b"\xff" * 8, b"\n", b'"', b"[" * 2000])
    return bytes(data)


def swap(value: Any, draw: random.Random) -> Any:
    """A copy of nested lists and dictionaries with one value or key changed, taken away or put in."""
    made = copy.deepcopy(value)
    places = list(_places(made))
    if not places:
        return draw.choice(ABSURD)
    holder, key = draw.choice(places)
    kind = draw.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[draw.choice(TEXTS)] = holder.pop(key)
    elif kind == 2:
        other, there = draw.choice(places)
        holder[key] = copy.deepcopy(other[there]) if there in _keys(other) else None
    else:
        holder[key] = draw.choice(ABSURD)
    return made


def _places(value: Any) -> list[tuple[Any, Any]]:
    found = [(value, key) for key in _keys(value)]
    return found + [place for holder, key in found for place in _places(holder[key])]


def _keys(value: Any) -> list:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


def in_json(content: bytes, draw: random.Random) -> bytes:
    """One JSON document with something swapped."""
    return json.dumps(swap(json.loads(content), draw)).encode(errors="surrogatepass")


def in_lines(content: bytes, draw: random.Random) -> bytes:
    """One line of a jsonl file with something swapped."""
    lines = content.splitlines()
    at = draw.randrange(len(lines))
    lines[at] = in_json(lines[at], draw)
    return b"\n".join(lines) + b"\n"


def in_cells(content: bytes, draw: random.Random) -> bytes:
    """A CSV with a cell, a row or a column changed."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    row = draw.choice(rows)
    kind = draw.randrange(5)
    if kind == 0:
        rows.remove(row)
    elif kind == 1:
        rows.append(row)
    elif kind == 2:
        row.append(draw.choice(TEXTS))
    else:
        row[draw.randrange(len(row))] = str(draw.choice(ABSURD))
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="replace")


def in_words(content: bytes, draw: random.Random) -> bytes:
    """One word of a text (YAML, word vectors) replaced."""
    words = content.decode().split(" ")
    words[draw.randrange(len(words))] = str(draw.choice(ABSURD))
    return " ".join(words).encode(errors="replace")
