"""The methods of the API, each with the type of its answer. What they do is said in the .proto files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from whyglass.v1 import admin_pb2, catalog_pb2, dataset_pb2, explain_pb2, model_pb2

Ask = TypeVar("Ask", bound=Message)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Ask, Answer]):
    path: str
    ask: type[Ask]
    answer: type[Answer]

    @property
    def full_path(self) -> str:
        return f"/whyglass.v1.{self.path}"

    def encode(self, message: Ask) -> bytes:
        return message.SerializeToString()

    def decode(self, data: bytes) -> Answer:
        return self.answer.FromString(data)


SERVER_INFO = Method(
    "CatalogService/GetServerInfo", catalog_pb2.GetServerInfoRequest, catalog_pb2.GetServerInfoResponse
)
TECHNIQUES = Method(
    "CatalogService/ListTechniques", catalog_pb2.ListTechniquesRequest, catalog_pb2.ListTechniquesResponse
)
MODELS = Method("ModelService/ListModels", model_pb2.ListModelsRequest, model_pb2.ListModelsResponse)
LAYERS = Method("ModelService/ListLayers", model_pb2.ListLayersRequest, model_pb2.ListLayersResponse)
CLASSIFY = Method("ModelService/Classify", model_pb2.ClassifyRequest, model_pb2.ClassifyResponse)
DATASETS = Method("DatasetService/ListDatasets", dataset_pb2.ListDatasetsRequest, dataset_pb2.ListDatasetsResponse)
ITEMS = Method("DatasetService/ListItems", dataset_pb2.ListItemsRequest, dataset_pb2.ListItemsResponse)
THUMBNAIL = Method("DatasetService/GetThumbnail", dataset_pb2.GetThumbnailRequest, dataset_pb2.GetThumbnailResponse)
EXPLAIN = Method("ExplainService/Explain", explain_pb2.ExplainRequest, explain_pb2.ExplainResponse)
WATCH = Method("ExplainService/WatchRuns", explain_pb2.WatchRunsRequest, explain_pb2.WatchRunsResponse)
CONTROL = Method("ExplainService/ControlRun", explain_pb2.ControlRunRequest, explain_pb2.ControlRunResponse)
GET_RUN = Method("ExplainService/GetRun", explain_pb2.GetRunRequest, explain_pb2.GetRunResponse)
READ_ARTIFACT = Method(
    "ExplainService/ReadArtifact", explain_pb2.ReadArtifactRequest, explain_pb2.ReadArtifactResponse
)
LOAD_MODEL = Method("AdminService/LoadModel", admin_pb2.LoadModelRequest, admin_pb2.LoadModelResponse)
UNLOAD_MODEL = Method("AdminService/UnloadModel", admin_pb2.UnloadModelRequest, admin_pb2.UnloadModelResponse)
DRAIN = Method("AdminService/Drain", admin_pb2.DrainRequest, admin_pb2.DrainResponse)
