// OpenAI's Node SDK: a streamed tool round trip over Responses. Arguments: base URL, model, prompt, result.
import OpenAI from 'openai'

const [baseURL, model, prompt, result] = process.argv.slice(2)
const client = new OpenAI({ baseURL, apiKey: 'unused' })
const tools = [
  {
    type: 'function',
    name: 'get_weather',
    description: 'The forecast for a city',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
]
const input = [{ role: 'user', content: prompt }]
for (;;) {
  const answer = await client.responses.stream({ model, input, tools, store: false }).finalResponse()
  const calls = answer.output.filter((item) => item.type === 'function_call')
  if (calls.length === 0) {
    console.log(answer.output_text)
    break
  }
  input.push(...answer.output)
  for (const call of calls) {
    if (typeof JSON.parse(call.arguments).city !== 'string') throw new Error(call.arguments)
    input.push({ type: 'function_call_output', call_id: call.call_id, output: result })
  }
}
