/** The state of the setup wizard: what was answered, what the host said, where it goes next. */

import { checkClaim, complete, status, type Problem } from '../lib/api/setup'
import { isUsername } from '../lib/api/users'
import { passwordProblem } from '../lib/password'
import { asApiError, code as codes, type ApiError } from '../lib/rpc'
import { shortestPassword } from '../lib/shortest-password.svelte'
import { isBoxName, isCode, plainCode, shownCode } from './claim'
import { dropDraft, loadDraft, steps, storeDraft, type Step } from './draft'
import { ownZone } from './zones'

/** The step whose form has a field. */
const stepOf: Record<string, Step> = {
  code: 'code',
  name: 'name',
  username: 'user',
  password: 'user',
  timezone: 'zone'
}

export type Phase = 'loading' | 'lost' | 'away' | 'asking' | 'restoring' | 'done'

export class Wizard {
  phase = $state<Phase>('loading')
  step = $state<Step>('code')
  code = $state('')
  name = $state('')
  username = $state('')
  password = $state('')
  timezone = $state('')
  /** Wrong settings files of the card. */
  problems = $state.raw<readonly Problem[]>([])
  /** What could not be applied at the end, in the host's words. */
  leftovers = $state.raw<readonly string[]>([])
  /** What the host said about single fields. */
  fieldErrors = $state.raw<Record<string, string>>({})
  error = $state.raw<ApiError | null>(null)
  busy = $state(false)
  /** The step's fields are judged after the first "continue". */
  tried = $state(false)
  /** Seconds until the host listens to the next code. */
  wait = $state(0)

  get number(): number {
    return steps.indexOf(this.step)
  }

  /** Asks the host whether there is anything to set up, and goes on where this tab was. */
  async start() {
    this.error = null
    try {
      const found = await status()
      if (!found.needed) {
        dropDraft(sessionStorage)
        this.phase = 'away'
        return
      }
      const draft = loadDraft(sessionStorage)
      this.problems = found.problems ?? []
      shortestPassword.learn(found.passwordMinLength)
      // The QR code on the box's screen leads here with the code behind `#`.
      this.code = isCode(location.hash) ? plainCode(location.hash) : (draft.code ?? '')
      this.name = draft.name ?? found.name ?? ''
      this.username = draft.username ?? ''
      // A box that was not told its time zone is at UTC; the browser knows better.
      const own = ownZone()
      const zone = found.timezone ?? ''
      this.timezone = draft.timezone ?? (isUtc(zone) ? own : zone)
      this.step = draft.step ?? 'code'
      this.phase = 'asking'
    } catch (thrown) {
      this.error = asApiError(thrown)
      this.phase = 'lost'
    }
  }

  back() {
    this.go(steps[this.number - 1] ?? 'code')
  }

  /** The first field of this step that is not right, if any. */
  get wrong(): 'code' | 'name' | 'username' | 'password' | null {
    if (this.step === 'code' && !isCode(this.code)) return 'code'
    if (this.step === 'name' && !isBoxName(this.name)) return 'name'
    if (this.step === 'user' && !isUsername(this.username.trim())) return 'username'
    if (this.step === 'user' && passwordProblem(this.password, [this.username, this.name])) return 'password'
    return null
  }

  /** Checks this step and goes on; the last one sets the box up. */
  async next() {
    if (this.busy || this.wait > 0) return
    this.tried = true
    this.error = null
    this.fieldErrors = {}
    if (this.wrong) return
    this.busy = true
    try {
      if (this.step === 'code') await checkClaim(shownCode(this.code))
      if (this.step === 'zone') await this.#finish()
      else this.go(steps[this.number + 1] ?? 'zone')
    } catch (thrown) {
      this.#refused(asApiError(thrown))
    }
    this.busy = false
  }

  /** A field was typed in: what the host said about it is over. */
  typed(field: string) {
    const others = Object.entries(this.fieldErrors).filter(([name]) => name !== field)
    this.fieldErrors = Object.fromEntries(others)
    this.#keep()
  }

  go(step: Step) {
    this.step = step
    this.tried = false
    this.error = null
    this.#keep()
  }

  /** So that a reload loses nothing but the password. */
  #keep() {
    const { step, code, name, username, timezone } = this
    storeDraft(sessionStorage, { step, code: plainCode(code), name, username, timezone })
  }

  async #finish() {
    const { code, name, password, timezone } = this
    const username = this.username.trim()
    const done = await complete({ code: shownCode(code), name, username, password, timezone })
    this.leftovers = done.problems ?? []
    // The password stays until the page is left: it opens the recovery words.
    dropDraft(sessionStorage)
    this.phase = 'done'
  }

  /** Shows a refusal where it belongs: at its field, in the step that has it. */
  #refused(error: ApiError) {
    const { field } = error
    const step = field === undefined ? undefined : stepOf[field]
    if (error.kind === 'limited') this.wait = error.retryAfterSecs ?? 10
    if (field !== undefined && step) {
      if (step !== this.step) this.go(step)
      this.fieldErrors = { [field]: error.message }
      this.tried = true
      return
    }
    this.error = error
    // Another person was faster: the page says so at the next look.
    if (error.code === codes.general) void this.#look()
  }

  async #look() {
    const found = await status().catch(() => null)
    if (found && !found.needed) this.phase = 'away'
  }
}

function isUtc(zone: string): boolean {
  return ['', 'UTC', 'Etc/UTC', 'Etc/UCT', 'Universal', 'Zulu', 'GMT'].includes(zone)
}
