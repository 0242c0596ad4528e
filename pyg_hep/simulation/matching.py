"""Merged samples of hard events: how a Les Houches file says so, and how Pythia 8 has to match it to its shower.

A sample of several jet multiplicities counts every jet twice, once from the matrix element and once from the shower,
until one of them is vetoed. MLM samples of MadGraph (Mangano et al., hep-ph/0611129; Alwall et al., 0706.2569) are
matched with the settings of their header; other schemes are refused, as an unmatched shower of them is wrong.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyg_hep.errors import ConfigError, ReaderError

_VALUE_OF_NAME = re.compile(
    r"^\s*([-+.\w]+)\s*=\s*(ickkw|xqcut|ktdurham|ptlund|maxjetflavor|alpsfact)\b", re.IGNORECASE
)
"""A line of MadGraph's run card: the value comes first."""
_PYTHIA_SETTING = re.compile(r"^\s*((?:JetMatching|Merging):\w+)\s*=\s*(\S+)", re.IGNORECASE)
_SCHEMES: dict[float | None, str] = {1.0: "MLM", 2.0: "CKKW", 3.0: "FxFx", 4.0: "UNLOPS"}
"""Value of ``ickkw`` -> scheme."""
_SWITCHED_ON = ("on", "true", "yes", "1")
_MLM_SETTINGS = ("qcut", "njetmax", "nqmatch", "clfact", "coneradius", "etajetmax", "doshowerkt")
"""Settings of Pythia's jet matching that a header may hold, in small letters."""


@dataclass(frozen=True)
class Matching:
    """How the events of a merged sample are matched (MLM, longitudinally invariant kT).

    Attributes:
        settings: lines for Pythia, without the number of jets of the largest multiplicity.
        largest_flavour: quarks up to this PDG number are jets that can be matched.
        jets: jets of the event with the most.
    """

    settings: tuple[str, ...]
    largest_flavour: int
    jets: int = 0

    def lines(self) -> tuple[str, ...]:
        """All settings for Pythia."""
        # The header's own number, where it has one, comes later and wins. A veto must end the attempt: else Pythia
        # takes the next hard event, and the numbers of events are lost.
        return (f"JetMatching:nJetMax = {self.jets}", *self.settings, "Check:abortIfVeto = on")


@dataclass
class MergingHints:
    """What the header and the events of one file say about merging, collected line by line.

    Args:
        path: the file.
    """

    path: Path
    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    event_tag: str | None = None

    def read(self, line: bytes) -> None:
        """Look at a line that is inside of no event."""
        if line.startswith(b"<event"):
            self._read_event_tag(line)
        elif not line.startswith((b"#", b"!")):
            self._read_header(line.decode("utf-8", "replace").strip())

    def _read_header(self, text: str) -> None:
        if match := _VALUE_OF_NAME.match(text):
            self.values[match[2].lower()] = (match[1], text)
        elif (match := _PYTHIA_SETTING.match(text)) and not match[2].startswith("-"):  # -1 leaves it to MadGraph
            self.values[match[1].lower()] = (match[2], text)

    def _read_event_tag(self, tag: bytes) -> None:
        """MadGraph writes there of which multiplicity an event to be merged is."""
        if self.event_tag is None and re.search(rb"\bnp(NLO|LO)\s*=\s*['\"]\s*\+?\d", tag):
            self.event_tag = tag.decode("utf-8", "replace").strip()

    def matching(self) -> Matching | None:
        """How the events are matched; None for a file that is no merged sample.

        Raises:
            ReaderError: for a scheme that cannot be done here, or MLM without its scale; names file and line.
        """
        scheme, line = self._scheme()
        if scheme is None:
            return None
        if scheme != "MLM":
            raise ReaderError(
                f"LHE file {self.path} is a sample to be merged by {scheme} ({line!r}), which cannot be done here, and "
                "showered without it counts jets twice: merge it with Pythia 8's own programs, make it again with MLM "
                "(ickkw = 1), or give a file of one jet multiplicity"
            )
        return self._mlm(line)

    def _scheme(self) -> tuple[str | None, str]:
        """Name of the scheme and the line that says so."""
        if "ickkw" in self.values:
            value, line = self.values["ickkw"]
            number = _number(value)
            if number != 0:
                return _SCHEMES.get(number, f"an unknown scheme, ickkw = {value}"), line
        for name, scheme in (("ktdurham", "CKKW-L (kT)"), ("ptlund", "CKKW-L (Lund pT)")):
            value, line = self.values.get(name, ("-1", ""))
            number = _number(value)
            if number is None or number > 0:
                return scheme, line
        for name, (value, line) in self.values.items():
            if name.startswith("merging:do") and value.lower() in _SWITCHED_ON:
                return f"Pythia's {line.split('=')[0].strip()}", line
        value, line = self.values.get("jetmatching:dofxfx", ("off", ""))
        if value.lower() in _SWITCHED_ON:
            return "FxFx", line
        value, line = self.values.get("jetmatching:merge", ("off", ""))
        if value.lower() in _SWITCHED_ON:
            return "MLM", line
        if self.event_tag is not None:
            return ("FxFx or UNLOPS" if re.search(r"npNLO\s*=\s*['\"]\s*\+?\d", self.event_tag) else "CKKW-L"), (
                self.event_tag
            )
        return None, ""

    def _mlm(self, line: str) -> Matching:
        flavour = int(self._positive("jetmatching:nqmatch", "maxjetflavor", 4, line))
        values: dict[str, str] = {
            "JetMatching:merge": "on",
            "JetMatching:scheme": "1",
            "JetMatching:setMad": "off",
            "JetMatching:jetAlgorithm": "2",
            "JetMatching:slowJetPower": "1",
            "JetMatching:coneRadius": "1.0",
            # The shower's jets are clustered wherever the matrix element had partons.
            "JetMatching:etaJetMax": "1000.0",
            "JetMatching:exclusive": "2",
            # 1.5 times the cut of the matrix element, as MadGraph does: jets shift in the shower, and below the cut
            # there are no events that could stay.
            "JetMatching:qCut": repr(1.5 * self._positive(None, "xqcut", None, line)),
            "JetMatching:nQmatch": str(flavour),
            "JetMatching:clFact": repr(self._positive(None, "alpsfact", 1.0, line)),
            # Partons that are no jets of QCD are marked by their scale.
            "Beams:setProductionScalesFromLHEF": "on",
        }
        names = {name.lower(): name for name in values}
        for name, (value, _) in self.values.items():
            if name.removeprefix("jetmatching:") in _MLM_SETTINGS:
                values[names.get(name, name)] = value
        return Matching(tuple(f"{name} = {value}" for name, value in values.items()), flavour)

    def _positive(self, setting: str | None, name: str, default: float | None, line: str) -> float:
        """A number above 0 of the header; ``setting`` goes before the run card's ``name``."""
        for key in (setting, name):
            if key in self.values:
                number = _number(self.values[key][0])
                if number is None or number <= 0:
                    raise ReaderError(
                        f"LHE file {self.path} is a sample to be matched by MLM ({line!r}), and its header says "
                        f"{self.values[key][1]!r}, which is no number above 0"
                    )
                return number
        if default is None:
            if "jetmatching:qcut" in self.values:
                return 1.0  # replaced by the setting
            raise ReaderError(
                f"LHE file {self.path} is a sample to be matched by MLM ({line!r}), but its header has no {name}, the "
                "scale of the matching: add it to the header, such as '10 = xqcut'"
            )
        return default


def _number(text: str) -> float | None:
    """A number as Fortran writes it."""
    try:
        return float(text.lower().replace("d", "e"))
    except ValueError:
        return None


def common_matching(matchings: Mapping[Path, Matching | None]) -> Matching | None:
    """The matching of several files of one sample, with the jets of the event with the most.

    Raises:
        ConfigError: when they differ.
    """
    first, *others = matchings.items()
    settings = [None if matching is None else matching.settings for matching in matchings.values()]
    for (path, _), mine in zip(others, settings[1:], strict=True):
        if mine != settings[0]:
            raise ConfigError(
                f"LHE files {first[0]} and {path} are not matched in the same way (ickkw, xqcut, maxjetflavor, ... of "
                "their headers), so that they cannot be one sample"
            )
    if first[1] is None:
        return None
    return replace(first[1], jets=max(matching.jets for matching in matchings.values() if matching is not None))


def jets_of(particles: Iterable[bytes], largest_flavour: int) -> int:
    """Light quarks and gluons that come straight from the collision: the jets that Pythia counts.

    Args:
        particles: lines of the particles of an event.
        largest_flavour: largest PDG number of a quark that counts.
    """
    rows = [line.split() for line in particles]
    incoming = {b"%d" % (k + 1) for k, row in enumerate(rows) if row[1] == b"-1"} | {b"0"}
    return sum(
        row[1] == b"1" and row[2] in incoming and (row[0] == b"21" or 0 < abs(int(row[0])) <= largest_flavour)
        for row in rows
    )


def veto_hook() -> Any:
    """Pythia's jet matching, which counts its vetoes in the attribute ``vetoes``: other failures are none."""
    import pythia8mc

    class CountedMatching(pythia8mc.JetMatchingMadgraph):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.vetoes = 0

        def doVetoPartonLevelEarly(self, event: Any) -> bool:  # noqa: N802, the name is Pythia's
            veto = bool(super().doVetoPartonLevelEarly(event))
            self.vetoes += veto
            return veto

        def doVetoStep(self, position: int, isr: int, fsr: int, event: Any) -> bool:  # noqa: N802
            veto = bool(super().doVetoStep(position, isr, fsr, event))
            self.vetoes += veto
            return veto

    return CountedMatching()


@contextmanager
def standard_output_closed() -> Iterator[None]:
    """Drop what Pythia's matching prints, which no setting turns off; results of scripts go to standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
