// A sensor of the home: sends a value to the broker, and prints it when the broker tells it to its subscribers.
import mqtt from 'mqtt'

const [url, topic, value] = process.argv.slice(2)
const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 5000 })
client.on('error', (error) => {
  console.log(error.code ?? error.message)
  process.exit(1)
})
client.on('message', (heard, message) => {
  console.log(`${heard} ${message}`)
  client.end(() => process.exit(0))
})
await client.subscribeAsync(topic)
await client.publishAsync(topic, value)
