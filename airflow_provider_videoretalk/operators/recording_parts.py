"""The recording of one row: all of it, or its parts, which are cut for the pieces of a long video."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.batches.recipe import RecordingRecipe, amount_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_videoretalk.inputs.source import Source
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.operators.output_folder import OutputFolder
    from airflow_provider_videoretalk.outbound.host_access import AccessRule

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RecordingParts:
    """
    :param folder: has the parts below it, beside the speeches that were paid for
    :param source: of the recording
    :param access: how hosts of URLs may be connected to
    """

    folder: OutputFolder
    source: Source
    access: AccessRule

    def speech(self, recipe: RecordingRecipe, *, following: Sequence[RecordingRecipe]) -> tuple[Location, float | None]:
        """Where the recording or its part is, and its duration, if it is known.

        :param following: further parts, which are cut together with this one: the recording is fetched once
        :raises InputError: the recording cannot be cut
        :raises TransportError: a store failed
        """
        if recipe.part is None:
            return self.source.location, None
        metadata = self._kept(recipe)
        if metadata is None:
            self._cut([recipe, *(part for part in following if self._kept(part) is None)])
            metadata = self._kept(recipe) or {}
        return self.folder.speech(recipe.file_name), amount_in(metadata, "seconds")

    def _kept(self, recipe: RecordingRecipe) -> Mapping[str, Any] | None:
        # Loads requests.
        from airflow_provider_videoretalk.publishing.publication import read_metadata

        found = read_metadata(self.folder.speech(recipe.file_name))
        made_of = _made_of(recipe)
        return found if found is not None and {name: found.get(name) for name in made_of} == made_of else None

    def _cut(self, recipes: Sequence[RecordingRecipe]) -> None:
        # Loads PyAV.
        from airflow_provider_videoretalk.editing.sound_part import cut_sound
        from airflow_provider_videoretalk.media.local_copy import local_copy
        from airflow_provider_videoretalk.publishing.file_upload import upload_file

        with tempfile.TemporaryDirectory(prefix="videoretalk-") as folder:
            recording = local_copy(self.source.location, Path(folder, "recording"), field="audio", access=self.access)
            for recipe in recipes:
                assert recipe.part is not None
                file = Path(folder, "part.wav")
                part = cut_sound(recording, file, start=recipe.part.start, end=recipe.part.end)
                cut_at = [recipe.part.start, recipe.part.end]
                metadata = {**_made_of(recipe), "recording_part": cut_at, "seconds": part.seconds}
                upload_file(file, self.folder.speech(recipe.file_name), content_type="audio/wav", metadata=metadata)
        log.info("Cut the recording to %s parts", len(recipes))


def _made_of(recipe: RecordingRecipe) -> dict[str, Any]:
    """What the part's metadata says."""
    return {"sound": recipe.sound}
