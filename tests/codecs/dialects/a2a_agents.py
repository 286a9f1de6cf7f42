"""What A2A agents of both versions write, and a dialect to read it with."""

import json

import pytest

from coval_load.codecs.dialects.a2a.format import A2AFormat

NO_TEXT = (
    "Could not extract message from path 'result' in response: expected text in a message, or in the status, the "
    "artifacts or the history of a task; got "
)
ENDPOINT = "https://agent.example/a2a"
VALUES = {"simulation_output_id": "sim-1"}


def chat(version="0.3", **options):
    dialect = A2AFormat(ENDPOINT, a2a_version=version, **options).open(VALUES)
    assert dialect.initialized(None) is None
    return dialect


def read(dialect, body, content_type="application/json"):
    reading = dialect.read(content_type)
    return [*reading.feed(body), *reading.end()]


def answer(result=None, request_id=1, **more):
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result, **more}).encode()


def stream(*results, request_id=1):
    return b"".join(b"data: " + answer(result, request_id) + b"\n\n" for result in results)


class Old:
    """What an agent of 0.3 writes."""

    version = "0.3"

    @staticmethod
    def parts(*texts):
        return [{"kind": "text", "text": text} for text in texts]

    @classmethod
    def said(cls, *texts, role="agent", **more):
        return {"messageId": "m", "role": role, "parts": cls.parts(*texts), **more}

    @classmethod
    def message(cls, *texts, **more):
        return {"kind": "message", **cls.said(*texts, **more)}

    @classmethod
    def status(cls, state, *texts, **more):
        return {"state": state, **({"message": cls.said(*texts, **more)} if texts else {})}

    @classmethod
    def task(cls, state, *texts, **more):
        return {"kind": "task", "id": "t-1", "contextId": "c-1", "status": cls.status(state, *texts), **more}

    @classmethod
    def update(cls, state, *texts, **more):
        status = cls.status(state, *texts, **more)
        return {"kind": "status-update", "taskId": "t-1", "contextId": "c-1", "status": status, "final": False}

    @classmethod
    def artifact(cls, *texts, name="a-1"):
        return {"artifactId": name, "parts": cls.parts(*texts)}

    @classmethod
    def piece(cls, *texts, name="a-1", **more):
        artifact = cls.artifact(*texts, name=name)
        return {"kind": "artifact-update", "taskId": "t-1", "contextId": "c-1", "artifact": artifact, **more}


class New(Old):
    """What an agent of 1.0 writes."""

    version = "1.0"

    @staticmethod
    def parts(*texts):
        return [{"text": text, "mediaType": "text/plain"} for text in texts]

    @classmethod
    def said(cls, *texts, role="agent", **more):
        return super().said(*texts, role=f"ROLE_{role.upper()}", **more)

    @classmethod
    def message(cls, *texts, **more):
        return {"message": cls.said(*texts, **more)}

    @classmethod
    def status(cls, state, *texts, **more):
        return super().status("TASK_STATE_" + state.upper().replace("-", "_"), *texts, **more)

    @classmethod
    def task(cls, state, *texts, **more):
        return {"task": cls.bare_task(state, *texts, **more)}

    @classmethod
    def bare_task(cls, state, *texts, **more):
        return {"id": "t-1", "contextId": "c-1", "status": cls.status(state, *texts), **more}

    @classmethod
    def update(cls, state, *texts, **more):
        return {
            "statusUpdate": {"taskId": "t-1", "contextId": "c-1", "status": cls.status(state, *texts, **more)},
        }

    @classmethod
    def piece(cls, *texts, name="a-1", **more):
        artifact = cls.artifact(*texts, name=name)
        return {"artifactUpdate": {"taskId": "t-1", "contextId": "c-1", "artifact": artifact, **more}}


both = pytest.mark.parametrize("v", [Old, New], ids=["0.3", "1.0"])
