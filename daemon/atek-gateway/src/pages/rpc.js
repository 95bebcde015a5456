// JSON-RPC 2.0 for pages: methods of an API as methods of an object.
//
//   import { create } from '/_atek/js/rpc.js'
//   const sessions = create('/_atek/gateway?api=atek.cloud/user-sessions-api')
//   const { username } = await sessions.whoami()
//
// Pages import this file by this path; its exports are a fixed interface.

// What a proxy must not take for the name of a remote method.
const NOT_METHODS = new Set(['then', 'catch', 'finally', 'toJSON'])

export class RpcError extends Error {
  constructor ({ message, code, data }) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.data = data
  }
}

export class RpcClient {
  constructor (endpoint) {
    this.$nextId = 1
    this.$setEndpoint(endpoint)
    return new Proxy(this, {
      get (client, name) {
        if (typeof name === 'symbol' || name in client || NOT_METHODS.has(name)) return client[name]
        return (...params) => client.$rpc(name, params)
      }
    })
  }

  // A URL, or its parts: { url }, { api, … } for an API of this host's gateway.
  $setEndpoint (endpoint) {
    if (typeof endpoint === 'string' || endpoint instanceof URL) {
      this.$url = String(endpoint)
    } else if (endpoint?.url) {
      this.$url = String(endpoint.url)
    } else {
      this.$url = '/_atek/gateway?' + new URLSearchParams(endpoint ?? {})
    }
  }

  async $rpc (method, params = []) {
    let length = params.length
    while (length > 0 && params[length - 1] === undefined) length--
    const response = await fetch(this.$url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: this.$nextId++, method, params: params.slice(0, length) })
    })
    const answer = await response.json().catch(() => null)
    if (answer?.error && typeof answer.error === 'object') throw new RpcError(answer.error)
    if (!response.ok || answer === null) {
      const message = answer?.message ?? `the server answered with HTTP status ${response.status}`
      throw new RpcError({ message, code: response.status })
    }
    return answer.result
  }
}

export function create (endpoint) {
  return new RpcClient(endpoint)
}
