/** Who calls: two headers that the host sets. Only the host reaches this service's socket. */

import { badParams, denied } from './errors.js'

/**
 * @typedef {object} Caller
 * @property {string} user the user's key, or `system`
 * @property {string} service the key of the service that acts for the user
 * @property {boolean} inPerson the user acts through no app
 * @property {string} namespace where this caller's cores and keys are
 */

/**
 * @param {import('node:http').IncomingHttpHeaders} headers
 * @param {string} ownKey
 * @returns {Caller}
 */
export function of (headers, ownKey) {
  const user = headers['atek-auth-user']
  const service = headers['atek-auth-service']
  if (!user || !service) throw denied('Not authorized')
  const inPerson = service === ownKey && user !== 'system'
  return { user, service, inPerson, namespace: inPerson ? `user:${user}` : `service:${service}` }
}

/**
 * The command line of the box calls as the system, and names the person for whom: `{asUser: KEY}` as the last parameter.
 * @param {Caller} caller
 * @param {any[]} params
 * @param {string} ownKey
 * @returns {{caller: Caller, params: any[]}}
 */
export function acting (caller, params, ownKey) {
  const last = params.at(-1)
  if (caller.user !== 'system' || caller.service !== 'system' || typeof last?.asUser !== 'string') return { caller, params }
  const { asUser: user } = last
  if (!/^[0-9a-zA-Z-]{1,64}$/.test(user) || user === 'system') throw badParams('asUser must be the key of a user')
  return { caller: { user, service: ownKey, inPerson: true, namespace: `user:${user}` }, params: params.slice(0, -1) }
}

/**
 * Whether the caller may see and end what `owner` began.
 * @param {Caller} caller
 * @param {{user: string, service: string}} owner
 */
export function owns (caller, owner) {
  return caller.user === owner.user && (caller.inPerson || caller.service === owner.service)
}
