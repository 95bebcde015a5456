/** What the host gave to this service, by its environment. */

/**
 * @typedef {object} Settings
 * @property {string} socket where to listen
 * @property {string} state the folder of everything that persists
 * @property {string} ownKey this service's key; a caller with it is a user in person
 * @property {string} gateway the URL of the host's gateway
 * @property {string | null} token proves to the gateway who calls
 * @property {number} hostPort the port of the gateway
 * @property {{host: string, port: number}[] | undefined} bootstrap nodes of the DHT; undefined: the public ones
 * @property {string | undefined} bind the address of this machine that the DHT uses; undefined: any
 * @property {number} quota bytes of the cores of one app
 * @property {Buffer | null} relay the public key of a relay for homes that cannot be reached otherwise
 */

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Settings}
 */
export function read (env) {
  const need = name => {
    if (!env[name]) throw new Error(`${name} is not set: the host sets it`)
    return env[name]
  }
  const hostPort = Number(need('ATEK_HOST_PORT'))
  return {
    socket: need('ATEK_ASSIGNED_SOCKET_FILE'),
    state: need('STATE_DIRECTORY'),
    ownKey: need('ATEK_ASSIGNED_SERVICE_KEY'),
    hostPort,
    gateway: `http://127.0.0.1:${hostPort}/_atek/gateway`,
    token: env.ATEK_HOST_BEARER_TOKEN || null,
    bootstrap: bootstrap(env.BOOTSTRAP),
    bind: env.BIND || undefined,
    quota: quota(env.QUOTA),
    relay: relay(env.RELAY)
  }
}

/**
 * `HOST:PORT`, separated by commas or spaces.
 * @param {string | undefined} text
 */
export function bootstrap (text) {
  const nodes = (text ?? '').split(/[\s,]+/).filter(Boolean)
  if (nodes.length === 0) return undefined
  return nodes.map(node => {
    const found = /^\[?([0-9a-zA-Z.:-]+?)\]?:(\d{1,5})$/.exec(node)
    const port = Number(found?.[2])
    if (!found || port < 1 || port > 65535) throw new Error(`bootstrap of the configuration: ${JSON.stringify(node)} is not HOST:PORT`)
    return { host: found[1], port }
  })
}

/** @param {string | undefined} text 64 hexadecimal digits */
function relay (text) {
  if (!text) return null
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Error('relay of the configuration: not a public key of 64 hexadecimal digits')
  return Buffer.from(text, 'hex')
}

/** @param {string | undefined} text bytes */
function quota (text) {
  if (!text) return 256 << 20
  if (!/^\d{1,15}$/.test(text)) throw new Error('quota of the configuration: not a number of bytes')
  return Number(text)
}
