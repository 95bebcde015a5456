// The heap is kept small, so that the service fits beside others on a small box; it must be set before anything is loaded. The space of
// young objects is set by the host (daemon/atekd/src/services/core_service.rs): Node takes it at its own start alone.
import v8 from 'node:v8'
v8.setFlagsFromString('--max-old-space-size=64')
v8.setFlagsFromString('--optimize-for-size')

const { tidy } = await import('./src/memory.js')
tidy()
const { start } = await import('./src/service.js')
const service = await start(process.env)
let stopping = false
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    if (stopping) return
    stopping = true
    // What HyperDHT still asks of others as its node ends may fail outside of any promise; the end goes on in order.
    process.on('unhandledRejection', error => console.error('while it ends:', error))
    // A peer that does not answer does not hold up the end.
    setTimeout(() => process.exit(0), 2000).unref()
    service.close().then(() => process.exit(0), error => {
      console.error('cannot close in order:', error)
      process.exit(1)
    })
  })
}
