"""Translates a script, or a transcript whose segments keep their times."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_videoretalk.batches.translation_lines import lines_of_reply
from airflow_provider_videoretalk.dashscope.errors import InputError, ThrottledError
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.translation import AUTO, DEFAULT_MODEL, translation_price_of
from airflow_provider_videoretalk.model_catalog.translation_languages import Language, find_language, require_language
from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.batch_sources import BatchSources
from airflow_provider_videoretalk.operators.glossary import read_glossary
from airflow_provider_videoretalk.operators.job_submission import record_store_of
from airflow_provider_videoretalk.operators.template_values import (
    as_optional_amount,
    as_optional_text,
    as_text,
    check_word,
    is_empty,
)
from airflow_provider_videoretalk.operators.transcript_files import read_transcript
from airflow_provider_videoretalk.operators.translation_answers import TranslationAnswers
from airflow_provider_videoretalk.operators.translation_job import TranslationJob, TranslationSource
from airflow_provider_videoretalk.operators.translation_memory import TranslationMemory
from airflow_provider_videoretalk.submission.fault_points import fault_point
from airflow_provider_videoretalk.submission.record_store import VolatileStore

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
    from airflow_provider_videoretalk.model_catalog.token_price import TokenPrice
    from airflow_provider_videoretalk.model_catalog.translation import Translation, TranslationResult

OnTooLong = Literal["flag", "fail", "faster"]

_RATE = Limit(field="rate", low=0.5, high=2.0, code="")
_MAX_DOMAIN_BYTES = 1_000
_SHOWN_SEGMENTS = 10
_SHOWN_CHARACTERS = 60


class TranslateOperator(DashScopeOperator):
    """Translates with a Qwen-MT model, and estimates which segments will be too long to speak in their time.

    Returns a :class:`~airflow_provider_videoretalk.model_catalog.translation.TranslationResult`.

    What is answered is kept in the task's state (Airflow 3.3 and newer): a retry pays only for what is missing. With
    ``memory``, it is kept for other runs, too. The request has no id, so a translation whose reply was lost is paid for
    again.

    An optional field without a value is left out: None, an empty text, or the text ``None``, which a template renders.

    :param source: A text; or a transcript: a mapping with ``segments``, a list of ``{"start", "end", "text"}`` with
        times in seconds. Its ``language`` and ``seconds`` are used if it has them. What ``TranscribeOperator`` returns
        of a long recording has none, and they are read from its JSON file. (templated)
    :param target_language: A code or an English name, such as ``de`` or ``German``. (templated)
    :param source_language: Likewise, or ``auto`` to let the service detect it. Defaults to the transcript's
        ``language``, else ``auto``. (templated)
    :param model: A Qwen-MT model. (templated)
    :param glossary: Terms and their translations: a mapping, a list of ``{"source", "target"}``, or the text or the
        location of a table with these columns or with one for each language. (templated)
    :param domains: What the text is about and its style, in English. (templated)
    :param rate: The speed at which the translation will be spoken, 0.5 to 2. 1 is the usual speed.
    :param max_rate: The highest speed of a segment, if ``on_too_long`` is ``faster``.
    :param on_too_long: What to do about segments that will not fit. ``flag`` says so in the result. ``faster`` raises
        the ``rate`` of these segments up to ``max_rate``, and flags those that do not fit then. ``fail`` fails the
        task.
    :param memory: URI of a folder, with a slash at its end, whose file ``<target language>.json`` keeps translations
        from run to run. What was translated before, by the same model, terms and domains, is not paid for again. The
        corrections of ``ProofreadOperator`` take the place of translations. By default nothing is kept. (templated)
    :param storage_conn_id: The Airflow connection of the folder's store, if the URI names none. (templated)
    :param allowed_destinations: Where the folder may be, as of ``PublishMediaOperator``. (templated)
    :param allowed_sources: Where a glossary or a transcript may be: a list of prefixes such as
        ``s3://conn@bucket/folder/``, or one text with commas between them. It narrows ``[videoretalk] allowed_sources``
        of Airflow's configuration. (templated)
    :param max_cost: Highest cost, in the price's currency. Compared with the most that the translation can cost.
        Defaults to no limit. (templated)
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``. (templated)
    :param throttle_timeout: How long to go on sending while the account is throttled. Defaults to the connection's
        ``throttle_timeout``, or one hour. An operator may only shorten a value that the connection sets.
    :raises InputError: a field cannot be used, or the translation could cost more than ``max_cost``
    :raises AirflowFailException: a segment is too long and ``on_too_long`` is ``fail``; or the service gave no
        translation of a line
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    template_fields: Sequence[str] = (
        "source",
        "target_language",
        "source_language",
        "model",
        "glossary",
        "domains",
        "memory",
        "storage_conn_id",
        "allowed_destinations",
        "allowed_sources",
        "max_cost",
        "dashscope_conn_id",
    )

    def __init__(
        self,
        *,
        source: str | Mapping[str, Any],
        target_language: str,
        source_language: str | None = None,
        model: str = DEFAULT_MODEL,
        glossary: str | Mapping[str, str] | Sequence[Mapping[str, str]] | None = None,
        domains: str | None = None,
        rate: float = 1.0,
        max_rate: float = 1.2,
        on_too_long: OnTooLong = "flag",
        memory: str | None = None,
        storage_conn_id: str | None = None,
        allowed_destinations: Sequence[str] | str | None = None,
        allowed_sources: Sequence[str] | str | None = None,
        max_cost: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.target_language = target_language
        self.source_language = source_language
        self.model = model
        self.glossary = glossary
        self.domains = domains
        check_word("on_too_long", on_too_long, get_args(OnTooLong))
        self.rate, self.max_rate = _rates(rate, max_rate, on_too_long=on_too_long)
        self.on_too_long = on_too_long
        self.memory = memory
        self.storage_conn_id = storage_conn_id
        self.allowed_destinations = allowed_destinations
        self.allowed_sources = allowed_sources
        self.max_cost = max_cost
        # Answers, where Airflow keeps no task state.
        self._volatile = VolatileStore()

    def attempt(self, context: Context, *, refusals: int, since: float) -> TranslationResult:
        self.hook.settings.check(**self.own_settings)
        store = record_store_of(context, durable=True)
        answers = TranslationAnswers(store=self._volatile if store is None else store, memory=self._memory)
        self._check(answers)
        charges = self.charges(context, "translation")
        while pack := next(self._job.packs(answers), None):
            try:
                reply = self.hook.client.send(self._job.request(pack))
            except ThrottledError as error:
                self.retry_throttled(error, refusals=refusals, since=since)
            fault_point("after_post")
            try:
                self._keep(reply, pack, answers)
            finally:
                self._charge(reply, charges)
            fault_point("after_answer")
            refusals, since = 0, time.time()
        result = self._job.result(answers, price=self._price)
        self.log.info(
            "Translated into %s: %s segments, %s too long, %s + %s tokens, %s %s",
            result["target_language"],
            len(result["segments"]),
            result["too_long"],
            result["input_tokens"],
            result["output_tokens"],
            result["cost"],
            result["currency"],
        )
        self._report_too_long(result)
        return result

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        self._volatile.update(event.get("answers") or {})
        return super().execute_again(context, event)

    @property
    def kept_note(self) -> dict[str, Any]:
        return {"answers": dict(self._volatile)} if self._volatile else {}

    @cached_property
    def _job(self) -> TranslationJob:
        """The translation, by the rendered fields."""
        source, model, target = TranslationSource.read(self._whole_source()), self._model, self._target
        spoken = self._source_language(source, model)
        if spoken is not None and spoken.code == target.code:
            raise InputError(
                f"target_language is {target.code!r}, which is the source's own, allowed is another one",
                remedy="Use the source as it is.",
            )
        domains = as_optional_text("domains", self.domains)
        if domains and len(domains.encode(errors="replace")) > _MAX_DOMAIN_BYTES:
            raise InputError(
                f"domains has {len(domains.encode(errors='replace'))} bytes, allowed are {_MAX_DOMAIN_BYTES}",
                remedy="Say in a few sentences of English what the text is about.",
            )
        return TranslationJob(
            source=source,
            source_language=spoken,
            target_language=target,
            model=model,
            terms=read_glossary(self.glossary, language=target.code, sources=self._sources),
            domains=domains,
            rate=self.rate,
            max_rate=self.max_rate if self.on_too_long == "faster" else self.rate,
            corrections=self._memory.corrections,
        )

    @property
    def _model(self) -> str:
        return as_optional_text("model", self.model) or DEFAULT_MODEL

    @property
    def _target(self) -> Language:
        return require_language("target_language", as_text("target_language", self.target_language), model=self._model)

    @cached_property
    def _memory(self) -> TranslationMemory:
        if is_empty(self.memory):
            return TranslationMemory()
        return TranslationMemory.open(
            self.memory,
            language=self._target.code,
            storage_conn_id=self.storage_conn_id,
            allowed_destinations=self.allowed_destinations,
        )

    def _whole_source(self) -> object:
        """The source. Of a long transcript, Airflow's database has no segments: they are read from its JSON file."""
        given = self.source
        if not isinstance(given, Mapping) or given.get("segments") or not isinstance(given.get("files"), Mapping):
            return given
        location = given["files"].get("json")
        return read_transcript("source", location, sources=self._sources) if isinstance(location, str) else given

    @property
    def _sources(self) -> BatchSources:
        return BatchSources(allowed_sources=self.allowed_sources, access=self.hook.media_access, log=self.log.warning)

    def _source_language(self, source: TranslationSource, model: str) -> Language | None:
        given = as_optional_text("source_language", self.source_language)
        if given is None:
            return find_language(source.language, model=model) if source.language else None
        return None if given.strip().casefold() == AUTO else require_language("source_language", given, model=model)

    @property
    def _price(self) -> TokenPrice | None:
        return translation_price_of(self._job.model, self.hook.prices)

    def _check(self, answers: TranslationAnswers) -> None:
        """
        :raises InputError: a request cannot be made, or the missing translations could cost more than ``max_cost``
        """
        for pack in self._job.packs(answers):
            self._job.request(pack)
        limit, price = as_optional_amount("max_cost", self.max_cost), self._price
        if price is None:
            if limit is None:
                return
            raise InputError(
                f"max_cost is {limit}, but the price of {self._job.model} is not known",
                remedy="Give its price in the connection's extra 'prices', or set no max_cost.",
            )
        highest = self._job.highest_cost(answers, price=price)
        as_of = f"by the prices as of {price.as_of}"
        self.log.info("The missing translations cost at most %s %s, %s", f"{highest:f}", price.currency, as_of)
        if limit is not None and highest > limit:
            raise InputError(
                f"the translation costs at most {highest:f} {price.currency}, {as_of}, allowed is at most "
                f"{limit} {price.currency} (max_cost)",
                remedy="Nothing was sent. Shorten the source, or raise max_cost.",
            )

    def _keep(self, reply: Translation, pack: Sequence[str], answers: TranslationAnswers) -> None:
        """
        :raises AirflowFailException: the reply has no translation of a line that was sent alone
        """
        lines = lines_of_reply(reply.text, count=len(pack)) if reply.is_whole else None
        answers.keep(reply, digests=[self._job.digest(line) for line in pack], lines=lines)
        if lines is not None:
            return
        if len(pack) > 1:
            self.log.warning(
                "The reply does not have the %s lines that were sent: each is sent by itself (request_id %s)",
                len(pack),
                reply.request_id,
            )
            return
        what = "no words" if reply.is_whole else "only the begin of the translation"
        # Not retried: a retry would pay for the same reply again.
        raise AirflowFailException(
            f"{self._job.model} answered {what} of {pack[0][:_SHOWN_CHARACTERS]!r} (request_id {reply.request_id}). "
            "Change this part of the source. What has been translated is kept."
        )

    def _charge(self, reply: Translation, charges: ChargeWriter) -> None:
        price, of_input, of_output = self._price, reply.input_tokens, reply.output_tokens
        cost = None
        if price is not None and of_input is not None and of_output is not None:
            cost = price.cost(input_tokens=of_input, output_tokens=of_output)
        charges.add(cost, currency=price.currency if price else None, model=self._job.model)

    def _report_too_long(self, result: TranslationResult) -> None:
        """
        :raises AirflowFailException: a segment is too long, and ``on_too_long`` is ``fail``
        """
        found = [
            f"segment {number} at {segment['start']:g} s takes about {segment['estimated_seconds']:g} s and has "
            f"{segment['room']:g} s"
            for number, segment in enumerate(result["segments"])
            if not segment["fits"]
        ]
        if not found:
            return
        more = f" and {len(found) - _SHOWN_SEGMENTS} more" if len(found) > _SHOWN_SEGMENTS else ""
        sentence = f"{len(found)} segments are too long by estimate: {'; '.join(found[:_SHOWN_SEGMENTS])}{more}"
        if self.on_too_long != "fail":
            self.log.warning("%s", sentence)
            return
        # Not retried: the translation would be the same.
        raise AirflowFailException(
            f"{sentence}. Shorten the source, or set on_too_long to 'faster'. No speech was made, and what has been "
            "translated is kept."
        )


def _rates(rate: float, max_rate: float, *, on_too_long: str) -> tuple[float, float]:
    """
    :raises InputError: out of range
    """
    for name, value in (("rate", rate), ("max_rate", max_rate)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not _RATE.allows(value):
            raise InputError(f"{name} is {value!r}, allowed is a number from {_RATE.range}", remedy="1 is usual.")
    if on_too_long == "faster" and max_rate < rate:
        raise InputError(f"max_rate is {max_rate:g}, allowed is the rate of {rate:g} or more", remedy="Raise max_rate.")
    return float(rate), float(max_rate)
