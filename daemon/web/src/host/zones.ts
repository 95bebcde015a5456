/** Time zones, as the browser knows them. */

/** The zone of this device; the box mostly stands in the same. */
export function ownZone(): string {
  try {
    return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
  } catch {
    return 'UTC'
  }
}

/** All zones, with those that must be among them. */
export function zones(...needed: string[]): string[] {
  const known = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : []
  return [...new Set([...known, 'UTC', ...needed.filter((zone) => zone !== '')])].toSorted()
}

/** The time of day there; `null` for a zone that the browser does not know. */
export function timeIn(zone: string, language: string): string | null {
  try {
    return new Intl.DateTimeFormat(language, {
      timeZone: zone,
      weekday: 'long',
      timeStyle: undefined,
      hour: 'numeric',
      minute: '2-digit'
    }).format(new Date())
  } catch {
    return null
  }
}
