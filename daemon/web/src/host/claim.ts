/** What the wizard checks before it asks the host. The host checks everything again. No DOM. */

/** The letters and digits of a typed code; what looks alike counts as the same, as the host counts it. */
export function plainCode(typed: string): string {
  return typed
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replace(/O/g, '0')
    .replace(/[IL]/g, '1')
    .slice(0, 8)
}

/** As the box shows it: `XXXX-XXXX`. */
export function shownCode(typed: string): string {
  const plain = plainCode(typed)
  return plain.length > 4 ? `${plain.slice(0, 4)}-${plain.slice(4)}` : plain
}

export const isCode = (typed: string) => plainCode(typed).length === 8

/** A host name: one label of a domain name. */
export const isBoxName = (name: string) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)

/** What becomes of a name that a person would write: `Anna's Box` is `annas-box`. */
export function boxName(typed: string): string {
  return typed
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f'’]/g, '')
    .replace(/ß/g, 'ss')
    .replace(/[\s_.]+/g, '-')
    .replace(/[^a-z0-9-]/g, '')
    .slice(0, 63)
}
