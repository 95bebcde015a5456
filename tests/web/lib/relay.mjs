// A way to the box that stays when the box comes back at another address: a browser keeps its idea of where names
// lead for as long as it runs.

import { connect, createServer } from 'node:net'

/** How long a box that is off is knocked at. */
const KNOCKING = 1_000

/** Listens on this machine, and passes each connection on to port 80 of where the box is by then. */
export async function relay(box) {
  const pairs = new Set()
  // While the box is off, its address may be another machine's.
  let isOn = true
  const server = createServer(near => {
    if (!isOn) return near.destroy()
    const far = connect(80, box.address)
    const end = () => {
      near.destroy()
      far.destroy()
      pairs.delete(end)
    }
    pairs.add(end)
    far.setTimeout(KNOCKING, end)
    far.on('connect', () => far.setTimeout(0))
    near.pipe(far).pipe(near)
    for (const one of [near, far]) one.on('error', end).on('close', end)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    to: `127.0.0.1:${server.address().port}`,
    /** The power is cut: nothing that was open is open any more. */
    cut() {
      isOn = false
      pairs.forEach(end => end())
    },
    mend: () => (isOn = true),
    close: () => server.close()
  }
}
