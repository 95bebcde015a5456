/** What the forms check before the host does. No DOM. */

import type { Limits } from '../lib/api/services'

/** A DNS label that begins with a letter. */
export const isServiceId = (id: string) => /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(id)

export type EnvProblem = 'wrong' | 'reserved' | 'twice'

export interface Variable {
  name: string
  value: string
}

/** What is wrong with the name of a variable, among all of them. Names count in capitals, as the app sees them. */
export function envProblem(variables: readonly Variable[], index: number): EnvProblem | null {
  const name = variables[index]?.name.trim().toUpperCase() ?? ''
  if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) return 'wrong'
  if (name.startsWith('ATEK_')) return 'reserved'
  return variables.some((other, at) => at !== index && other.name.trim().toUpperCase() === name)
    ? 'twice'
    : null
}

/** The changes that lead from what is stored to what was typed; `null` removes. */
export function envChanges(
  stored: Readonly<Record<string, string>>,
  typed: readonly Variable[]
): Record<string, string | null> {
  const changes: Record<string, string | null> = {}
  const wanted = new Map(typed.map(({ name, value }) => [name.trim(), value]))
  for (const name of Object.keys(stored)) if (!wanted.has(name)) changes[name] = null
  for (const [name, value] of wanted) if (stored[name] !== value) changes[name] = value
  return changes
}

/** A limit's field: how it is shown, and which numbers fit. */
export interface LimitField {
  name: keyof Limits
  /** Shown numbers are this many of the API's. */
  unit: number
  from: number
  to: number
  suffix: string
}

export const limitFields: readonly LimitField[] = [
  { name: 'memoryMax', unit: 1 << 20, from: 16, to: 1 << 20, suffix: 'MiB' },
  { name: 'cpuQuota', unit: 1, from: 1, to: 10_000, suffix: '%' },
  { name: 'cpuWeight', unit: 1, from: 1, to: 10_000, suffix: '' },
  { name: 'tasksMax', unit: 1, from: 4, to: 32_768, suffix: '' }
]

export function shownLimit(limits: Limits, { name, unit }: LimitField): string {
  const value = limits[name]
  return value === undefined || value === null ? '' : String(Math.round(value / unit))
}

/** What is to be changed: an emptied field is the default again. */
export function limitChanges(
  stored: (field: LimitField) => string,
  typed: (field: LimitField) => string
): { [name in keyof Limits]: number | null } {
  const changes: { [name in keyof Limits]: number | null } = {}
  for (const field of limitFields) {
    const value = typedLimit(typed(field), field)
    if (value !== undefined && typed(field).trim() !== stored(field)) changes[field.name] = value
  }
  return changes
}

/** The API's number for what was typed; `null` for an empty field, `undefined` for one that does not fit. */
export function typedLimit(typed: string, { unit, from, to }: LimitField): number | null | undefined {
  const text = typed.trim()
  if (text === '') return null
  const value = Number(text)
  return /^\d+$/.test(text) && value >= from && value <= to ? value * unit : undefined
}
