/** What the pages say about apps. No DOM. */

import type { Service, State } from '../lib/api/services'
import { short } from '../lib/format'

/** The app's name for people; its id where it has none. */
export function title(service: Service): string {
  const { manifest, package: installed, id } = service.settings
  return short(manifest?.name || installed.title || id, 80) || id
}

/** Whether its author drew an icon for it. */
export const hasIcon = (service: Service) => Boolean(service.settings.manifest?.icon)

export const isCore = (service: Service) =>
  service.settings.id.startsWith('core.') || service.key.startsWith('core.')

/** Whether it belongs on this person's launcher: their own, and what belongs to everybody. */
export function isOwn(service: Service, username: string): boolean {
  return service.owner === username || service.owner === 'system'
}

/** In the order that people look for them. */
export function sorted(services: readonly Service[], language: string): Service[] {
  const order = new Intl.Collator(language, { numeric: true, sensitivity: 'base' })
  return services.toSorted((a, b) => order.compare(title(a), title(b)))
}

/** Those whose name, id or description has all the words; a name that begins so comes first. */
export function search(services: readonly Service[], typed: string): Service[] {
  const words = fold(typed).split(/\s+/).filter(Boolean)
  if (words.length === 0) return [...services]
  const found = services.filter((service) => {
    const text = fold(
      `${title(service)} ${service.settings.id} ${service.settings.manifest?.description ?? ''}`
    )
    return words.every((word) => text.includes(word))
  })
  const begins = (service: Service) => fold(title(service)).startsWith(words[0] ?? '')
  return [...found.filter(begins), ...found.filter((service) => !begins(service))]
}

const fold = (text: string) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()

/** The letter of an app without an icon. */
export function letter(text: string): string {
  const [first] = text.match(/[\p{L}\p{N}]/u) ?? ['?']
  return first.toUpperCase()
}

/** One of eight colours, always the same for an id. */
export function hue(id: string): number {
  let sum = 0
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 997
  return sum % 8
}

/** Whether a click opens it: it runs, or the host starts it then. */
export const opens = (state: State) => state === 'running' || state === 'sleeping' || state === 'starting'

/** The folder of this box, or the repository, that a person typed; as a URL. */
export function sourceUrl(typed: string): string {
  const text = typed.trim()
  if (text.startsWith('/')) return `file://${text.split('/').map(encodeURIComponent).join('/')}`
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return text
  // `example.org/app.git`, as people copy it.
  return /^[\w-]+(\.[\w-]+)+\//.test(text) ? `https://${text}` : text
}
