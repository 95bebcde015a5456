// Speaks once to an app of another person, through the gateway, for each request:
//   POST /ask {path, method, headers, body}   plain HTTP or JSON-RPC: {status, body}
//   POST /mqtt {api, topic, text}             MQTT over a WebSocket: {heard}, what the broker says to a subscriber
// and answers {error} where there is no answer.
const http = require('http')
const mqtt = require('mqtt')

const gateway = `127.0.0.1:${process.env.ATEK_HOST_PORT}`
const authorization = `Bearer ${process.env.ATEK_HOST_BEARER_TOKEN}`

async function ask ({ path, method, headers, body }) {
  const answer = await fetch(`http://${gateway}${path}`, { method, headers: { authorization, ...headers }, body })
  return { status: answer.status, body: await answer.text() }
}

function speakMqtt ({ api, topic, text }) {
  return new Promise((resolve, reject) => {
    const url = `ws://${gateway}/_atek/gateway?api=${encodeURIComponent(api)}`
    const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 30000, wsOptions: { headers: { authorization } } })
    const end = (settle, value) => { client.end(true); settle(value) }
    client.on('error', error => end(reject, error))
    client.on('close', () => end(reject, new Error('closed')))
    client.on('message', (heard, message) => end(resolve, { heard: `${heard} ${message}` }))
    client.on('connect', async () => {
      try {
        await client.subscribeAsync(topic, { qos: 1 })
        if (text !== undefined) await client.publishAsync(topic, text, { qos: 1, retain: true })
      } catch (error) {
        end(reject, error)
      }
    })
  })
}

http.createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += part
  const asked = text ? JSON.parse(text) : {}
  try {
    const answer = request.url === '/ask' ? await ask(asked) : request.url === '/mqtt' ? await speakMqtt(asked) : {}
    response.end(JSON.stringify(answer))
  } catch (error) {
    response.end(JSON.stringify({ error: error.code ?? error.message }))
  }
}).listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
