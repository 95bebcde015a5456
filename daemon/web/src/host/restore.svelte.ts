/** A new box becomes the one of a backup: what was typed, how far it is, and when it is there again. */

import {
  backupPlaces,
  restoreBox,
  restoreStatus,
  status,
  type BackupPlace,
  type BackupTarget,
  type PluggedDisk
} from '../lib/api/setup'
import { asApiError, type ApiError } from '../lib/rpc'
import { ServerChoice } from '../lib/server.svelte'
import { isCode, shownCode } from './claim'

/** Milliseconds between two looks at how far it is. */
const PAUSE = 1000

export type RestorePhase = 'asking' | 'fetching' | 'starting' | 'done'

export class Restore {
  phase = $state<RestorePhase>('asking')
  code = $state('')
  folder = $state('')
  /** The id of the disk that was chosen; empty for a folder, `server` for a server. */
  disk = $state('')
  readonly server = new ServerChoice()
  words = $state('')
  /** Disks that the box sees. */
  places = $state.raw<readonly BackupPlace[]>([])
  /** Those that are plugged in and not mounted, and have backups. */
  disks = $state.raw<readonly PluggedDisk[]>([])
  fieldErrors = $state.raw<Record<string, string>>({})
  error = $state.raw<ApiError | null>(null)
  /** Why a restore that had begun ended; the box is as new. */
  problem = $state<string | null>(null)
  /** The host was ended in the middle of one; the box is as new. */
  interrupted = $state(false)
  busy = $state(false)
  tried = $state(false)
  wait = $state(0)
  apps = $state(0)
  run = $state('')
  done = $state(0)
  total = $state(0)
  #timer: ReturnType<typeof setTimeout> | undefined

  get wrong(): 'code' | 'folder' | 'server' | 'words' | null {
    if (!isCode(this.code)) return 'code'
    if (this.disk === 'server' && this.server.url.trim() === '') return 'server'
    if (this.disk === '' && !this.folder.trim().startsWith('/')) return 'folder'
    if (this.words.trim() === '') return 'words'
    return null
  }

  /** Asks the box which disks it sees, once the code is right. */
  async look() {
    if (!isCode(this.code)) return
    try {
      const seen = await backupPlaces(shownCode(this.code))
      this.places = seen.places
      this.disks = seen.disks.filter(({ id, found }) => id !== undefined && found?.hasBackup)
      if (this.folder === '' && this.disk === '') this.disk = this.disks[0]?.id ?? ''
      const found = this.places.find(({ hasBackup }) => hasBackup)
      if (this.folder === '' && found) this.folder = found.path
    } catch {
      // A person writes the folder, and a wrong code is told when it is sent.
    }
  }

  async begin() {
    if (this.busy || this.wait > 0) return
    this.tried = true
    this.error = null
    this.problem = null
    this.interrupted = false
    this.fieldErrors = {}
    if (this.wrong) return
    this.busy = true
    try {
      const begun = await restoreBox({
        code: shownCode(this.code),
        target: this.#target(),
        words: this.words,
        ...(this.disk === 'server' && this.server.login)
      })
      this.words = ''
      this.apps = begun.apps
      this.run = begun.run
      this.phase = 'fetching'
      this.#later()
    } catch (thrown) {
      const error = asApiError(thrown)
      if (error.kind === 'limited') this.wait = error.retryAfterSecs ?? 10
      if (error.field) this.fieldErrors = { [error.field]: error.message }
      else if (this.disk !== 'server' || !this.server.asked(error)) this.error = error
    }
    this.busy = false
  }

  #target(): BackupTarget {
    if (this.disk === 'server') return this.server.target
    return this.disk === '' ? { kind: 'folder', path: this.folder.trim() } : { kind: 'disk', id: this.disk }
  }

  typed(field: string) {
    const others = Object.entries(this.fieldErrors).filter(([name]) => name !== field)
    this.fieldErrors = Object.fromEntries(others)
  }

  stop() {
    clearTimeout(this.#timer)
  }

  #later() {
    this.#timer = setTimeout(() => void this.#follow(), PAUSE)
  }

  async #follow() {
    try {
      if (this.phase === 'fetching') await this.#fetched()
      else await this.#started()
    } catch {
      // The host that becomes the other box answers nothing for a moment.
      this.phase = 'starting'
    }
    if (this.phase === 'fetching' || this.phase === 'starting') this.#later()
  }

  async #fetched() {
    const now = await restoreStatus()
    if (now.problem) {
      this.problem = now.problem
      this.phase = 'asking'
      return
    }
    this.done = Math.max(this.done, now.done)
    this.total = Math.max(this.total, now.total)
    // A host that has started again knows nothing of it.
    if (!now.running) this.phase = 'starting'
  }

  /** The order counts: a host that restores says so until its end, and the next one knows its users when it answers. */
  async #started() {
    const { running, problem } = await restoreStatus()
    if (running || problem) {
      this.phase = 'fetching'
      return
    }
    this.interrupted = (await status()).needed
    this.phase = this.interrupted ? 'asking' : 'done'
  }
}
