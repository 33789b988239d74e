"""pydantic-ai: a streamed tool round trip. Arguments: dialect, base URL, model, prompt, result."""

import asyncio
import sys

from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

dialect, base_url, name, prompt, result = sys.argv[1:]
match dialect:
    case "messages":
        root = base_url.removesuffix("/v1")
        model = AnthropicModel(name, provider=AnthropicProvider(base_url=root, api_key="unused"))
    case "responses":
        provider = OpenAIProvider(base_url=base_url, api_key="unused")
        model = OpenAIResponsesModel(name, provider=provider)
    case _:
        provider = OpenAIProvider(base_url=base_url, api_key="unused")
        model = OpenAIChatModel(name, provider=provider)
agent = Agent(model)


@agent.tool_plain
def get_weather(city: str) -> str:
    """The forecast for a city."""
    return result if city else ""


async def answer() -> str:
    """The agent's last word."""
    async with agent.run_stream(prompt) as running:
        return await running.get_output()


print(asyncio.run(answer()))  # noqa: T201 what the test reads
