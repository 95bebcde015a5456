/**
 * Calls from app to app across homes. Out: the gateway passes on what an app called with `home=KEY`. In: a contact's
 * call goes to the gateway, which gives it to an app of the owner and says whose key it is.
 */

import { ApiError, CODE, badParams } from './errors.js'
import * as check from './params.js'

/** How long a home is tried to be reached, in milliseconds. */
const REACH = 15_000

export class Calls {
  constructor ({ contacts, lines, host }) {
    this.contacts = contacts
    this.lines = lines
    this.host = host
  }

  /**
   * @param {import('./caller.js').Caller} caller
   * @param {{home: string, api: string}} where
   * @param {{method: string, params: any}} call
   */
  async out (caller, { home, api }, { method, params }) {
    check.text(api, 'api')
    const contact = this.contacts.confirmed(caller.user, home)
    const line = await this.lines.reach(contact.user, contact.key, REACH)
    return line.request('call', { api, method, params })
  }

  async answer (user, line, method, params, signal) {
    if (method !== 'call') throw new ApiError(CODE.method, 'no such method')
    const { api, method: called, params: given } = check.options(params)
    check.text(called, 'method', 128)
    if (given !== undefined && (typeof given !== 'object' || given === null)) throw badParams('params must be a list or an object')
    const contact = this.contacts.find(user, line.key)
    return this.contacts.admitted(contact, api, signal, signal => this.host.callFor({ owner: user, contact: line.key }, api, called, given, signal))
  }
}
