"""What changes a platform goes through the picsellia SDK, here and nowhere else.

Importing this module imports the SDK, which takes 0.7 s: import it inside the
functions that need it, after `Platform.identify` has said that somebody answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
import picsellia
from picsellia.exceptions import (
    ForbiddenError,
    PicselliaError,
    ResourceConflictError,
    ResourceNotFoundError,
    UnauthorizedError,
)

from pxl_pipeline.api.declarations import InputDeclaration
from pxl_pipeline.api.pipeline import ModelTarget, Target
from pxl_pipeline.api.platform import Refused, TokenRefused
from pxl_pipeline.api.registration import Registration
from pxl_pipeline.api.run_config import Reference, RunConfig, not_on_platform
from pxl_toolbox.core.errors import NotFoundError
from pxl_toolbox.store.credentials import Context

_DATASETS = {
    "train_dataset_version": "train",
    "test_dataset_version": "test",
    "validation_dataset_version": "val",
}
_LAUNCH_PATH = {
    Target.DATASET_VERSION: "/api/dataset/version/{}/processing/launch",
    Target.DATALAKE: "/api/datalake/{}/processing/launch",
    Target.MODEL_VERSION: "/api/model/version/{}/processing/launch",
}


class Gateway:
    """A platform that we may change, as `context` says who we are."""

    def __init__(self, context: Context) -> None:
        logging.getLogger("picsellia").setLevel(logging.WARNING)  # it greets on stdout otherwise
        self._host = context.host
        with self._speaking():
            self._client = picsellia.Client(
                api_token=context.token, organization_name=context.organization, host=context.host
            )
        self._http = self._client.connection

    @property
    def organization_id(self) -> str:
        return str(self._client.id)

    # Registration

    def register(self, wanted: Registration) -> None:
        """Create the processing or the model version, or make the one that is there equal."""
        with self._speaking():
            if wanted.model is None:
                self._register_processing(wanted)
            else:
                self._register_model_version(wanted)

    def set_default_parameters(self, wanted: Registration) -> None:
        """Send the parameters alone, to something that is registered already."""
        with self._speaking():
            if wanted.model is None:
                processing = self._client.get_processing(name=wanted.name)
                fields = {"default_parameters": wanted.fields["default_parameters"]}
                self._patch(f"/api/processing/{processing.id}", fields)
            else:
                model = self._client.get_model(name=wanted.model.origin_name)
                version = model.get_version(version=wanted.model.name)
                fields = {"parameters": wanted.fields["parameters"]}
                self._patch(f"/api/model/version/{version.id}", fields)

    # Inputs and outputs of a run

    def complete(self, config: RunConfig, data: dict[str, Any]) -> None:
        """Fill names and URLs of what a run config names into its resolved form.

        Raises:
            ConfigError: the platform has no such thing; file, line and key are named.
        """
        with self._speaking():
            if config.pipeline.is_training:
                self._complete_training(config, data)
            else:
                self._complete_processing(config, data)

    def existing_outputs(self, config: RunConfig) -> list[tuple[str, Callable[[], None]]]:
        """What stands where the run would put its outputs: its description, and its deletion."""
        with self._speaking():
            if config.pipeline.is_training:
                found = self._existing_experiment(config)
            elif config.pipeline.target is Target.MODEL_VERSION:
                found = self._existing_model_file(config)
            elif config.pipeline.type == "DATASET_VERSION_CREATION":
                found = self._existing_dataset_version(config)
            else:
                found = None
        return [found] if found else []

    def prepare_experiment(self, config: RunConfig, hyperparameters: Mapping[str, Any]) -> str:
        """Get or make the experiment of a training, with datasets, model and hyperparameters.

        Returns:
            The experiment's id.
        """
        with self._speaking():
            experiment = self._experiment(config)
            for key, alias in _DATASETS.items():
                reference = config.reference("input", key)
                if reference.given:
                    version = self._dataset_version(config, reference, "input", key)
                    self._attach_dataset(experiment, alias, version)
            model = self._model_version(config, "input", "model_version")
            experiment.set_base_model_version(model, attach_parameters=True)
            # The context of cv-engine reads this log, and nothing else, in a remote run.
            experiment.log_parameters({**(model.sync().get("parameters") or {}), **hyperparameters})
            return str(experiment.id)

    # Launches

    def launch_processing(self, target: Target, target_id: str, body: Mapping[str, Any]) -> str:
        """Start a job of a deployed processing; returns the job's id."""
        with self._speaking():
            path = _LAUNCH_PATH[target].format(target_id)
            return str(self._http.post(path, data=orjson.dumps(body)).json()["id"])

    def launch_experiment(self, experiment_id: str, *, gpus: int) -> str:
        """Start the training of an experiment; returns the job's id."""
        with self._speaking():
            experiment = self._client.get_experiment_by_id(experiment_id)
            return str(experiment.launch(gpus=gpus).id)

    def processing_id(self, name: str) -> str:
        """The id of a deployed processing.

        Raises:
            NotFoundError: it was never deployed here.
        """
        try:
            with self._speaking():
                return str(self._client.get_processing(name=name).id)
        except NotFoundError:
            raise NotFoundError(
                f"{self._host} has no processing {name!r}", hint="pxl-pipeline deploy"
            ) from None

    # Below: the same, piece by piece

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except (UnauthorizedError, ForbiddenError):
            raise TokenRefused(self._host) from None
        except ResourceNotFoundError as error:
            raise NotFoundError(f"{self._host}: {error}", hint="check ids and names") from None
        except PicselliaError as error:
            raise Refused(self._host, _status(error), str(error)) from error

    def _patch(self, path: str, fields: Mapping[str, Any]) -> None:
        self._http.patch(path, data=orjson.dumps(fields))

    def _register_processing(self, wanted: Registration) -> None:
        organization = f"/api/organization/{self.organization_id}/processings"
        body = orjson.dumps(wanted.fields)
        try:
            made = self._http.post(organization, data=body).json()
        except ResourceConflictError:
            made = self._client.get_processing(name=wanted.name).sync()
            # The SDK's own update leaves out docker_flags, so that a change of GPUs never arrived.
            self._patch(f"/api/processing/{made['id']}", wanted.fields)
        if wanted.inputs is not None:
            self._sync_inputs(f"/api/processing/{made['id']}/inputs", wanted.inputs)

    def _sync_inputs(self, path: str, declared: tuple[InputDeclaration, ...]) -> None:
        """Make the inputs equal to the declared ones; a changed type needs a new input."""
        there = {row["name"]: row for row in self._http.get(path).json()["items"]}
        wanted = {one.name: one for one in declared}
        for name, row in there.items():
            kept = wanted.get(name)
            if kept is None or row.get("input_type", kept.input_type) != kept.input_type:
                self._http.delete(f"{path}/{name}")
        for name, one in wanted.items():
            fields = asdict(one)
            old_type = there.get(name, {}).get("input_type", one.input_type)
            if name in there and old_type == one.input_type:
                del fields["name"], fields["input_type"]
                self._http.put(f"{path}/{name}", data=orjson.dumps(fields))
            else:
                self._http.post(path, data=orjson.dumps(fields))

    def _register_model_version(self, wanted: Registration) -> None:
        if wanted.model is None:
            raise ValueError("a processing is no model version")
        version = self._get_or_create_model_version(wanted.model)
        self._patch(f"/api/model/version/{version.id}", wanted.fields)

    def _get_or_create_model_version(self, target: ModelTarget) -> picsellia.ModelVersion:
        try:
            model = self._client.get_model(name=target.origin_name)
        except ResourceNotFoundError:
            model = self._client.create_model(name=target.origin_name)
        try:
            return model.get_version(version=target.name)
        except ResourceNotFoundError:
            return model.create_version(
                name=target.name, framework=target.framework, type=target.inference_type
            )

    def _complete_processing(self, config: RunConfig, data: dict[str, Any]) -> None:
        given = data.get("input", {})
        if given.get("dataset_version", {}).get("id"):
            reference = config.reference("input", "dataset_version")
            version = self._dataset_version(config, reference, "input", "dataset_version")
            given["dataset_version"] |= {
                "name": version.version,
                "origin_name": version.name,
                "url": version.get_resource_url_on_platform(),
            }
        if given.get("model_version", {}).get("id"):
            self._complete_model(config, given)
        if given.get("datalake", {}).get("id"):
            keys = ("input", "datalake", "id")
            with _known(config, "datalake", *keys):
                lake = self._client.get_datalake(id=config.file.get(*keys))
            given["datalake"] |= {"name": lake.name, "url": lake.get_resource_url_on_platform()}
        if config.pipeline.target is Target.DATASET_VERSION:
            legacy = ("input", "dataset_version", "id")
            named: tuple[str, ...] = ("target_id",) if config.file.get("target_id") else legacy
            with _known(config, "dataset version", *named):
                self._client.get_dataset_version_by_id(config.target_id)

    def _complete_training(self, config: RunConfig, data: dict[str, Any]) -> None:
        given = data.setdefault("input", {})
        for key in _DATASETS:
            reference = config.reference("input", key)
            if reference.given:
                version = self._dataset_version(config, reference, "input", key)
                given[key] = {
                    "id": str(version.id),
                    "name": version.version,
                    "origin_name": version.name,
                    "version_name": version.version,
                    "url": version.get_resource_url_on_platform(),
                }
        self._complete_model(config, given)

    def _complete_model(self, config: RunConfig, given: dict[str, Any]) -> None:
        model = self._model_version(config, "input", "model_version")
        given["model_version"] = {
            **given.get("model_version", {}),
            "id": str(model.id),
            "name": model.name,
            "origin_name": model.origin_name,
            "url": model.get_resource_url_on_platform(),
        }
        given["model_version"].setdefault("visibility", "private")

    def _dataset_version(
        self, config: RunConfig, reference: Reference, *keys: str
    ) -> picsellia.DatasetVersion:
        if reference.id:
            with _known(config, "dataset version", *keys, "id"):
                return self._client.get_dataset_version_by_id(UUID(reference.id))
        with _known(config, "dataset version", *keys):
            dataset = self._client.get_dataset(name=reference.origin_name or "")
            return dataset.get_version(version=reference.name or "")

    def _model_version(self, config: RunConfig, *keys: str) -> picsellia.ModelVersion:
        reference = config.reference(*keys)
        public = config.text(*keys, "visibility") == "public" or config.file.get(*keys, "public")
        if reference.id and not public:
            with _known(config, "model version", *keys, "id"):
                return self._client.get_model_version_by_id(UUID(reference.id))
        if not reference.given and config.pipeline.models:
            # As 0.7.6 did at init: the version that config.toml names is made when first needed.
            return self._get_or_create_model_version(config.pipeline.models[0])
        if not (reference.origin_name and reference.name):
            raise config.file.error(
                *keys, problem="names no model version", mend="set id, or origin_name and name"
            )
        find = self._client.get_public_model if public else self._client.get_model
        with _known(config, "model version", *keys):
            return find(name=reference.origin_name).get_version(version=reference.name)

    def _existing_dataset_version(self, config: RunConfig) -> tuple[str, Callable[[], None]] | None:
        name = config.output_version_name
        if not name:
            return None
        source = self._client.get_dataset_version_by_id(UUID(config.target_id))
        dataset = self._client.get_dataset_by_id(source.origin_id)
        try:
            version = dataset.get_version(version=name)
        except ResourceNotFoundError:
            return None
        return f"dataset version {dataset.name}/{name}", version.delete

    def _existing_model_file(self, config: RunConfig) -> tuple[str, Callable[[], None]] | None:
        name = config.output_model_file
        if not name:
            return None
        model = self._client.get_model_version_by_id(UUID(config.target_id))
        try:
            file = model.get_file(name=name)
        except ResourceNotFoundError:
            return None
        return f"model file {model.origin_name}:{model.name}/{name}", file.delete

    def _existing_experiment(self, config: RunConfig) -> tuple[str, Callable[[], None]] | None:
        keys = ("output", "experiment")
        name, project_name = config.text(*keys, "name"), config.text(*keys, "project_name")
        if config.text(*keys, "id") or not (name and project_name):
            return None
        try:
            experiment = self._client.get_project(project_name).get_experiment(name=name)
        except ResourceNotFoundError:
            return None
        return f"experiment {project_name}/{name}", experiment.delete

    def _experiment(self, config: RunConfig) -> picsellia.Experiment:
        keys = ("output", "experiment")
        if config.file.get(*keys, "id"):
            with _known(config, "experiment", *keys, "id"):
                return self._client.get_experiment_by_id(config.reference(*keys).id or "")
        name = config.file.required(str, *keys, "name")
        project_name = config.file.required(str, *keys, "project_name")
        try:
            project = self._client.get_project(project_name)
        except ResourceNotFoundError:
            project = self._client.create_project(name=project_name)
        try:
            return project.get_experiment(name=name)
        except ResourceNotFoundError:
            return project.create_experiment(name=name)

    def _attach_dataset(
        self, experiment: picsellia.Experiment, alias: str, version: picsellia.DatasetVersion
    ) -> None:
        project = self._client.get_project_by_id(experiment.project_id)
        with suppress(ResourceConflictError):  # attached by an earlier run, here and below
            project.attach_dataset(dataset_version=version)
        with suppress(ResourceConflictError):
            experiment.attach_dataset(name=alias, dataset_version=version)


@contextmanager
def _known(config: RunConfig, what: str, *keys: str) -> Iterator[None]:
    try:
        yield
    except ResourceNotFoundError:
        raise not_on_platform(config, what, *keys) from None


def _status(error: PicselliaError) -> int:
    return {"BadRequestError": 400, "InsufficientResourcesError": 402}.get(
        type(error).__name__, 500
    )
