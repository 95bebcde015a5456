/** Numbers and times for people, in the current language. */

import { language } from './language.svelte'

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const
const STEP = 1000

/** `1.5 MB`: decimal units, as disks are sold, for everything that is measured. Only limits are set in MiB. */
export function bytes(count: number): string {
  let unit = 0
  let value = Math.max(0, count)
  while (value >= STEP - 0.5 && unit < UNITS.length - 1) {
    value /= STEP
    unit += 1
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1
  return `${number(value, digits)} ${UNITS[unit]}`
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.current, { maximumFractionDigits: digits }).format(value)
}

/** `12.5 %`, of a value from 0 to 100. */
export function percent(value: number, digits = 0): string {
  const format = { style: 'percent', maximumFractionDigits: digits } as const
  return new Intl.NumberFormat(language.current, format).format(value / 100)
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1]
]

/** `3 days`, `2 hours`: the largest unit that fits. */
export function duration(secs: number): string {
  const whole = Math.max(0, Math.round(secs))
  const [unit, size] = STEPS.find(([, size]) => whole >= size) ?? ['second', 1]
  const format = { style: 'unit', unit, unitDisplay: 'long' } as const
  return new Intl.NumberFormat(language.current, format).format(Math.floor(whole / size))
}

/** `5 minutes ago`, `yesterday`; within ten seconds `now`. */
export function ago(when: Date | string | number, now = Date.now()): string {
  const secs = Math.round((new Date(when).getTime() - now) / 1000)
  const words = new Intl.RelativeTimeFormat(language.current, { numeric: 'auto' })
  if (Math.abs(secs) < 10) return words.format(0, 'second')
  const [unit, size] = STEPS.find(([, size]) => Math.abs(secs) >= size) ?? ['second', 1]
  return words.format(Math.trunc(secs / size), unit)
}

/** Day and time, to the minute, in the browser's time zone or another. */
export function moment(when: Date | string | number, timeZone?: string): string {
  const format = { dateStyle: 'medium', timeStyle: 'short', ...(timeZone && { timeZone }) } as const
  return new Intl.DateTimeFormat(language.current, format).format(new Date(when))
}

/** The day: `28 November 2026`. */
export function day(when: Date | string | number): string {
  return new Intl.DateTimeFormat(language.current, { dateStyle: 'long' }).format(new Date(when))
}

/** Time of day, to the second. */
export function clock(when: Date | string | number): string {
  return new Intl.DateTimeFormat(language.current, { timeStyle: 'medium' }).format(new Date(when))
}

/** A text that came from an app, on one line and no longer than `most` characters. */
export function short(text: string, most: number): string {
  // Control characters, and those that reorder or hide what stands around them.
  const line = text.replace(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/gu, ' ').trim()
  const characters = [...line]
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join('')}…`
}

/** A text of several lines that came from an app or its author, with what hides or reorders taken out of each. */
export function paragraphs(text: string, most: number): string {
  const lines = text.split(/\r\n|[\n\r]/).map((line) => short(line, most).trimEnd())
  const whole = [
    ...lines
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim()
  ]
  return whole.length <= most ? whole.join('') : `${whole.slice(0, most - 1).join('')}…`
}
