import type { host as english } from '../en/host'

export const host: typeof english = {}
