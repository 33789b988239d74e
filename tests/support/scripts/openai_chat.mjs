// OpenAI's Node SDK: a streamed tool round trip over Chat Completions. Arguments: base URL, model, prompt, result.
import OpenAI from 'openai'

const [baseURL, model, prompt, result] = process.argv.slice(2)
const client = new OpenAI({ baseURL, apiKey: 'unused' })
const runner = client.chat.completions.runTools({
  model,
  stream: true,
  messages: [{ role: 'user', content: prompt }],
  tools: [
    {
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'The forecast for a city',
        parameters: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
          additionalProperties: false,
        },
        parse: JSON.parse,
        function: () => result,
      },
    },
  ],
})
console.log(await runner.finalContent())
