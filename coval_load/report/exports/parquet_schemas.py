"""The columns of both tables. Imports pyarrow, so it is itself imported only where tables are written."""

import pyarrow as pa

from coval_load.engine.metrics import METRICS
from coval_load.report.exports.parquet_rows import TOKENS

_WORD = pa.dictionary(pa.int32(), pa.string())  # few different ones in many rows

_LABELS = [
    pa.field("run_id", _WORD, nullable=False),
    pa.field("simulation_output_id", pa.string(), nullable=False),
    pa.field("agent", _WORD),
    pa.field("model_type", _WORD),
    pa.field("test_case", _WORD),
    pa.field("persona", _WORD),
    pa.field("scenario", _WORD),
    pa.field("number", pa.int64()),
    pa.field("outcome", _WORD, nullable=False),
]
_METRICS = [pa.field(name, pa.float64()) for name in METRICS]
_CHECK = pa.struct([("name", pa.string()), ("passed", pa.bool_()), ("message", pa.string())])

SIMULATIONS = pa.schema(
    [
        *_LABELS,
        pa.field("worker", pa.int32()),
        pa.field("scheduled_at", pa.float64()),
        pa.field("started_at", pa.float64()),
        pa.field("ended_at", pa.float64()),
        pa.field("started_utc", pa.timestamp("us")),
        pa.field("error_kind", _WORD),
        pa.field("error_stage", _WORD),
        pa.field("error_turn", pa.int32()),
        pa.field("error_message", pa.string()),
        pa.field("close_code", pa.int32()),
        pa.field("recording_file", pa.string()),
        pa.field("recording_start", pa.float64()),
        pa.field("caller_turns", pa.int32()),
        pa.field("agent_turns", pa.int32()),
        pa.field("tool_calls", pa.int32()),
        pa.field("interruptions", pa.int32()),
        pa.field("events", pa.int32()),
        pa.field("checks_passed", pa.int32()),
        pa.field("checks_failed", pa.int32()),
        pa.field("checks", pa.list_(_CHECK)),
        *_METRICS,
    ]
)
"""One row a simulation; times in seconds since the start of the run, metrics in seconds."""

TURNS = pa.schema(
    [
        *_LABELS,
        pa.field("entry", pa.int32(), nullable=False),
        pa.field("turn", pa.int32(), nullable=False),
        pa.field("role", _WORD),
        pa.field("type", _WORD),
        pa.field("content", pa.string()),
        pa.field("transcribed", pa.string()),
        pa.field("ended", pa.string()),
        pa.field("started_at", pa.float64()),
        pa.field("ended_at", pa.float64()),
        pa.field("messages", pa.int32()),
        pa.field("chunks", pa.int32()),
        pa.field("interrupted", pa.bool_(), nullable=False),
        pa.field("interrupted_caller", pa.bool_(), nullable=False),
        *[pa.field(name, pa.int64()) for name in TOKENS],
        pa.field("tool_id", pa.string()),
        pa.field("tool_name", _WORD),
        pa.field("tool_arguments", pa.string()),
        *_METRICS,
    ]
)
"""One row an entry of a transcript."""
