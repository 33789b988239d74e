// Anthropic's Node SDK: a streamed tool round trip over Messages. Arguments: base URL, model, prompt, result.
import Anthropic from '@anthropic-ai/sdk'

const [baseURL, model, prompt, result] = process.argv.slice(2)
const client = new Anthropic({ baseURL, apiKey: 'unused' })
const tools = [
  {
    name: 'get_weather',
    description: 'The forecast for a city',
    input_schema: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
]
const messages = [{ role: 'user', content: prompt }]
for (;;) {
  const answer = await client.messages
    .stream({ model, max_tokens: 1000, messages, tools })
    .finalMessage()
  if (answer.stop_reason !== 'tool_use') {
    console.log(answer.content.map((block) => block.text).join(''))
    break
  }
  const calls = answer.content.filter((block) => block.type === 'tool_use')
  for (const call of calls) {
    if (typeof call.input.city !== 'string') throw new Error(JSON.stringify(call.input))
  }
  messages.push({ role: 'assistant', content: answer.content })
  messages.push({
    role: 'user',
    content: calls.map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: result })),
  })
}
