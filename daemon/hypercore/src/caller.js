/** Who calls: two headers that the host sets. Only the host reaches this service's socket. */

import { denied } from './errors.js'

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
 * Whether the caller may see and end what `owner` began.
 * @param {Caller} caller
 * @param {{user: string, service: string}} owner
 */
export function owns (caller, owner) {
  return caller.user === owner.user && (caller.inPerson || caller.service === owner.service)
}
