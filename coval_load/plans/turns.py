"""Whether each turn can be taken against the agents of the plan, and where its files are."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs

from coval_load.actors.checks.functions import FunctionShelf
from coval_load.faults import Fault
from coval_load.plans.checks import check_faults
from coval_load.plans.files import FileFault, find_file, find_image
from coval_load.plans.schema import AnyTurn, AudioTurn, DtmfTurn, MediaTurn, SkipTurn, TestCase, TextTurn
from coval_load.plans.speech import CannotSpeak
from coval_load.plans.test_sets import TestSet

CLIP = "clip:"
"""What an `audio` begins with that names a clip of the package instead of a file."""

Speech = Callable[[str], Path]
"""Makes speech of a text: the path of an audio file. Raises `CannotSpeak` or OSError where it can't."""

T = TypeVar("T", bound=TextTurn | AudioTurn)


@attrs.frozen
class Hearer:
    """What one agent of the plan can take.

    `takes_digits` is whether there is a message for keypad digits; `digits_option` the option that says what it is,
    empty where there is none. `only_answers` is whether it is reached over HTTP: each message gets an answer, and
    nothing comes without one. `calls_tools` and `has_words` are whether its tool calls, and its words, are known.
    """

    name: str
    is_voice: bool
    takes_digits: bool
    only_answers: bool
    calls_tools: bool = False
    has_words: bool = False
    digits_option: str = ""


@attrs.define
class TurnSettler:
    """Settles test cases: `audio` and `file` become absolute paths, and text without audio gets speech.

    `waits` says that every persona waits for the agent to speak first. `faults` and `spoken` (text -> file)
    fill up on the way.
    """

    hearers: Sequence[Hearer]
    waits: bool
    speech: Speech | None
    clip_names: Collection[str]
    faults: list[Fault] = attrs.field(factory=list)
    spoken: dict[str, Path] = attrs.field(factory=dict)
    _functions: FunctionShelf = attrs.field(factory=FunctionShelf, init=False)

    def settle(self, test_set: TestSet) -> tuple[TestCase, ...]:
        """The test cases with every path absolute; what can't be is in `faults`."""
        return tuple(
            self._case(case, test_set.folder, partial(test_set.places.path, at)) for at, case in test_set.cases.items()
        )

    def _case(self, case: TestCase, folder: Path, path: Callable[[str], str]) -> TestCase:
        if not case.turns and not self.waits:
            self._fault(
                path("turns"),
                "expected at least one turn; only where every persona has conversation_initiation "
                "wait_for_user may the agent be the only one to speak",
            )
        spoken_to = [hearer.is_voice and not hearer.calls_tools for hearer in self.hearers]
        if case.tool_results and spoken_to and all(spoken_to):
            self._fault(
                path("tool_results"),
                "expected it for chat agents and realtime APIs only; every agent of the plan is spoken to over a "
                "WebSocket without tools, take it out",
            )
        self._judge(case, path)
        for number, turn in enumerate(case.turns):
            self._check(turn, number, path(f"turns[{number}]"))
        turns = [self._turn(turn, folder, path(f"turns[{number}]")) for number, turn in enumerate(case.turns)]
        return attrs.evolve(case, turns=tuple(turns))

    def _judge(self, case: TestCase, path: Callable[[str], str]) -> None:
        agents = [(hearer.has_words, hearer.calls_tools) for hearer in self.hearers]
        spoken = sum(not isinstance(turn, SkipTurn) for turn in case.turns)
        for fault in check_faults(case.checks, spoken, agents, self._functions):
            self._fault(path(f"checks{fault.path}"), fault.message)

    def _check(self, turn: AnyTurn, number: int, at: str) -> None:
        reader = next((hearer.name for hearer in self.hearers if not hearer.is_voice), None)
        barges_in = not isinstance(turn, SkipTurn) and turn.barge_in is not None
        if barges_in and number == 0 and not self.waits:
            self._fault(
                f"{at}.barge_in",
                "expected it on a later turn: before the first one there is no agent's "
                "turn to barge into, unless every persona has conversation_initiation wait_for_user",
            )
        if reader is None:
            return
        self._check_answered(turn, at)
        if barges_in:
            self._fault(f"{at}.barge_in", f"expected it for voice agents only; agent {reader} is written to")
        if isinstance(turn, DtmfTurn | MediaTurn):
            kinds = "text" if any(hearer.only_answers for hearer in self.hearers) else "text or skip"
            self._fault(at, f"expected a turn of {kinds}, since agent {reader} is written to; got {turn.type}")
        if isinstance(turn, AudioTurn) and turn.text is None:
            self._fault(f"{at}.text", f"expected what the audio says, since agent {reader} is written to; got nothing")

    def _check_answered(self, turn: AnyTurn, at: str) -> None:
        answerer = next((hearer.name for hearer in self.hearers if hearer.only_answers), None)
        if answerer is None:
            return
        if isinstance(turn, SkipTurn):
            self._fault(
                at,
                f"expected a turn of text, since agent {answerer} is reached over HTTP and only answers what it is "
                "asked; got skip, take it out",
            )
        elif not turn.expects_reply:
            self._fault(
                f"{at}.expects_reply",
                f"expected true, since agent {answerer} is reached over HTTP and answers every message; got false, "
                "take it out",
            )

    def _turn(self, turn: AnyTurn, folder: Path, at: str) -> AnyTurn:
        speakers = [hearer for hearer in self.hearers if hearer.is_voice]
        if isinstance(turn, DtmfTurn):
            self._digits(speakers, at)
        if isinstance(turn, MediaTurn):
            return self._media(turn, folder, at)
        if not isinstance(turn, TextTurn | AudioTurn) or not speakers:
            return turn
        if isinstance(turn, TextTurn) and turn.audio is None:
            return self._speech(turn, at)
        return self._audio(turn, folder, f"{at}.audio")

    def _digits(self, speakers: Sequence[Hearer], at: str) -> None:
        for hearer in speakers:
            if not hearer.takes_digits and hearer.digits_option:
                self._fault(
                    at, f"expected metadata.{hearer.digits_option} in agent {hearer.name}, to send digits; it has none"
                )
            elif not hearer.takes_digits:
                self._fault(
                    at, f"expected no dtmf, since agent {hearer.name} has no message for digits; got it, take it out"
                )

    def _media(self, turn: MediaTurn, folder: Path, at: str) -> MediaTurn:
        try:
            return attrs.evolve(turn, file=str(find_image(folder, turn.file)))
        except FileFault as fault:
            self._fault(f"{at}.file", str(fault))
            return turn

    def _audio(self, turn: T, folder: Path, at: str) -> T:
        audio = turn.audio or ""
        if audio.startswith(CLIP):
            if audio.removeprefix(CLIP) not in self.clip_names:
                known = ", ".join(f"{CLIP}{name}" for name in self.clip_names)
                self._fault(at, f"expected one of {known or 'no clips at all'}; got {audio}")
            return turn
        try:
            return attrs.evolve(turn, audio=str(find_file(folder, audio)))
        except FileFault as fault:
            self._fault(at, str(fault))
            return turn

    def _speech(self, turn: TextTurn, at: str) -> TextTurn:
        if self.speech is None:
            self._fault(
                at,
                "expected audio for a voice agent to hear; name a file, or have speech made of the text by "
                "espeak-ng: install it on the system or with pip install 'coval-load[speech]'",
            )
            return turn
        if turn.text not in self.spoken:
            try:
                self.spoken[turn.text] = self.speech(turn.text)
            except (CannotSpeak, OSError) as error:
                self._fault(at, str(error))
                return turn
        return attrs.evolve(turn, audio=str(self.spoken[turn.text]))

    def _fault(self, path: str, message: str) -> None:
        self.faults.append(Fault(path, message))
