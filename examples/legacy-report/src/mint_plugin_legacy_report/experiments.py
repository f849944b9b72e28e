"""Experiments of the platform, as this plugin reads and writes them."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from mint_sdk import PlatformContext
from pydantic import BaseModel, Field

EXPERIMENT_TYPE = "mass_spectrometry"
UNKNOWN_ID = 2**31 - 1


class NewExperiment(BaseModel):
    name: str = Field(min_length=1, max_length=200)
    project: str | None = None
    notes: str | None = None
    tags: dict[str, Any] = Field(default_factory=dict)
    spectrum: str = ""


def experiments_of(context: PlatformContext | None) -> Any:
    """The repository, or 503 when the plugin runs without a platform."""
    repository = context.get_experiment_repository() if context else None
    if repository is None:
        raise HTTPException(503, "There is no platform with experiments")
    return repository


def summary(experiment: Any) -> dict[str, Any]:
    return {
        "id": experiment.id,
        "name": experiment.name,
        "experiment_type": experiment.experiment_type,
        "status": experiment.status,
        "project": experiment.project,
        "created_by": experiment.created_by,
    }


async def round_trip(
    repository: Any, plugin_id: str, wanted: NewExperiment
) -> dict[str, Any]:
    """Creates an experiment, changes it, reads all of it back.

    The answer has nothing in it that differs between two plugins that were
    given the same, so ids and times are left out.
    """
    created = await repository.create(
        wanted.name,
        EXPERIMENT_TYPE,
        project=wanted.project,
        notes=wanted.notes,
        tags=wanted.tags,
    )
    await repository.update(created.id, status="ongoing")
    await repository.save_design_data(
        created.id, plugin_id, {"spectrum": wanted.spectrum}, "2.0"
    )
    read = await repository.get_by_id(created.id)
    design = await repository.get_design_data(created.id)
    found, total = await repository.list_all(
        limit=100, search=wanted.name, experiment_type=EXPERIMENT_TYPE
    )
    return {
        "name": read.name,
        "experiment_type": read.experiment_type,
        "status": read.status,
        "project": read.project,
        "notes": read.notes,
        "tags": read.tags,
        "created_by": read.created_by,
        "design_data": design.data,
        "schema_version": design.schema_version,
        "is_own_data": design.plugin_id == plugin_id,
        "is_listed": created.id in [each.id for each in found],
        "is_counted": total >= len(found) > 0,
        "unknown": await repository.get_by_id(UNKNOWN_ID),
    }
