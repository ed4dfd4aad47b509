"""Makes the messages of the API from the .proto files while the package is built: into the wheel, and nowhere else.

The compiler is the pinned one of `build-system.requires`; of services nothing is generated, their methods are listed in
`whyglass/_methods.py`."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ["admin", "types", "catalog", "model", "dataset", "explain"]


class Messages(BuildHookInterface):  # type: ignore[misc]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = pathlib.Path(self.root)
        # In a checkout the .proto files lie beside the clients, in a source distribution inside of it.
        protos = next(path for path in (root / "proto", root.parent.parent / "proto") if path.is_dir())
        self.folder = tempfile.TemporaryDirectory()
        compile_into(pathlib.Path(self.folder.name), protos)
        for path in pathlib.Path(self.folder.name, "whyglass").rglob("*.py*"):
            build_data["force_include"][str(path)] = str(path.relative_to(self.folder.name))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.target_name == "wheel":
            self.folder.cleanup()


def compile_into(folder: pathlib.Path, protos: pathlib.Path) -> None:
    """Messages and their types, as the modules `whyglass.v1.*_pb2`."""
    import grpc_tools
    from grpc_tools import protoc

    bundled = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    files = [f"whyglass/v1/{name}.proto" for name in FILES]
    arguments = ["protoc", f"-I{protos}", f"-I{bundled}", f"--python_out={folder}", f"--pyi_out={folder}", *files]
    if protoc.main(arguments) != 0:
        raise SystemExit("the .proto files could not be compiled")
    (folder / "whyglass/v1/__init__.py").write_text('"""The messages of the API, generated from its .proto files."""\n')
