"""Whose a record is: the person that an e-mail names, and the device that a serial number names.

This is the one answer in the whole package. The record reader stores it as the columns ``person`` and ``device``, and
everything else joins on these columns. Whom the text of a quarantined record names belongs in ``mentions``.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

# The fields that each column is made of.
PERSON_FIELDS, DEVICE_FIELDS = ("email", "user"), ("serialNumber",)

WHITE_SPACE = " \t\n\v\f\r\u1680\u2028\u2029"
_EDGES = WHITE_SPACE + "\"'`\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u00b7<>,;."
# Control and format characters, and what else Unicode shows as nothing: first and last code point of each range. Not by
# Unicode's categories, by which two versions of Python could differ on a person.
_INVISIBLE_RANGES = (
    "0-8 e-1f 7f-9f ad-ad 34f-34f 600-605 61c-61c 6dd-6dd 70f-70f 890-891 8e2-8e2 115f-1160 17b4-17b5 180b-180f "
    "200b-200f 202a-202e 2060-206f 2800-2800 3164-3164 fe00-fe0f feff-feff ffa0-ffa0 fff0-fffb 110bd-110bd 110cd-110cd "
    "13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e01ef"
)
_INVISIBLE = {
    code: None
    for first, last in re.findall(r"(\w+)-(\w+)", _INVISIBLE_RANGES)
    for code in range(int(first, 16), int(last, 16) + 1)
}
# What is no letter, digit or sign of any script, but for a middle dot; in escapes that Python, Java and Rust read
# alike.
_NO_LETTER = (
    r"\x00-\x20\x7f-\xb6\xb8-\xbf\u1680\u2000-\u2bff\u3000-\u3004\u3008-\u3020\ufffc\ufffd"
    "\U0001f000-\U0001faff"
)
# What an address does not have before its @, nor behind it, as parts of a class of characters. RFC 5322 allows bars and
# braces before it; they stand between fields far more often.
NO_LOCAL = rf"{_NO_LETTER}\x22()<>\[\]{{}}\\,:;\x7c@"
NO_DOMAIN = rf"{_NO_LETTER}!-,/:-@\[-\x5e\x60{{-\x7e"
# With what an address does not begin. RFC 5322 allows most of it; bullets and separators are far more frequent.
ODD_START = "!#$%&'*+-./=?^`~"
# A person in landing tables. Of an address with more around it, and of two addresses, nobody is sure whom they name.
PERSON_PATTERN = rf"^[^{NO_LOCAL}!#-'*+\-./=?\x5e\x60\x7e][^{NO_LOCAL}]*@[^{NO_DOMAIN}]*[^{NO_DOMAIN}_.\-]$"
# Quotes, primes and letters that are written for an apostrophe.
_SHOWN = _INVISIBLE | dict.fromkeys((0x2B9, 0x2BC, 0x2018, 0x2019, 0x2032), "'")
# A domain in Punycode names what it stands for.
_PUNYCODE = re.compile(r"(?<=[@.])xn--([0-9a-z-]+)")
# Letters that Turkish computers write for i, and the full stop of Chinese and Japanese.
_ONE_FORM = {0x131: "i", 0x3002: "."}
# Most values by far: ASCII without white space, quotes and colons, with a letter or a digit at both ends.
_PLAIN = r"^[0-9A-Za-z](?:[!#-&(-+\-./0-9=?@A-Z\[-_a-z{|}~]*[0-9A-Za-z])?$"


def person_of(email: str) -> str:
    """The person that an e-mail names; empty if it names nobody.

    Two spellings of one address give the same text: ``folded``, and at both ends without white space, quotes, angle
    brackets, commas, semicolons, full stops and ``mailto:``. A domain in Punycode is written out.
    """
    return _settled(email, lambda text: _PUNYCODE.sub(_written_out, _bare(text).removeprefix("mailto:")))


def device_of(serial_number: str) -> str:
    """The device that a serial number names, spelled as a person is, but for ``mailto:``; empty if it names none."""
    return _settled(serial_number, _bare)


def with_identities(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``person`` and ``device`` (String) to rows of a landing table that have a field which names one."""
    identity_of = dict.fromkeys(PERSON_FIELDS, person_of) | dict.fromkeys(DEVICE_FIELDS, device_of)
    made = {
        "person" if field in PERSON_FIELDS else "device": named(rows[field], identity)
        for field, identity in identity_of.items()
        if field in rows.columns
    }
    return rows.with_columns(**made)


def named(values: pl.Series, identity: Callable[[str], str]) -> pl.Series:
    """Whom or what each value of a column names, by ``person_of`` or ``device_of``; null for null."""
    spelled = values.unique()
    names = spelled.str.to_lowercase()
    odd = spelled.filter(~spelled.str.contains(_PLAIN) | names.str.contains("xn--", literal=True))
    if not odd.is_empty():
        names = spelled.replace_strict(
            odd, pl.Series([identity(text) for text in odd], dtype=pl.String), default=names
        )
    # Most serial numbers are spelled as devices are.
    return values if names.equals(spelled) else values.replace_strict(spelled, names)


def visible(text: str) -> str:
    """Text in Unicode's form NFKC without characters that nobody can see, with one apostrophe; white space stays."""
    # NFKC would make a space and a combining mark of an acute accent, which is written for an apostrophe.
    return unicodedata.normalize("NFKC", text.replace("\u00b4", "'")).translate(_SHOWN)


def folded(text: str) -> str:
    """Visible text in Unicode's case folding (``ß`` is ``ss``), with one letter i and one full stop."""
    return visible(text).casefold().translate(_ONE_FORM).replace("i\u0307", "i")


def _bare(text: str) -> str:
    return folded(text).strip(_EDGES)


def _written_out(label: re.Match[str]) -> str:
    """What a label in Punycode stands for; the label, if it stands for none."""
    try:
        meant = folded(label[1].encode().decode("punycode"))
        meant.encode()
    except UnicodeError:
        return label[0]
    return label[0] if "xn--" in meant else meant


def _settled(text: str, step: Callable[[str], str]) -> str:
    """The text that the step leaves as it is: what it takes away may uncover more to take away."""
    while (after := step(text)) != text:
        text = after
    return text
