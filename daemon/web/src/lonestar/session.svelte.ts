/** Who is signed in. Known before anything is shown. */

import { logout, whoami } from '../lib/api/sessions'
import { announceSignOut } from './sign-out'

interface Person {
  username: string
  /** Empty where the host does not tell. */
  userKey: string
  isAdmin: boolean
}

let person = $state.raw<Person>({ username: '', userKey: '', isAdmin: false })

/** The login page, which comes back to here. */
export const loginUrl = () =>
  `/_atek/login?redirect=${encodeURIComponent(location.pathname + location.search)}`

export const session = {
  get person(): Person {
    return person
  },
  /** Whether a person is signed in. */
  async load(): Promise<boolean> {
    const { isActive, username = '', userKey = '', role } = await whoami()
    person = { username, userKey, isAdmin: role === 'admin' }
    return isActive
  },
  async signOut() {
    await logout()
    announceSignOut()
  }
}
