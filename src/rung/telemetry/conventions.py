"""The names of spans' attributes: the only place that knows them.

Those of OpenTelemetry's GenAI conventions, which are still in development:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ (of semantic conventions 1.41).
What they have no word for is below ``rung.``. No attribute holds a word of a request, an answer or
a draft: the conventions' ``gen_ai.input.messages`` and the like are never set.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

SCOPE: Final = "rung"
"""The instrumentation's name."""

# ------------------------------------------------------------------ OpenTelemetry's

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
OUTPUT_TYPE: Final = "gen_ai.output.type"
CONVERSATION: Final = "gen_ai.conversation.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
CHECK_NAME: Final = "gen_ai.evaluation.name"
CHECK_LABEL: Final = "gen_ai.evaluation.score.label"
CHECK_SCORE: Final = "gen_ai.evaluation.score.value"
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE: Final = "service.instance.id"

OPERATIONS: Final = MappingProxyType({"embeddings": "embeddings", "completions": "text_completion"})
"""What a request of a dialect asks for; of all others: chat."""

CHAT: Final = "chat"
JSON: Final = "json"
CHECK: Final = "check"
"""The first word of a check's span."""

PROVIDERS: Final = MappingProxyType(
    {
        "openai": "openai",
        "anthropic": "anthropic",
        "gemini": "gcp.gemini",
        "mistral": "mistral_ai",
        "deepseek": "deepseek",
        "groq": "groq",
        "xai": "x_ai",
    }
)
"""The conventions' names of providers; others go by rung's own."""

# ------------------------------------------------------------------ rung's own

RUNG: Final = "rung"
REQUEST_ID: Final = "rung.request.id"
LADDER: Final = "rung.ladder"
LANE: Final = "rung.lane"
PROJECT: Final = "rung.project"
KEY: Final = "rung.key.id"
RESULT: Final = "rung.result"
VERIFIED: Final = "rung.verified"
ATTEMPTS: Final = "rung.attempts"
SERVED_TIER: Final = "rung.served.tier"
ENDED_BY: Final = "rung.ended_by"
PHASE: Final = "rung.phase"
IS_PRIVATE: Final = "rung.private"
CACHED_OF: Final = "rung.cached_of"
AUDIT_OF: Final = "rung.audit_of"
RESEND_OF: Final = "rung.resend_of"
ATTEMPT_ID: Final = "rung.attempt.id"
TIER: Final = "rung.tier"
KIND: Final = "rung.attempt.kind"
SERVED: Final = "rung.attempt.served"
COST_NANOUSD: Final = "rung.cost_nanousd"
USAGE_SOURCE: Final = "rung.usage.source"
QUEUED_SECONDS: Final = "rung.queued_seconds"
LOAD_SECONDS: Final = "rung.load_seconds"
TRUST: Final = "rung.check.trust"
VACUOUS: Final = "rung.check.vacuous"
