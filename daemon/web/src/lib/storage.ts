/** Choices of this device. A browser that forbids storage forgets them, and works all the same. */

const PREFIX = 'atek.'

export function read(name: string): string | null {
  try {
    return globalThis.localStorage?.getItem(PREFIX + name) ?? null
  } catch {
    return null
  }
}

export function store(name: string, value: string | null) {
  try {
    if (value === null) globalThis.localStorage?.removeItem(PREFIX + name)
    else globalThis.localStorage?.setItem(PREFIX + name, value)
  } catch {
    // Forgotten with the tab.
  }
}
