"""The speeches of a batch: each is paid for once, and kept where it does not expire."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.batches.recipe import SpeechRecipe, amount_in, is_made_from
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.model_catalog.speech import SPEECH_CURRENCY, speech_cost, synthesize_speech
from airflow_provider_videoretalk.operators.location_fields import permanent_fields, url_of_output
from airflow_provider_videoretalk.operators.speech_result import speech_result
from airflow_provider_videoretalk.submission.fault_points import fault_point

if TYPE_CHECKING:
    from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.speech import SpeechResult
    from airflow_provider_videoretalk.operators.output_folder import OutputFolder
    from airflow_provider_videoretalk.publishing.atomic_object import Destination
    from airflow_provider_videoretalk.submission.record_store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SpeechStore:
    """
    :param folder: has the speeches below it
    :param states: of the task, for speeches that could not be kept; ``None`` without a store
    :param lives_for: how long a speech that could not be kept has to live, in seconds
    :param charges: has each speech that is paid for
    """

    folder: OutputFolder
    hook: DashScopeHook
    states: Store | None
    lives_for: float
    charges: ChargeWriter

    def speech(self, recipe: SpeechRecipe) -> tuple[Location, float | None]:
        """Where a speech is, and its duration. Pays for it only if none is kept.

        :raises ThrottledError: the account is throttled, and nothing was paid
        """
        # Loads requests.
        from airflow_provider_videoretalk.publishing.publication import read_metadata

        stored = self.folder.speech(recipe.file_name)
        metadata = read_metadata(stored)
        if metadata is not None and is_made_from(metadata, recipe):
            log.info("Uses the speech at %s, which was paid for before", stored)
            return stored, amount_in(metadata, "seconds")
        request = synthesize_speech(
            text=recipe.script,
            model=recipe.model,
            voice=recipe.voice,
            language=recipe.language,
            options=recipe.options,
        )
        if unkept := self._unkept(recipe):
            log.info("Uses the speech of an earlier try, which could not be kept")
            mask_urls(unkept)
            return url_of_output("audio_url", unkept), amount_in(unkept, "seconds")
        speech = self.hook.client.send(request)
        cost = speech_cost(recipe.script, recipe.model)
        self.charges.add(cost, currency=SPEECH_CURRENCY, model=recipe.model)
        fault_point("after_post")
        result = speech_result(speech, model=recipe.model, voice=recipe.voice, audio_format="wav", hook=self.hook)
        self._keep(result, recipe, stored)
        fault_point("after_speech")
        return result["audio_url"], result["seconds"]

    def _unkept(self, recipe: SpeechRecipe) -> Mapping[str, Any] | None:
        """The speech, if an earlier try has paid for it, and its URL lives while the render job may queue."""
        if self.states is None:
            return None
        found = self.states.get(_state_key(recipe))
        if not isinstance(found, Mapping) or found.get("made_of") != recipe.file_name:
            return None
        fetched = datetime.now(timezone.utc) + timedelta(seconds=self.lives_for)
        try:
            return found if datetime.fromisoformat(found["expires_at"]) > fetched else None
        except (KeyError, TypeError, ValueError):
            return None

    def _keep(self, speech: SpeechResult, recipe: SpeechRecipe, stored: Destination) -> None:
        # Loads requests.
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
        from airflow_provider_videoretalk.publishing.expected_media import expected_media
        from airflow_provider_videoretalk.publishing.object_metadata import describe_object
        from airflow_provider_videoretalk.publishing.object_store import make_folder_of, store_errors_named
        from airflow_provider_videoretalk.publishing.transfer import copy_object

        fields = {**permanent_fields(speech), **recipe.fields}
        try:
            with store_errors_named(stored):
                make_folder_of(stored)
            copy_object(
                speech["audio_url"],
                [stored],
                build_metadata=lambda downloaded, path: describe_object(downloaded, uri=uri_of(path), source=fields),
                expected=expected_media(speech, speech["audio_url"]),
                access=self.hook.media_access,
            )
        except DashScopeError as error:
            # The service has it for a day. Should the render job be submitted later, it is paid for again.
            log.warning("The speech could not be kept: %s", error)
            if self.states is not None:
                self.states.set(_state_key(recipe), {**speech, "made_of": recipe.file_name})


def _state_key(recipe: SpeechRecipe) -> str:
    """Where the task's state has the speech if it could not be kept: a task may speak several."""
    return f"videoretalk_speech_{recipe.file_name[:16]}"
