"""Our own API's description, and answers held against it."""

import json
from importlib.resources import files
from typing import Any, Final

import httpx

from tests.schemas import validator

DESCRIPTION: Final[dict[str, Any]] = json.loads(files("tidings.web").joinpath("openapi.json").read_bytes())


def described(path: str, answer: httpx.Response, method: str = "get") -> Any:
    """The answer's body, once it has been held against what the description says of it."""
    responses = DESCRIPTION["paths"][path][method]["responses"]
    response = responses[str(answer.status_code)]
    if "$ref" in response:
        response = DESCRIPTION["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content_type = answer.headers["Content-Type"].partition(";")[0]
    schema = response["content"][content_type]["schema"]
    body = answer.json() if content_type.endswith("json") else answer.text
    validator({"components": DESCRIPTION["components"], **schema}).validate(body)
    return body
