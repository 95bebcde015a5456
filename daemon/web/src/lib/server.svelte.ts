/** What a person writes of a server that keeps backups. */

import { servers } from '../i18n/servers'
import type { BackupTarget } from './api/types'
import type { ApiError } from './rpc'

export class ServerChoice {
  url = $state('')
  password = $state('')
  /** The key that the server shows, to which no person has agreed. */
  shown = $state<string | null>(null)
  /** What was typed to agree to it. */
  agreed = $state('')

  /** As which the server is set; with its key where a person agreed to that. */
  get target(): BackupTarget {
    const url = this.url.trim()
    const agreed = this.agreed.trim().toLowerCase() === servers().yes
    return agreed && this.shown !== null
      ? { kind: 'server', url, hostKey: this.shown }
      : { kind: 'server', url }
  }

  /** The password, where one was written. */
  get login(): { serverPassword?: string } {
    return this.password === '' ? {} : { serverPassword: this.password }
  }

  /** Takes the key out of a refusal, and says whether it is the reason. */
  asked(error: ApiError | null): boolean {
    const key = error?.detail('reason') === 'host-key' ? error.detail('hostKey') : undefined
    if (typeof key !== 'string') return false
    if (key !== this.shown) this.agreed = ''
    this.shown = key
    return true
  }

  forgetKey() {
    this.shown = null
    this.agreed = ''
  }
}
