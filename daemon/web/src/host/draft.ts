/** What was answered so far, kept over a reload of the tab. Never the password. */

export const steps = ['code', 'name', 'user', 'zone'] as const
export type Step = (typeof steps)[number]

export interface Draft {
  step: Step
  code: string
  name: string
  username: string
  timezone: string
}

const KEY = 'atek.setup'

export function loadDraft(storage: Pick<Storage, 'getItem'>): Partial<Draft> {
  try {
    const stored: unknown = JSON.parse(storage.getItem(KEY) ?? '{}')
    if (typeof stored !== 'object' || stored === null) return {}
    const draft: Partial<Draft> = {}
    for (const name of ['code', 'name', 'username', 'timezone'] as const) {
      const value = (stored as Record<string, unknown>)[name]
      if (typeof value === 'string') draft[name] = value
    }
    const step = steps.find((step) => step === (stored as Record<string, unknown>).step)
    // The password was not kept, so the step that asks for it comes again.
    if (step) draft.step = step === 'zone' ? 'user' : step
    return draft
  } catch {
    return {}
  }
}

export function storeDraft(storage: Pick<Storage, 'setItem'>, draft: Draft) {
  try {
    const { step, code, name, username, timezone } = draft
    storage.setItem(KEY, JSON.stringify({ step, code, name, username, timezone }))
  } catch {
    // A browser that forbids storage asks again after a reload.
  }
}

export function dropDraft(storage: Pick<Storage, 'removeItem'>) {
  try {
    storage.removeItem(KEY)
  } catch {
    // There was nothing.
  }
}
