/** One change of an app's version under way: an update or the way back, with what it may need a yes for. */

import type { Limits, Permissions } from '../lib/api/services'
import type { Signer } from '../lib/api/types'
import * as api from '../lib/api/updates'
import { isRecord, type ApiError } from '../lib/rpc'
import { Action } from '../lib/task.svelte'
import { Job } from './job.svelte'

/** What the new version asks for beyond what the app has. */
interface Growth {
  grant: Permissions
  more: Permissions
  words: string[]
}

export class Updater {
  job = $state.raw<Job | null>(null)
  /** What it asks for; a yes is given with `allow`. */
  asks = $state.raw<Growth | null>(null)
  /** The limits that it wants to be raised. */
  raise = $state.raw<Limits | null>(null)
  /** The key that it is signed with, where that is not the one of before. */
  signer = $state.raw<Signer | null>(null)
  /** The version that was installed in the end. */
  installed = $state.raw<string | null>(null)
  #start: Action<[() => Promise<{ job: string }>]>
  #grant: Permissions | undefined
  #accepted: string | undefined

  constructor(private readonly id: string) {
    this.#start = new Action(async (begin) => {
      this.installed = null
      const { job } = await begin()
      const followed = new Job()
      this.job = followed
      await followed.follow(job)
      this.#take(followed)
    })
  }

  get busy() {
    return this.#start.busy
  }

  /** Why it failed; not while a yes would help. */
  get error(): ApiError | null {
    if (this.asks || this.raise || this.signer) return null
    return this.#start.error ?? this.job?.error ?? null
  }

  /** The lines of the app's log that came with the failure. */
  get log(): string[] {
    const lines = this.error?.detail('log')
    return Array.isArray(lines) ? lines.filter((line) => typeof line === 'string') : []
  }

  /** Installs exactly this version. */
  async update(to: string) {
    await this.#start.run(() => api.start(this.id, { to }))
  }

  /** The same with what was asked for. What was allowed a moment ago stays allowed. */
  async allow(to: string) {
    this.#grant = this.asks?.grant ?? this.#grant
    const agreed = {
      ...(this.#grant && { grant: this.#grant }),
      ...(this.raise && { limits: this.raise }),
      ...(this.#accepted && { signer: this.#accepted })
    }
    this.asks = this.raise = this.signer = null
    await this.#start.run(() => api.start(this.id, { ...agreed, to }))
  }

  /** The same with this key in the place of the one before. */
  async accept(to: string, key: Signer) {
    this.#accepted = key.fingerprint
    await this.allow(to)
  }

  async goBack(keepData: boolean) {
    await this.#start.run(() => api.goBack(this.id, keepData))
  }

  stop() {
    this.job?.stop()
  }

  #take(job: Job) {
    if (job.state === 'done') {
      const version = isRecord(job.result) ? job.result.installedVersion : null
      this.installed = typeof version === 'string' ? version : ''
      return
    }
    const limits = job.error?.detail('limits')
    this.raise = isRecord(limits) ? (limits as Limits) : null
    this.signer = otherSigner(job.error)
    if (!this.raise) this.asks = growth(job.error)
  }
}

/** A refusal because another key has signed says which. */
export function otherSigner(error: ApiError | null): Signer | null {
  const signer = error?.detail('signer')
  return isRecord(signer) && typeof signer.fingerprint === 'string' ? (signer as unknown as Signer) : null
}

/** A refusal because the new version asks for more says for what. */
function growth(error: ApiError | null): Growth | null {
  const [grant, more, words] = ['asks', 'new', 'asksInWords'].map((name) => error?.detail(name))
  if (!isRecord(grant) || !Array.isArray(words)) return null
  return {
    grant,
    more: isRecord(more) ? more : {},
    words: words.filter((word) => typeof word === 'string')
  }
}
